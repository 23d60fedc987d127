"""`Replies` in a file that several processes share."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import zlib
from collections.abc import Callable
from pathlib import Path

import msgspec

from penstock.stores.later import Later
from penstock.stores.replies import Stored
from penstock.stores.sqlite import Database, Schema, Unusable
from penstock.values import Reply

__all__ = ["DISK_BYTES", "SqliteReplies"]

DISK_BYTES = 200 << 20
"""What the replies on disk may take by default."""

_VERSION = 1
"""Of a record. One of another version is a miss."""

_WORTH_ZIPPING = 4096
"""Bytes. Shorter bodies are stored as they are: unzipping costs more than reading the few pages saved."""

_BEHIND_SECONDS = 0.002
"""How much later a reply is written: who asked has it by then, and most of the cost of one is the transaction."""

_EVICTED_AT_ONCE = 16
_TOUCHES_AT_ONCE = 256

_SCHEMA = Schema(
    "replies",
    (
        (
            "CREATE TABLE replies (id INTEGER PRIMARY KEY, tenant BLOB NOT NULL, key BLOB NOT NULL,"
            " expires REAL NOT NULL, used REAL NOT NULL, record BLOB NOT NULL, UNIQUE (tenant, key))",
            "CREATE INDEX replies_used ON replies (used)",
        ),
    ),
)


class _Waiting(msgspec.Struct, frozen=True):
    """A reply that is not written yet."""

    stored: Stored
    used: float
    record: bytes


class SqliteReplies:
    """`Replies` in a SQLite file of at most ``max_bytes``; the least recently used go first.

    What comes is written a moment later, together with what comes meanwhile; `flush` does not wait for that. Which
    replies were used is noted with the next one stored, so that a hit writes nothing. When the file fails during a run,
    every lookup from there on is a miss.
    """

    def __init__(self, database: Database, *, max_bytes: int = DISK_BYTES) -> None:
        self._database = database
        self._max_bytes = max_bytes
        self._touched: dict[int, float] = {}
        self._waiting: dict[tuple[bytes, bytes], _Waiting] = {}
        self._later = Later(self.flush, _BEHIND_SECONDS)
        self._turn = asyncio.Lock()

    @classmethod
    async def at(
        cls, path: Path | None, *, warn: Callable[[str], None], max_bytes: int = DISK_BYTES, patience: float = 5.0
    ) -> SqliteReplies:
        """The replies in the file at ``path``; see `Database.open` for what becomes of a file that cannot be used."""
        return cls(await Database.open(path, _SCHEMA, warn=warn, patience=patience), max_bytes=max_bytes)

    async def get(self, tenant: str, key: bytes, now: float) -> Reply | None:
        """See `Replies`."""
        stored = await self.find(tenant, key, now)
        return stored.reply if stored else None

    async def find(self, tenant: str, key: bytes, now: float) -> Stored | None:
        """See `TimedReplies`. A record that is damaged, or of another version, is a miss and goes."""
        place = _place(tenant, key)
        waiting = self._waiting.get(place)
        if waiting is not None:
            return waiting.stored if waiting.stored.expires > now else None
        rows: list[tuple[int, float, bytes]] = []
        with contextlib.suppress(Unusable):
            rows = await self._database.read(
                lambda connection: connection.execute(
                    "SELECT id, expires, CAST(record AS BLOB) FROM replies WHERE tenant = ? AND key = ?", place
                ).fetchall()
            )
        if not rows:
            return None
        number, expires, record = rows[0]
        reply = _unpack(record) if expires > now else None
        if reply is None:
            await self._write(lambda connection: connection.execute("DELETE FROM replies WHERE id = ?", (number,)))
            return None
        self._touched[number] = now
        if len(self._touched) >= _TOUCHES_AT_ONCE:
            await self._write(lambda connection: None)
        return Stored(reply, expires)

    async def put(self, tenant: str, key: bytes, reply: Reply, expires: float, now: float) -> None:
        """See `Replies`."""
        record = _pack(reply)
        if record is None or len(record) > self._max_bytes // 2 or expires <= now:
            await self.forget(tenant, key)
            return

        self._waiting[_place(tenant, key)] = _Waiting(Stored(reply, expires), now, record)
        self._later.ask()

    async def flush(self) -> None:
        """Write what waits."""
        async with self._turn:
            rows = [(*place, each.stored.expires, each.used, each.record) for place, each in self._waiting.items()]
            if not rows:
                return

            def work(connection: sqlite3.Connection) -> None:
                connection.executemany(
                    "INSERT INTO replies (tenant, key, expires, used, record) VALUES (?, ?, ?, ?, ?)"
                    " ON CONFLICT (tenant, key) DO UPDATE"
                    " SET expires = excluded.expires, used = excluded.used, record = excluded.record",
                    rows,
                )
                while _bytes(connection) > self._max_bytes and _evict(connection):
                    pass

            self._waiting = {}
            await self._write(work)

    async def forget(self, tenant: str, key: bytes) -> None:
        """See `Replies`."""
        place = _place(tenant, key)
        async with self._turn:
            self._waiting.pop(place, None)
            await self._write(
                lambda connection: connection.execute("DELETE FROM replies WHERE tenant = ? AND key = ?", place)
            )

    async def clear(self, tenant: str | None = None) -> None:
        """See `Replies`."""
        whose = "" if tenant is None else " WHERE tenant = ?"
        values = () if tenant is None else (_place(tenant, b"")[0],)
        async with self._turn:
            self._waiting = {place: each for place, each in self._waiting.items() if values and place[0] != values[0]}
            await self._write(lambda connection: connection.execute(f"DELETE FROM replies{whose}", values))

    async def size(self) -> int:
        """See `Replies`. The pages in use, an empty file's own among them."""
        await self.flush()
        with contextlib.suppress(Unusable):
            return await self._database.read(_bytes)
        return 0

    async def close(self) -> None:
        """See `Replies`."""
        await self._later.drop()
        await self.flush()
        if self._touched:
            await self._write(lambda connection: None)
        self._database.close()

    async def _write(self, work: Callable[[sqlite3.Connection], object]) -> None:
        """Do the work, after noting which replies were used."""
        touched = [(used, number) for number, used in self._touched.items()]

        def noting(connection: sqlite3.Connection) -> None:
            if touched:
                connection.executemany("UPDATE replies SET used = max(used, ?) WHERE id = ?", touched)
            work(connection)

        with contextlib.suppress(Unusable):
            await self._database.write(noting)
        self._touched.clear()


