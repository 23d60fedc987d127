"""State files: opening them, changing them, and going on without them.

A state file never fails a run. One that is damaged is set aside under another name and a new one is started; one that
is locked, read-only, full or written by a newer version is left alone and an in-memory database takes its place. Either
way one line goes to ``warn``: what happened, and how to mend it. What breaks later raises `Unusable`, again after one
line, and the store above decides what it can still promise.

Statements run on the event loop itself: one takes 5 to 50 µs, handing it to a thread takes longer. So nothing here may
wait: SQLite's own timeout is 0, and who finds the file locked sleeps in asyncio and tries again.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec

__all__ = ["Damaged", "Database", "Schema", "Unusable"]

_T = TypeVar("_T")

_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_COMPANIONS = ("-wal", "-shm", "-journal")
_OPENINGS = 3
"""A file set aside leaves room for a new one; if that is damaged too, the disk is."""
_LOG_BYTES = 4 << 20
"""How long the write-ahead log gets before it is folded into the file: the one moment that waits for the disk."""
_FIRST_DELAY = 0.0005
_LONGEST_DELAY = 0.02


class Schema(msgspec.Struct, frozen=True):
    """What a file holds, and how it came to hold it."""

    contents: str
    """What a user calls it, in the plural: it stands in warnings."""
    migrations: tuple[tuple[str, ...], ...]
    """The statements that lead from each version to the next. ``PRAGMA user_version`` counts the ones that were run."""
    page_size: int = 4096
    """Bytes. A commit writes whole pages, so small records want small ones (measured: 42 against 106 µs for a hold)."""


class Unusable(Exception):
    """The file cannot be used any more. The warning is already out."""


class Damaged(sqlite3.DatabaseError):
    """A row is not what this program wrote."""


class _Newer(Exception):
    """The file was written by a newer version of this program."""


class Database:
    """One connection to one state file, used from one event loop."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        inode: int,
        schema: Schema,
        path: Path | None,
        *,
        warn: Callable[[str], None],
        patience: float,
    ) -> None:
        self._connection = connection
        self._schema = schema
        self._path = path
        self._inode = inode
        self._warn = warn
        self._patience = patience
        self._gone = False

    @classmethod
    async def open(
        cls, path: Path | None, schema: Schema, *, warn: Callable[[str], None], patience: float = 5.0
    ) -> Database:
        """The file at ``path``, created when it is missing (mode 0600, its folder 0700); None: in memory.

        ``patience`` is how many seconds of waiting for another process's lock are enough. Never raises on account of
        the file: see the module.
        """
        opened = await _open_file(path, schema, warn, patience) if path else None
        if opened is not None:
            return cls(*opened, schema, path, warn=warn, patience=patience)
        connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        _migrate(connection, schema)
        return cls(connection, 0, schema, None, warn=warn, patience=patience)

    @property
    def shared(self) -> bool:
        """Whether other processes may be using it too."""
        return self._path is not None and not self._gone

    async def write(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """The outcome of ``work``, which is done as a whole or not at all, and by nobody else at the same time.

        ``work`` may run more than once, so it changes nothing but the database. Raises `Unusable`.
        """
        return await self._patiently(lambda: _transaction(self._connection, work))

    async def read(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """The outcome of ``work``, a single query. Raises `Unusable`."""
        return await self._patiently(lambda: work(self._connection))

    def close(self) -> None:
        """Give the file back. The last to do so folds the write-ahead log into it."""
        self._connection.close()

    async def _patiently(self, attempt: Callable[[], _T]) -> _T:
        def unless_gone() -> _T:
            if self._gone:  # while this one slept, another may have given up
                raise Unusable
            return attempt()

        try:
            return await _retry(unless_gone, self._patience)
        except sqlite3.DatabaseError as error:
            if not _is_environment(error):
                raise
            self._give_up(error)
            raise Unusable from error

    def _give_up(self, error: sqlite3.DatabaseError) -> None:
        """From here on this run does without the file; a damaged one is out of the way of the next."""
        self._gone = True
        self.close()
        path = self._path
        if path is None:
            self._warn(f"the {self._schema.contents} kept in memory are lost: {error}")
            return
        sound = not _is_damage(error) or _inode(path) != self._inode
        aside = None if sound else _set_aside(path)
        self._warn(_cannot(path, self._schema, error) if aside is None else _damaged(path, self._schema, error, aside))


# Transactions ---------------------------------------------------------------------------------------------------------


def _transaction(connection: sqlite3.Connection, work: Callable[[sqlite3.Connection], _T]) -> _T:
    connection.execute("BEGIN IMMEDIATE")
    try:
        outcome = work(connection)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return outcome


async def _retry(attempt: Callable[[], _T], patience: float) -> _T:
    """The outcome of the attempt that no lock of another process was in the way of. Raises what SQLite raises.

    The sleeps are drawn at random below a doubling bound, so that processes that met once do not meet again; they are
    what is counted against ``patience``.
    """
    slept, bound = 0.0, _FIRST_DELAY
    while True:
        try:
            return attempt()
        except sqlite3.OperationalError as error:
            if _code(error) not in _BUSY or slept >= patience:
                raise
        delay = random.uniform(0, bound)
        await asyncio.sleep(delay)
        slept, bound = slept + delay, min(2 * bound, _LONGEST_DELAY)


# Opening --------------------------------------------------------------------------------------------------------------


async def _open_file(
    path: Path, schema: Schema, warn: Callable[[str], None], patience: float
) -> tuple[sqlite3.Connection, int] | None:
    """A connection, and which file it is to; None when the file cannot be used."""
    for _ in range(_OPENINGS):
        inode = 0
        try:
            inode = _prepare(path)
            return await _connect(path, schema, patience), inode
        except (OSError, sqlite3.Error, _Newer) as error:
            if _is_damage(error) and _inode(path) != inode:
                continue  # another process has set it aside already
            aside = _set_aside(path) if _is_damage(error) else None
            warn(_cannot(path, schema, error) if aside is None else _damaged(path, schema, error, aside))
            if aside is None:
                break
    return None


def _prepare(path: Path) -> int:
    """Create file and folder for the owner's eyes only, and tell which file it is."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        status = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    if status.st_mode & 0o077:
        with contextlib.suppress(OSError):  # somebody else's file: the modes are theirs to choose
            path.chmod(0o600)
    return status.st_ino


async def _connect(path: Path, schema: Schema, patience: float) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)

    def begin() -> None:
        connection.execute(f"PRAGMA page_size = {schema.page_size:d}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_LOG_BYTES // schema.page_size:d}")
        _migrate(connection, schema)

    try:
        await _retry(begin, patience)
    except BaseException:
        connection.close()
        raise
    return connection


def _migrate(connection: sqlite3.Connection, schema: Schema) -> None:
    """Bring the file to the newest version.

    A transaction even when there is nothing to do: a file that cannot be written shows now, not at the first call.
    """

    def migrate(connection: sqlite3.Connection) -> None:
        version: int = connection.execute("PRAGMA user_version").fetchone()[0]
        if version > len(schema.migrations):
            raise _Newer(f"it has version {version}, this program knows up to {len(schema.migrations)}")
        for statements in schema.migrations[version:]:
            for statement in statements:
                connection.execute(statement)
        if version < len(schema.migrations):
            connection.execute(f"PRAGMA user_version = {len(schema.migrations):d}")

    _transaction(connection, migrate)


# What went wrong ------------------------------------------------------------------------------------------------------


def _code(error: BaseException) -> int:
    """The primary result code of SQLite; 0 when the error is not SQLite's."""
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF


def _is_damage(error: BaseException) -> bool:
    return isinstance(error, Damaged) or _code(error) in _DAMAGED


def _is_environment(error: sqlite3.DatabaseError) -> bool:
    """Whether the file or the disk is to blame, rather than a statement of ours."""
    return isinstance(error, sqlite3.OperationalError) or _is_damage(error)


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except OSError:
        return 0


def _set_aside(path: Path) -> Path | None:
    """Rename the file and what belongs to it; None if that cannot be done."""
    try:
        taken = {entry.name for entry in path.parent.iterdir()}
        number = next(n for n in range(1, len(taken) + 2) if f"{path.name}.corrupt-{n}" not in taken)
        aside = path.with_name(f"{path.name}.corrupt-{number}")
        for companion in _COMPANIONS:  # first, or a stale log would be played into the new file
            if path.name + companion in taken:
                path.with_name(path.name + companion).rename(aside.with_name(aside.name + companion))
        return path.rename(aside)
    except OSError:
        return None


def _damaged(path: Path, schema: Schema, error: BaseException, aside: Path) -> str:
    return (
        f"the {schema.contents} in {path} are damaged ({error}); the file was set aside as {aside.name}, "
        "delete it if you do not want to examine it"
    )


def _cannot(path: Path, schema: Schema, error: BaseException) -> str:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return f"the {schema.contents} in {path} cannot be used ({reason}); this run does without the file ({_mend(error)})"


def _mend(error: BaseException) -> str:
    if isinstance(error, _Newer):
        return "update penstock, or point PENSTOCK_HOME to another folder"
    if _code(error) in _BUSY:
        return "end the program that keeps it locked"
    if _code(error) == sqlite3.SQLITE_FULL:
        return "free some disk space"
    if _is_damage(error):
        return "move the file away"
    return "check its permissions, or point PENSTOCK_HOME to another folder"
