"""On what terms a request is asked: what its headers say about budget, deadline, scope and mechanisms."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

from penstock.clock import Clock
from penstock.errors import BadInput
from penstock.values import parse_money

__all__ = ["MECHANISMS", "Terms", "terms"]

MECHANISMS = ("reuse", "layout", "compress", "prune", "route", "bundle", "defer")
"""What may be left out, built or not yet: a client need not change when it is."""

_LONGEST_SCOPE = 200


class Terms(msgspec.Struct, frozen=True):
    """What a client asks for besides the answer."""

    off: frozenset[str] = frozenset()
    """Mechanisms to leave out; ``all``: all of them."""
    fresh: bool = False
    """Ask anew, and refresh what is stored."""
    budget: int | None = None
    """The most that this request may cost, in nano-dollars."""
    deadline: float | None = None
    """When the answer stops being wanted: seconds on the monotonic clock."""
    patience: float | None = None
    """When the client stops waiting for the answer to begin: seconds on the monotonic clock."""
    again: bool = False
    """It is the client's own retry."""
    scope: str = ""
    """The tenant that it names; empty when it names none."""


def terms(headers: Mapping[str, str], clock: Clock) -> Terms:
    """The terms that request headers set; their names are in lower case. Raises `BadInput` for what cannot be read.

    The official SDKs for Python say in ``x-stainless-read-timeout`` how many seconds of silence they bear, Anthropic's
    for Node says ``x-stainless-timeout``; all count their retries.
    """
    off = headers.get("x-penstock-off", "")
    budget = headers.get("x-penstock-budget")
    by = headers.get("x-penstock-by")
    bears = headers.get("x-stainless-read-timeout") or headers.get("x-stainless-timeout")
    return Terms(
        off=_off(off) if off else frozenset(),
        fresh="no-cache" in headers.get("cache-control", ""),
        budget=None if budget is None else _budget(budget),
        deadline=None if by is None else _deadline(by, clock),
        patience=None if bears is None else _patience(bears, clock),
        again=headers.get("x-stainless-retry-count", "0") != "0",
        scope=_scope(headers.get("x-penstock-scope", "")),
    )


def _off(said: str) -> frozenset[str]:
    named = frozenset([name for each in said.split(",") if (name := each.strip())])
    unknown = min(named - {"all", *MECHANISMS}, default="")
    if unknown:
        hint = f"known are {', '.join(MECHANISMS)}, and all"
        raise BadInput(f"x-penstock-off names {unknown[:50]!r}, which is no mechanism", mend=hint)
    return named


def _budget(said: str) -> int:
    try:
        return int(parse_money(said))
    except BadInput as error:
        raise BadInput(f"x-penstock-budget: {error.message}", mend=error.mend) from None


def _deadline(said: str, clock: Clock) -> float:
    """Seconds from now, or a moment as RFC 3339 writes it."""
    seconds = _number(said)
    if seconds is None:
        try:
            moment = datetime.fromisoformat(said.strip())
        except ValueError:
            hint = "write seconds from now, or a time like 2026-01-31T07:00:00Z"
            raise BadInput(f"x-penstock-by {said!r} is no time", mend=hint) from None
        seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - clock.now()
    return clock.monotonic() + seconds


def _patience(said: str, clock: Clock) -> float | None:
    seconds = _number(said)
    return None if seconds is None or seconds <= 0 else clock.monotonic() + seconds


def _number(said: str) -> float | None:
    try:
        number = float(said)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _scope(said: str) -> str:
    if len(said) > _LONGEST_SCOPE or not said.isprintable():
        raise BadInput("x-penstock-scope is not a name", mend=f"use at most {_LONGEST_SCOPE} printable characters")
    return said
