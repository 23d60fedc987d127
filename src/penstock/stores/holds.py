"""Holds: the numbers of the budgets, changed on a whole path at once. The rule they obey is `ledger.decide`."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

import msgspec

from penstock.ledger import NOTHING, Account, Alert, Amounts, Fits, Limits, Never, Wait, alerts, decide

__all__ = ["UNLIMITED", "Hold", "Holds", "MemoryHolds", "above", "below", "give_way", "hold_ids", "take"]

UNLIMITED = Limits()
"""The limits of an account that has none."""


class Hold(msgspec.Struct, frozen=True):
    """An amount set aside on every open account of a path, until it is settled."""

    id: str
    path: tuple[str, ...]
    want: Amounts
    floor: Amounts = NOTHING
    """What was surely used if the one who holds it dies: the input."""
    booked: Amounts = NOTHING
    """What has been counted as spent already, because its owner seemed to be dead."""


class Holds(Protocol):
    """Keeps accounts and holds. Every method is atomic, among tasks and among processes that share the store.

    Only accounts that were opened are kept; the others of a path have no limits, and what is booked on them is found in
    those above. ``held`` of an account is always the sum of the holds on its path or below it, ``spent`` the sum of
    what was settled and charged there since it was opened. Times are seconds on the wall clock.
    """

    @property
    def shared(self) -> bool:
        """Whether other processes may settle on the same accounts: then waiting includes looking again."""
        ...

    async def open(self, path: tuple[str, ...], limits: Limits | None, now: float) -> Account:
        """The account, created when there is none. ``limits`` replace those it has; None leaves them as they are."""
        ...

    async def hold(self, path: tuple[str, ...], want: Amounts, floor: Amounts, now: float) -> Hold | Wait | Never:
        """Set ``want`` aside on every account of the path if `ledger.decide` says that it fits, or on none."""
        ...

    async def settle(self, hold_id: str, used: Amounts) -> list[Alert]:
        """The hold gives way to what was used, also where that is more. A hold is settled once: again does nothing."""
        ...

    async def release(self, hold_id: str) -> None:
        """The hold goes; nothing was used."""
        ...

    async def charge(self, path: tuple[str, ...], used: Amounts) -> list[Alert]:
        """Book what was used without having been held."""
        ...

    async def account(self, path: tuple[str, ...]) -> Account | None:
        """The account as it stands, None when it was never opened."""
        ...

    async def drop(self, path: tuple[str, ...]) -> None:
        """Forget an account, not what it spent: that stays booked in those above."""
        ...

    async def reap(self, now: float) -> int:
        """Settle the holds of owners that died at their floor; how many there were."""
        ...

    async def close(self) -> None:
        """Give back files and connections."""
        ...


class MemoryHolds:
    """`Holds` of one process."""

    shared = False

    def __init__(
        self, accounts: Mapping[tuple[str, ...], Account] | None = None, holds: Mapping[str, Hold] | None = None
    ) -> None:
        self._accounts = dict(accounts or {})
        self._holds = dict(holds or {})
        self._ids = hold_ids()

    async def open(self, path: tuple[str, ...], limits: Limits | None, now: float) -> Account:
        """See `Holds`."""
        account = self._accounts.get(path)
        if account is None:
            account = Account(path, limits or UNLIMITED, NOTHING, below(path, self._holds.values()), now)
        elif limits is not None:
            account = msgspec.structs.replace(account, limits=limits)
        self._accounts[path] = account
        return account

    async def hold(self, path: tuple[str, ...], want: Amounts, floor: Amounts, now: float) -> Hold | Wait | Never:
        """See `Holds`."""
        accounts = self._accounts
        verdict = decide([accounts.get(prefix) or Account(prefix) for prefix in above(path)], want, now=now)
        if not isinstance(verdict, Fits):
            return verdict
        hold = Hold(next(self._ids), path, want, floor)
        self._holds[hold.id] = hold
        for prefix in above(path):
            if prefix in accounts:
                accounts[prefix] = take(accounts[prefix], want)
        return hold

    async def settle(self, hold_id: str, used: Amounts) -> list[Alert]:
        """See `Holds`."""
        hold = self._holds.pop(hold_id, None)
        return self._book(hold.path, hold.want, used) if hold else []

    async def release(self, hold_id: str) -> None:
        """See `Holds`."""
        await self.settle(hold_id, NOTHING)

    async def charge(self, path: tuple[str, ...], used: Amounts) -> list[Alert]:
        """See `Holds`."""
        return self._book(path, NOTHING, used)

    async def account(self, path: tuple[str, ...]) -> Account | None:
        """See `Holds`."""
        return self._accounts.get(path)

    async def drop(self, path: tuple[str, ...]) -> None:
        """See `Holds`."""
        self._accounts.pop(path, None)

    async def reap(self, now: float) -> int:
        """None: these holds live and die with their owner."""
        return 0

    async def close(self) -> None:
        """Nothing to give back."""

    def _book(self, path: tuple[str, ...], held: Amounts, used: Amounts) -> list[Alert]:
        found: list[Alert] = []
        for prefix in above(path):
            account = self._accounts.get(prefix)
            if account is not None:
                after = self._accounts[prefix] = give_way(account, held, used)
                found += alerts(account, after)
        return found


def above(path: tuple[str, ...]) -> list[tuple[str, ...]]:
    """The accounts a path runs through, from the root down.

    >>> above(("acme", "s1"))
    [('acme',), ('acme', 's1')]
    """
    return [path[:length] for length in range(1, len(path) + 1)]


def below(path: tuple[str, ...], holds: Iterable[Hold]) -> Amounts:
    """What ``holds`` set aside on an account."""
    return sum((hold.want for hold in holds if hold.path[: len(path)] == path), NOTHING)


def take(account: Account, want: Amounts) -> Account:
    """The account with ``want`` set aside."""
    return Account(account.path, account.limits, account.spent, account.held + want, account.opened)


def give_way(account: Account, held: Amounts, used: Amounts) -> Account:
    """The account after something held on it gave way to what was used."""
    return Account(account.path, account.limits, account.spent + used, account.held - held, account.opened)


def hold_ids() -> Iterator[str]:
    """Names for holds that no other process gives."""
    maker = secrets.token_hex(6)
    return (f"{maker}-{number}" for number in itertools.count(1))
