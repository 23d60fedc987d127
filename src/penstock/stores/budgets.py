"""Budgets that begin anew: an amount of money for each hour, day, week or month, all of them in UTC.

Each period has an account of its own, named after it (``2026-11-21``), so nothing is ever set back to zero, and what a
call of yesterday settles today is booked on yesterday.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Literal, TypeAlias, get_args

import msgspec

from penstock.errors import BadInput
from penstock.values import Money, parse_money

__all__ = ["Budget", "Period", "nests", "parse_budget", "parse_duration", "window"]

Period: TypeAlias = Literal["", "hour", "day", "week", "month"]
"""How long a budget lasts; empty: for ever."""

_PERIODS: tuple[Period, ...] = get_args(Period)
_WITHIN: dict[Period, frozenset[Period]] = {
    "": frozenset(_PERIODS),
    "month": frozenset({"month", "day", "hour"}),
    "week": frozenset({"week", "day", "hour"}),
    "day": frozenset({"day", "hour"}),
    "hour": frozenset({"hour"}),
}
_MEND = (
    "write it like 5c, $20, 5c/hour or $5/day; hour, day, week and month are known; "
    "in a shell '$5/day', in single quotes, else it takes $5 for a variable"
)
_DURATION = re.compile(r"([0-9]{1,6})\s*([mhdw])")
_SECONDS = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}


class Budget(msgspec.Struct, frozen=True):
    """So much money, once or in each period.

    >>> print(Budget(5_000_000_000, "day"), Budget(50_000_000))
    $5.00/day $0.05
    """

    nano: int
    """Nano-dollars."""
    period: Period = ""

    def __str__(self) -> str:
        return f"{Money(self.nano)}/{self.period}" if self.period else str(Money(self.nano))


def parse_budget(text: str) -> Budget:
    """The budget that a person wrote: ``"$5/day"``, ``"5c/hour"``, ``"$50"``. Raises `BadInput` for anything else.

    >>> parse_budget("5c/hour")
    Budget(nano=50000000, period='hour')
    """
    amount, slash, named = text.partition("/")
    wanted = named.strip().lower()
    period: Period | None = next((period for period in _PERIODS if period == wanted), None)
    if period is None or (slash and not period):
        raise BadInput(f"{text!r} is not a budget", mend=_MEND)
    try:
        return Budget(int(parse_money(amount)), period)
    except BadInput as error:
        raise BadInput(error.message, mend=_MEND) from None


def parse_duration(text: str) -> float:
    """Seconds of a time that a person wrote: ``"90m"``, ``"12h"``, ``"30d"``, ``"8w"``. Raises `BadInput`.

    >>> parse_duration("30d")
    2592000.0
    """
    match = _DURATION.fullmatch(text.strip().lower())
    if match is None:
        raise BadInput(f"{text!r} is not a length of time", mend='write it like "12h", "30d" or "8w"')
    return float(int(match[1]) * _SECONDS[match[2]])


def nests(inner: Period, outer: Period) -> bool:
    """Whether no ``inner`` period runs over the end of an ``outer`` one. A week runs over the end of a month."""
    return inner in _WITHIN[outer]


def window(period: Period, now: float) -> tuple[str, float]:
    """The name of the period that ``now`` lies in, and when it ends; both in seconds on the wall clock, UTC.

    >>> window("week", 1_795_262_400.0)
    ('2026-W47', 1795392000.0)
    """
    if not period:
        return "", float("inf")
    today = datetime.fromtimestamp(now, UTC)
    hour = today.replace(minute=0, second=0, microsecond=0)
    midnight = hour.replace(hour=0)
    match period:
        case "hour":
            return hour.strftime("%Y-%m-%dT%H"), (hour + timedelta(hours=1)).timestamp()
        case "day":
            return midnight.strftime("%Y-%m-%d"), (midnight + timedelta(days=1)).timestamp()
        case "week":
            year, week, weekday = midnight.isocalendar()
            return f"{year}-W{week:02d}", (midnight + timedelta(days=8 - weekday)).timestamp()
        case "month":
            following = (midnight.replace(day=1) + timedelta(days=31)).replace(day=1)
            return midnight.strftime("%Y-%m"), following.timestamp()
