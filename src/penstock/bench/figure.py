"""One measured figure, and a table of them."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

import msgspec

__all__ = ["Figure", "measured", "table"]


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured, beside what was aimed for."""

    name: str
    value: float
    """The median of the samples."""
    unit: str
    goal: float | None = None
    """The most it should be; None where it is only reported."""
    samples: Sequence[float] = ()

    @property
    def met(self) -> bool:
        """Whether the goal is reached."""
        return self.goal is None or self.value <= self.goal


def measured(name: str, samples: Sequence[float], *, unit: str, goal: float | None = None) -> Figure:
    """The figure of some samples."""
    return Figure(name=name, value=median(samples), unit=unit, goal=goal, samples=samples)


def table(figures: Sequence[Figure]) -> str:
    """The figures as text for a person: median, range, goal, verdict."""
    lines = [f"{'figure':<44} {'median':>9} {'least':>9} {'most':>9} {'goal':>7}"]
    for figure in figures:
        goal = "" if figure.goal is None else f"{figure.goal:g}"
        verdict = "" if figure.goal is None else "  met" if figure.met else "  MISSED"
        spread = f"{min(figure.samples):>9.1f} {max(figure.samples):>9.1f}"
        lines.append(f"{figure.name + ', ' + figure.unit:<44} {figure.value:>9.1f} {spread} {goal:>7}{verdict}")
    return "\n".join(lines) + "\n"
