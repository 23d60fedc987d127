"""Single flight: one walk to the upstream, and everyone who listens to it.

Whoever asks first starts the flight and pays for it; whoever asks the same while it is under way joins it: what has
come so far is replayed, the rest follows live. When the last listener leaves the flight is called off; until then it
goes on, even if the first one has left. One whose clock ran out may come back at once: for a moment it goes on alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, Protocol

from penstock.clock import Clock
from penstock.errors import Cancelled
from penstock.flow import Done, Refused, State
from penstock.ledger import Alert
from penstock.prefixes.passage import Passage
from penstock.values import Call, Delta, Usage

__all__ = ["Flight", "Listener"]


class Listener(Protocol):
    """Who follows a flight."""

    @property
    def deadline(self) -> float | None:
        """When it stops waiting (monotonic, seconds)."""
        ...


class Flight:
    """One walk, run as a task of its own."""

    def __init__(self, leader: str, clock: Clock, *, keeps: bool) -> None:
        self.leader = leader
        """The id of the call that set it off, and pays."""
        self.keeps = keeps
        """Whether its reply may answer later calls, if it is worth storing."""
        self.leader_left: Callable[[], Awaitable[None]] | None = None
        """Books the leader's end, when it left before the flight had ended."""
        self.billed = False
        """Whether a request is under way that the provider bills even if it breaks off now."""
        self.settling = False
        """From here on what happened is booked, and the flight is not called off any more."""
        self.called_off = False
        """It is being ended without an answer."""
        self.states: list[tuple[float, State]] = []
        """The states walked through, each with the time it was entered (monotonic, seconds)."""
        self.alerts: Sequence[Alert] = ()
        self.provider = ""
        """Who answers, once it is known."""
        self.passage: Passage | None = None
        """Its way through the provider's prompt cache, once its prompt is laid out."""
        self.headers: Mapping[str, str] = {}
        """Those of the upstream's answer, once it has begun; names in lower case."""
        self._clock = clock
        self._deltas: list[Delta] = []
        self._news = asyncio.Event()
        self._listeners: list[Listener] = []
        self._outcome: Done | Refused | None = None
        self._mistake: BaseException | None = None
        self._task: asyncio.Task[None] | None = None
        self._alone: asyncio.Task[None] | None = None
        self._begun = False

    def start(self, walk: Coroutine[Any, Any, Done | Refused], call: Call, ended: Callable[[], None]) -> None:
        """Set off for ``call``; ``ended`` is called when the flight has ended, one way or another."""
        self._walk, self._call, self._ended = walk, call, ended
        self._task = asyncio.create_task(self._run(walk))

    async def _run(self, walk: Coroutine[Any, Any, Done | Refused]) -> None:
        self._begun = True
        try:
            self._outcome = await walk
        except BaseException as mistake:
            self._mistake = mistake
            raise
        finally:
            if self._alone is not None:
                self._alone.cancel()
            self._over()
        if self.leader_left is not None:
            await self.leader_left()

    def _over(self) -> None:
        # Called once and let go: what it holds on to holds on to this flight.
        ended, self._ended = self._ended, _nothing
        ended()
        self._tell()

    def _tell(self) -> None:
        self._news.set()
        self._news.clear()

    def under_way(self, billed: bool) -> None:
        """What the provider says of the request: True when it goes out, False when the upstream has turned it down."""
        self.billed = billed
        if billed and self.passage is not None:
            self.passage.goes_out()

    @property
    def deadline(self) -> float | None:
        """When the last of those who listen stops waiting (monotonic, seconds); None: there is one who does not."""
        until = [who.deadline for who in self._listeners]
        return None if None in until else max((each for each in until if each is not None), default=None)

    def publish(self, deltas: Sequence[Delta]) -> None:
        """Tell all listeners what has come."""
        self._deltas.extend(deltas)
        self._tell()

    def note(self, state: State) -> None:
        """Put the present state as it is known now in the place of how it was entered."""
        self.states[-1] = self.states[-1][0], state

    def begun(self, usage: Usage | None) -> None:
        """The answer has begun, or goes on; ``usage`` as far as it was reported."""
        if self.passage is not None and self._deltas:
            self.passage.begun(usage)

    @property
    def told(self) -> int:
        """How many events have come."""
        return len(self._deltas)

    @property
    def outcome(self) -> Done | Refused | None:
        """The outcome; None while it is under way. Raises what the walk raised by mistake."""
        if self._mistake is not None:
            raise self._mistake
        return self._outcome

    @property
    def joinable(self) -> bool:
        """Whether it is still worth joining: it has not ended, and is not being called off."""
        return not self.called_off and self._outcome is None and self._mistake is None

    def join(self, who: Listener) -> None:
        """Be counted as a listener, until `leave`."""
        if self._alone is not None:
            self._alone.cancel()
            self._alone = None
        self._listeners.append(who)

    async def leave(self, who: Listener, *, linger: float = 0.0) -> None:
        """Stop listening. Leaving as the last one calls the flight off and waits until it has settled.

        With ``linger`` it goes on for so many seconds, and is called off if nobody has joined it by then.
        """
        self._listeners.remove(who)
        if self._listeners or self._outcome is not None:
            return
        if linger:
            self._alone = asyncio.create_task(self._go_on_alone(linger))
            return
        self.call_off()
        await self.ended()

    @property
    def alone(self) -> bool:
        """Whether it goes on without a listener, for one who may come back."""
        return not self._listeners

    @property
    def abandoned(self) -> bool:
        """Whether nobody listens, and nobody is waited for."""
        return not self._listeners and self._alone is None

    async def _go_on_alone(self, seconds: float) -> None:
        await self._clock.sleep(seconds)
        self._alone = None
        self.call_off()

    def call_off(self) -> None:
        """End the flight, unless it is already booking."""
        if self._task is None or self._task.done() or self.settling:
            return
        self.called_off = True
        self._task.cancel()
        if not self._begun:  # a task that is cancelled before its first step never runs, not even its `finally`
            self._walk.close()
            self._outcome = Refused(self._call, Cancelled("called off before it was sent"))
            self._over()

    async def ended(self) -> None:
        """Return when the flight has settled. Being cancelled meanwhile does not shorten that: it is money."""
        cancelled = False
        while self._task is not None and not self._task.done():
            try:
                await asyncio.wait([self._task])
            except asyncio.CancelledError:
                cancelled = True
        if cancelled:
            raise asyncio.CancelledError

    async def events(self, *, until: float | None = None) -> AsyncGenerator[Sequence[Delta]]:
        """All events from the first on, as many at once as have come, until the flight has ended.

        Raises `TimeoutError` when it has not by ``until`` (monotonic, seconds).
        """
        seen = 0
        while True:
            while seen < len(self._deltas):
                news = self._deltas[seen:]
                yield news
                seen += len(news)
            if self.outcome is not None:
                return
            await self._hear(until)

    async def landed(self, *, until: float | None = None) -> Done | Refused:
        """The outcome, when it is there. Raises `TimeoutError` when it is not by ``until``."""
        while (outcome := self.outcome) is None:
            await self._hear(until)
        return outcome

    async def _hear(self, until: float | None) -> None:
        if until is None:
            await self._news.wait()
            return
        async with self._clock.deadline(until):
            await self._news.wait()


def _nothing() -> None:
    """What is left to do when it has been done."""
