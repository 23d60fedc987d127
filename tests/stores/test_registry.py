"""The registry of prefixes in a file that many have told of many."""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path

from penstock.stores.prefixes_sqlite import MOST_HEARD, SCHEMA, SqliteRegistry
from penstock.stores.sqlite import Database
from penstock.values.prefixes import PAGE, Known, Prefix, Tally

NOW = 1000.0


async def told(registry: SqliteRegistry, chance: random.Random, pages: int) -> list[bytes]:
    """That many pages of prefixes nobody has heard of."""
    digests: list[bytes] = []
    for _ in range(pages):
        page = [Prefix(chance.randbytes(24), NOW, ready=NOW, until=NOW + 300, ttl=300.0) for _ in range(PAGE)]
        digests += [prefix.digest for prefix in page]
        await registry.exchange(Known(page), NOW)
    return digests


async def seconds(registry: SqliteRegistry, chance: random.Random) -> float:
    """CPU seconds of an exchange with one prefix of news, the least of some."""
    taken: list[float] = []
    for _ in range(20):
        news = Known([Prefix(chance.randbytes(24), NOW)], {"odds all": Tally((1.0,))})
        before = time.process_time()
        heard = await registry.exchange(news, NOW)
        taken.append(time.process_time() - before)
        assert heard.prefixes == []
    return min(taken)


def test_what_is_told_takes_no_longer_where_much_is_known(tmp_path: Path) -> None:
    async def main() -> None:
        chance = random.Random(7)
        registry = await SqliteRegistry.at(tmp_path / "prefixes.db", warn=_refuse)
        await told(registry, chance, 4)
        little = await seconds(registry, chance)
        await told(registry, chance, 160)
        assert await seconds(registry, chance) < 8 * little + 0.001
        await registry.close()

    asyncio.run(main())


def test_who_begins_hears_the_newest(tmp_path: Path) -> None:
    async def main() -> None:
        chance = random.Random(7)
        one = await SqliteRegistry.at(tmp_path / "prefixes.db", warn=_refuse)
        digests = await told(one, chance, MOST_HEARD // PAGE + 10)
        two = await SqliteRegistry.at(tmp_path / "prefixes.db", warn=_refuse)
        heard = [await two.exchange(Known(), NOW)]
        while heard[-1].more:
            heard.append(await two.exchange(Known(), NOW))
        prefixes = {prefix.digest for page in heard for prefix in page.prefixes}
        assert prefixes >= set(digests[-MOST_HEARD:])
        assert len(prefixes) <= MOST_HEARD + 2 * PAGE
        await one.close()
        await two.close()

    asyncio.run(main())


def test_a_file_that_is_used_for_hours_does_not_grow(tmp_path: Path) -> None:
    async def main() -> None:
        chance = random.Random(7)
        file = tmp_path / "prefixes.db"
        registry = await SqliteRegistry.at(file, warn=_refuse)
        for minute in range(0, 60 * 10, 10):  # ten hours: two of them are kept, and each page is of ten minutes
            page = [Prefix(chance.randbytes(24), NOW + 60.0 * minute) for _ in range(PAGE)]
            await registry.exchange(Known(page), NOW + 60.0 * minute)
        other = await SqliteRegistry.at(file, warn=_refuse)
        kept = 0
        more = True
        while more:
            heard = await other.exchange(Known(), NOW + 60.0 * 590)
            kept, more = kept + len(heard.prefixes), heard.more
        assert kept <= 14 * PAGE
        await registry.close()
        await other.close()

    asyncio.run(main())


def test_a_file_that_fails_is_done_without(tmp_path: Path) -> None:
    async def main() -> None:
        said: list[str] = []
        database = await Database.open(tmp_path / "prefixes.db", SCHEMA, warn=said.append)
        registry = SqliteRegistry(database)
        await database.write(lambda connection: connection.execute("DROP TABLE prefixes"))
        for _ in range(2):
            assert await registry.exchange(Known([Prefix(b"a", NOW)]), NOW) == Known()
        assert len(said) == 1
        await registry.close()

    asyncio.run(main())


def _refuse(message: str) -> None:
    raise AssertionError(message)
