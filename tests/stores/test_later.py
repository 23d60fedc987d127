"""Work that is done a moment later."""

from __future__ import annotations

import asyncio

import pytest

from penstock.stores.later import Later


class Work:
    """Work that goes on until it may end, and counts how much of it goes on at once."""

    def __init__(self) -> None:
        self.begun = asyncio.Semaphore(0)
        self.may_end = asyncio.Semaphore(0)
        self.under_way = 0
        self.done = 0

    async def __call__(self) -> None:
        self.under_way += 1
        assert self.under_way == 1
        self.begun.release()
        await self.may_end.acquire()
        self.under_way -= 1
        self.done += 1


def test_who_asks_meanwhile_is_served_after_it() -> None:
    async def main() -> None:
        work = Work()
        later = Later(work, 0.0)
        later.ask()
        later.ask()
        await work.begun.acquire()
        later.ask()
        work.may_end.release()
        await work.begun.acquire()
        assert work.done == 1
        work.may_end.release()
        await later.drop()
        assert work.done == 2

    asyncio.run(main())


def test_what_is_under_way_is_waited_for_and_nothing_is_begun() -> None:
    async def main() -> None:
        work = Work()
        later = Later(work, 0.0)
        later.ask()
        await work.begun.acquire()
        later.ask()
        dropping = asyncio.create_task(later.drop())
        await asyncio.sleep(0)
        assert not dropping.done()
        work.may_end.release()
        await dropping
        assert (work.done, work.begun.locked()) == (1, True)

    asyncio.run(main())


def test_what_waits_is_not_begun() -> None:
    async def main() -> None:
        work = Work()
        later = Later(work, 0.0)
        await later.drop()
        later.ask()
        await later.drop()
        await asyncio.sleep(0)
        later.ask()
        await work.begun.acquire()
        work.may_end.release()
        await later.drop()
        assert work.done == 1

    asyncio.run(main())


def test_work_that_failed_is_told_to_who_waits_for_it() -> None:
    async def main() -> None:
        begun, may_end = asyncio.Event(), asyncio.Event()

        async def work() -> None:
            begun.set()
            await may_end.wait()
            raise OSError("the disk is full")

        later = Later(work, 0.0)
        later.ask()
        await begun.wait()
        may_end.set()
        with pytest.raises(OSError, match="full"):
            await later.drop()

    asyncio.run(main())
