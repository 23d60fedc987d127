"""The words of a refusal: what does not fit, by how much, and how to mend it."""

from __future__ import annotations

from penstock.errors import BudgetExceeded, Unpriced
from penstock.ledger import Never, named
from penstock.meter import Quote, fit
from penstock.values import Call, Money

__all__ = ["too_dear", "unpriced"]


def unpriced(call: Call, estimate: Quote) -> Unpriced:
    """The error of a call whose worst case has no price, where a money budget applies."""
    what = f"the price of model {call.model!r} is not known"
    if estimate.unbounded:
        what = f"{estimate.unbounded!r} is billed beyond the tokens of the call"
    first = "ask without it" if estimate.unbounded else "set the price under [prices] in penstock.toml"
    mend = f"{first}, or allow_unpriced = true under [budget]"
    return Unpriced(f"{what}, and a money budget applies", limit="nano", mend=mend)


def too_dear(estimate: Quote, never: Never, *, fewest: int = 0) -> BudgetExceeded:
    """The error of a call whose worst case does not fit.

    ``fewest``: it says itself nothing of its length, and would have been sent with so many answer tokens at the least.
    """
    name = named(never.account)
    if never.dimension == "seconds":
        return BudgetExceeded(f"{name} allowed {never.left:g} s, which are over", limit="seconds")
    if never.dimension == "depth":
        message = f"sub-calls in {name} may be {never.left:g} deep, this one is {never.needed:g}"
        return BudgetExceeded(message, limit="depth", needed=int(never.needed), left=int(never.left))
    needed, left = int(never.needed), int(never.left)
    if never.dimension == "nano":
        message = f"the call may cost up to {Money(needed)} and {name} has {Money(left)} left"
        most = fit(estimate, left)
        mend = "raise the budget, or " + (f"set max_tokens to at most {most:,}" if most else "send less text")
        if most and fewest:
            mend += f"; without it a call gets at least {fewest:,}"
    else:
        unit = never.dimension.replace("_", " ")
        message = f"{name} has {left:,} {unit} left and the call may take {needed:,}"
        mend = "raise that limit"
    return BudgetExceeded(message, limit=never.dimension, needed=needed, left=left, mend=mend)
