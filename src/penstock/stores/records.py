"""Records: what became of each call and why; and the small facts that a run leaves for the next one."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import msgspec

from penstock.stores.later import Later
from penstock.stores.sqlite import Database, Schema, Unusable
from penstock.values import Usage

__all__ = ["MAX_RECORDS", "CallRecord", "Learned", "MemoryRecords", "Records", "SqliteRecords"]

MAX_RECORDS = 100_000
"""How many records are kept by default; the oldest go first."""

_BEHIND_SECONDS = 0.03
"""How much later records are written: together with those of the calls that end meanwhile, when nobody waits."""


class CallRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one call."""

    id: str
    at: float
    """When it was asked: seconds on the wall clock."""
    model: str
    provider: str
    source: str
    """Where the answer came from: the provider's name, ``reuse``, ``joined``; ``refused`` when there was none."""
    scope: tuple[str, ...]
    """The accounts it was charged to, from the root to the leaf."""
    asked: int | None = None
    """Nano-dollars it would have cost; None: unpriced. asked = spent + the sum of saved."""
    spent: int | None = None
    saved: dict[str, int] = {}
    """Nano-dollars by mechanism; negative where one lost money."""
    usage: Usage | None = None
    seconds: float = 0.0
    steps: list[dict[str, Any]] = []
    """The states it walked through: its explanation."""


class Records(Protocol):
    """Keeps the newest records, in the order in which they were added."""

    async def add(self, record: CallRecord) -> None:
        """Keep a record. It may be written a moment later."""
        ...

    async def get(self, record_id: str) -> CallRecord | None:
        """The record of a call, written or not."""
        ...

    async def recent(self, count: int) -> list[CallRecord]:
        """The last so many, newest first."""
        ...

    async def flush(self) -> None:
        """Write what waits."""
        ...

    async def close(self) -> None:
        """Write what waits and give back files and connections."""
        ...


class Learned(Protocol):
    """Small facts by name, such as how many tokens a model makes of a text."""

    async def load(self, name: str) -> bytes | None:
        """What was saved under the name last."""
        ...

    async def save(self, name: str, value: bytes) -> None:
        """Keep a value in place of the one before."""
        ...


class MemoryRecords:
    """`Records` and `Learned` of one process."""

    def __init__(self, max_records: int = MAX_RECORDS) -> None:
        self._records: dict[str, CallRecord] = {}
        self._max_records = max_records
        self._learned: dict[str, bytes] = {}

    async def add(self, record: CallRecord) -> None:
        """See `Records`."""
        self._records.pop(record.id, None)
        self._records[record.id] = record
        if len(self._records) > self._max_records:
            del self._records[next(iter(self._records))]

    async def get(self, record_id: str) -> CallRecord | None:
        """See `Records`."""
        return self._records.get(record_id)

    async def recent(self, count: int) -> list[CallRecord]:
        """See `Records`."""
        return [record for record, _ in zip(reversed(self._records.values()), range(count), strict=False)]

    async def flush(self) -> None:
        """Nothing waits."""

    async def close(self) -> None:
        """Nothing to give back."""

    async def load(self, name: str) -> bytes | None:
        """See `Learned`."""
        return self._learned.get(name)

    async def save(self, name: str, value: bytes) -> None:
        """See `Learned`."""
        self._learned[name] = value


_SCHEMA = Schema(
    "records",
    (
        (
            "CREATE TABLE records (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, record BLOB NOT NULL)",
            "CREATE TABLE learned (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID",
        ),
    ),
)

_encode = msgspec.json.Encoder(enc_hook=repr).encode
_decode = msgspec.json.Decoder(CallRecord).decode


class SqliteRecords:
    """`Records` and `Learned` in a SQLite file. When the file fails during a run, what would be written is dropped."""

    def __init__(self, database: Database, *, max_records: int = MAX_RECORDS) -> None:
        self._database = database
        self._max_records = max_records
        self._waiting: dict[str, CallRecord] = {}
        self._later = Later(self.flush, _BEHIND_SECONDS)

    @classmethod
    async def at(
        cls, path: Path | None, *, warn: Callable[[str], None], max_records: int = MAX_RECORDS, patience: float = 5.0
    ) -> SqliteRecords:
        """The records in the file at ``path``; see `Database.open` for what becomes of a file that cannot be used."""
        return cls(await Database.open(path, _SCHEMA, warn=warn, patience=patience), max_records=max_records)

    async def add(self, record: CallRecord) -> None:
        """See `Records`."""
        self._waiting.pop(record.id, None)
        self._waiting[record.id] = record
        self._later.ask()

    async def get(self, record_id: str) -> CallRecord | None:
        """See `Records`."""
        if record_id in self._waiting:
            return self._waiting[record_id]
        found = await self._read("SELECT record FROM records WHERE id = ?", record_id)
        return found[0] if found else None

    async def recent(self, count: int) -> list[CallRecord]:
        """See `Records`. Other processes' records are among them."""
        await self.flush()
        return await self._read("SELECT record FROM records ORDER BY number DESC LIMIT ?", count)

    async def flush(self) -> None:
        """See `Records`."""
        waiting, self._waiting = self._waiting, {}
        rows = [(record.id, _row(record)) for record in waiting.values()]

        def work(connection: sqlite3.Connection) -> None:
            connection.executemany("INSERT OR REPLACE INTO records (id, record) VALUES (?, ?)", rows)
            connection.execute(
                "DELETE FROM records WHERE number <= (SELECT max(number) FROM records) - ?", (self._max_records,)
            )

        if rows:
            with contextlib.suppress(Unusable):
                await self._database.write(work)

    async def close(self) -> None:
        """See `Records`."""
        await self._later.drop()
        await self.flush()
        self._database.close()

    async def load(self, name: str) -> bytes | None:
        """See `Learned`."""
        with contextlib.suppress(Unusable):
            rows: list[tuple[bytes]] = await self._database.read(
                lambda connection: connection.execute("SELECT value FROM learned WHERE name = ?", (name,)).fetchall()
            )
            return rows[0][0] if rows else None
        return None

    async def save(self, name: str, value: bytes) -> None:
        """See `Learned`."""
        with contextlib.suppress(Unusable):
            await self._database.write(
                lambda connection: connection.execute("INSERT OR REPLACE INTO learned VALUES (?, ?)", (name, value))
            )

    async def _read(self, query: str, value: object) -> list[CallRecord]:
        """The records that a query finds, without those that cannot be read."""
        rows: list[tuple[bytes]] = []
        with contextlib.suppress(Unusable):
            rows = await self._database.read(lambda connection: connection.execute(query, (value,)).fetchall())
        found: list[CallRecord] = []
        for (blob,) in rows:
            with contextlib.suppress(msgspec.DecodeError):  # of another version, or damaged: an explanation is lost
                found.append(_decode(blob))
        return found


def _row(record: CallRecord) -> bytes:
    """The record as JSON.

    An explanation may quote anything: what JSON cannot say is told as Python prints it, and half of a surrogate pair,
    which no encoding can write, becomes a question mark.
    """
    try:
        return _encode(record)
    except UnicodeEncodeError:
        plain = msgspec.to_builtins(record, enc_hook=repr)
        return json.dumps(plain, ensure_ascii=False).encode("utf-8", "replace")
