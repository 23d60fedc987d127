"""The loss guard: what caching has won and lost, and how much may stand at risk.

All amounts are in tokens of uncached input. A write counts as lost until it is read.
"""

from __future__ import annotations

import msgspec

from penstock.policy.layout.choice import MARGIN
from penstock.policy.layout.odds import Record

__all__ = ["Guard"]

PROBED = 0.0005
"""The share of all input that probes may lose. What does not come back costs no more than this, whatever happens."""

AT_RISK = 0.1
"""The largest share of all input by which writes may be ahead of their reads."""

AT_RISK_A_READ = 0.02
"""What each read of a paid write adds to that share."""


STRICTER = 20.0

SLOT = 15.0


class Guard(msgspec.Struct):
    """The running account.

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
    ahead: dict[int, float] = msgspec.field(default_factory=dict[int, float])
    """What was paid for writes that may still be read, by the `SLOT` in which their time ends."""
    allowance: float = 0.0
    """What probes may lose beyond their share: for a caller who would rather know soon."""

    def margin(self, now: float) -> float:
        """How many times its price a write must be expected to save: the more, the more was lost on earlier ones."""
        self.ahead = {slot: cost for slot, cost in self.ahead.items() if slot * SLOT > now}
        lost = -(self.won + sum(self.ahead.values()))
        return MARGIN + STRICTER * max(lost, 0.0) / max(self.sent, 1.0)

    def hold(self, cost: float, until: float) -> None:
        """Note a write that costs so much more than none, and can be read ``until`` then."""
        self.won -= cost
        slot = int(until // SLOT) + 1
        self.ahead[slot] = self.ahead.get(slot, 0.0) + cost

    def may_write(self, cost: float, record: Record) -> bool:
        """Whether a write that costs so much more than none may be paid."""
        at_risk = min(AT_RISK, AT_RISK_A_READ * record.realised) * self.sent
        return record.trusted and self.won - cost >= -at_risk

    def may_probe(self, cost: float) -> bool:
        """Whether a probe that costs so much more than none may be paid."""
        return self.probes - cost >= -(PROBED * self.sent + self.allowance)
