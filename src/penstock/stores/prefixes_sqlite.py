"""The registry of prefixes in a SQLite file."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from itertools import zip_longest
from pathlib import Path

import msgspec

from penstock.stores.sqlite import Database, Schema, Unusable
from penstock.values.prefixes import Known, Prefix, Tally

__all__ = ["KEPT_SECONDS", "MOST_KEPT", "SqliteRegistry"]

KEPT_SECONDS = 2 * 3600.0
"""How long a prefix is kept that nobody sends: twice the longest time to live."""

MOST_KEPT = 10_000
"""Prefixes that a new process is told: it begins by reading them."""

MOST_TALLIES = 10_000

_SCHEMA = Schema(
    "prefixes",
    (
        (
            "CREATE TABLE exchanges (stamp INTEGER NOT NULL)",
            "INSERT INTO exchanges VALUES (0)",
            "CREATE TABLE prefixes (digest BLOB PRIMARY KEY, seen REAL NOT NULL, sent INTEGER NOT NULL, "
            "turn INTEGER NOT NULL, ready REAL NOT NULL, until REAL NOT NULL, ttl REAL NOT NULL, "
            "probe INTEGER NOT NULL, life BLOB NOT NULL, stamp INTEGER NOT NULL) WITHOUT ROWID",
            "CREATE INDEX prefixes_by_stamp ON prefixes (stamp)",
            "CREATE INDEX prefixes_by_seen ON prefixes (seen)",
            "CREATE TABLE tallies (name TEXT PRIMARY KEY, tally BLOB NOT NULL, stamp INTEGER NOT NULL) WITHOUT ROWID",
            "CREATE INDEX tallies_by_stamp ON tallies (stamp)",
        ),
    ),
)

_LATER = "excluded.ready > ready OR (excluded.ready = ready AND excluded.until > until)"

_TELL = f"""
    INSERT INTO prefixes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (digest) DO UPDATE SET
        seen = max(seen, excluded.seen), sent = max(sent, excluded.sent), turn = max(turn, excluded.turn),
        until = CASE WHEN {_LATER} THEN excluded.until ELSE until END,
        ttl = CASE WHEN {_LATER} THEN excluded.ttl ELSE ttl END,
        probe = CASE WHEN {_LATER} THEN excluded.probe ELSE probe END,
        ready = max(ready, excluded.ready), life = excluded.life, stamp = excluded.stamp
"""

_COLUMNS = "digest, seen, sent, turn, ready, until, ttl, probe, life"

_encode = msgspec.msgpack.Encoder().encode
_tally = msgspec.msgpack.Decoder(Tally).decode


class SqliteRegistry:
    """`Registry` in a SQLite file. When the file fails, each process goes on with what it knows itself."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._heard = 0

    @classmethod
    async def at(cls, path: Path | None, *, warn: Callable[[str], None]) -> SqliteRegistry:
        """The registry in the file at ``path``."""
        return cls(await Database.open(path, _SCHEMA, warn=warn))

    async def exchange(self, mine: Known, now: float) -> Known:
        """See `Registry`."""

        def work(connection: sqlite3.Connection) -> tuple[int, Known]:
            ((stamp,),) = connection.execute("UPDATE exchanges SET stamp = stamp + 1 RETURNING stamp").fetchall()
            theirs = self._prefixes(connection)
            connection.executemany(_TELL, [(*_row(each), stamp) for each in mine.prefixes])
            for name, added in mine.tallies.items():
                connection.execute(
                    "INSERT OR REPLACE INTO tallies VALUES (?, ?, ?)",
                    (name, _encode(_sum(_found(connection, name), added)), stamp),
                )
            if not self._heard:
                _forget(connection, now)
            return stamp, Known(theirs, dict(self._tallies(connection)))

        with contextlib.suppress(Unusable):
            self._heard, known = await self._database.write(work)
            return known
        return Known()

    def _prefixes(self, connection: sqlite3.Connection) -> list[Prefix]:
        """Those that others changed since the last time; at first the newest, with the lives to take up."""
        query = f"SELECT {_COLUMNS} FROM prefixes WHERE stamp > ? ORDER BY seen DESC LIMIT ?"
        rows = connection.execute(query, (self._heard, MOST_KEPT)).fetchall()
        found = [msgspec.convert(row, Prefix, strict=False) for row in reversed(rows)]
        if self._heard:
            return [msgspec.structs.replace(prefix, life=b"") for prefix in found]
        connection.execute("UPDATE prefixes SET life = x''")
        return found

    def _tallies(self, connection: sqlite3.Connection) -> Iterator[tuple[str, Tally]]:
        for name, blob in connection.execute("SELECT name, tally FROM tallies WHERE stamp > ?", (self._heard,)):
            with contextlib.suppress(msgspec.DecodeError):  # of another version: it is counted anew
                yield name, _tally(blob)

    async def close(self) -> None:
        """See `Registry`."""
        self._database.close()


def _row(prefix: Prefix) -> tuple[object, ...]:
    return msgspec.structs.astuple(prefix)


def _found(connection: sqlite3.Connection, name: str) -> Tally | None:
    for (blob,) in connection.execute("SELECT tally FROM tallies WHERE name = ?", (name,)):
        with contextlib.suppress(msgspec.DecodeError):
            return _tally(blob)
    return None


def _sum(before: Tally | None, added: Tally) -> Tally:
    if before is None:
        return added
    counts = tuple(a + b for a, b in zip_longest(before.counts, added.counts, fillvalue=0.0))
    return Tally(counts, min(before.since, added.since))


def _forget(connection: sqlite3.Connection, now: float) -> None:
    """What nobody will ask for: it is looked for when a process begins."""
    connection.execute("DELETE FROM prefixes WHERE seen < ?", (now - KEPT_SECONDS,))
    connection.execute(
        "DELETE FROM tallies WHERE name IN (SELECT name FROM tallies ORDER BY stamp DESC LIMIT -1 OFFSET ?)",
        (MOST_TALLIES,),
    )
