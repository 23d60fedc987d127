"""The loss guard: what caching has won and lost, and how much may stand at risk.

All amounts are in tokens of uncached input. A write counts as lost until the provider reports that it was read.
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
    can show. So the first are probes: of the first block that can be marked alone, and bounded by `PROBED`. Reads of
    them, about as many as foretold, open the purse by `AT_RISK_A_READ` each; where they stay away it closes again.
    """

    sent: float = 0.0
    """Tokens of input that were billed so far."""
    won: float = 0.0
    """What caching has saved, less what it cost."""
    probes: float = 0.0
    """The same, of probes alone, and of what was written though it should have been read."""
    allowance: float = 0.0
    """What may be lost once beyond those shares, for a caller who would rather know soon."""
    held: float = 0.0
    """What the writes of calls under way cost more than none: as good as lost until their usage is known. It is no part
    of what is told to others, who could not free it again."""
    held_probes: float = 0.0
    """The same, of probes alone."""

    def hold(self, cost: float, *, probe: bool) -> None:
        """A write that costs so much more than none is under way; less than none: it is that no longer."""
        self.held += cost
        self.held_probes += cost if probe else 0.0

    def may_write(self, cost: float, record: Record, *, ahead: bool = True) -> bool:
        """Whether a write that costs so much more than none may be paid; not ``ahead``: from what was won alone."""
        at_risk = self._at_risk(record) if ahead else 0.0
        return record.trusted and self.won - self.held - cost >= -(at_risk + self.allowance)

    def may_trust(self, cost: float, record: Record) -> bool:
        """Whether a write may be paid for whose reads the caller vouches for: not after too many that never came."""
        return self.won - self.held - cost >= -(self._at_risk(record) + VOUCHED)

    def may_probe(self, cost: float) -> bool:
        """Whether a probe that costs so much more than none may be paid."""
        return self.probes - self.held_probes - cost >= -(PROBED * self.sent + self.allowance)

    def _at_risk(self, record: Record) -> float:
        """By how much writes may be ahead of their reads, by the reads that were reported of late."""
        return max(PROBED, min(AT_RISK, AT_RISK_A_READ * record.realised)) * self.sent
