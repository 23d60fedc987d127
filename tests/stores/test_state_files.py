"""State files that are damaged, locked, read-only or strange when opened, and what is written to sound ones."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from state_files import PATH, every_store, heard, use_holds, use_records, use_replies

from penstock.ledger import Account, Amounts, Limits
from penstock.stores.holds_sqlite import SCHEMA, SqliteHolds
from penstock.stores.records import SqliteRecords
from penstock.stores.replies_sqlite import SqliteReplies
from penstock.stores.sqlite import Database
from penstock.testing.laws import record_of, reply_of


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


# Written when it should be --------------------------------------------------------------------------------------------


def test_records_are_written_together_when_nobody_waits(tmp_path: Path) -> None:
    async def run(file: Path, warn: Callable[[str], None]) -> None:
        store = await SqliteRecords.at(file, warn=warn)

        def written() -> int:
            connection = sqlite3.connect(file)
            (count,) = connection.execute("SELECT count(*) FROM records").fetchone()
            connection.close()
            return int(count)

        for number in range(100):
            await store.add(record_of(str(number)))
        assert written() == 0
        async with asyncio.timeout(60):
            while not written():  # by itself, and all at once  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        assert written() == 100
        await store.add(record_of("more"))
        assert written() == 100
        await store.close()
        assert written() == 101

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
        await store.flush()
        for number in range(300):
            await store.get("t", str(number).encode(), now=5.0)
        connection = sqlite3.connect(file)
        assert connection.execute("SELECT count(*) FROM replies WHERE used = 5.0").fetchone() == (256,)
        await store.close()
        assert connection.execute("SELECT count(*) FROM replies WHERE used = 5.0").fetchone() == (300,)

    assert heard(run, tmp_path / "replies.db") == []


def test_replies_are_written_a_moment_later_and_found_at_once(tmp_path: Path) -> None:
    async def run(file: Path, warn: Callable[[str], None]) -> None:
        store, other = [await SqliteReplies.at(file, warn=warn) for _ in range(2)]
        for key in (b"k", b"forgotten"):
            await store.put("t", key, reply_of("x"), expires=10.0, now=0.0)
        assert await other.get("t", b"k", now=0.0) is None
        assert await store.get("t", b"k", now=0.0) == reply_of("x")
        assert await store.get("t", b"k", now=10.0) is None
        await store.forget("t", b"forgotten")
        assert await store.get("t", b"forgotten", now=0.0) is None
        async with asyncio.timeout(60):
            while await other.get("t", b"k", now=0.0) is None:  # by itself  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        assert await other.get("t", b"forgotten", now=0.0) is None
        await store.put("t", b"cleared", reply_of("x"), expires=10.0, now=0.0)
        await store.clear("t")
        assert await store.get("t", b"cleared", now=0.0) is None
        await store.close()
        await other.close()

    assert heard(run, tmp_path / "replies.db") == []
