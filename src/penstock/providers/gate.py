"""How many exchanges may be on the wire at once.

A gate adapts to what the upstream bears: additive increase, multiplicative decrease, as in TCP congestion control
(RFC 5681). A fixed gate is the same queue without the adapting.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from types import TracebackType

from penstock.clock import Clock
from penstock.errors import DeadlineExceeded

__all__ = ["Gate", "Gates"]


class Gate:
    """Slots on the wire, given out first come, first served.

    >>> async def call(gate: Gate) -> int:
    ...     async with gate.slot(deadline=None):
    ...         return gate.in_flight
    >>> from penstock.clock import SystemClock
    >>> asyncio.run(call(Gate.fixed(10, SystemClock())))
    1
    """

    def __init__(self, clock: Clock, *, start: int = 32, most: int = 1000, shrink: float = 0.7) -> None:
        self._clock = clock
        self._most = most
        self._shrink = shrink
        self._limit = float(min(start, most))
        self._cut_at = float("-inf")
        self._borne = 0.0
        """What the upstream bore before it began to throttle, less a cut: up to there the limit is found again fast."""
        self._proven = True
        self._waiting: deque[asyncio.Future[None]] = deque()
        self.in_flight = 0
        """Slots taken now."""

    @classmethod
    def fixed(cls, limit: int, clock: Clock) -> Gate:
        """A gate that does not adapt: ``max_concurrency`` over a whole tree of calls."""
        return cls(clock, start=limit, most=limit, shrink=1.0)

    @property
    def limit(self) -> int:
        """How many slots there are now: at least 1."""
        return int(self._limit)

    @property
    def waiting(self) -> int:
        """How many stand in the queue."""
        return len(self._waiting)

    def slot(self, deadline: float | None = None) -> _Slot:
        """``async with gate.slot(deadline):`` holds a slot for the exchange inside.

        ``deadline`` is in seconds of the clock's monotonic time. Raises `DeadlineExceeded` if it passes while waiting.
        """
        return _Slot(self, deadline)

    def accepted(self) -> None:
        """An exchange succeeded: a limit's worth of them makes room for one more.

        Only while at least half of the slots are in use: successes far below the limit say nothing about the limit
        (RFC 7661, congestion window validation). Up to what was borne before an outage each makes room for one more:
        the slow start, which doubles the limit each round trip.
        """
        self._proven = True
        if self._shrink < 1 and 2 * self.in_flight >= self.limit:
            self._limit = min(self._most, self._limit + (1.0 if self._limit < self._borne else 1 / self.limit))
            self._wake()

    def throttled(self) -> None:
        """The upstream said "too many" (429, 529): shrink, once a second at most, since one burst is one event."""
        now = self._clock.monotonic()
        if self._shrink < 1 and now - self._cut_at >= 1.0:
            self._cut_at = now
            if self._proven:  # of an outage the first cut tells what was too much, the next ones only that it lasts
                self._borne, self._proven = self._limit * self._shrink, False
            self._limit = max(1.0, self._limit * self._shrink)

    async def acquire(self, deadline: float | None = None) -> None:
        """Take a slot, waiting in line for it. Prefer `slot`, which cannot forget to give it back."""
        if deadline is not None and self._clock.monotonic() >= deadline:
            raise _too_late()
        if self.in_flight < self.limit and not self._waiting:
            self.in_flight += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            async with self._clock.deadline(deadline):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self.release()  # our turn had come in the very moment we stopped waiting
            elif turn in self._waiting:
                self._waiting.remove(turn)
            if isinstance(error, TimeoutError):
                raise _too_late() from None
            raise

    def release(self) -> None:
        """Give a slot back; it goes to whoever waits longest."""
        self.in_flight -= 1
        self._wake()

    def _wake(self) -> None:
        while self._waiting and self.in_flight < self.limit:
            turn = self._waiting.popleft()
            if not turn.cancelled():
                self.in_flight += 1
                turn.set_result(None)


class _Slot:
    """Holds one slot between entering and leaving."""

    __slots__ = ("_deadline", "_gate")

    def __init__(self, gate: Gate, deadline: float | None) -> None:
        self._gate = gate
        self._deadline = deadline

    async def __aenter__(self) -> None:
        await self._gate.acquire(self._deadline)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._gate.release()


class Gates:
    """One adaptive gate for each provider and model, made on first use; the oldest idle ones are let go."""

    _MOST = 1024

    def __init__(self, clock: Clock, *, start: int = 32, most: int = 1000) -> None:
        self._clock = clock
        self._start = start
        self._limit = most
        self._gates: OrderedDict[tuple[str, str], Gate] = OrderedDict()

    def of(self, provider: str, model: str) -> Gate:
        """The gate of this model at this provider."""
        key = (provider, model)
        gate = self._gates.get(key)
        if gate is None:
            gate = self._gates[key] = Gate(self._clock, start=self._start, most=self._limit)
            self._forget()
        self._gates.move_to_end(key)
        return gate

    def _forget(self) -> None:
        """A client may name any model it likes: keep the number of gates bounded."""
        while len(self._gates) > self._MOST:
            oldest, gate = next(iter(self._gates.items()))
            if gate.in_flight or gate.waiting:
                return
            del self._gates[oldest]


def _too_late() -> DeadlineExceeded:
    return DeadlineExceeded("the deadline passed while waiting for a free slot", mend="allow more time or concurrency")
