"""The port to whoever makes vectors of texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeAlias

__all__ = ["Embedder", "Vector"]

Vector: TypeAlias = Sequence[float]
"""Of length 1, so that the sum of the products of two is the cosine between them."""


class Embedder(Protocol):
    """Makes vectors of texts, all of the same width. The same text has the same vector, whatever it is asked with."""

    def __call__(self, texts: Sequence[str], /) -> Sequence[Vector]:
        """A vector for each text, in order."""
        ...
