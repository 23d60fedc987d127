"""Through the gateway: an upstream that is down, and another one that stands in for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from gatehouse import CHAT, PRICES

from penstock.config import BudgetSettings, ProviderSettings, Settings, load
from penstock.errors import ConfigError
from penstock.gateway.serve import serving
from penstock.runtime import build
from penstock.testing import Plan, Upstream

DOWN = Plan("busy", status=529, headers={"x-should-retry": "false"})


@asynccontextmanager
async def pair(*, keyed: bool = True) -> AsyncGenerator[tuple[str, Upstream, Upstream, Any]]:
    """A gateway whose first upstream says that it is overloaded, and whose second answers."""
    async with Upstream(DOWN) as first, Upstream("Because.") as second:
        described = {
            "one": ProviderSettings("openai", first.url, models=("mine",), fallback="two/theirs"),
            "two": ProviderSettings("openai", second.url),
        }
        prices = {**PRICES, "theirs": {"input": "1.00", "output": "2.00"}}
        settings = Settings(providers=described, prices=prices, budget=BudgetSettings(money="$1"))
        keys = {"one": "key-of-one", "two": "key-of-two"} if keyed else {}
        runtime = await build(settings, keys=keys)
        try:
            async with serving(runtime, given=frozenset(keys)) as url, aiohttp.ClientSession() as web:
                yield url + "/v1/chat/completions", first, second, (runtime, web)
        finally:
            await runtime.close()


@pytest.mark.parametrize("stream", [False, True])
def test_the_second_upstream_answers_with_its_own_key_and_model(stream: bool) -> None:
    async def main() -> None:
        async with pair() as (url, first, second, (runtime, web)):
            for number in (1, 2):
                async with web.post(url, json={**CHAT, "stream": stream}) as response:
                    assert response.status == 200
                    assert "Because." in await response.text()
                    assert response.headers["x-penstock-source"] == "two"
                # What stood in is not taken for an answer of the first one, which is asked anew.
                assert (len(first.exchanges), len(second.exchanges)) == (number, number)
            asked = second.exchanges[0]
            assert asked.headers["authorization"] == "Bearer key-of-two"
            assert asked.question.body["model"] == "theirs"
            record = (await runtime.records.recent(1))[0]
            assert record.provider == "two"
            assert record.usage is not None
            assert [step["state"] for step in record.steps].count("Send") == 2
            account = await runtime.engine.admission.holds.account(("local",))
            assert (account.held.nano, account.spent.calls) == (0, 2)

    asyncio.run(main())


def test_a_clients_own_key_is_not_shown_to_the_second_upstream() -> None:
    async def main() -> None:
        async with pair(keyed=False) as (url, _, second, (_, web)):
            async with web.post(url, json=CHAT, headers={"authorization": "Bearer sk-own"}) as response:
                assert response.status == 529
            assert not second.exchanges

    asyncio.run(main())


@pytest.mark.parametrize("fallback", ["one", "nobody", "claude", "claude/small"])
def test_who_cannot_stand_in_is_an_error_of_the_configuration(fallback: str, tmp_path: Path) -> None:
    file = tmp_path / "penstock.toml"
    file.write_text(
        f"""
        [providers.one]
        dialect = "openai"
        base_url = "http://127.0.0.1:1/v1"
        fallback = "{fallback}"

        [providers.claude]
        dialect = "anthropic"
        base_url = "http://127.0.0.1:2"
        """
    )
    with pytest.raises(ConfigError, match=r"providers\.one\.fallback"):
        load(file)
