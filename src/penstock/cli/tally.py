"""What ``penstock run`` tells at the end: how the calls of a command ended, and what they cost."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import pairwise

from penstock.cli.clients import BYPASSES
from penstock.errors import BudgetExceeded, Cancelled, PenstockError, Unpriced
from penstock.flow import Admit, Done, Refused, State
from penstock.ledger import Limits, Receipt
from penstock.ticket import Outcome
from penstock.values import Money

__all__ = ["Tally"]

_NOTICED_SECONDS = 0.05
"""A wait for budget below this is none: a call that is let in at once takes a hundredth of it."""


class Tally:
    """A sink: how the calls ended, and how long they waited for budget."""

    def __init__(self) -> None:
        self._answered = 0
        self._unanswered: dict[str, list[PenstockError]] = {}
        self._waits: list[float] = []

    async def __call__(self, outcome: Outcome) -> None:
        """Count one that has ended."""
        match outcome.state:
            case Done():
                self._answered += 1
            case Refused(error=error):
                self._unanswered.setdefault(_fate(error), []).append(error)
        waited = _waited(outcome.log)
        if waited >= _NOTICED_SECONDS:
            self._waits.append(waited)

    def causes(self) -> list[str]:
        """For each way to end without an answer, the error of the last call that ended so."""
        return [f"{fate}, last: {errors[-1]}" for fate, errors in self._unanswered.items()]

    def told(self, receipt: Receipt, limits: Limits, requests: int) -> str:
        """All of it in a line. ``requests`` is how many came to the gateway, for whatever."""
        if not (self._answered or self._unanswered):
            return f"{receipt}; the command asked no model through here ({_why_nothing(requests)})"
        parts = [f"{receipt}; {self._answered} call{'s' * (self._answered != 1)} answered"]
        if self._waits:
            parts.append(f"{len(self._waits)} waited for budget ({sum(self._waits):.1f} s in all)")
        budget = "the budget" if limits.nano is None else f"the budget of {Money(limits.nano)}"
        parts += [f"{len(errors)} {fate.replace('the budget', budget)}" for fate, errors in self._unanswered.items()]
        return ", ".join(parts)


def _fate(error: PenstockError) -> str:
    """What became of a call that has no answer."""
    match error:
        case Unpriced():
            return "of unknown price"
        case BudgetExceeded():
            return "did not fit the budget"
        case Cancelled():
            return "left by the command"
        case _:
            return "failed"


def _waited(log: Sequence[tuple[float, State]]) -> float:
    """Seconds until the worst case of a call was held, or refused."""
    return sum(after - entered for (entered, state), (after, _) in pairwise(log) if isinstance(state, Admit))


def _why_nothing(requests: int) -> str:
    """What may be the reason that a command has asked nothing."""
    if requests:
        return f"{requests} request{'s' * (requests != 1)} came, none of them a call that could be asked"
    bypass = next((name for name in BYPASSES if os.environ.get(name)), "")
    return f"{bypass} is set" if bypass else "does it read OPENAI_BASE_URL or ANTHROPIC_BASE_URL?"
