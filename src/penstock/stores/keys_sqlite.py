"""`Keys` in a SQLite file of the home folder, ``keys.sqlite``, with the pepper beside it in ``keys.pepper``.

A cache that is lost is begun anew; keys that are lost must not open the door. So a file that cannot be read stays where
it is; the pepper says that keys were made here, the file says which pepper they were made with, and where the two do
not fit, nobody is let in.
"""

from __future__ import annotations

import contextlib
import hmac
import os
import secrets
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import msgspec

from penstock.stores.budgets import Budget
from penstock.stores.keys import (
    EMPTY,
    Key,
    Keyring,
    KeysUnreadable,
    with_changed,
    with_key,
    with_scope,
    without_key,
)
from penstock.stores.sqlite import Database, Schema, Unusable

__all__ = ["SqliteKeys"]

_Rows: TypeAlias = tuple[list[tuple[str, bytes]], list[tuple[str, bytes]], list[tuple[bytes]]]
_Status: TypeAlias = tuple[int, int, int]

_PEPPER_BYTES = 32
_SCHEMA = Schema(
    "keys",
    (
        (
            "CREATE TABLE keys (name TEXT PRIMARY KEY, key BLOB NOT NULL) WITHOUT ROWID",
            "CREATE TABLE scopes (name TEXT PRIMARY KEY, budget BLOB NOT NULL) WITHOUT ROWID",
            "CREATE TABLE pepper (mark BLOB NOT NULL)",
        ),
    ),
)
_NOTHING: _Rows = ([], [], [])
_RESTORE = "restore it from a copy, or delete keys.sqlite and keys.pepper to begin without virtual keys"

_encode = msgspec.json.Encoder().encode
_key = msgspec.json.Decoder(Key).decode
_budget = msgspec.json.Decoder(Budget).decode


