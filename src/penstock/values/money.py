"""Money is a whole number of nano-dollars (10**-9 USD). Nothing here is ever a float."""

from __future__ import annotations

import re
from decimal import Decimal

from penstock.errors import BadInput

__all__ = ["NANO", "Money", "parse_money"]

NANO = 1_000_000_000
"""Nano-dollars in a dollar."""

_AMOUNT = re.compile(r"\$?\s*(\d{1,15}(?:\.\d+)?|\.\d+)\s*(c|¢|\$|usd)?", re.IGNORECASE)
"""Fewer than a quadrillion of either unit: what is computed from it can still be written, and stored."""


class Money(int):
    """An amount in nano-dollars that prints as dollars.

    ``int(amount)`` is the exact number; ``str(amount)`` rounds it: cents from a dollar up, below that four decimals,
    or as many as its first two digits need.

    >>> print(Money(2_100_000), Money(-1_500_000_000), Money(0), Money(150))
    $0.0021 -$1.50 $0.00 $0.00000015
    """

    def __str__(self) -> str:
        amount = abs(int(self))
        decimals = 2 if amount == 0 or amount >= NANO else max(4, min(9, 11 - len(str(amount))))
        unit = 10 ** (9 - decimals)
        whole, fraction = divmod((amount + unit // 2) // unit, 10**decimals)
        return f"{'-' if self < 0 else ''}${whole}.{fraction:0{decimals}d}"

    __repr__ = __str__


def parse_money(text: str) -> Money:
    """The amount that a person wrote: ``"$2.00"``, ``"2"``, ``"5c"``, ``"0.25 USD"``.

    Raises `BadInput` for anything else, a negative amount among it, or one with more than 15 digits before its point.

    >>> int(parse_money("5c"))
    50000000
    """
    match = _AMOUNT.fullmatch(text.strip())
    if match is None:
        raise BadInput(f"{text!r} is not an amount of money", mend='write it like "$2.00", "0.25" or "5c"')
    number, unit = match.groups()
    dollars = Decimal(number) / (100 if unit in {"c", "C", "¢"} else 1)
    return Money(int(dollars * NANO))
