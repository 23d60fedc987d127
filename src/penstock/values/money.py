"""Money is a whole number of nano-dollars (10**-9 USD). Nothing here is ever a float."""

from __future__ import annotations

import re
from decimal import Decimal

from penstock.errors import BadInput

__all__ = ["NANO", "Money", "parse_money"]

NANO = 1_000_000_000
"""Nano-dollars in a dollar."""

_AMOUNT = re.compile(r"\$?\s*(\d{1,15}(?:\.\d+)?)\s*(c|¢|\$|usd)?", re.IGNORECASE)
"""Fewer than a quadrillion of either unit: what is computed from it can still be written, and stored. None begins with
its point: ``.50`` is what a shell leaves of ``"$1.50"``."""

_MEND = "write it like 5, 0.50, 5c or $0.50; in a shell '$0.50', in single quotes, else it takes $0 for a variable"


class Money(int):
    """An amount in nano-dollars that prints as dollars.

    ``str(amount)`` is exact, as ``int(amount)`` is: amounts that add up do so as they are printed. At least two
    decimals are shown, and no zeros behind them.

    >>> print(Money(2_100_000), Money(-1_500_000_000), Money(0), Money(150))
    $0.0021 -$1.50 $0.00 $0.00000015
    """

    def __str__(self) -> str:
        whole, nano = divmod(abs(int(self)), NANO)
        decimals = f"{nano:09d}".rstrip("0")
        return f"{'-' if self < 0 else ''}${whole}.{decimals:0<2}"

    __repr__ = __str__


def parse_money(text: str | float) -> Money:
    """The amount that a person wrote: ``"$2.00"``, ``"2"``, ``"5c"``, ``"0.25 USD"``; a number counts dollars.

    Raises `BadInput` for anything else, a negative amount among it, or one with more than 15 digits before its point.

    >>> int(parse_money("5c")), int(parse_money(0.05))
    (50000000, 50000000)
    """
    if not isinstance(text, str):
        try:
            text = format(Decimal(str(text)), "f")
        except ArithmeticError:
            raise BadInput(f"{text!r} is not an amount of money", mend=_MEND) from None
    match = _AMOUNT.fullmatch(text.strip())
    if match is None:
        told = f"{text!r} is not an amount of money" if text.strip() else "the amount of money is empty"
        period = "; only the budget of a virtual key has a period" if "/" in text else ""
        raise BadInput(told, mend=_MEND + period)
    number, unit = match.groups()
    dollars = Decimal(number) / (100 if unit in {"c", "C", "¢"} else 1)
    return Money(int(dollars * NANO))
