"""State files that are damaged, locked, read-only, full or gone: the run goes on, and one line says so."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import msgspec
import pytest

from penstock.ledger import NOTHING, Account, Amounts, Limits, Never, Wait
from penstock.stores.holds import Hold
from penstock.stores.holds_sqlite import SCHEMA, SqliteHolds
from penstock.stores.records import SqliteRecords
from penstock.stores.replies_sqlite import SqliteReplies
from penstock.stores.sqlite import Database, Unusable
from penstock.testing.laws import record_of, reply_of

PATH = ("a", "b")


async def use_holds(file: Path, warn: Callable[[str], None]) -> None:
    store = await SqliteHolds.at(file, warn=warn, patience=0.0)
    await store.open(PATH, Limits(nano=100), 0.0)
    hold = await store.hold(PATH, Amounts(60), NOTHING, 0.0)
    assert isinstance(hold, Hold)
    await store.settle(hold.id, Amounts(60))
    assert await store.hold(PATH, Amounts(60), NOTHING, 0.0) == Never(PATH, "nano", 60, 40)
    await store.close()


async def use_replies(file: Path, warn: Callable[[str], None]) -> None:
    store = await SqliteReplies.at(file, warn=warn, patience=0.0)
    await store.put("t", b"k", reply_of("x"), expires=10.0, now=0.0)
    assert await store.get("t", b"k", now=0.0) == reply_of("x")
    await store.close()


async def use_records(file: Path, warn: Callable[[str], None]) -> None:
    store = await SqliteRecords.at(file, warn=warn, patience=0.0)
    await store.add(record_of("one"))
    await store.flush()
    assert await store.get("one") == record_of("one")
    await store.save("factors", b"1")
    assert await store.load("factors") == b"1"
    await store.close()


USES: list[Callable[[Path, Callable[[str], None]], Coroutine[Any, Any, None]]] = [use_holds, use_replies, use_records]
every_store = pytest.mark.parametrize("use", USES)


def heard(use: Callable[[Path, Callable[[str], None]], Coroutine[Any, Any, None]], file: Path) -> list[str]:
    said: list[str] = []
    asyncio.run(use(file, said.append))
    assert all("\n" not in line for line in said)
    return said


# At the opening -------------------------------------------------------------------------------------------------------


@every_store
def test_a_new_file_is_for_its_owner_alone(use: Any, tmp_path: Path) -> None:
    file = tmp_path / "home" / "state.db"
    assert heard(use, file) == []
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    file.chmod(0o644)
    assert heard(use_holds, tmp_path / "other.db") == []
    asyncio.run(Database.open(file, SCHEMA, warn=pytest.fail))
    assert file.stat().st_mode & 0o777 == 0o600


@every_store
def test_a_damaged_file_is_set_aside(use: Any, tmp_path: Path) -> None:
    file = tmp_path / "state.db"
    for number in (1, 2):
        file.write_bytes(b"garbage, not a database at all" * 400)
        (said,) = heard(use, file)
        assert str(file) in said
        assert f"state.db.corrupt-{number}" in said
        assert (tmp_path / f"state.db.corrupt-{number}").read_bytes().startswith(b"garbage")
        assert heard(use_nothing, file) == []


async def use_nothing(file: Path, warn: Callable[[str], None]) -> None:
    """A file that was put in the place of a damaged one is sound."""
    sqlite3.connect(file).execute("PRAGMA integrity_check").fetchone()


@every_store
def test_a_truncated_file_is_set_aside(use: Any, tmp_path: Path) -> None:
    file = tmp_path / "state.db"
    heard(use, file)
    os.truncate(file, file.stat().st_size // 2 + 100)
    (said,) = heard(use, file)
    assert "state.db.corrupt-1" in said


@every_store
def test_the_log_of_a_damaged_file_is_set_aside_with_it(use: Any, tmp_path: Path) -> None:
    """Or it would be played into the new file. Another program has the file open, so the log is there."""
    file = tmp_path / "state.db"
    heard(use, file)
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("PRAGMA wal_checkpoint")
    other.execute("PRAGMA user_version").fetchone()
    file.write_bytes(b"garbage" * 1000)
    (said,) = heard(use, file)
    assert "corrupt-1" in said
    assert (tmp_path / "state.db.corrupt-1-wal").exists()
    assert heard(use_nothing, file) == []
    other.close()


@every_store
def test_an_empty_file_is_a_new_one(use: Any, tmp_path: Path) -> None:
    (tmp_path / "state.db").touch()
    assert heard(use, tmp_path / "state.db") == []


@every_store
def test_a_folder_in_place_of_the_file_is_left_alone(use: Any, tmp_path: Path) -> None:
    file = tmp_path / "state.db"
    (file / "inside").mkdir(parents=True)
    (said,) = heard(use, file)
    assert "Is a directory" in said
    assert (file / "inside").is_dir()


@every_store
def test_a_file_in_place_of_the_folder_is_left_alone(use: Any, tmp_path: Path) -> None:
    (tmp_path / "home").write_text("mine")
    (said,) = heard(use, tmp_path / "home" / "state.db")
    assert "PENSTOCK_HOME" in said
    assert (tmp_path / "home").read_text() == "mine"


@every_store
def test_a_newer_file_is_left_alone(use: Any, tmp_path: Path) -> None:
    file = tmp_path / "state.db"
    connection = sqlite3.connect(file)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    (said,) = heard(use, file)
    assert "update penstock" in said
    assert sqlite3.connect(file).execute("PRAGMA user_version").fetchone() == (99,)


@every_store
def test_a_file_locked_from_the_start_is_done_without(use: Any, tmp_path: Path) -> None:
    """By another process, for good."""
    file = tmp_path / "state.db"
    program = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None); c.execute('BEGIN EXCLUSIVE');"
        "c.execute('CREATE TABLE t (x)'); print('locked', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", program, str(file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "locked\n"
        (said,) = heard(use, file)
        other.communicate()
    assert "locked" in said


@every_store
def test_a_folder_that_cannot_be_written_is_done_without(use: Any) -> None:
    """In a child that is nobody, since root may write anywhere."""
    home = Path(tempfile.mkdtemp())
    try:
        home.chmod(0o555)
        child = os.fork()
        if child == 0:
            status = 1
            try:
                if os.geteuid() == 0:
                    os.setuid(65534)
                (said,) = heard(use, home / "state.db")
                status = 0 if "Permission denied" in said and "PENSTOCK_HOME" in said else 2
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    finally:
        home.chmod(0o700)
        shutil.rmtree(home)


def empty(folder: Path) -> None:
    for entry in folder.iterdir():
        entry.unlink()


# During the run -------------------------------------------------------------------------------------------------------


@every_store
def test_a_file_deleted_during_the_run_is_not_missed(use: Any, tmp_path: Path) -> None:
    file = tmp_path / "state.db"

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

    heard(run, file)


def breaking(file: Path, *statements: str) -> None:
    """What another program does to the file."""
    connection = sqlite3.connect(file, isolation_level=None)
    for statement in statements:
        connection.execute(statement)
    connection.close()


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


# Written when it should be --------------------------------------------------------------------------------------------


def test_records_are_written_in_batches(tmp_path: Path) -> None:
    """After 64, or when the first that waits is a second older than the newest."""

    async def run(file: Path, warn: Callable[[str], None]) -> None:
        store = await SqliteRecords.at(file, warn=warn)

        def written() -> int:
            connection = sqlite3.connect(file)
            (count,) = connection.execute("SELECT count(*) FROM records").fetchone()
            connection.close()
            return int(count)

        for number in range(63):
            await store.add(record_of(str(number), at=number / 100))
        assert written() == 0
        await store.add(record_of("63", at=0.63))
        assert written() == 64
        await store.add(record_of("64", at=1.0))
        assert written() == 64
        await store.add(record_of("65", at=2.0))
        assert written() == 66
        await store.add(record_of("66", at=2.0))
        await store.close()
        assert written() == 67

    assert heard(run, tmp_path / "records.db") == []


def test_long_bodies_are_zipped_where_it_pays(tmp_path: Path) -> None:
    async def run(file: Path, warn: Callable[[str], None]) -> None:
        store = await SqliteReplies.at(file, warn=warn)
        noise = msgspec.structs.replace(reply_of("n"), raw=random.Random(0).randbytes(8000))
        replies = {"short": reply_of("s", copies=4000), "long": reply_of("l", copies=40_000), "noise": noise}
        for key, reply in replies.items():
            await store.put("t", key.encode(), reply, expires=10.0, now=0.0)
            assert await store.get("t", key.encode(), now=0.0) == reply
        await store.close()
        sizes = dict(sqlite3.connect(file).execute("SELECT CAST(key AS TEXT), length(record) FROM replies"))
        assert sizes["short"] > 4000
        assert sizes["long"] < 1000
        assert 8000 < sizes["noise"] < 8200

    assert heard(run, tmp_path / "replies.db") == []


def test_replies_outlive_the_run(tmp_path: Path) -> None:
    """So do holds, records and what was learned."""

    async def write(home: Path, warn: Callable[[str], None]) -> None:
        await use_holds(home / "holds.db", warn)
        await use_replies(home / "replies.db", warn)
        await use_records(home / "records.db", warn)

    async def read(home: Path, warn: Callable[[str], None]) -> None:
        holds = await SqliteHolds.at(home / "holds.db", warn=warn)
        assert await holds.open(PATH, Limits(nano=100), 9.0) == Account(PATH, Limits(nano=100), Amounts(60))
        replies = await SqliteReplies.at(home / "replies.db", warn=warn)
        assert await replies.get("t", b"k", now=9.0) == reply_of("x")
        records = await SqliteRecords.at(home / "records.db", warn=warn)
        assert await records.get("one") == record_of("one")
        assert await records.load("factors") == b"1"
        for store in (holds, replies, records):
            await store.close()

    assert heard(write, tmp_path) == heard(read, tmp_path) == []


def test_hits_are_noted_in_batches(tmp_path: Path) -> None:
    async def run(file: Path, warn: Callable[[str], None]) -> None:
        store = await SqliteReplies.at(file, warn=warn)
        for number in range(300):
            await store.put("t", str(number).encode(), reply_of("x"), expires=1000.0, now=0.0)
        for number in range(300):
            await store.get("t", str(number).encode(), now=5.0)
        connection = sqlite3.connect(file)
        assert connection.execute("SELECT count(*) FROM replies WHERE used = 5.0").fetchone() == (256,)
        await store.close()
        assert connection.execute("SELECT count(*) FROM replies WHERE used = 5.0").fetchone() == (300,)

    assert heard(run, tmp_path / "replies.db") == []
