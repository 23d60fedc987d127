"""Where it takes place: a gateway before an upstream that goes by turns of the loop, and what can be seen of both."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from penstock.config import BudgetSettings, ProviderSettings, Settings
from penstock.gateway.serve import serving
from penstock.meter import count
from penstock.runtime import Runtime, build
from penstock.stores.budgets import Budget
from penstock.stores.keys import Key, digest, id_of, new_key
from penstock.stores.keys_sqlite import SqliteKeys
from penstock.testing.answers import body as whole_body
from penstock.testing.answers import events
from penstock.testing.plan import Plan, Question
from penstock.testing.raw import LAST_CHUNK, RawConnection, RawUpstream, chunk, head
from penstock.values import Usage

__all__ = ["DIALECTS", "ENDLESS", "SEATS", "WORDS", "Pacing", "Stage", "stage"]

SEATS = 24
SLOTS = 16
WORDS = 24
"""Tokens of an answer, one in each event of a stream: what was heard can be counted exactly."""

DIALECTS = {"/v1/chat/completions": "openai", "/v1/messages": "anthropic", "/v1/responses": "responses"}
ENDLESS = "9?"
"""How a question ends that is never answered: only when all who asked it have left will it be over."""
_TIGHT_NANO = 1_000_000
"""A budget that bears five calls at once at their worst, and some fifteen in all."""
_PRICES = {"mine": {"input": "1.00", "output": "2.00"}}


class Pacing:
    """An upstream that thinks and speaks by turns of the loop, and knows what it sent."""

    def __init__(self, seed: int) -> None:
        self.asked: set[str] = set()
        """Questions that have come."""
        self.begun: set[str] = set()
        """Questions whose answer has begun."""
        self.bill = 0
        self.tasks: set[asyncio.Task[None]] = set()
        self._chance = random.Random(seed)

    def script(self, to: RawConnection, body: bytes) -> None:
        """Answer a request, in a task of its own."""
        path = to.request.split(b" ", 2)[1].decode()
        task = asyncio.get_running_loop().create_task(self._answer(to, DIALECTS[path], msgspec.json.decode(body)))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _answer(self, to: RawConnection, dialect: str, body: dict[str, Any]) -> None:
        question = Question(dialect, body)
        asked = question.prompt
        prompt = 2 * count(asked) + 50  # dearer than anybody would guess
        plan = Plan(" one" * WORDS, usage=Usage(input=prompt, output=WORDS), piece=4)
        self.asked.add(asked)
        sent = 0
        try:
            if await self._gone(to, 40):
                return
            self.begun.add(asked)
            if asked.endswith(ENDLESS):
                await to.closed.wait()
                return
            if not question.stream:
                sent = WORDS
                whole = whole_body(question, plan)
                return to.send(head(length=len(whole)) + whole)
            to.send(head("text/event-stream", chunked=True))
            for event in events(question, plan):
                if await self._gone(to, 8):
                    return
                sent = max(1, min(WORDS, sent + event.count(b'" one"')))
                to.send(chunk(event))
            to.send(LAST_CHUNK)
        finally:
            self.bill += prompt * 1000 + sent * 2000

    async def _gone(self, to: RawConnection, most: int) -> bool:
        """Let some turns pass; whether nobody waits for the answer any more."""
        for _ in range(self._chance.randrange(most)):
            await asyncio.sleep(0)
        return not to.open


class Stage:
    """A gateway before such an upstream, and what can be seen of both."""

    def __init__(self, url: str, runtime: Runtime, up: RawUpstream, pacing: Pacing, keys: tuple[str, ...]) -> None:
        host, _, port = url.removeprefix("http://").partition(":")
        self.address = (host, int(port))
        self.engine: Any = runtime.engine
        self.runtime = runtime
        self.up = up
        self.pacing = pacing
        self.keys = keys

    async def ask(self, request: bytes, size: int = -1) -> bytes:
        """A request on a connection of its own, and the answer until the gateway closes it."""
        reader, writer = await asyncio.open_connection(*self.address)
        try:
            writer.write(request)
            return await reader.read(size)
        finally:
            writer.close()

    async def health(self) -> dict[str, Any]:
        """What ``GET /health`` says."""
        top = b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
        said: dict[str, Any] = msgspec.json.decode((await self.ask(top)).partition(b"\r\n\r\n")[2])
        return said


@asynccontextmanager
async def stage(home: Path, seed: int, *, tight: int = 0) -> AsyncGenerator[Stage]:
    """One stage, its state in ``home``.

    With ``tight`` keys it shares holds in a file; their budgets bear a few calls at once, and not many in all. Without
    any there are no keys.
    """
    pacing = Pacing(seed)
    texts = await _keys(home, tight) if tight else ("", "sk-one", "sk-other")
    async with RawUpstream(pacing.script) as up:
        described = {
            "openai": ProviderSettings("openai", up.url, models=("mine",), small="mine", large="mine"),
            "anthropic": ProviderSettings("anthropic", up.url, models=("mine",), small="mine", large="mine"),
        }
        settings = Settings(
            providers=described, prices=_PRICES, max_concurrency=SLOTS, budget=BudgetSettings(money="$1000")
        )
        keys = dict.fromkeys(described, "k")
        runtime = await build(settings, at=home, keys=keys, shared=tight > 0)
        try:
            async with serving(runtime, at=home, seats=SEATS, given=frozenset(described)) as url:
                yield Stage(url, runtime, up, pacing, texts)
        finally:
            await runtime.close()


async def _keys(home: Path, tight: int) -> tuple[str, ...]:
    ring = SqliteKeys(home, warn=lambda message: None)
    try:
        pepper = await ring.pepper()
        texts: list[str] = []
        budgets = {"free": None, "wide": Budget(10**12)} | {f"tight-{n}": Budget(_TIGHT_NANO) for n in range(tight)}
        for name, budget in budgets.items():
            text = new_key()
            texts.append(text)
            await ring.add(Key(name=name, id=id_of(text), digest=digest(pepper, text), budget=budget))
        return tuple(texts)
    finally:
        await ring.close()
