"""The engine's own cost: CPU microseconds that a call takes besides what its provider takes.

The null provider answers at once with a body made beforehand, so all that is measured is ours.
"""

from __future__ import annotations

import asyncio
import itertools
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import msgspec

from penstock.admission import Admission
from penstock.bench.figure import Figure, measured
from penstock.clock import SystemClock
from penstock.config import Settings
from penstock.engine import Engine
from penstock.flow import Rules
from penstock.ledger import Limits
from penstock.meter import Factors, PriceBook
from penstock.providers.gate import Gate
from penstock.providers.port import Answer, Billed, Slot, anywhere, ignore
from penstock.runtime import build, new_id
from penstock.stores import Holds, MemoryHolds, MemoryReplies, Replies
from penstock.stores.holds_sqlite import SqliteHolds
from penstock.stores.replies_sqlite import SqliteReplies
from penstock.values import Call, Scope

__all__ = ["NullProvider", "run"]

SCOPE = Scope("local", "bench")
ROUNDS = 15
CALLS = 400
BODY = (
    b'{"id":"chatcmpl-1","object":"chat.completion","created":0,"model":"gpt-4o-mini","choices":[{"index":0,"message":'
    b'{"role":"assistant","content":"Because."},"finish_reason":"stop"}],"usage":{"prompt_tokens":12,'
    b'"completion_tokens":2,"total_tokens":14}}'
)


class NullProvider:
    """Answers every call with the same bytes, at once, and at next to no cost of its own."""

    name = "null"
    dialect = "openai"
    dialects = ("openai",)
    origin = "null"

    def send(self, call: Call, billed: Billed = ignore, slot: Slot = anywhere) -> _Exchange:
        """One exchange that takes no time."""
        billed(True)
        return _Exchange(slot())

    async def close(self) -> None:
        """There is nothing to give back."""


class _Exchange(AbstractAsyncContextManager[Answer]):
    def __init__(self, slot: AbstractAsyncContextManager[None]) -> None:
        self._slot = slot

    async def __aenter__(self) -> Answer:
        await self._slot.__aenter__()
        return Answer(_Once())

    async def __aexit__(self, *exc: object) -> None:
        await self._slot.__aexit__(None, None, None)


class _Once(AsyncIterator[bytes]):
    told = False

    async def __anext__(self) -> bytes:
        if self.told:
            raise StopAsyncIteration
        self.told = True
        return BODY


def run() -> list[Figure]:
    """All figures of this benchmark."""
    return asyncio.run(_run())


async def _run() -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        holds = await SqliteHolds.at(Path(folder) / "holds.sqlite", warn=print)
        stored = await SqliteReplies.at(Path(folder) / "replies.sqlite", warn=print)
        try:
            return [
                await _measure("a call, null provider", _engine(), _distinct(), goal=60),
                await _measure("the same under a budget", await _limited(MemoryHolds()), _distinct()),
                await _measure("the same under a budget shared in SQLite", await _limited(holds), _distinct()),
                await _measure("a hit in memory", _engine(), itertools.repeat(_call(0)), goal=15),
                await _measure("a hit in SQLite", _engine(stored), itertools.repeat(_call(0)), goal=60),
                *await _opened(Path(folder) / "home"),
            ]
        finally:
            await holds.close()
            await stored.close()


async def _opened(home: Path) -> list[Figure]:
    """The engine as `penstock.open` makes it: with records, receipts, stored replies and a budget."""
    runtime = await build(Settings(), at=home)
    engine = runtime.engine
    engine.providers = {**engine.providers, "null": NullProvider()}
    try:
        await engine.admission.open(SCOPE.path, Limits(nano=10**15))
        return [
            await _measure("a call through penstock.open, budget", engine, _distinct()),
            await _measure("a hit through penstock.open", engine, itertools.repeat(_call(0))),
        ]
    finally:
        await runtime.close()


def _engine(replies: Replies | None = None, holds: Holds | None = None) -> Engine:
    clock = SystemClock()
    return Engine(
        providers={"null": NullProvider()},
        rules=Rules(PriceBook(), Factors()),
        replies=replies or MemoryReplies(),
        admission=Admission(holds or MemoryHolds(), clock),
        slots=Gate.fixed(1000, clock),
        clock=clock,
        ids=new_id,
    )


async def _limited(holds: Holds) -> Engine:
    engine = _engine(holds=holds)
    await engine.admission.open(SCOPE.path, Limits(nano=10**15))
    return engine


def _call(number: int) -> Call:
    body = {
        "model": "gpt-4o-mini",
        "max_tokens": 100,
        "messages": [
            {"role": "system", "content": "You answer briefly, and you say so when you do not know. " * 4},
            {"role": "user", "content": f"Why is the sky blue on day {number}?"},
        ],
    }
    raw = msgspec.json.encode(body)
    return Call.parse(raw, dialect="openai", provider="null", origin="null", scope=SCOPE)


def _distinct() -> itertools.chain[Call]:
    return itertools.chain(map(_call, itertools.count()))


async def _measure(
    name: str, engine: Engine, calls: itertools.chain[Call] | itertools.repeat[Call], *, goal: float | None = None
) -> Figure:
    """CPU time per call, over rounds; the first round warms up and is not counted."""
    samples = [await _round(engine.run, [next(calls) for _ in range(CALLS)]) for _ in range(ROUNDS + 1)]
    return measured(name, samples[1:], unit="µs CPU", goal=goal)


async def _round(run: Callable[[Call], Awaitable[object]], calls: list[Call]) -> float:
    began = time.process_time()
    for call in calls:
        await run(call)
    return (time.process_time() - began) / len(calls) * 1e6
