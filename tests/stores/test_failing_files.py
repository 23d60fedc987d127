"""State files that fail during a run: the run goes on, and one line says so."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest
from state_files import PATH, breaking, heard, use_holds, use_replies

from penstock.ledger import NOTHING, Account, Amounts, Limits, Never, Wait
from penstock.stores.holds import Hold
from penstock.stores.holds_sqlite import SCHEMA, SqliteHolds
from penstock.stores.records import SqliteRecords
from penstock.stores.replies_sqlite import SqliteReplies
from penstock.stores.sqlite import Database, Unusable
from penstock.testing.laws import record_of, reply_of


def empty(folder: Path) -> None:
    for entry in folder.iterdir():
        entry.unlink()


def test_files_deleted_during_the_run_are_not_missed(tmp_path: Path) -> None:
    async def run(_: Path, warn: Callable[[str], None]) -> None:
        holds = await SqliteHolds.at(tmp_path / "holds.db", warn=warn)
        replies = await SqliteReplies.at(tmp_path / "replies.db", warn=warn)
        records = await SqliteRecords.at(tmp_path / "records.db", warn=warn)
        await holds.open(PATH, Limits(nano=100), 0.0)
        empty(tmp_path)
        await holds.charge(PATH, Amounts(100))
        assert await holds.hold(PATH, Amounts(1), NOTHING, 0.0) == Never(PATH, "nano", 1, 0)
        await replies.put("t", b"k", reply_of("x"), expires=10.0, now=0.0)
        assert await replies.get("t", b"k", now=0.0) == reply_of("x")
        await records.add(record_of("one"))
        assert await records.recent(1) == [record_of("one")]
        for store in (holds, replies, records):
            await store.close()

    assert heard(run, tmp_path) == []


def after_a_failure(
    tmp_path: Path,
    fail: Callable[[SqliteHolds, Path], Awaitable[None]],
    then: Callable[[SqliteHolds, Hold], Awaitable[None]],
) -> list[str]:
    """20 of 100 spent, 30 held by this process and 10 by another; then the file fails."""
    file = tmp_path / "holds.db"

    async def run(file: Path, warn: Callable[[str], None]) -> None:
        other = await SqliteHolds.at(file, warn=pytest.fail)
        store = await SqliteHolds.at(file, warn=warn, patience=0.0)
        await store.open(PATH, Limits(nano=100), 0.0)
        await other.hold(PATH, Amounts(10), NOTHING, 0.0)
        await store.charge(PATH, Amounts(20))
        mine = await store.hold(PATH, Amounts(30), NOTHING, 0.0)
        assert isinstance(mine, Hold)
        assert store.shared
        await other.close()
        await fail(store, file)
        await then(store, mine)
        assert not store.shared

    return heard(run, file)


async def goes_on(store: SqliteHolds, mine: Hold) -> None:
    """Others' holds count as spent; this process's own settle as ever."""
    assert await store.hold(PATH, Amounts(71), NOTHING, 0.0) == Never(PATH, "nano", 71, 70)
    assert await store.hold(PATH, Amounts(41), NOTHING, 0.0) == Wait(PATH, "nano")
    await store.settle(mine.id, Amounts(5))
    await store.settle(mine.id, Amounts(5))
    assert await store.account(PATH) == Account(PATH, Limits(nano=100), Amounts(35))
    assert isinstance(await store.hold(PATH, Amounts(65), NOTHING, 0.0), Hold)
    assert await store.reap(1e9) == 0


def test_holds_go_on_when_a_table_is_gone(tmp_path: Path) -> None:
    async def fail(store: SqliteHolds, file: Path) -> None:
        breaking(file, "DROP TABLE holds")

    (said,) = after_a_failure(tmp_path, fail, goes_on)
    assert "no such table" in said


def test_holds_go_on_when_a_row_is_damaged(tmp_path: Path) -> None:
    async def fail(store: SqliteHolds, file: Path) -> None:
        breaking(file, "UPDATE accounts SET account = x'00'")

    (said,) = after_a_failure(tmp_path, fail, goes_on)
    assert "corrupt-1" in said
    assert heard(use_holds, tmp_path / "holds.db") == []


def test_holds_go_on_when_the_file_is_locked_for_good(tmp_path: Path) -> None:
    locks: list[sqlite3.Connection] = []

    async def fail(store: SqliteHolds, file: Path) -> None:
        locks.append(sqlite3.connect(file, isolation_level=None))
        locks[0].execute("BEGIN EXCLUSIVE")

    (said,) = after_a_failure(tmp_path, fail, goes_on)
    assert "locked" in said
    locks[0].close()


def test_holds_go_on_when_the_disk_is_full(tmp_path: Path) -> None:
    """Found in the middle of a hold: what was begun is undone, and done again in memory."""

    async def fill(connection: sqlite3.Connection) -> None:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages}")

    async def run(file: Path, warn: Callable[[str], None]) -> None:
        database = await Database.open(file, SCHEMA, warn=warn)
        store = SqliteHolds(database)
        await store.open(PATH, Limits(nano=10_000), 0.0)
        await fill(await database.read(lambda connection: connection))
        held = [await store.hold(PATH, Amounts(10), NOTHING, 0.0) for _ in range(1000)]
        assert all(isinstance(hold, Hold) for hold in held)
        assert await store.hold(PATH, Amounts(1), NOTHING, 0.0) == Wait(PATH, "nano")
        for hold in held:
            assert isinstance(hold, Hold)
            await store.settle(hold.id, Amounts(10))
        assert await store.hold(PATH, Amounts(1), NOTHING, 0.0) == Never(PATH, "nano", 1, 0)
        await store.drop(PATH)
        assert await store.account(PATH) is None

    (said,) = heard(run, tmp_path / "holds.db")
    assert "free some disk space" in said


def test_who_finds_the_file_locked_waits_for_it(tmp_path: Path) -> None:
    """Without stopping the event loop, on which the lock may be given back."""

    async def run(file: Path, warn: Callable[[str], None]) -> None:
        store = await SqliteHolds.at(file, warn=warn, patience=3600.0)
        await store.open(PATH, Limits(nano=100), 0.0)
        lock = sqlite3.connect(file, isolation_level=None)
        lock.execute("BEGIN IMMEDIATE")
        waiting = asyncio.create_task(store.charge(PATH, Amounts(90)))
        await asyncio.sleep(0)
        assert not waiting.done()
        lock.execute("ROLLBACK")
        assert [alert.value for alert in await waiting] == [90]
        lock.close()
        await store.close()

    assert heard(run, tmp_path / "holds.db") == []


def test_many_who_lose_patience_say_it_once(tmp_path: Path) -> None:
    async def run(file: Path, warn: Callable[[str], None]) -> None:
        store = await SqliteHolds.at(file, warn=warn, patience=0.002)
        await store.open(PATH, Limits(nano=100), 0.0)
        lock = sqlite3.connect(file, isolation_level=None)
        lock.execute("BEGIN IMMEDIATE")
        await asyncio.gather(*(store.charge(PATH, Amounts(1)) for _ in range(20)))
        account = await store.account(PATH)
        assert account is not None
        assert account.spent == Amounts(20)
        lock.close()

    assert len(heard(run, tmp_path / "holds.db")) == 1


def test_a_database_in_memory_may_fail_too() -> None:
    async def run() -> None:
        said: list[str] = []
        store = await SqliteReplies.at(None, warn=said.append)
        await store.put("t", b"k", reply_of("x"), expires=10.0, now=0.0)
        assert await store.get("t", b"k", now=0.0) == reply_of("x")
        database = await Database.open(None, SCHEMA, warn=said.append)
        assert not database.shared
        with pytest.raises(Unusable):
            await database.write(lambda connection: connection.execute("SELECT * FROM nowhere"))
        with pytest.raises(Unusable):
            await database.read(lambda connection: connection.execute("SELECT * FROM holds"))
        assert len(said) == 1

    asyncio.run(run())


def test_a_reply_that_cannot_be_written_is_not_stored(tmp_path: Path) -> None:
    """Nor is the one before it given in its place."""

    async def run(file: Path, warn: Callable[[str], None]) -> None:
        store = await SqliteReplies.at(file, warn=warn)
        await store.put("t", b"k", reply_of("x"), expires=10.0, now=0.0)
        await store.put("t", b"k", msgspec.structs.replace(reply_of("x"), text="\udc80"), expires=10.0, now=0.0)
        assert await store.get("t", b"k", now=0.0) is None
        await store.close()

    assert heard(run, tmp_path / "replies.db") == []


def test_replies_become_misses_when_the_file_breaks(tmp_path: Path) -> None:
    async def run(file: Path, warn: Callable[[str], None]) -> None:
        store = await SqliteReplies.at(file, warn=warn)
        await store.put("t", b"k", reply_of("x"), expires=10.0, now=0.0)
        await store.flush()
        breaking(file, "DROP TABLE replies")
        assert await store.get("t", b"k", now=0.0) is None
        await store.put("t", b"k", reply_of("x"), expires=10.0, now=0.0)
        await store.forget("t", b"k")
        await store.clear()
        assert await store.get("t", b"k", now=0.0) is None
        assert await store.size() == 0
        await store.close()

    assert len(heard(run, tmp_path / "replies.db")) == 1


@pytest.mark.parametrize(
    "damage",
    [
        "record = x''",
        "record = x'01'",
        "record = x'ff' || substr(record, 2)",
        "record = substr(record, 1, 40)",
        "record = substr(record, 1, 6) || x'c1'",
        "record = x'0100d202ef8d00'",
        "record = x'0101d202ef8d00'",
    ],
)
def test_a_damaged_reply_is_a_miss_and_goes(damage: str, tmp_path: Path) -> None:
    async def run(file: Path, warn: Callable[[str], None]) -> None:
        store = await SqliteReplies.at(file, warn=warn)
        for key in (b"k", b"long"):
            await store.put("t", key, reply_of("text", copies=2000 if key == b"long" else 1), expires=10.0, now=0.0)
        await store.flush()
        breaking(file, f"UPDATE replies SET {damage}")
        assert await store.get("t", b"k", now=0.0) is None
        assert await store.get("t", b"long", now=0.0) is None
        await store.close()
        assert sqlite3.connect(file).execute("SELECT count(*) FROM replies").fetchone() == (0,)

    assert heard(run, tmp_path / "replies.db") == []


def test_damage_found_later_is_out_of_the_way_of_the_next_run(tmp_path: Path) -> None:
    """The first pages of the file are sound, those behind them are not."""
    file = tmp_path / "replies.db"

    async def fill(file: Path, warn: Callable[[str], None]) -> None:
        store = await SqliteReplies.at(file, warn=warn)
        for number in range(200):
            await store.put("t", str(number).encode(), reply_of("x", copies=900), expires=10.0, now=0.0)
        await store.close()

    async def read(file: Path, warn: Callable[[str], None]) -> None:
        store = await SqliteReplies.at(file, warn=warn)
        for number in range(200):
            await store.put("t", str(number).encode(), reply_of("y"), expires=10.0, now=0.0)
        await store.flush()
        assert await store.get("t", b"0", now=0.0) is None
        await store.close()

    assert heard(fill, file) == []
    sound, behind = file.read_bytes()[:4096], file.stat().st_size - 4096
    file.write_bytes(sound + b"\xa5" * behind)
    (said,) = heard(read, file)
    assert "malformed" in said
    assert "corrupt-1" in said
    assert heard(use_replies, file) == []


def test_records_are_dropped_when_the_file_breaks(tmp_path: Path) -> None:
    async def run(file: Path, warn: Callable[[str], None]) -> None:
        store = await SqliteRecords.at(file, warn=warn)
        breaking(file, "DROP TABLE records")
        for number in range(200):
            await store.add(record_of(str(number)))
        assert await store.recent(10) == []
        assert await store.get("never") is None
        await store.save("factors", b"1")
        assert await store.load("factors") is None
        await store.close()

    assert len(heard(run, tmp_path / "records.db")) == 1


def test_a_record_that_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    async def run(file: Path, warn: Callable[[str], None]) -> None:
        store = await SqliteRecords.at(file, warn=warn)
        for name in ("one", "two"):
            await store.add(record_of(name))
        await store.flush()
        breaking(file, "UPDATE records SET record = '{}' WHERE id = 'one'")
        assert await store.get("one") is None
        assert await store.recent(5) == [record_of("two")]
        await store.close()

    assert heard(run, tmp_path / "records.db") == []


def test_a_statement_of_ours_that_is_wrong_is_no_failure_of_the_file(tmp_path: Path) -> None:
    """It raises, and leaves nothing half done."""

    async def run(file: Path, warn: Callable[[str], None]) -> None:
        database = await Database.open(file, SCHEMA, warn=warn)

        def wrong(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT INTO holds VALUES ('id', x'00', 'owner', 0)")
            connection.execute("INSERT INTO holds VALUES ('id', x'00', 'owner', 0)")

        with pytest.raises(sqlite3.IntegrityError):
            await database.write(wrong)
        rows = await database.read(lambda connection: connection.execute("SELECT * FROM holds").fetchall())
        assert rows == []
        database.close()

    assert heard(run, tmp_path / "holds.db") == []
