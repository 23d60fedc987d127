"""Writing behind: what has come in a moment is written together, when nobody waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

__all__ = ["Later"]


class Later:
    """Does a piece of work ``seconds`` after it was asked for, once for all who asked meanwhile, and once at a time."""

    def __init__(self, work: Callable[[], Awaitable[None]], seconds: float) -> None:
        self._work = work
        self._seconds = seconds
        self._asked = False
        """Whether somebody asked since the work was begun last."""
        self._under_way = False
        self._task: asyncio.Task[None] | None = None

    def ask(self) -> None:
        """Have it done soon."""
        self._asked = True
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    async def drop(self) -> None:
        """Whoever asked will do it: it is not begun any more, and if it is under way, this waits for its end."""
        self._asked = False
        if self._task is not None and self._under_way:
            await self._task
        elif self._task is not None:
            self._task.cancel()
            self._task = None

    async def _run(self) -> None:
        try:
            while self._asked:
                await asyncio.sleep(self._seconds)
                self._asked, self._under_way = False, True
                await self._work()
                self._under_way = False
        finally:
            self._task, self._under_way = None, False
