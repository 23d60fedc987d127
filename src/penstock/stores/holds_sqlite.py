"""`Holds` in a file that several processes share.

Every change reads the accounts of its path, decides, and writes them back inside one BEGIN IMMEDIATE transaction. A
process that dies leaves its holds behind; the next one that finds no room settles them at their floor.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import TypeAlias, TypeVar

import msgspec

from penstock.ledger import NOTHING, Account, Alert, Amounts, Fits, Limits, Never, Verdict, Wait, alerts, decide
from penstock.stores.holds import UNLIMITED, Hold, MemoryHolds, above, below, give_way, hold_ids, take
from penstock.stores.owners import is_alive, is_here, this_owner
from penstock.stores.sqlite import Damaged, Database, Schema, Unusable

__all__ = ["LEASE_SECONDS", "SCHEMA", "SqliteHolds"]

_T = TypeVar("_T")
_Outcome: TypeAlias = tuple[list[Account], _T]

LEASE_SECONDS = 900.0
"""How long a hold is left alone whose owner cannot be seen from here: longer than a call takes."""

_KEPT_SECONDS = 86_400.0
"""How long a reaped hold is remembered, in case its owner was alive after all and settles it."""

SCHEMA = Schema(
    "accounts",
    (
        (
            "CREATE TABLE accounts (path BLOB PRIMARY KEY, account BLOB NOT NULL) WITHOUT ROWID",
            "CREATE TABLE holds (id TEXT PRIMARY KEY, hold BLOB NOT NULL, owner TEXT NOT NULL, until REAL NOT NULL)"
            " WITHOUT ROWID",
        ),
    ),
    page_size=1024,
)

# JSON, since its integers have no width: an absurd max_tokens may be held on an account without a limit.
_encode = msgspec.json.Encoder().encode
_account = msgspec.json.Decoder(Account).decode
_hold = msgspec.json.Decoder(Hold).decode


class SqliteHolds:
    """`Holds` in a SQLite file. When the file fails during a run, the run goes on with what it last knew.

    Then what other processes held counts as spent, so that the budget holds whatever they did with it; what they do
    from there on is not seen.
    """

    def __init__(
        self,
        database: Database,
        *,
        owner: str | None = None,
        alive: Callable[[str], bool] = is_alive,
        lease: float = LEASE_SECONDS,
    ) -> None:
        self._database = database
        self._owner = owner or this_owner()
        self._alive = alive
        self._lease = lease
        self._ids = hold_ids()
        self._known: dict[tuple[str, ...], Account] = {}
        self._mine: dict[str, Hold] = {}
        self._memory: MemoryHolds | None = None

    @classmethod
    async def at(cls, path: Path | None, *, warn: Callable[[str], None], patience: float = 5.0) -> SqliteHolds:
        """The accounts in the file at ``path``; see `Database.open` for what becomes of a file that cannot be used."""
        return cls(await Database.open(path, SCHEMA, warn=warn, patience=patience))

    @property
    def shared(self) -> bool:
        """See `Holds`."""
        return self._database.shared

    async def open(self, path: tuple[str, ...], limits: Limits | None, now: float) -> Account:
        """See `Holds`."""

        def work(connection: sqlite3.Connection) -> _Outcome[Account]:
            found = _load(connection, [path])
            account = found[0] if found else None
            if account is None:
                rows = connection.execute("SELECT hold FROM holds").fetchall()
                held = below(path, (_read(_hold, blob) for (blob,) in rows))
                account = Account(path, limits or UNLIMITED, NOTHING, held, now)
            elif limits is None or limits == account.limits:
                return [account], account
            else:
                account = msgspec.structs.replace(account, limits=limits)
            _save(connection, [account])
            return [account], account

        return await self._write(work, lambda memory: memory.open(path, limits, now))

    async def hold(self, path: tuple[str, ...], want: Amounts, floor: Amounts, now: float) -> Hold | Wait | Never:
        """See `Holds`. Holds of dead owners are reaped before anybody is told to wait."""
        hold = Hold(next(self._ids), path, want, floor)

        def work(connection: sqlite3.Connection) -> _Outcome[Hold | Wait | Never]:
            stored, verdict = _decide(connection, path, want, now)
            if isinstance(verdict, Wait) and self._reap(connection, now):
                stored, verdict = _decide(connection, path, want, now)
            if not isinstance(verdict, Fits):
                return stored, verdict
            taken = [take(account, want) for account in stored]
            _save(connection, taken)
            row = (hold.id, _encode(hold), self._owner, now + self._lease)
            connection.execute("INSERT INTO holds VALUES (?, ?, ?, ?)", row)
            return taken, hold

        outcome = await self._write(work, lambda memory: memory.hold(path, want, floor, now))
        if isinstance(outcome, Hold):
            self._mine[outcome.id] = outcome
        return outcome

    async def settle(self, hold_id: str, used: Amounts) -> list[Alert]:
        """See `Holds`."""

        def work(connection: sqlite3.Connection) -> _Outcome[list[Alert]]:
            rows = connection.execute("DELETE FROM holds WHERE id = ? RETURNING hold", (hold_id,)).fetchall()
            if not rows:
                return [], []
            hold = _read(_hold, rows[0][0])
            return _book(connection, hold.path, hold.want, used - hold.booked)

        found = await self._write(work, lambda memory: memory.settle(hold_id, used))
        self._mine.pop(hold_id, None)
        return found

    async def release(self, hold_id: str) -> None:
        """See `Holds`."""
        await self.settle(hold_id, NOTHING)

    async def charge(self, path: tuple[str, ...], used: Amounts) -> list[Alert]:
        """See `Holds`. Where no account is open nothing is booked, and no transaction is begun."""
        if self._memory is None:
            with contextlib.suppress(Unusable):
                if not await self._database.read(lambda connection: _load(connection, above(path))):
                    return []
        return await self._write(
            lambda connection: _book(connection, path, NOTHING, used), lambda memory: memory.charge(path, used)
        )

    async def account(self, path: tuple[str, ...]) -> Account | None:
        """See `Holds`."""
        if self._memory is None:
            with contextlib.suppress(Unusable):
                found = await self._database.read(lambda connection: _load(connection, [path]))
                return found[0] if found else None
        return await self._in_memory().account(path)

    async def drop(self, path: tuple[str, ...]) -> None:
        """See `Holds`."""

        def work(connection: sqlite3.Connection) -> _Outcome[None]:
            connection.execute("DELETE FROM accounts WHERE path = ?", (_encode(path),))
            return [], None

        await self._write(work, lambda memory: memory.drop(path))
        self._known.pop(path, None)

    async def reap(self, now: float) -> int:
        """See `Holds`. An owner that can be seen from here is dead when it is; any other when its lease is over too."""
        return await self._write(lambda connection: ([], self._reap(connection, now)), lambda memory: memory.reap(now))

    async def close(self) -> None:
        """Give the file back. Holds that were not settled stay in it, to be reaped."""
        self._database.close()

    async def _write(
        self,
        work: Callable[[sqlite3.Connection], _Outcome[_T]],
        otherwise: Callable[[MemoryHolds], Awaitable[_T]],
    ) -> _T:
        """The second half of what ``work`` returns; the first, the accounts as they stand now, is remembered."""
        if self._memory is None:
            with contextlib.suppress(Unusable):
                accounts, outcome = await self._database.write(work)
                for account in accounts:
                    self._known[account.path] = account
                return outcome
        return await otherwise(self._in_memory())

    def _reap(self, connection: sqlite3.Connection, now: float) -> int:
        """Book the floor of each dead owner's hold.

        The hold itself stays for a day with nothing held: should its owner settle after all, the difference is booked.
        """
        connection.execute("DELETE FROM holds WHERE owner = '' AND until <= ?", (now,))
        rows = connection.execute("SELECT hold, owner, until FROM holds WHERE owner != ''").fetchall()
        gone = {owner: not self._alive(owner) for owner in {owner for _, owner, _ in rows}}
        dead = [
            _read(_hold, blob) for blob, owner, until in rows if gone.get(owner) and (is_here(owner) or until <= now)
        ]
        for hold in dead:
            _book(connection, hold.path, hold.want, hold.floor)
            reaped = msgspec.structs.replace(hold, want=NOTHING, booked=hold.floor)
            connection.execute(
                "UPDATE holds SET hold = ?, owner = '', until = ? WHERE id = ?",
                (_encode(reaped), now + _KEPT_SECONDS, hold.id),
            )
        return len(dead)

    def _in_memory(self) -> MemoryHolds:
        """The accounts as they were last seen, with what others held on them counted as spent."""
        if self._memory is None:
            accounts: dict[tuple[str, ...], Account] = {}
            for path, account in self._known.items():
                mine = below(path, self._mine.values())
                accounts[path] = give_way(account, account.held - mine, account.held - mine)
            self._memory = MemoryHolds(accounts, self._mine)
        return self._memory


def _decide(
    connection: sqlite3.Connection, path: tuple[str, ...], want: Amounts, now: float
) -> tuple[list[Account], Verdict]:
    """Those accounts of the path that are open, and the verdict of the rule on the whole path."""
    prefixes = above(path)
    stored = _load(connection, prefixes)
    if len(stored) == len(prefixes):
        return stored, decide(stored, want, now=now)
    found = {account.path: account for account in stored}
    return stored, decide([found.get(prefix) or Account(prefix) for prefix in prefixes], want, now=now)


def _book(connection: sqlite3.Connection, path: tuple[str, ...], held: Amounts, used: Amounts) -> _Outcome[list[Alert]]:
    before = _load(connection, above(path))
    after = [give_way(account, held, used) for account in before]
    _save(connection, after)
    return after, [alert for pair in zip(before, after, strict=True) for alert in alerts(*pair)]


def _load(connection: sqlite3.Connection, paths: list[tuple[str, ...]]) -> list[Account]:
    """Those of the accounts that were opened, in the order asked for."""
    names = [_encode(path) for path in paths]
    places = ", ".join("?" * len(names))
    found = dict(connection.execute(f"SELECT path, account FROM accounts WHERE path IN ({places})", names).fetchall())
    return [_read(_account, found[name]) for name in names if name in found]


def _save(connection: sqlite3.Connection, accounts: Iterable[Account]) -> None:
    connection.executemany(
        "INSERT INTO accounts VALUES (?, ?) ON CONFLICT (path) DO UPDATE SET account = excluded.account",
        [(_encode(account.path), _encode(account)) for account in accounts],
    )


def _read(decode: Callable[[bytes], _T], blob: bytes) -> _T:
    try:
        return decode(blob)
    except (msgspec.DecodeError, TypeError) as error:
        raise Damaged(str(error)) from error
