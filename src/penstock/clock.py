"""The port of time. Nothing else in the house reads a clock, sleeps, or sets a deadline."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

__all__ = ["Clock", "SystemClock"]


class Clock(Protocol):
    """What tells time and lets it pass. In tests: `penstock.testing.FakeClock`."""

    def now(self) -> float:
        """Wall time: seconds since 1970, for what a person or another machine reads."""
        ...

    def monotonic(self) -> float:
        """Seconds since some moment, never running back: for deadlines and durations."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait; not at all for zero or less, except that other tasks get their turn."""
        ...

    def deadline(self, when: float | None) -> asyncio.Timeout:
        """``async with clock.deadline(when):`` raises `TimeoutError` if its body still runs at ``when``.

        ``when`` is in the seconds of `monotonic`; None sets no limit.
        """
        ...


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> float:
        """Wall time, seconds since 1970."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds on the monotonic clock."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait on the running event loop."""
        await asyncio.sleep(max(seconds, 0))

    def deadline(self, when: float | None) -> asyncio.Timeout:
        """A limit at ``when``. The loop's clock may differ from ours, so the time left is what is handed on."""
        return asyncio.timeout(None if when is None else when - time.monotonic())
