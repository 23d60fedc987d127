"""A gateway on a free port in front of an upstream on another, both in this process: real sockets on both sides."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec

from penstock.config import BudgetSettings, ProviderSettings, Settings
from penstock.gateway.serve import serving
from penstock.runtime import Runtime, build
from penstock.testing import Upstream

__all__ = ["CHAT", "MESSAGES", "PRICES", "Gatehouse", "gatehouse"]

PRICES = {"mine": {"input": "1.00", "output": "2.00"}}
MESSAGES: list[Any] = [{"role": "user", "content": "Why?"}]
CHAT: dict[str, Any] = {"model": "mine", "max_tokens": 50, "messages": MESSAGES}


class Gatehouse(msgspec.Struct):
    """What a test looks at."""

    url: str
    runtime: Runtime
    up: Upstream
    web: aiohttp.ClientSession

    async def post(
        self, body: Any, path: str = "/v1/chat/completions", headers: Mapping[str, str] | None = None
    ) -> tuple[int, Mapping[str, str], bytes]:
        """One request and its whole answer."""
        data = body if isinstance(body, bytes) else msgspec.json.encode(body)
        async with self.web.post(self.url + path, data=data, headers=headers) as response:
            return response.status, response.headers, await response.read()

    async def get(self, path: str, headers: Mapping[str, str] | None = None) -> tuple[int, Mapping[str, str], bytes]:
        """One look."""
        async with self.web.get(self.url + path, headers=headers) as response:
            return response.status, response.headers, await response.read()

    async def quiet(self) -> None:
        """Wait until nothing is under way any more."""
        engine: Any = self.runtime.engine
        while engine._flights or self.up.in_flight:  # noqa: ASYNC110
            await asyncio.sleep(0.005)


@asynccontextmanager
async def gatehouse(
    reply: Any = None,
    *,
    keyed: bool = True,
    budget: str | None = None,
    latency: float = 0.0,
    shared: bool = False,
    **options: Any,
) -> AsyncGenerator[Gatehouse]:
    """The gateway of one upstream that speaks both families. Without ``keyed`` clients need keys of their own."""
    async with Upstream(reply, latency=latency) as up:
        described = {
            name: ProviderSettings(name, up.url, models=("mine",), small="mine-small", large="mine-large")  # type: ignore[arg-type]
            for name in ("openai", "anthropic")
        }
        settings = Settings(
            providers=described, prices=PRICES, budget=BudgetSettings(money=budget), max_concurrency=1000
        )
        keys = {"openai": "configured", "anthropic": "configured"} if keyed else {}
        runtime = await build(settings, keys=keys, shared=shared)
        try:
            async with (
                serving(runtime, given=frozenset(keys), **options) as url,
                aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as web,
            ):
                yield Gatehouse(url, runtime, up, web)
        finally:
            await runtime.close()