class SqliteKeys:
    """See the module. To ask for the ring again takes two ``stat`` and a pragma."""

    def __init__(self, folder: Path, *, warn: Callable[[str], None], patience: float = 0.2) -> None:
        self._file = folder / "keys.sqlite"
        self._pepper_file = folder / "keys.pepper"
        self._warn = warn
        self._patience = patience
        self._database: Database | None = None
        self._inode = 0
        self._seen: tuple[object, ...] | None = None
        self._ring = EMPTY

    async def ring(self) -> Keyring:
        """See `Keys`. What other processes change is seen the next time."""
        status = _status(self._file)
        if self._database is None or status[0] != self._inode:
            await self.close()
            self._database, self._inode = (await self._open() if status[0] else None), status[0]
        try:
            seen = (self._inode, _status(self._pepper_file), await self._version())
            if seen != self._seen:
                rows = await self._database.read(_rows) if self._database else _NOTHING
                self._ring = self._understood(rows, self._read_pepper())
                self._seen = seen
        except Unusable:
            await self.close()
            raise self._unreadable("it is damaged", _RESTORE) from None
        return self._ring

    async def pepper(self) -> bytes:
        """See `Keys`."""
        ring = await self.ring()
        if ring.pepper:
            return ring.pepper
        pepper = self._read_pepper() or self._make_pepper()
        await self._write(
            lambda connection: connection.execute(
                "INSERT INTO pepper SELECT ? WHERE NOT EXISTS (SELECT mark FROM pepper)", (_mark(pepper),)
            )
        )
        return (await self.ring()).pepper

    async def add(self, key: Key) -> None:
        """See `Keys`."""
        await self._replace(lambda ring: with_key(ring, key))

    async def change(self, key: Key) -> None:
        """See `Keys`."""
        await self._replace(lambda ring: with_changed(ring, key))

    async def remove(self, name: str) -> None:
        """See `Keys`."""
        await self._replace(lambda ring: without_key(ring, name))

    async def share(self, scope: str, budget: Budget | None) -> None:
        """See `Keys`."""
        await self._replace(lambda ring: with_scope(ring, scope, budget))

    async def close(self) -> None:
        """See `Keys`."""
        if self._database is not None:
            self._database.close()
        self._database, self._seen = None, None

    # The file ---------------------------------------------------------------------------------------------------------

    async def _open(self) -> Database:
        """The file, when it is sound: `Database` would set a damaged one aside, and go on without."""
        self._probe()
        database = await Database.open(self._file, _SCHEMA, warn=self._warn, patience=self._patience)
        if not database.shared:
            database.close()
            raise self._unreadable("it cannot be opened", "see the warning above")
        return database

    def _probe(self) -> None:
        try:
            uri = f"{self._file.absolute().as_uri()}?mode=rw"
            with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=self._patience)) as connection:
                found = connection.execute("PRAGMA quick_check").fetchone()[0]
                if found != "ok":
                    raise self._unreadable(f"it is damaged: {found}", _RESTORE)
                connection.execute("SELECT mark FROM pepper").fetchone()
        except (sqlite3.Error, ValueError) as error:
            raise self._unreadable(str(error), _RESTORE) from None

    async def _version(self) -> object:
        """A number that is another one after any change by another connection."""
        if self._database is None:
            return None
        return await self._database.read(lambda connection: connection.execute("PRAGMA data_version").fetchone())

    def _understood(self, rows: _Rows, pepper: bytes) -> Keyring:
        keys, scopes, marks = rows
        if not (keys or marks or pepper):
            return EMPTY
        if not marks or not pepper:
            lost = self._file if pepper else self._pepper_file
            raise self._unreadable(f"virtual keys were made here, but {lost.name} has lost its part of them", _RESTORE)
        if not hmac.compare_digest(marks[0][0], _mark(pepper)):
            raise self._unreadable(f"{self._pepper_file.name} is not the one they were made with", _RESTORE)
        try:
            known = {name: _key(blob) for name, blob in keys}
            return Keyring(known, {name: _budget(blob) for name, blob in scopes}, pepper)
        except (msgspec.DecodeError, UnicodeDecodeError, TypeError) as error:
            raise self._unreadable(f"a row of it is damaged: {error}", _RESTORE) from None

    async def _replace(self, change: Callable[[Keyring], Keyring]) -> None:
        """Put what ``change`` makes of all that is stored in its place. Keys are few, and change rarely."""
        pepper = await self.pepper()

        def work(connection: sqlite3.Connection) -> None:
            ring = change(self._understood(_rows(connection), pepper))
            keys = [(name, _encode(key)) for name, key in ring.keys.items()]
            scopes = [(name, _encode(budget)) for name, budget in ring.scopes.items()]
            connection.execute("DELETE FROM keys")
            connection.executemany("INSERT INTO keys VALUES (?, ?)", keys)
            connection.execute("DELETE FROM scopes")
            connection.executemany("INSERT INTO scopes VALUES (?, ?)", scopes)

        await self._write(work)

    async def _write(self, work: Callable[[sqlite3.Connection], object]) -> None:
        if self._database is None:  # the first key of all
            self._database = await Database.open(self._file, _SCHEMA, warn=self._warn, patience=self._patience)
            self._inode = _status(self._file)[0]
        try:
            if not self._database.shared:
                raise Unusable
            await self._database.write(work)
        except Unusable:
            await self.close()
            raise self._unreadable("it cannot be written", "see the warning above") from None
        finally:
            self._seen = None  # `data_version` does not count what this connection writes

    # The pepper -------------------------------------------------------------------------------------------------------

    def _read_pepper(self) -> bytes:
        """The pepper; empty when no keys were ever made here. Raises `KeysUnreadable` when it is damaged."""
        try:
            pepper = self._pepper_file.read_bytes()
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise self._unreadable(f"{self._pepper_file.name}: {error.strerror}", "check its permissions") from None
        if len(pepper) != _PEPPER_BYTES:
            raise self._unreadable(f"{self._pepper_file.name} is damaged", _RESTORE)
        return pepper

    def _make_pepper(self) -> bytes:
        pepper = secrets.token_bytes(_PEPPER_BYTES)
        try:
            self._pepper_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self._pepper_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:  # another process makes the first key at the same moment
            return self._read_pepper()
        except OSError as error:
            raise self._unreadable(f"{self._pepper_file.name}: {error.strerror}", "check its folder") from None
        with os.fdopen(descriptor, "wb") as file:
            file.write(pepper)
        return pepper

    def _unreadable(self, why: str, mend: str) -> KeysUnreadable:
        return KeysUnreadable(f"the virtual keys in {self._file} cannot be used, so nobody is let in: {why}", mend=mend)


def _rows(connection: sqlite3.Connection) -> _Rows:
    """All of it, as it was at one moment."""
    alone = not connection.in_transaction
    if alone:
        connection.execute("BEGIN")
    try:
        return (
            connection.execute("SELECT name, key FROM keys ORDER BY name").fetchall(),
            connection.execute("SELECT name, budget FROM scopes ORDER BY name").fetchall(),
            connection.execute("SELECT mark FROM pepper").fetchall(),
        )
    finally:
        if alone:
            connection.execute("COMMIT")


def _mark(pepper: bytes) -> bytes:
    """What the file keeps to know its pepper by. It tells nothing of it."""
    return hmac.digest(pepper, b"the pepper of these keys", "sha256")


def _status(path: Path) -> _Status:
    """What changes when a file is replaced; zeros when there is none, or it cannot be seen."""
    try:
        status = path.stat()
    except OSError:
        return (0, 0, 0)
    return (status.st_ino, status.st_mtime_ns, status.st_size)
