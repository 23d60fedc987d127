"""A provider in this process: answers from a script, remembers what it was asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeAlias

import msgspec

from penstock.clock import Clock, SystemClock
from penstock.errors import BadInput, BrokenReply, ProviderError, Unreachable
from penstock.providers.dialects import dialect as dialect_of
from penstock.providers.dialects import serving
from penstock.providers.port import Answer, Billed, Slot, anywhere, ignore
from penstock.testing.answers import body, events
from penstock.testing.caching import Cached, SimulatedCache
from penstock.testing.plan import Plan, Question, quarter, split
from penstock.values import Call

__all__ = ["Reaction", "ScriptedProvider"]

Reaction: TypeAlias = str | bytes | Mapping[str, Any] | Exception | Plan | None
"""A text; the very bytes or the JSON object of a body; an error to raise; or a plan. None echoes the prompt."""


class ScriptedProvider:
    """A `penstock.providers.port.Provider` without a network.

    ``script`` is one reaction for all calls, a list with one for each, or a function of the call. ``latency`` passes on
    the clock before each answer whose plan names none; ``count`` counts the tokens that are reported as used, but where
    ``cache`` reads and writes prompts by a provider's rules, each credential for itself.

    >>> import asyncio
    >>> async def ask() -> bytes:
    ...     provider = ScriptedProvider("Hello")
    ...     call = Call.parse(b'{"model": "m", "messages": []}', dialect="openai", provider="scripted")
    ...     async with provider.send(call) as answer:
    ...         return b"".join([chunk async for chunk in answer.chunks])
    >>> msgspec.json.decode(asyncio.run(ask()))["choices"][0]["message"]["content"]
    'Hello'
    """

    def __init__(
        self,
        script: Reaction | Sequence[Reaction] | Callable[[Call], Reaction] = None,
        *,
        name: str = "scripted",
        dialect: str = "openai",
        origin: str = "script",
        latency: float = 0.0,
        count: Callable[[str], int] = quarter,
        cache: SimulatedCache | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.script = script
        self.seen: list[Call] = []
        """The calls, in the order they came."""
        self.in_flight = 0
        self.most_in_flight = 0
        self.cancelled = 0
        """How many exchanges were left before their last chunk, by a cancelled task or of free will."""
        self.closed = False
        self._name = name
        self._dialect = dialect
        self._origin = origin
        self._latency = latency
        self._count = count
        self._cache = cache
        self._clock: Clock = clock or SystemClock()

    @property
    def name(self) -> str:
        """The name in the configuration."""
        return self._name

    @property
    def dialect(self) -> str:
        """The wire format that new questions to it are written in."""
        return self._dialect

    @property
    def dialects(self) -> Sequence[str]:
        """Every wire format of the same family."""
        return serving(dialect_of(self._dialect).family)

    @property
    def origin(self) -> str:
        """What tells two scripts of one name apart."""
        return self._origin

    async def close(self) -> None:
        """Nothing is held; only remembers that it was closed."""
        self.closed = True

    def send(self, call: Call, billed: Billed = ignore, slot: Slot = anywhere) -> AbstractAsyncContextManager[Answer]:
        """One exchange, as the script says."""
        return self._exchange(call, billed, slot)

    @asynccontextmanager
    async def _exchange(self, call: Call, billed: Billed, slot: Slot) -> AsyncGenerator[Answer]:
        async with slot(), self._try(call, billed) as answer:
            yield answer

    @asynccontextmanager
    async def _try(self, call: Call, billed: Billed) -> AsyncGenerator[Answer]:
        asked = msgspec.json.decode(dialect_of(call.dialect).ask_usage(call))
        question = Question(call.dialect, asked, len(self.seen))
        self.seen.append(call)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        course = _Course()
        try:
            reaction = self._react(call, question.number)
            billed(True)
            plan = reaction if isinstance(reaction, Plan) else Plan(reaction if isinstance(reaction, str) else None)
            plan = plan if plan.latency else msgspec.structs.replace(plan, latency=self._latency)
            cached: Cached | None = None
            if self._cache is not None and isinstance(reaction, str | Plan | None):
                key, now = call.credential.key if call.credential else "", self._clock.monotonic()
                plan, cached = self._cache.answer(question, plan, self._count, key=key, at=now)
            await self._clock.sleep(plan.latency)
            if plan.hang:
                await asyncio.Event().wait()
            course.ended = True  # an error of the script is an end, too
            if isinstance(reaction, Exception):
                billed(not isinstance(reaction, ProviderError))
                raise reaction
            if plan.drop:
                billed(False)
                raise Unreachable(f"{self._name} closed the connection before it answered", mend="ask again")
            if plan.status != 200:
                billed(False)
                raw = body(question, plan)
                raise dialect_of(call.dialect).error(plan.status, dict(plan.headers), raw)
            if cached is not None:
                cached.began(self._clock.monotonic())
            parts = self._parts(question, reaction, plan)
            course.ended = False
            kind = "text/event-stream" if question.stream else "application/json"
            yield Answer(self._chunks(parts, plan, course), {"content-type": kind, **plan.headers})
        finally:
            self.in_flight -= 1
            self.cancelled += not course.ended

    def _react(self, call: Call, number: int) -> Reaction:
        script = self.script
        if callable(script):
            return script(call)
        if isinstance(script, Sequence) and not isinstance(script, str | bytes):
            if number >= len(script):
                raise BadInput(f"the script has no answer number {number + 1}")
            return script[number]
        return script

    def _parts(self, question: Question, reaction: Reaction, plan: Plan) -> list[bytes]:
        if isinstance(reaction, bytes):
            return [reaction]
        if isinstance(reaction, Mapping):
            if question.stream:
                raise BadInput("a JSON object is no answer to a call that streams", mend="script a Plan instead")
            return [msgspec.json.encode(reaction)]
        return events(question, plan, self._count) if question.stream else [body(question, plan, self._count)]

    async def _chunks(self, parts: list[bytes], plan: Plan, course: _Course) -> AsyncGenerator[bytes]:
        left = whole = sum(map(len, parts))
        if plan.cut_after is not None:
            left = plan.cut_after
        for number, part in enumerate(parts):
            if number == plan.hang_after_event:
                await asyncio.Event().wait()
            if number == plan.cut_after_event:
                left = 0
            if plan.gap:
                await self._clock.sleep(plan.gap)
            for piece in split(part, plan.split):
                if plan.drip:
                    await self._clock.sleep(plan.drip)
                kept, left, whole = piece[:left], max(0, left - len(piece)), whole - len(piece)
                course.ended = whole == 0 or len(kept) < len(piece)
                if kept:
                    yield kept
                if len(kept) < len(piece):
                    raise BrokenReply(f"{self._name} broke off in the middle of its answer", mend="ask again")


class _Course:
    """How far an exchange has come."""

    __slots__ = ("ended",)

    def __init__(self) -> None:
        self.ended = False
