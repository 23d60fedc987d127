"""Budgets: a tree of accounts, and the rule by which a call is let in.

Before a call its worst case is held on every account from the root down to its own; after it the hold gives way to
what was really used. Only the rules are here. Who keeps the numbers, and makes a hold atomic, is `stores.holds`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

import msgspec

from penstock.values import Money

__all__ = [
    "DIMENSIONS",
    "NOTHING",
    "Account",
    "Alert",
    "Amounts",
    "Fits",
    "Limits",
    "Never",
    "Verdict",
    "Wait",
    "alerts",
    "decide",
    "named",
]


class Amounts(msgspec.Struct, frozen=True):
    """What a call takes from a budget, in every dimension at once."""

    nano: int = 0
    """Money in nano-dollars."""
    input_tokens: int = 0
    output_tokens: int = 0
    calls: int = 0
    repl_steps: int = 0

    def __add__(self, other: Amounts) -> Amounts:
        return Amounts(
            self.nano + other.nano,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.calls + other.calls,
            self.repl_steps + other.repl_steps,
        )

    def __sub__(self, other: Amounts) -> Amounts:
        return Amounts(
            self.nano - other.nano,
            self.input_tokens - other.input_tokens,
            self.output_tokens - other.output_tokens,
            self.calls - other.calls,
            self.repl_steps - other.repl_steps,
        )


DIMENSIONS = Amounts.__struct_fields__
"""The names of the dimensions, in the order they are checked."""

NOTHING = Amounts()


class Limits(msgspec.Struct, frozen=True):
    """The most that an account may spend. None: no limit in that dimension."""

    nano: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    calls: int | None = None
    repl_steps: int | None = None
    depth: int | None = None
    """How many levels of sub-calls may lie below the account."""
    seconds: float | None = None
    """Wall time from the opening of the account."""
    allow_unpriced: bool = False
    """Let a call through although its price is unknown and ``nano`` is set."""

    def of(self, dimension: str) -> int | None:
        """The limit in one of the `DIMENSIONS`."""
        limit: int | None = getattr(self, dimension)
        return limit


class Account(msgspec.Struct, frozen=True):
    """A budget and what it stands at."""

    path: tuple[str, ...]
    limits: Limits = Limits()
    spent: Amounts = NOTHING
    held: Amounts = NOTHING
    opened: float = 0.0
    """When it was opened, on the wall clock, in seconds."""

    def left(self, dimension: str) -> int | None:
        """What may still be held; None without a limit."""
        limit = self.limits.of(dimension)
        if limit is None:
            return None
        taken: int = getattr(self.spent, dimension) + getattr(self.held, dimension)
        return limit - taken


_PERIOD = re.compile(r"\d{4}-(W\d\d|\d\d(-\d\d(T\d\d)?)?)")
_CALL = re.compile(r"c_[0-9a-f]{16}")
_KEY_DIGEST = re.compile(r"[0-9a-f]{16}")


def named(path: tuple[str, ...]) -> str:
    """An account as the person knows it who gave it its limits.

    Its names tell its kind: ``key:NAME`` is of a virtual key, below which each period has one of its own; ``run:`` of
    `penstock run`, ``open:ID`` of one `penstock.open` without a scope, the id of a call of that call. ``team`` below a
    scope of virtual keys is what they share; ``local`` and digests are clients without such a key. Others are scopes.

    >>> print(named(("local", "team-a")), "|", named(("key:ci", "key:ci", "2026-11-21")))
    the budget of scope 'team-a' | the budget of key 'ci' for 2026-11-21 (UTC)
    """
    *above, last = path
    if above and _PERIOD.fullmatch(last):
        return f"{named(tuple(above))} for {last} (UTC)"
    if last.startswith("key:"):
        return f"the budget of key {last[4:]!r}"
    if last.startswith("open:"):
        return "the budget of this session"
    if last.startswith("run:"):
        return "the budget of this run"
    if _CALL.fullmatch(last):
        return "the budget of this call"
    if not above and (last == "local" or _KEY_DIGEST.fullmatch(last)):
        return "the budget of this client"
    shared = last == "team" and above not in ([], ["local"])
    return f"the budget of scope {above[-1] if shared else last!r}"


class Fits(msgspec.Struct, frozen=True):
    """The amounts fit every account of the path."""


class Wait(msgspec.Struct, frozen=True):
    """They would fit if calls in flight used less than they hold: worth waiting for a settle on ``account``."""

    account: tuple[str, ...]
    dimension: str


class Never(msgspec.Struct, frozen=True):
    """No settle can make them fit."""

    account: tuple[str, ...]
    dimension: str
    needed: float
    left: float


Verdict: TypeAlias = Fits | Wait | Never


def decide(path: Sequence[Account], want: Amounts, *, now: float) -> Verdict:
    """Whether ``want`` may be held on every account of ``path``, which runs from the root to the leaf.

    A dimension of which nothing is wanted never refuses. Depth counts the levels between an account and the leaf.
    """
    waiting: Wait | None = None
    for level, account in enumerate(path):
        limits = account.limits
        if limits.seconds is not None and now - account.opened >= limits.seconds:
            return Never(account.path, "seconds", now - account.opened, limits.seconds)
        if limits.depth is not None and len(path) - 1 - level > limits.depth:
            return Never(account.path, "depth", len(path) - 1 - level, limits.depth)
        for dimension in DIMENSIONS:
            limit = limits.of(dimension)
            needed: int = getattr(want, dimension)
            if limit is None or needed == 0:
                continue
            spent: int = getattr(account.spent, dimension)
            held: int = getattr(account.held, dimension)
            if spent + needed > limit:
                return Never(account.path, dimension, needed, limit - spent)
            if spent + held + needed > limit and waiting is None:
                waiting = Wait(account.path, dimension)
    return waiting or Fits()


class Alert(msgspec.Struct, frozen=True):
    """A budget is nearly used: 80% of the money or 75% of the tokens are spent, or 2 calls are left."""

    level: Literal["warning", "critical"]
    message: str
    metric: str
    value: int
    threshold: int


_SHARES: Mapping[str, tuple[int, int]] = {
    "nano": (80, 100),
    "input_tokens": (75, 100),
    "output_tokens": (75, 100),
    "repl_steps": (80, 100),
}
_CALLS_LEFT = 2


def alerts(before: Account, after: Account) -> list[Alert]:
    """What settling from ``before`` to ``after`` sets off: each threshold speaks once, when it is crossed."""
    found: list[Alert] = []
    for dimension in DIMENSIONS:
        limit = after.limits.of(dimension)
        if limit is None:
            continue
        if dimension == "calls":
            threshold = max(0, limit - _CALLS_LEFT)
        else:
            share, whole = _SHARES[dimension]
            threshold = limit * share // whole
        was: int = getattr(before.spent, dimension)
        value: int = getattr(after.spent, dimension)
        if was < limit <= value:
            found.append(
                Alert(
                    "critical",
                    f"{_say(dimension, value)} of {_say(dimension, limit)} used: nothing is left",
                    dimension,
                    value,
                    limit,
                )
            )
        elif was < threshold <= value:
            found.append(
                Alert(
                    "warning", f"{_say(dimension, value)} of {_say(dimension, limit)} used", dimension, value, threshold
                )
            )
    return found


def _say(dimension: str, value: int) -> str:
    return str(Money(value)) if dimension == "nano" else f"{value:,} {dimension.replace('_', ' ')}"
