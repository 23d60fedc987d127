"""One caller's claim on an answer: its events as they come, and how it ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING

import msgspec

from penstock.errors import Cancelled, DeadlineExceeded, PenstockError
from penstock.flow import Done, Follow, Landed, Lookup, Refused, State, begin
from penstock.ledger import Alert, Receipt
from penstock.providers.dialects import dialect
from penstock.values import Call, Delta

if TYPE_CHECKING:
    from penstock.engine import Engine
    from penstock.flight import Flight

__all__ = ["Outcome", "Ticket"]

_LINGER_SECONDS = 2.0
"""How long a call goes on whose only caller heard nothing in time: the official SDKs ask again within a second."""

_EARLY_SECONDS = 0.5
"""A caller's clock is ahead by the time that its request took to get here."""


class Outcome(msgspec.Struct, frozen=True):
    """How one caller's call ended, handed to every sink."""

    id: str
    at: float
    """When it was asked, on the wall clock, in seconds."""
    seconds: float
    state: Done | Refused
    log: tuple[tuple[float, State], ...]
    """The states walked through, each with the seconds since it was asked."""
    alerts: tuple[Alert, ...] = ()

    def done(self) -> Done:
        """The answer. Raises the error of a call that has none."""
        if isinstance(self.state, Refused):
            raise self.state.error
        return self.state


class Ticket:
    """Made by `Engine.ask`. Leaving its context before the end is to lose interest in the answer."""

    def __init__(self, engine: Engine, id: str, call: Call, patience: float | None = None) -> None:
        self.id = id
        self.patience = patience
        self.call = call
        self.ended: Outcome | None = None
        self._engine = engine
        self._at = engine.clock.now()
        self._began = engine.clock.monotonic()
        self._state: Follow | Done | Refused
        self._flight: Flight | None = None
        self._log: list[tuple[float, State]] = []
        self._why: PenstockError | None = None
        self._heard = 0

    @property
    def source(self) -> str:
        """Where the answer comes from, as far as it is known: ``reuse``, ``joined``, or the provider's name."""
        if isinstance(self._state, Done):
            return self._state.source
        if isinstance(self._state, Follow) and self._state.leader:
            return "joined"
        return (self._flight.provider if self._flight is not None else "") or self.call.provider

    @property
    def deadline(self) -> float | None:
        """When the caller stops waiting (monotonic, seconds)."""
        return self.call.deadline

    async def __aenter__(self) -> Ticket:
        await self._look(begin(self.call, self._at))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        flight = self._flight
        linger = self._linger() if isinstance(error, asyncio.CancelledError) else 0.0
        try:
            if flight is not None:
                await flight.leave(self, linger=linger)
        finally:
            if self.ended is None and flight is not None and self._pays and flight.outcome is None:
                flight.leader_left = self._leave  # it goes on for others: what it costs is told when it has ended
            elif self.ended is None:
                await self._leave()

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers of the upstream's answer, once it has begun; none for a stored reply."""
        return self._flight.headers if self._flight is not None else {}

    def _linger(self) -> float:
        """How long what it set off is to go on when it breaks off now: for a while if its patience was over."""
        late = self.patience is not None and self._engine.clock.monotonic() >= self.patience - _EARLY_SECONDS
        return _LINGER_SECONDS if late and not self._heard else 0.0

    async def events(self) -> AsyncIterator[Delta]:
        """The answer as the events of a stream, live or replayed. Raises the error of a call that failed."""
        async for several in self.news():
            for delta in several:
                yield delta

    async def news(self) -> AsyncIterator[Sequence[Delta]]:
        """As `events`, as many at once as have come: live they are few, replayed they come all together."""
        heard = False
        while isinstance(self._state, Follow):
            try:
                async for several in self._followed.events(until=self.call.deadline):
                    heard = True
                    self._heard += len(several)
                    yield several
            except TimeoutError:
                raise self.late() from None
            await self._land(self._state, heard)
        done = (await self.outcome()).done()
        if not heard:
            yield [Delta(raw) for raw in dialect(done.reply.dialect).events(done.reply)]

    async def outcome(self) -> Outcome:
        """How the call ended, whichever way it did."""
        while isinstance(self._state, Follow):
            await self._land(self._state, heard=False)
        return await self._end(self._state)

    async def _leave(self) -> None:
        """Book the end of a caller that did not wait for the outcome, with what its flight cost if it paid for it.

        One that has heard all of an answer that is there has had it, though it left before it was told so.
        """
        flight, following = self._flight, self._state
        landed = flight.outcome if flight is not None else None
        if flight and isinstance(landed, Done) and isinstance(following, Follow) and self._heard == flight.told > 0:
            await self._land(following, heard=True)
            await self.outcome()
            return
        outcome = landed if self._pays else None
        why = self._why or Cancelled("the caller left before the end")
        await self._end(Refused(self.call, why, outcome.receipt if outcome else Receipt()))

    async def _look(self, lookup: Lookup) -> None:
        self._note(lookup)
        self._state, self._flight = await self._engine.look(lookup, self.id)
        if self._flight is not None:
            self._note(self._state)
            self._flight.join(self)

    async def _land(self, following: Follow, heard: bool) -> None:
        try:
            outcome = await self._followed.landed(until=self.call.deadline)
        except TimeoutError:
            raise self.late() from None
        state = following.next(Landed(outcome, heard=heard))
        if isinstance(state, Lookup):
            flight, self._flight = self._followed, None
            await flight.leave(self)
            await self._look(state)
        else:
            self._state = state

    @property
    def _followed(self) -> Flight:
        assert self._flight is not None
        return self._flight

    @property
    def _pays(self) -> bool:
        """Whether this caller set the flight off, so that its receipt carries what it cost."""
        return self._flight is not None and self._flight.leader == self.id

    def late(self) -> DeadlineExceeded:
        """The error of a caller whose time is over; its end is booked as that."""
        late = DeadlineExceeded("the time for this call is over", mend="allow more time, or ask for less")
        self._why = late
        return late

    def _note(self, state: State) -> None:
        self._log.append((self._engine.clock.monotonic(), state))

    async def _end(self, state: Done | Refused) -> Outcome:
        if self.ended is None:
            walked, alerts = (self._flight.states, self._flight.alerts) if self._flight and self._pays else ([], ())
            log = [*self._log, *walked, (self._engine.clock.monotonic(), state)]
            since = [(at - self._began, entered) for at, entered in log]
            self.ended = Outcome(self.id, self._at, since[-1][0], state, tuple(since), tuple(alerts))
            await self._engine.finish(self.ended)
        return self.ended
