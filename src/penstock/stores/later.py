"""Writing behind: what has come in a moment is written together, when nobody waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

__all__ = ["Later"]


class Later:
    """Does a piece of work ``seconds`` after it was asked for, once for all who asked meanwhile."""

    def __init__(self, work: Callable[[], Awaitable[None]], seconds: float) -> None:
        self._work = work
        self._seconds = seconds
        self._task: asyncio.Task[None] | None = None

    def ask(self) -> None:
        """Have it done soon."""
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    def drop(self) -> None:
        """Whoever asked has done it."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _run(self) -> None:
        await asyncio.sleep(self._seconds)
        self._task = None
        await self._work()
