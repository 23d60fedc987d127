"""Receipts: what a call would have cost, what it cost, and which mechanism made the difference.

The price of a call is taken before and after each mechanism's edits, in order; the differences telescope, so the
savings sum to asked - spent exactly, in whole nano-dollars, whatever the prices. A mechanism that made the call
dearer shows a negative saving.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from penstock.values import Money

__all__ = ["Cut", "Receipt", "book", "charge", "total"]


class Cut(msgspec.Struct, frozen=True):
    """The price of a call as it stood before one mechanism's edits."""

    mechanism: str
    before: int
    """Nano-dollars."""


class Receipt(msgspec.Struct, frozen=True):
    """asked = spent + the sum of saved, always.

    ``unpriced`` counts the calls whose price is not known: they are in none of the amounts, and never count as free.
    ``estimated`` counts the calls whose usage the provider did not report (cancelled, cut off): what they cost is told
    from what was sent and what came back.
    """

    asked: Money = Money(0)
    spent: Money = Money(0)
    saved: Mapping[str, Money] = {}
    calls: int = 0
    unpriced: int = 0
    estimated: int = 0

    def __str__(self) -> str:
        if self.unpriced and self.unpriced == self.calls:
            return f"unpriced: {self.calls} call{'s' * (self.calls > 1)} whose price is not known"
        text = f"asked {self.asked} = spent {self.spent} + saved {Money(self.asked - self.spent)}"
        if self.unpriced:
            text += f" (and {self.unpriced} unpriced)"
        if self.estimated:
            text += f" ({self.estimated} of {self.calls} calls estimated)" if self.calls > 1 else " (estimated)"
        return text


def book(spent: int | None, cuts: Sequence[Cut] = (), *, estimated: bool = False) -> Receipt:
    """The receipt of one call that cost ``spent`` nano-dollars (None: unpriced), after ``cuts`` in the order made.

    >>> receipt = book(1_000_000, [Cut("route", 9_000_000), Cut("layout", 4_000_000)])
    >>> print(receipt, receipt.saved)
    asked $0.009 = spent $0.001 + saved $0.008 {'route': $0.005, 'layout': $0.003}
    """
    if spent is None:
        return Receipt(calls=1, unpriced=1, estimated=int(estimated))
    asked = cuts[0].before if cuts else spent
    saved: dict[str, Money] = {}
    for number, cut in enumerate(cuts, 1):
        after = cuts[number].before if number < len(cuts) else spent
        saved[cut.mechanism] = Money(saved.get(cut.mechanism, 0) + cut.before - after)
    return Receipt(Money(asked), Money(spent), saved, calls=1, estimated=int(estimated))


def charge(receipt: Receipt, mechanism: str) -> Receipt:
    """The same call when nobody asked for it but ``mechanism``: all it cost is that mechanism's loss."""
    saved = dict(receipt.saved)
    saved[mechanism] = Money(saved.get(mechanism, 0) - receipt.asked)
    return msgspec.structs.replace(receipt, asked=Money(0), saved=saved)


def total(receipts: Iterable[Receipt]) -> Receipt:
    """The sum of receipts; it adds up because each of them does."""
    asked = spent = calls = unpriced = estimated = 0
    saved: dict[str, Money] = {}
    for receipt in receipts:
        asked += receipt.asked
        spent += receipt.spent
        calls += receipt.calls
        unpriced += receipt.unpriced
        estimated += receipt.estimated
        for mechanism, amount in receipt.saved.items():
            saved[mechanism] = Money(saved.get(mechanism, 0) + amount)
    return Receipt(Money(asked), Money(spent), saved, calls, unpriced, estimated)
