"""The loss guard: what caching has won and lost, and how much may stand at risk.

All amounts are in tokens of uncached input. A write counts as lost until it is read.
"""

from __future__ import annotations

import msgspec

from penstock.policy.layout.odds import Record

__all__ = ["ALLOWANCE", "Guard"]

PROBED = 0.00045
"""The share of all input that probes may lose. What does not come back costs no more than this, whatever happens."""

AT_RISK = 0.06
"""The largest share of all input by which writes may be ahead of their reads."""

AT_RISK_A_READ = 0.04
"""What each read of a paid write adds to that share."""

VOUCHED = 25_000.0
"""Tokens of input by which caching may be behind, beyond that, where other calls wait to read what is written."""

ALLOWANCE = 25_000.0
"""Tokens of input, a few cents, that a running engine may lose once on each bill to learn early whether writes are
read: a probe of 100,000 tokens costs so much. Without any a conversation has to be long before one is affordable."""


class Guard(msgspec.Struct):
    """The running account of one bill: of one key at a provider, and one model, so that a token is worth a token.

    Odds are learned from what requests repeat. That they repeat it all the same once it is written, only paid writes
    can show. So the first are probes: as short as the provider allows, and bounded by `PROBED`. Reads of them, about
    as many as foretold, open the purse by `AT_RISK_A_READ` each; where they stay away it closes again.
    """

    sent: float = 0.0
    """Tokens of input so far."""
    won: float = 0.0
    """What caching has saved, less what it cost."""
    probes: float = 0.0
    """The same, of probes alone."""
    allowance: float = 0.0
    """What may be lost once beyond those shares, for a caller who would rather know soon."""

    def may_write(self, cost: float, record: Record, *, ahead: bool = True) -> bool:
        """Whether a write that costs so much more than none may be paid; not ``ahead``: from what was won alone."""
        at_risk = min(AT_RISK, AT_RISK_A_READ * record.realised) * self.sent if ahead else 0.0
        return record.trusted and self.won - cost >= -(at_risk + self.allowance)

    def may_trust(self, cost: float) -> bool:
        """Whether a write may be paid for whose reads the caller vouches for: not after too many that never came."""
        return self.won - cost >= -(AT_RISK * self.sent + VOUCHED)

    def may_probe(self, cost: float) -> bool:
        """Whether a probe that costs so much more than none may be paid."""
        return self.probes - cost >= -(PROBED * self.sent + self.allowance)
