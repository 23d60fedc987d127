"""How well selections did: what was needed is either in them or was asked for afterwards."""

from __future__ import annotations

import msgspec

__all__ = ["FIDELITY", "Quality"]

FIDELITY = 0.995
"""The share of what is needed that has to be selected."""

REMEMBERED, ENOUGH = 200, 20
"""Needs that are remembered, and how many it takes to judge by them."""

SHORTEST, CAREFUL = 0.25, 0.5
"""The least a text may be shortened to beside its size: as a rule, and while too much is being missed."""


class Quality(msgspec.Struct):
    """The last needs: whether what was needed had been selected."""

    met: list[bool] = []

    def need(self, *, met: bool) -> None:
        """Count a segment that was needed."""
        self.met = [*self.met, met][-REMEMBERED:]

    @property
    def fidelity(self) -> float | None:
        """The share of needs that were met; None before there was any."""
        return sum(self.met) / len(self.met) if self.met else None

    @property
    def poor(self) -> bool:
        """Whether too much is missed: then selections reach a tier further and texts are shortened less."""
        return len(self.met) >= ENOUGH and sum(self.met) < FIDELITY * len(self.met)

    @property
    def floor(self) -> float:
        """The least a text may be shortened to beside its size."""
        return CAREFUL if self.poor else SHORTEST
