"""One measured figure, and a table of them."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

import msgspec

__all__ = ["Broken", "Figure", "measured", "table"]


class Broken(RuntimeError):
    """A part of a benchmark does not do what it has to, so there is no figure."""


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured, beside what was aimed for."""

    name: str
    value: float
    """The median of the samples."""
    unit: str
    goal: float | None = None
    """The most it should be; None where it is only reported."""
    at_least: bool = False
    """The goal is the least it should be."""
    samples: Sequence[float] = ()

    @property
    def met(self) -> bool:
        """Whether the goal is reached."""
        if self.goal is None:
            return True
        return self.value >= self.goal if self.at_least else self.value <= self.goal


def measured(
    name: str, samples: Sequence[float], *, unit: str, goal: float | None = None, at_least: bool = False
) -> Figure:
    """The figure of some samples."""
    return Figure(name=name, value=median(samples), unit=unit, goal=goal, at_least=at_least, samples=samples)


def table(figures: Sequence[Figure]) -> str:
    """The figures as text for a person: median, range, goal, verdict."""
    names = [f"{figure.name}, {figure.unit}" for figure in figures]
    width = max([44, *map(len, names)])
    lines = [f"{'figure':<{width}} {'median':>9} {'least':>9} {'most':>9} {'goal':>8}"]
    for name, figure in zip(names, figures, strict=True):
        goal = "" if figure.goal is None else f"{'>=' if figure.at_least else '<='} {figure.goal:g}"
        verdict = "" if figure.goal is None else "  met" if figure.met else "  MISSED"
        spread = f"{min(figure.samples):>9.1f} {max(figure.samples):>9.1f}"
        lines.append(f"{name:<{width}} {figure.value:>9.1f} {spread} {goal:>8}{verdict}")
    return "\n".join(lines) + "\n"
