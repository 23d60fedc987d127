"""When to try again: a pure decision, and a purse that keeps retries from feeding an outage.

Only what happened before the first byte of an answer comes here: an answer that has begun is never asked for twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TypeAlias

import msgspec

from penstock.errors import Overloaded, ProviderError, Unreachable

__all__ = ["Decision", "GiveUp", "Retry", "RetryBudget", "RetryPolicy", "retry_after"]


class Retry(msgspec.Struct, frozen=True):
    """Try again after ``delay`` seconds, and withdraw one token from the budget."""

    delay: float


class GiveUp(msgspec.Struct, frozen=True):
    """Raise the error that came."""

    why: str


Decision: TypeAlias = Retry | GiveUp


class RetryBudget:
    """A purse of retries for one upstream: each request pays a share in, each retry takes one out.

    Under a total outage the load that reaches the upstream is thus at most ``1 + share`` times what was asked for,
    plus the purse it starts with.
    """

    __slots__ = ("_cap", "_share", "tokens")

    def __init__(self, share: float = 0.1, cap: float = 10.0) -> None:
        self._share = share
        self._cap = cap
        self.tokens = cap
        """Retries that may be made now; a fresh purse is full."""

    def deposit(self) -> None:
        """A new request has come."""
        self.tokens = min(self._cap, self.tokens + self._share)

    def withdraw(self) -> None:
        """A retry is made."""
        self.tokens -= 1


class RetryPolicy(msgspec.Struct, frozen=True):
    """How often, how soon, how long. Times are in seconds."""

    tries: int = 3
    """Attempts in all, the first one among them."""
    base: float = 0.5
    cap: float = 8.0
    retry_after_cap: float = 20.0
    """An upstream that asks for more patience than this gets none: its error goes to the caller, who can decide."""
    budget: float = 0.1
    """Retries per request, on average; see `RetryBudget`."""

    def decide(
        self,
        attempt: int,
        error: ProviderError,
        *,
        left: float | None,
        budget: RetryBudget,
        jitter: float,
        now: float,
    ) -> Decision:
        """What to do after attempt number ``attempt`` (from 1) ended in ``error``.

        ``left`` is the time to the deadline, ``jitter`` a random number in [0, 1), ``now`` the wall time that a date in
        ``Retry-After`` is compared with. The delay is "full jitter" over a doubling span (AWS Architecture Blog,
        "Exponential Backoff And Jitter", 2015); what the upstream asks for is waited in full, plus a little jitter.
        """
        if not isinstance(error, Overloaded | Unreachable):
            return GiveUp("the same request would fail again")
        if error.headers.get("x-should-retry", "").lower() == "false":
            return GiveUp("trying again was advised against")
        if attempt >= self.tries:
            return GiveUp(f"all {self.tries} tries are spent")
        asked = retry_after(error.headers, now)
        if asked is not None and asked > self.retry_after_cap:
            return GiveUp(f"the upstream asks to wait {asked:.0f} s")
        if asked is not None:
            delay = asked + jitter * self.base
        else:
            delay = jitter * min(self.cap, self.base * 2.0 ** (attempt - 1))
        if left is not None and delay >= left:
            return GiveUp("the deadline comes first")
        if budget.tokens < 1:
            return GiveUp("the budget of retries is spent")
        return Retry(delay)


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds that an upstream asks to wait, never negative; None if it does not say, or not in a readable way.

    Reads ``retry-after-ms`` (OpenAI's SDKs) before ``Retry-After`` in seconds or as a date (RFC 9110, section 10.2.3).

    >>> retry_after({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 1445412470.0)
    10.0
    """
    exact = _number(headers.get("retry-after-ms"))
    if exact is not None:
        return exact / 1000
    text = headers.get("retry-after")
    seconds = _number(text)
    if seconds is not None or text is None:
        return seconds
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return max(0.0, date.timestamp() - now)


def _number(text: str | None) -> float | None:
    """A finite number of at least zero, or None."""
    try:
        number = float(text or "")
    except ValueError:
        return None
    return max(0.0, number) if abs(number) < float("inf") else None
