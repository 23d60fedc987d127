"""Every store under the laws that all of its kind keep."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from penstock.stores.holds import Holds, MemoryHolds
from penstock.stores.holds_sqlite import LEASE_SECONDS, SCHEMA, SqliteHolds
from penstock.stores.originals import MemoryOriginals, Originals
from penstock.stores.originals_sqlite import SqliteOriginals
from penstock.stores.prefixes import Registry
from penstock.stores.prefixes_sqlite import SqliteRegistry
from penstock.stores.records import MemoryRecords, Records, SqliteRecords
from penstock.stores.replies import MemoryReplies, Replies, TieredReplies
from penstock.stores.replies_sqlite import SqliteReplies
from penstock.stores.sqlite import Database
from penstock.testing.laws import (
    HoldsLaws,
    LearnedLaws,
    OriginalsLaws,
    RecordsLaws,
    RegistryLaws,
    RepliesLaws,
    SharedHoldsLaws,
)


def refuse(message: str) -> None:
    """No law may set off a warning."""
    raise AssertionError(message)


@contextmanager
def folder() -> Iterator[Path]:
    """A folder in memory where there is one: the laws open thousands of files, and every close waits for the disk."""
    memory = Path("/dev/shm")
    with TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        yield Path(name)


class TestMemoryHolds(HoldsLaws):
    @asynccontextmanager
    async def make(self) -> AsyncIterator[Holds]:
        yield MemoryHolds()


class TestSqliteHolds(HoldsLaws):
    @asynccontextmanager
    async def make(self) -> AsyncIterator[Holds]:
        with folder() as home:
            store = await SqliteHolds.at(home / "holds.db", warn=refuse)
            yield store
            await store.close()


class TestHoldsAfterTheFileFailed(HoldsLaws):
    """A run that lost its file goes on under the same laws."""

    @asynccontextmanager
    async def make(self) -> AsyncIterator[Holds]:
        with folder() as home:
            said: list[str] = []
            database = await Database.open(home / "holds.db", SCHEMA, warn=said.append)
            store = SqliteHolds(database)
            await database.write(lambda connection: connection.execute("DROP TABLE holds"))
            await store.reap(0.0)
            assert len(said) == 1
            yield store
            assert len(said) == 1


class TestSharedSqliteHolds(SharedHoldsLaws):
    lease = LEASE_SECONDS

    @asynccontextmanager
    async def join(self, alive: Callable[[str], bool]) -> AsyncIterator[tuple[Holds, Holds]]:
        with folder() as home:
            file = home / "holds.db"
            one = SqliteHolds(await Database.open(file, SCHEMA, warn=refuse), owner="one", alive=alive)
            two = SqliteHolds(await Database.open(file, SCHEMA, warn=refuse), owner="two", alive=alive)
            yield one, two
            await one.close()
            await two.close()


class TestMemoryReplies(RepliesLaws):
    @asynccontextmanager
    async def make(self, max_bytes: int) -> AsyncIterator[Replies]:
        store = MemoryReplies(max_bytes)
        yield store
        await store.close()
        assert await store.size() == 0


class TestSqliteReplies(RepliesLaws):
    @asynccontextmanager
    async def make(self, max_bytes: int) -> AsyncIterator[Replies]:
        with folder() as home:
            store = await SqliteReplies.at(home / "replies.db", warn=refuse, max_bytes=max_bytes)
            yield store
            await store.close()


class TestTieredReplies(RepliesLaws):
    @asynccontextmanager
    async def make(self, max_bytes: int) -> AsyncIterator[Replies]:
        with folder() as home:
            far = await SqliteReplies.at(home / "replies.db", warn=refuse, max_bytes=max_bytes)
            store = TieredReplies(MemoryReplies(max_bytes // 4), far)
            yield store
            await store.close()


class TestMemoryRecords(RecordsLaws, LearnedLaws):
    @asynccontextmanager
    async def make(self, max_records: int) -> AsyncIterator[Records]:
        yield MemoryRecords(max_records)

    @asynccontextmanager
    async def make_learned(self) -> AsyncIterator[MemoryRecords]:
        yield MemoryRecords()


class TestSqliteRecords(RecordsLaws, LearnedLaws):
    @asynccontextmanager
    async def make(self, max_records: int) -> AsyncIterator[Records]:
        with folder() as home:
            store = await SqliteRecords.at(home / "records.db", warn=refuse, max_records=max_records)
            yield store
            await store.close()

    @asynccontextmanager
    async def make_learned(self) -> AsyncIterator[SqliteRecords]:
        with folder() as home:
            store = await SqliteRecords.at(home / "records.db", warn=refuse)
            yield store
            await store.close()


class TestSqliteRegistry(RegistryLaws):
    @asynccontextmanager
    async def make(self) -> AsyncIterator[Callable[[], Coroutine[None, None, Registry]]]:
        with folder() as home:
            joined: list[SqliteRegistry] = []

            async def join() -> Registry:
                joined.append(await SqliteRegistry.at(home / "prefixes.db", warn=refuse))
                return joined[-1]

            yield join
            for registry in joined:
                await registry.close()


class TestMemoryOriginals(OriginalsLaws):
    @asynccontextmanager
    async def make(self, max_bytes: int) -> AsyncIterator[Originals]:
        store = MemoryOriginals(max_bytes)
        yield store
        await store.close()


class TestSqliteOriginals(OriginalsLaws):
    @asynccontextmanager
    async def make(self, max_bytes: int) -> AsyncIterator[Originals]:
        with folder() as home:
            store = await SqliteOriginals.at(home / "originals.db", warn=refuse, max_bytes=max_bytes)
            yield store
            await store.close()


class TestOriginalsAfterTheFileFailed(OriginalsLaws):
    """A run that lost its file goes on under the same laws."""

    @asynccontextmanager
    async def make(self, max_bytes: int) -> AsyncIterator[Originals]:
        with folder() as home:
            said: list[str] = []
            store = await SqliteOriginals.at(home / "originals.db", warn=said.append, max_bytes=max_bytes)
            store._memory = MemoryOriginals(max_bytes)
            await store._database.write(lambda connection: connection.execute("DROP TABLE originals"))
            await store.put({"lost": ""}, 0.0)
            assert len(said) == 1
            yield store
            await store.close()
