"""How alike texts are, by their vectors."""

from __future__ import annotations

from collections.abc import Sequence
from operator import mul

from penstock.embedding.port import Embedder
from penstock.policy.compress.likeness import Similar

__all__ = ["similar"]


def similar(embedder: Embedder) -> Similar:
    """The likeness of a query and texts: the cosine of their vectors, and 0 where that is negative."""

    def likeness(query: str, texts: Sequence[str]) -> list[float]:
        asked, *others = embedder([query, *texts])
        return [min(1.0, max(0.0, sum(map(mul, asked, other)))) for other in others]

    return likeness
