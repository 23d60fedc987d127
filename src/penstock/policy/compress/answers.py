"""What each piece of a text says of a question, with what it stands under counted in."""

from __future__ import annotations

from collections.abc import Sequence
from math import log
from typing import Final

from penstock.policy.compress.extract import Piece
from penstock.relevance.bm25 import MEASURED
from penstock.relevance.words import lower, places, terms

__all__ = ["answers"]

ABOVE: Final = 0.6
"""What a word in the piece it stands under counts, beside one in the piece; once more for each level."""

SHORT: Final = 0.5
"""How long a piece at least counts, beside the mean: a piece is not the better for being tiny."""


def answers(text: str, query: str | None, pieces: Sequence[Piece]) -> list[float]:
    """How well each piece answers the query, in nats: BM25 over the pieces; 0 without a query.

    A word that a piece stands under counts as its own, at less: the name of its function, the key of its object. What
    a word counts falls with the pieces that have it or stand under it.
    """
    wanted = terms(query or "")
    own = _own(text, query, pieces) if wanted else {}
    if not own:
        return [0.0] * len(pieces)
    above = _above(pieces, own)
    seen = [0] * len(wanted)
    for number in own.keys() | above.keys():
        for term in own.get(number, {}).keys() | above.get(number, {}).keys():
            seen[term] += 1
    rare = [term.weight * log(1 + (len(pieces) - n + 0.5) / (n + 0.5)) for term, n in zip(wanted, seen, strict=True)]
    return _scores(pieces, own, above, rare)


def _own(text: str, query: str | None, pieces: Sequence[Piece]) -> dict[int, dict[int, float]]:
    """For each piece that has some: how often it has each word of the query."""
    found: dict[int, dict[int, float]] = {}
    number = 0
    for place in places(text, lower(text), terms(query or "")):
        while number < len(pieces) and pieces[number].end <= place.at:
            number += 1
        if number < len(pieces) and pieces[number].start <= place.at:
            words = found.setdefault(number, {})
            words[place.term] = words.get(place.term, 0.0) + place.factor
    return found


def _above(pieces: Sequence[Piece], own: dict[int, dict[int, float]]) -> dict[int, dict[int, float]]:
    """For each piece the words it stands under."""
    found: dict[int, dict[int, float]] = {}
    for number, piece in enumerate(pieces):
        words = {term: ABOVE * min(1.0, often) for term, often in own.get(piece.under, {}).items()}
        for term, often in found.get(piece.under, {}).items():
            words[term] = max(words.get(term, 0.0), ABOVE * often)
        if words:
            found[number] = words
    return found


def _scores(
    pieces: Sequence[Piece],
    own: dict[int, dict[int, float]],
    above: dict[int, dict[int, float]],
    rare: list[float],
) -> list[float]:
    mean = sum(piece.end - piece.start for piece in pieces) / len(pieces)
    w = MEASURED
    scores = [0.0] * len(pieces)
    for number in own.keys() | above.keys():
        mine, over = own.get(number, {}), above.get(number, {})
        length = (pieces[number].end - pieces[number].start) / mean
        norm = 1 - w.b + w.b * max(SHORT, length)
        for term in mine.keys() | over.keys():
            often = mine.get(term, 0.0) / norm + over.get(term, 0.0)
            scores[number] += rare[term] * often * (w.k1 + 1) / (often + w.k1)
    return scores
