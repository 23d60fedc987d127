"""The desk in front of the engine: so many seats, a short queue, and a polite no at once for everyone beyond.

A queue that grows helps nobody: each who waits in it gets a late answer instead of an early no, and clients that
gave up are served before those who still wait. So the queue is bounded in length and in expected time. It is not
shorter than that either: it is what the seats live on between two bursts.
"""

from __future__ import annotations

import asyncio
from collections import deque
from types import TracebackType

from penstock.clock import Clock
from penstock.errors import DeadlineExceeded, Overloaded

__all__ = ["Desk", "NoSeat", "Seat"]

_RECENT = 0.05
"""How much the newest exchange weighs in the expected time of service."""

_AT_ONCE = 8
"""How many are seated in one turn of the event loop. To begin an exchange takes most of a millisecond; if all seats
were taken at once, whoever is to be turned away would wait for that."""

_LINE = 256
"""How many may wait where that takes no longer than ``patience``: their requests lie in memory meanwhile."""


class NoSeat(Overloaded):
    """There will be no seat in time. The one refusal of the gateway's own that is worth trying again, and soon."""

    def __init__(self) -> None:
        headers = {"retry-after": "1"}
        super().__init__("the gateway is at its limit", status=529, headers=headers, mend="try again in a moment")


class Desk:
    """``async with desk.seat(deadline):`` holds a seat for one exchange.

    ``seats`` is how many exchanges run at once, ``patience`` the longest expected wait, in seconds, that anyone is
    asked to bear, ``most_waiting`` how many may wait for a seat at the most. Until the first exchange has ended nothing
    is known about waits, and twice as many as there are seats may.
    """

    def __init__(
        self, clock: Clock, *, seats: int = 256, most_waiting: int | None = None, patience: float = 1.0
    ) -> None:
        self.seats = seats
        self.most_waiting = max(2 * seats, _LINE) if most_waiting is None else most_waiting
        self.patience = patience
        self.seated = 0
        """Exchanges that run now."""
        self.shed = 0
        """Requests that were turned away so far."""
        self.service = 0.0
        """The expected time of one exchange, in seconds, from those of late; 0 before the first one."""
        self._clock = clock
        self._passing = 0
        self._line: deque[asyncio.Future[None]] = deque()

    @property
    def waiting(self) -> int:
        """How many wait for a seat."""
        return len(self._line)

    def full(self, ahead: int = 0) -> bool:
        """Whether one who came now, behind ``ahead`` others on their way here, would not be seated in time.

        In time means: within ``patience``, however long the deadline.
        """
        before = self.seated + len(self._line) + ahead - self.seats
        if before < 0:
            return False
        most = self.most_waiting if self.service else min(self.most_waiting, 2 * self.seats)
        return before >= most or self._wait(before) > self.patience

    def _wait(self, before: int) -> float:
        """Seconds until one is seated with so many before him in the line, as far as that can be known."""
        return (before + 1) * self.service / self.seats

    def seat(self, deadline: float | None = None) -> Seat:
        """A seat, given back when its context is left. Entering raises `NoSeat` where there will be none in time.

        ``deadline`` is in seconds of the monotonic clock; passing it in the queue raises `DeadlineExceeded`.
        """
        return Seat(self, self._clock, deadline)

    def check(self, deadline: float | None = None) -> None:
        """Raise `NoSeat` if one who came now would not get a seat in time."""
        if self.seated < self.seats and not self._line:
            return
        late = deadline is not None and deadline < self._clock.monotonic() + self._wait(len(self._line)) + self.service
        if late or self.full():
            self.shed += 1
            raise NoSeat

    async def sit(self, deadline: float | None) -> None:
        """Take a seat, waiting in line for it where that is short. Prefer `seat`, which gives it back."""
        self.check(deadline)
        if self.seated < self.seats and not self._line and self._passing < _AT_ONCE:
            self._pass()
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._line.append(turn)
        try:
            async with self._clock.deadline(deadline):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self._free()  # our turn came in the very moment we stopped waiting
            elif turn in self._line:
                self._line.remove(turn)
            if isinstance(error, TimeoutError):
                raise DeadlineExceeded("the deadline passed in the queue", mend="allow more time") from None
            raise

    def leave(self, seconds: float) -> None:
        """Give a seat back after ``seconds``; it goes to whoever waits longest."""
        self.service += (_RECENT if self.service else 1.0) * (seconds - self.service)
        self._free()

    def _free(self) -> None:
        self.seated -= 1
        self._call_in()

    def _call_in(self) -> None:
        while self._line and self.seated < self.seats and self._passing < _AT_ONCE:
            turn = self._line.popleft()
            if not turn.cancelled():
                self._pass()
                turn.set_result(None)

    def _pass(self) -> None:
        """One is seated. Who comes after the last one of this turn of the event loop waits for the next turn."""
        self.seated += 1
        if not self._passing:
            asyncio.get_running_loop().call_soon(self._next_turn)
        self._passing += 1

    def _next_turn(self) -> None:
        self._passing = 0
        self._call_in()


class Seat:
    """Holds one seat between entering and leaving."""

    __slots__ = ("_clock", "_deadline", "_desk", "_since")

    def __init__(self, desk: Desk, clock: Clock, deadline: float | None) -> None:
        self._desk = desk
        self._clock = clock
        self._deadline = deadline
        self._since = 0.0

    async def __aenter__(self) -> None:
        await self._desk.sit(self._deadline)
        self._since = self._clock.monotonic()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._desk.leave(self._clock.monotonic() - self._since)
