"""Letting calls in: the waiting room in front of the accounts.

`ledger.decide` says what fits and `stores.holds` keeps the numbers. Here a call whose worst case would fit if calls
in flight use less than they hold waits for them to settle: first come, first served, per account that is in the way.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque

from penstock.clock import Clock
from penstock.ledger import Account, Alert, Amounts, Limits, Never, Wait
from penstock.stores.holds import Holds, above

__all__ = ["Admission"]

_POLL_SECONDS = 0.05
"""How often to look at accounts that other processes settle too."""

_SEEN_SECONDS = 0.5
"""How long shared accounts are taken to have the limits that they were last seen with."""

_REMEMBERED = 10_000
"""Paths whose limits are remembered: scopes come from outside, and must not grow without end."""


class Admission:
    """The accounts of one engine, and the calls that wait for them."""

    def __init__(self, holds: Holds, clock: Clock) -> None:
        self.holds = holds
        self._clock = clock
        self._applying: dict[tuple[str, ...], tuple[Limits | None, float]] = {}
        self._lines: dict[tuple[str, ...], deque[asyncio.Event]] = {}

    async def open(self, path: tuple[str, ...], limits: Limits | None = None) -> Account:
        """Open an account, or find it as it stands; ``limits`` replace those it has."""
        account = await self.holds.open(path, limits, self._clock.now())
        self._applying.clear()
        return account

    async def drop(self, path: tuple[str, ...]) -> None:
        """Forget an account that was opened for one piece of work; what it spent stays booked in those above."""
        await self.holds.drop(path)
        self._applying.pop(path, None)

    async def limits(self, path: tuple[str, ...]) -> Limits | None:
        """What applies to calls on this path, None when no account above them has a limit.

        Only whether money is limited, and whether the unpriced may pass, is told apart: the store knows the amounts.
        Limits that another process has set on a shared account are seen within half a second.
        """
        limits, until = self._applying.get(path, (None, 0.0))
        now = self._clock.monotonic()
        if now >= until:
            accounts = [await self.holds.account(account) for account in above(path)]
            limits = _tightest([account.limits for account in accounts if account is not None])
            if len(self._applying) >= _REMEMBERED:
                self._applying.clear()
            self._applying[path] = (limits, now + _SEEN_SECONDS if self.holds.shared else math.inf)
        return limits

    async def hold(self, path: tuple[str, ...], want: Amounts, floor: Amounts) -> str | Never:
        """The id of a hold for ``want`` on every account of the path; waits as long as waiting can help."""
        blocking = next((account for account in above(path) if account in self._lines), None) if self._lines else None
        if blocking is None:
            verdict = await self.holds.hold(path, want, floor, self._clock.now())
            if not isinstance(verdict, Wait):
                return verdict if isinstance(verdict, Never) else verdict.id
            blocking = verdict.account
        return await self._in_line(blocking, path, want, floor)

    async def _in_line(
        self, blocking: tuple[str, ...], path: tuple[str, ...], want: Amounts, floor: Amounts
    ) -> str | Never:
        """As `hold`, beginning at the end of a line. Whoever leaves a line gives the turn to the next one there."""
        turn = asyncio.Event()
        tried = False
        try:
            while True:
                await self._wait(blocking, turn, first=tried)
                verdict = await self.holds.hold(path, want, floor, self._clock.now())
                if not isinstance(verdict, Wait):
                    return verdict if isinstance(verdict, Never) else verdict.id
                tried = verdict.account == blocking
                if not tried:
                    self._wake(blocking)
                    blocking = verdict.account
        finally:
            self._wake(path)

    async def settle(self, path: tuple[str, ...], hold: str, used: Amounts) -> list[Alert]:
        """The hold gives way to what was used; calls that waited for it are looked at again."""
        alerts = await (self.holds.settle(hold, used) if hold else self.holds.charge(path, used))
        self._wake(path)
        return alerts

    async def _wait(self, account: tuple[str, ...], turn: asyncio.Event, *, first: bool) -> None:
        line = self._lines.setdefault(account, deque())
        turn.clear()
        if first:
            line.appendleft(turn)
        else:
            line.append(turn)
        try:
            async with asyncio.timeout(_POLL_SECONDS if self.holds.shared else None):
                await turn.wait()
        except TimeoutError:
            return  # another process may have settled
        finally:
            line.remove(turn)
            if not line:
                del self._lines[account]

    def _wake(self, path: tuple[str, ...]) -> None:
        if not self._lines:
            return
        for account in above(path):
            line = self._lines.get(account)
            if line:
                line[0].set()


def _tightest(found: list[Limits]) -> Limits | None:
    limited = [limits for limits in found if limits != Limits(allow_unpriced=limits.allow_unpriced)]
    if not limited:
        return None
    money = [limits for limits in limited if limits.nano is not None]
    return Limits(
        nano=min((limits.nano for limits in money if limits.nano is not None), default=None),
        allow_unpriced=all(limits.allow_unpriced for limits in money),
    )
