"""The ledger: budgets that hold, and receipts that add up. Rules only; the numbers are kept by `stores.holds`."""

from penstock.ledger.accounts import (
    DIMENSIONS,
    NOTHING,
    Account,
    Alert,
    Amounts,
    Fits,
    Limits,
    Never,
    Verdict,
    Wait,
    alerts,
    decide,
    named,
)
from penstock.ledger.receipt import Cut, Receipt, book, charge, total

__all__ = [
    "DIMENSIONS",
    "NOTHING",
    "Account",
    "Alert",
    "Amounts",
    "Cut",
    "Fits",
    "Limits",
    "Never",
    "Receipt",
    "Verdict",
    "Wait",
    "alerts",
    "book",
    "charge",
    "decide",
    "named",
    "total",
]
