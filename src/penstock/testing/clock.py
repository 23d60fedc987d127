"""A clock that stands still until the test moves it."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable

__all__ = ["FakeClock"]

_TURNS = 50
"""How many turns of the event loop count as "everyone has done what can be done without time passing"."""


class FakeClock:
    """A `penstock.clock.Clock` whose time passes only in `advance`.

    >>> async def nap(clock: FakeClock) -> float:
    ...     sleeper = asyncio.create_task(clock.sleep(3600))
    ...     await clock.advance(3600)
    ...     await sleeper
    ...     return clock.monotonic()
    >>> asyncio.run(nap(FakeClock()))
    3600.0
    """

    def __init__(self, *, wall: float = 1_800_000_000.0) -> None:
        self._wall = wall
        self._passed = 0.0
        self._alarms: list[tuple[float, int, Callable[[], object]]] = []
        self._set = 0
        self._someone_sleeps = asyncio.Event()
        self.slept: list[float] = []
        """Every duration that `sleep` was asked for, in order."""
        self.sleeping = 0
        """How many tasks are asleep now."""

    def now(self) -> float:
        """Wall time: ``wall`` plus what has passed."""
        return self._wall + self._passed

    def monotonic(self) -> float:
        """Seconds passed since the clock was made."""
        return self._passed

    async def sleep(self, seconds: float) -> None:
        """Wait until `advance` has moved the time far enough."""
        self.slept.append(seconds)
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        awake: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._alarm(self._passed + seconds, lambda: _wake(awake))
        self.sleeping += 1
        self._someone_sleeps.set()
        try:
            await awake
        finally:
            self.sleeping -= 1

    def deadline(self, when: float | None) -> asyncio.Timeout:
        """A limit that only `advance` can reach, or that has passed already."""
        limit = asyncio.timeout(None)
        if when is not None and when <= self._passed:
            return asyncio.timeout(0)
        if when is not None:
            self._alarm(when, lambda: _expire(limit))
        return limit

    async def advance(self, seconds: float) -> None:
        """Let time pass. Sleepers wake in the order of their times, and each may act before the next one wakes."""
        until = self._passed + seconds
        await self.settle()
        while self._alarms and self._alarms[0][0] <= until:
            self._passed, _, ring = heapq.heappop(self._alarms)
            ring()
            await self.settle()
        self._passed = until
        await self.settle()

    async def settle(self) -> None:
        """Let all tasks run as far as they get while no time passes and no bytes arrive."""
        for _ in range(_TURNS):
            await asyncio.sleep(0)

    async def asleep(self, count: int = 1) -> None:
        """Wait, in real time, until at least ``count`` tasks are asleep: with sockets, bytes take their time."""
        while self.sleeping < count:
            self._someone_sleeps.clear()
            await self._someone_sleeps.wait()

    def _alarm(self, when: float, ring: Callable[[], object]) -> None:
        self._set += 1
        heapq.heappush(self._alarms, (when, self._set, ring))


def _wake(sleeper: asyncio.Future[None]) -> None:
    """End a sleep, unless the sleeper was cancelled."""
    if not sleeper.done():
        sleeper.set_result(None)


def _expire(limit: asyncio.Timeout) -> None:
    """End the block that ``limit`` guards, unless it was left already or never entered."""
    try:
        limit.reschedule(asyncio.get_running_loop().time())
    except RuntimeError:
        return
