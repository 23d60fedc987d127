"""`Originals` in a file that several processes share."""

from __future__ import annotations

import contextlib
import sqlite3
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from penstock.stores.originals import MemoryOriginals
from penstock.stores.sqlite import Database, Schema, Unusable

__all__ = ["DISK_BYTES", "SqliteOriginals"]

DISK_BYTES = 500 << 20
"""What the texts on disk may take by default, packed: about a quarter of their size."""

_FIND = "SELECT packed FROM originals WHERE name = ?"

_TOGETHER = 64
"""So many are kept at once of what was asked for: each commit brings nearer the one that waits for the disk, which one
in a hundred askers would meet."""

_SCHEMA = Schema(
    "compressed texts",
    (
        (
            "CREATE TABLE originals (name TEXT PRIMARY KEY, used REAL NOT NULL, bytes INTEGER NOT NULL, "
            "packed BLOB NOT NULL)",
            "CREATE INDEX originals_used ON originals (used, bytes)",
            "CREATE TABLE restored (times INTEGER NOT NULL)",
            "INSERT INTO restored VALUES (0)",
        ),
    ),
)


class SqliteOriginals:
    """`Originals` in a SQLite file. When the file fails, each process goes on with those that it compresses itself."""

    def __init__(self, database: Database, *, max_bytes: int = DISK_BYTES) -> None:
        self._restored = 0
        self._database = database
        self._max_bytes = max_bytes
        self._memory = MemoryOriginals()
        self._asked: list[tuple[float, str]] = []

    @classmethod
    async def at(
        cls, path: Path | None, *, warn: Callable[[str], None], max_bytes: int = DISK_BYTES
    ) -> SqliteOriginals:
        """The texts in the file at ``path``."""
        return cls(await Database.open(path, _SCHEMA, warn=warn), max_bytes=max_bytes)

    @property
    def restored(self) -> int:
        """See `Originals`."""
        return self._restored + len(self._asked) + self._memory.restored

    async def put(self, texts: Mapping[str, str], now: float) -> None:
        """See `Originals`."""
        packed = {name: zlib.compress(text.encode("utf-8", "surrogatepass"), 1) for name, text in texts.items()}

        def work(connection: sqlite3.Connection) -> int:
            rows = [(name, now, len(each), each) for name, each in packed.items()]
            connection.executemany("INSERT OR REPLACE INTO originals VALUES (?, ?, ?, ?)", rows)
            restored = _noted(connection, asked)
            _make_room(connection, self._max_bytes)
            return restored

        asked, self._asked = self._asked, []
        try:
            self._restored = await self._database.write(work)
        except Unusable:
            await self._memory.put(texts, now)

    async def get(self, name: str, now: float) -> str | None:
        """See `Originals`. What is damaged is not here."""
        try:
            rows = await self._database.read(lambda connection: connection.execute(_FIND, (name,)).fetchall())
            self._asked += [(now, name)] * len(rows)
            if len(self._asked) >= _TOGETHER:
                await self._note()
        except Unusable:
            return await self._memory.get(name, now)
        for (packed,) in rows:
            with contextlib.suppress(zlib.error, UnicodeDecodeError):
                return zlib.decompress(packed).decode("utf-8", "surrogatepass")
        return None

    async def close(self) -> None:
        """See `Originals`."""
        with contextlib.suppress(Unusable):
            await self._note()
        self._database.close()

    async def _note(self) -> None:
        asked, self._asked = self._asked, []
        if asked:
            self._restored = await self._database.write(lambda connection: _noted(connection, asked))


def _noted(connection: sqlite3.Connection, asked: Sequence[tuple[float, str]]) -> int:
    """Keep which texts were asked for, and when; how many have been, ever."""
    connection.executemany("UPDATE originals SET used = ? WHERE name = ?", asked)
    connection.execute("UPDATE restored SET times = times + ?", (len(asked),))
    ((times,),) = connection.execute("SELECT times FROM restored").fetchall()
    return int(times)


def _make_room(connection: sqlite3.Connection, most: int) -> None:
    """Those that were not asked for the longest time go, until the others fit."""
    (total,) = connection.execute("SELECT coalesce(sum(bytes), 0) FROM originals").fetchone()
    while total > most:
        name, size = connection.execute("SELECT name, bytes FROM originals ORDER BY used LIMIT 1").fetchone()
        connection.execute("DELETE FROM originals WHERE name = ?", (name,))
        total -= size
