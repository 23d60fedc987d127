"""The registry of prefixes in a SQLite file."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

import msgspec

from penstock.stores.sqlite import Database, Schema, Unusable
from penstock.values.prefixes import PAGE, Known, Prefix, Tally

__all__ = ["KEPT_SECONDS", "MOST_HEARD", "SCHEMA", "SqliteRegistry"]

KEPT_SECONDS = 2 * 3600.0
"""How long a prefix is kept that nobody sends: twice the longest time to live."""

MOST_HEARD = 10_000
"""Prefixes, the newest, that a process is told which begins, or has not asked for long."""

MOST_TALLIES = 10_000

SCHEMA = Schema(
    "prefixes",
    (
        (
            "CREATE TABLE exchanges (stamp INTEGER NOT NULL)",
            "INSERT INTO exchanges VALUES (0)",
            "CREATE TABLE prefixes (digest BLOB PRIMARY KEY, seen REAL NOT NULL, turn INTEGER NOT NULL, "
            "ready REAL NOT NULL, until REAL NOT NULL, ttl REAL NOT NULL, probe INTEGER NOT NULL, "
            "stamp INTEGER NOT NULL) WITHOUT ROWID",
            "CREATE INDEX prefixes_by_stamp ON prefixes (stamp, digest)",
            "CREATE TABLE tallies (name TEXT PRIMARY KEY, tally BLOB NOT NULL, stamp INTEGER NOT NULL) WITHOUT ROWID",
            "CREATE INDEX tallies_by_stamp ON tallies (stamp, name)",
        ),
    ),
)

_LATER = "excluded.ready > ready OR (excluded.ready = ready AND excluded.until > until)"

_TELL = f"""
    INSERT INTO prefixes VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (digest) DO UPDATE SET
        seen = max(seen, excluded.seen), turn = max(turn, excluded.turn),
        until = CASE WHEN {_LATER} THEN excluded.until ELSE until END,
        ttl = CASE WHEN {_LATER} THEN excluded.ttl ELSE ttl END,
        probe = CASE WHEN {_LATER} THEN excluded.probe ELSE probe END,
        ready = max(ready, excluded.ready), stamp = excluded.stamp
"""

_PREFIXES = """
    SELECT stamp, digest, seen, turn, ready, until, ttl, probe FROM prefixes
    WHERE (stamp, digest) > (?, ?) ORDER BY stamp, digest LIMIT ?
"""

_TALLIES = """
    SELECT stamp, name, tally FROM tallies WHERE (stamp, name) > (?, ?) ORDER BY stamp, name LIMIT ?
"""

_encode = msgspec.msgpack.Encoder().encode
_tally = msgspec.msgpack.Decoder(Tally).decode


class _Upto(NamedTuple):
    """What was heard: all up to this stamp, and of that stamp what is not behind this key."""

    prefixes: tuple[int, bytes]
    tallies: tuple[int, str]


class SqliteRegistry:
    """`Registry` in a SQLite file. When the file fails, each process goes on with what it knows itself."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._upto = _Upto((0, b""), (0, ""))

    @classmethod
    async def at(cls, path: Path | None, *, warn: Callable[[str], None]) -> SqliteRegistry:
        """The registry in the file at ``path``."""
        return cls(await Database.open(path, SCHEMA, warn=warn))

    async def exchange(self, mine: Known, now: float) -> Known:
        """See `Registry`."""

        def work(connection: sqlite3.Connection) -> tuple[_Upto, Known]:
            ((stamp,),) = connection.execute("UPDATE exchanges SET stamp = stamp + 1 RETURNING stamp").fetchall()
            _forget(connection, now)
            prefixes = connection.execute(_PREFIXES, (*self._upto.prefixes, PAGE)).fetchall()
            connection.executemany(_TELL, [(*msgspec.structs.astuple(each), stamp) for each in mine.prefixes])
            told = {name: _add(connection, name, added, stamp) for name, added in mine.tallies.items()}
            tallies = connection.execute(_TALLIES, (*self._upto.tallies, PAGE)).fetchall()
            upto = _Upto(
                max(prefixes[-1][:2], _newest(connection)) if len(prefixes) == PAGE else (stamp + 1, b""),
                tallies[-1][:2] if len(tallies) == PAGE else (stamp + 1, ""),
            )
            return upto, Known(
                [msgspec.convert(row, Prefix, strict=False) for _, *row in prefixes],
                dict(_read(tallies)) | told,
                more=PAGE in (len(prefixes), len(tallies)),
            )

        with contextlib.suppress(Unusable):
            self._upto, known = await self._database.write(work)
            return known
        return Known()

    async def close(self) -> None:
        """See `Registry`."""
        self._database.close()


def _newest(connection: sqlite3.Connection) -> tuple[int, bytes]:
    """Where the newest prefixes begin."""
    query = "SELECT stamp, digest FROM prefixes ORDER BY stamp DESC, digest DESC LIMIT 1 OFFSET ?"
    return next(iter(connection.execute(query, (MOST_HEARD,)).fetchall()), (0, b""))


def _read(rows: Iterable[tuple[int, str, bytes]]) -> Iterator[tuple[str, Tally]]:
    for _, name, blob in rows:
        with contextlib.suppress(msgspec.DecodeError):  # of another version: it is counted anew
            yield name, _tally(blob)


def _add(connection: sqlite3.Connection, name: str, added: Tally, stamp: int) -> Tally:
    """Add to a tally; what it comes to."""
    rows = connection.execute("SELECT stamp, name, tally FROM tallies WHERE name = ?", (name,)).fetchall()
    found = _sum(dict(_read(rows)).get(name), added)
    connection.execute("INSERT OR REPLACE INTO tallies VALUES (?, ?, ?)", (name, _encode(found), stamp))
    return found


def _sum(before: Tally | None, added: Tally) -> Tally:
    if before is None:
        return added
    counts = tuple(a + b for a, b in zip_longest(before.counts, added.counts, fillvalue=0.0))
    return Tally(counts, min(before.since, added.since))


def _forget(connection: sqlite3.Connection, now: float) -> None:
    """What nobody will ask for, a page of it: it is among what was told longest ago."""
    connection.execute(
        "DELETE FROM prefixes WHERE digest IN (SELECT digest FROM prefixes ORDER BY stamp, digest LIMIT ?)"
        " AND seen NOT BETWEEN ? AND ?",
        (PAGE, now - KEPT_SECONDS, now + KEPT_SECONDS),
    )
    connection.execute(
        "DELETE FROM tallies WHERE name IN (SELECT name FROM tallies ORDER BY stamp DESC, name LIMIT ? OFFSET ?)",
        (PAGE, MOST_TALLIES),
    )
