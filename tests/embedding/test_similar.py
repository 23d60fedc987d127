"""Vectors as the second look of a compression."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from penstock.embedding import similar

VECTORS = {"east": (1.0, 0.0), "north": (0.0, 1.0), "west": (-1.0, 0.0), "north-east": (0.6, 0.8), "far": (1.1, 0.0)}


def compass(texts: Sequence[str]) -> list[tuple[float, float]]:
    return [VECTORS[text] for text in texts]


def test_it_is_the_cosine_and_never_below_none_or_above_all() -> None:
    found = similar(compass)("east", ["east", "north", "west", "north-east", "far"])
    assert found == pytest.approx([1.0, 0.0, 0.0, 0.6, 1.0])
    assert similar(compass)("east", []) == []
