"""Contexts in a SQLite file."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from penstock.stores.contexts import Missing
from penstock.stores.sqlite import Database, Schema, Unusable

__all__ = ["SqliteContexts"]

_SCHEMA = Schema(
    "contexts",
    (
        (
            "CREATE TABLE sessions (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, saved REAL NOT NULL, "
            "state BLOB NOT NULL)",
            "CREATE TABLE texts (session INTEGER NOT NULL, digest BLOB NOT NULL, text BLOB NOT NULL)",
            "CREATE UNIQUE INDEX texts_by_digest ON texts (session, digest)",
        ),
    ),
)

_OF = "session = (SELECT number FROM sessions WHERE name = ?)"


class SqliteContexts:
    """`Contexts` in a SQLite file. Without a file nothing is kept, and sessions stay in their windows.

    Texts are read through a connection of their own: whoever reads one waits for nobody, and no writer is in the way
    of a reader.
    """

    def __init__(self, database: Database, reader: sqlite3.Connection | None) -> None:
        self._database = database
        self._reader = reader

    @classmethod
    async def at(cls, path: Path, *, warn: Callable[[str], None], patience: float = 5.0) -> SqliteContexts:
        """The contexts in the file at ``path``; see `Database.open` for what becomes of a file that cannot be used."""
        database = await Database.open(path, _SCHEMA, warn=warn, patience=patience)
        reader = sqlite3.connect(path, timeout=0, isolation_level=None) if database.shared else None
        return cls(database, reader)

    async def save(
        self, session: str, state: bytes, texts: Mapping[bytes, str], dropped: Collection[bytes], now: float
    ) -> bool:
        """See `Contexts`."""
        if not self._database.shared:
            return False

        def work(connection: sqlite3.Connection) -> None:
            ((number,),) = connection.execute(
                "INSERT INTO sessions (name, saved, state) VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE SET "
                "saved = excluded.saved, state = excluded.state RETURNING number",
                (session, now, state),
            ).fetchall()
            connection.executemany(
                "DELETE FROM texts WHERE session = ? AND digest = ?", [(number, digest) for digest in dropped]
            )
            connection.executemany(
                "INSERT OR IGNORE INTO texts VALUES (?, ?, ?)",
                [(number, digest, text.encode("utf-8", "surrogatepass")) for digest, text in texts.items()],
            )

        with contextlib.suppress(Unusable):
            await self._database.write(work)
            return True
        return False

    async def load(self, session: str) -> bytes | None:
        """See `Contexts`."""
        with contextlib.suppress(Unusable):
            rows: list[tuple[bytes]] = await self._database.read(
                lambda connection: connection.execute(
                    "SELECT state FROM sessions WHERE name = ?", (session,)
                ).fetchall()
            )
            return rows[0][0] if rows else None
        return None

    def text(self, session: str, digest: bytes) -> str:
        """See `Contexts`."""
        if self._reader is None:
            raise Missing("there is no file")
        try:
            rows = self._reader.execute(
                f"SELECT text FROM texts WHERE {_OF} AND digest = ?", (session, digest)
            ).fetchall()
        except sqlite3.Error as error:
            raise Missing(str(error)) from error
        if not rows:
            raise Missing("the text is not in the store")
        return str(rows[0][0], "utf-8", "surrogatepass")

    async def forget(self, before: float) -> int:
        """See `Contexts`."""

        def work(connection: sqlite3.Connection) -> int:
            connection.execute(
                "DELETE FROM texts WHERE session IN (SELECT number FROM sessions WHERE saved < ?)", (before,)
            )
            return connection.execute("DELETE FROM sessions WHERE saved < ?", (before,)).rowcount

        with contextlib.suppress(Unusable):
            return await self._database.write(work)
        return 0

    async def close(self) -> None:
        """See `Contexts`."""
        if self._reader is not None:
            self._reader.close()
        self._database.close()
