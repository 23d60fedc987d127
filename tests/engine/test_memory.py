"""What processes know of prefixes, through one file."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

from penstock.clock import SystemClock
from penstock.prefixes.memory import Memory
from penstock.stores.prefixes_sqlite import SqliteRegistry
from penstock.testing import FakeClock
from penstock.values.prefixes import PAGE, Known


async def joined(path: Path) -> Memory:
    return Memory(FakeClock(), await SqliteRegistry.at(path, warn=_refuse))


def test_a_memory_that_closes_waits_for_what_it_is_telling(tmp_path: Path) -> None:
    async def main() -> None:
        path = tmp_path / "prefixes.db"
        memory = await joined(path)
        await memory.exchange()
        memory.writes.guard(b"bill").sent = 1000.0
        memory.writes.forest.send([b"x"], memory.clock.now())
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        telling = asyncio.create_task(memory.exchange())
        await asyncio.sleep(0)  # it found the file locked
        memory.writes.guard(b"bill").sent = 1500.0
        closing = asyncio.create_task(memory.close())
        await asyncio.sleep(0.05)
        assert not closing.done()
        other.execute("ROLLBACK")
        other.close()
        await asyncio.gather(telling, closing)
        memory.news()  # a call that ends later than that has nobody to tell
        await memory.exchange()
        again = await joined(path)
        await again.exchange()
        assert again.writes.guard(b"bill").sent == 1500.0
        assert set(again.writes.forest.nodes) == {b"x"}
        await again.close()

    asyncio.run(main())


def test_news_that_are_asked_for_are_told_before_the_memory_is_closed(tmp_path: Path) -> None:
    async def main() -> None:
        path = tmp_path / "prefixes.db"
        memory = Memory(SystemClock(), await SqliteRegistry.at(path, warn=_refuse))
        memory.writes.guard(b"bill").sent = 1000.0
        memory.news()
        await memory.close()
        again = await joined(path)
        await again.exchange()
        assert again.writes.guard(b"bill").sent == 1000.0
        await again.close()

    asyncio.run(main())


class Slow:
    """A registry that takes its time, and is asked by one at a time."""

    def __init__(self) -> None:
        self.asked = 0
        self.at_once = 0

    async def exchange(self, mine: Known, now: float) -> Known:
        self.asked += 1
        self.at_once += 1
        assert self.at_once == 1
        await asyncio.sleep(0)
        self.at_once -= 1
        return Known()

    async def close(self) -> None:
        assert self.at_once == 0


def test_what_is_told_is_told_in_turn() -> None:
    async def main() -> None:
        slow = Slow()
        memory = Memory(FakeClock(), slow)
        await asyncio.gather(memory.exchange(), memory.exchange(), memory.close())
        assert slow.asked == 6

    asyncio.run(main())


def test_calls_go_on_while_much_is_told_and_heard(tmp_path: Path) -> None:
    async def main() -> None:
        path = tmp_path / "prefixes.db"
        one, two = await joined(path), await joined(path)
        one.writes.forest.send([at.to_bytes(3, "big") for at in range(12 * PAGE)], one.clock.now())
        for memory in (one, two):
            telling = asyncio.create_task(memory.exchange())
            turns = 0
            while not telling.done():
                await asyncio.sleep(0)
                turns += 1
            assert turns >= 12
        assert set(two.writes.forest.nodes) == set(one.writes.forest.nodes)
        await one.close()
        await two.close()

    asyncio.run(main())


def test_a_life_is_counted_once_though_processes_begin_and_end(tmp_path: Path) -> None:
    async def main() -> None:
        path = tmp_path / "prefixes.db"
        one = await joined(path)
        one.writes.forest.send([b"x"], 1.0)[0].watch = one.writes.odds.watch(1.0, ("all",))
        await one.exchange()
        two = await joined(path)
        await two.exchange()  # it begins while the first runs on
        one.writes.odds.advance(500.0)
        two.writes.odds.advance(500.0)
        for memory in (one, two, one):
            await memory.exchange()
        assert one.writes.odds.curves["all"].reached[:8] == [1.0] * 8
        assert two.writes.odds.curves["all"].reached[:8] == [1.0] * 8
        await one.close()
        await two.close()

    asyncio.run(main())


def _refuse(message: str) -> None:
    raise AssertionError(message)
