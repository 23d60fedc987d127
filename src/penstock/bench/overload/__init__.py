"""How the gateway bears overload: its own, and that of an upstream."""

from __future__ import annotations

from penstock.bench.figure import Figure
from penstock.bench.overload import rush, storm

__all__ = ["run"]


def run(*, quick: bool = False) -> list[Figure]:
    """All figures of this benchmark; ``quick``: 5 s of overload instead of 20."""
    return [*rush.run(seconds=5.0 if quick else 20.0), *storm.run()]