# Rows -----------------------------------------------------------------------------------------------------------------


def _place(tenant: str, key: bytes) -> tuple[bytes, bytes]:
    return tenant.encode("utf-8", "surrogatepass"), key


def _bytes(connection: sqlite3.Connection) -> int:
    """What the file takes, apart from pages that are free to be used again: exact, whoever wrote to it."""
    pages, free, page = (_pragma(connection, name) for name in ("page_count", "freelist_count", "page_size"))
    return (pages - free) * page


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    value: int = connection.execute(f"PRAGMA {name}").fetchone()[0]
    return value


def _evict(connection: sqlite3.Connection) -> int:
    """Remove the few replies used longest ago; how many there were to remove."""
    return connection.execute(
        "DELETE FROM replies WHERE id IN (SELECT id FROM replies ORDER BY used LIMIT ?)", (_EVICTED_AT_ONCE,)
    ).rowcount


# Records: version, whether the body is zipped, checksum, then the reply -----------------------------------------------

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Reply).decode
_HEADER = 6


def _pack(reply: Reply) -> bytes | None:
    """The record of a reply; None when its text is no valid Unicode and cannot be written."""
    zipped = False
    if len(reply.raw) > _WORTH_ZIPPING:
        body = zlib.compress(reply.raw, 1)
        zipped = len(body) < len(reply.raw) * 3 // 4
        if zipped:
            reply = msgspec.structs.replace(reply, raw=body)
    try:
        encoded = _encode(reply)
    except UnicodeEncodeError:
        return None
    return bytes((_VERSION, zipped)) + zlib.crc32(encoded).to_bytes(4, "big") + encoded


def _unpack(record: bytes) -> Reply | None:
    """The reply of a record; None when it is damaged or of another version."""
    encoded = memoryview(record)[_HEADER:]
    if record[:1] != bytes((_VERSION,)) or zlib.crc32(encoded) != int.from_bytes(record[2:_HEADER], "big"):
        return None
    try:
        reply = _decode(encoded)
        return msgspec.structs.replace(reply, raw=zlib.decompress(reply.raw)) if record[1] else reply
    except (msgspec.DecodeError, zlib.error):
        return None
