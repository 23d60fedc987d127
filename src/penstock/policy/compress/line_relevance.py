"""Which lines of a text a question asks for, in bits."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from math import log2

from penstock.relevance.bm25 import paired
from penstock.relevance.words import Place, Term, lower, places, terms

__all__ = ["MOST_TERMS", "asked"]

TOO_OFTEN = 0.5
"""A word that this share of the lines or more have says nothing about which of them is asked for."""

MOST_TERMS = 48
"""Words of a question that are looked for."""

PAIR = 0.5
"""What two words of the question count that stand next to each other as they do there, beside the rarer of them."""


def asked(text: str, starts: Sequence[int], query: str | None) -> list[float]:
    """The bits of each line: for each word of the question in it, how few lines have the word.

    ``starts`` are the offsets where the lines begin.
    """
    bits = [0.0] * len(starts)
    small = lower(text)
    wanted = [term for term in terms(query or "")[:MOST_TERMS] if small.count(term.base) < len(starts) or term.free]
    spoken = _by_line(places(text, small, wanted), starts)
    lines_of = [0] * len(wanted)
    for here in spoken.values():
        for term in {place.term for place in here}:
            lines_of[term] += 1
    rare = [_bits(term, often, len(starts)) for term, often in zip(wanted, lines_of, strict=True)]
    for line, here in spoken.items():
        best = [0.0] * len(wanted)
        for place in here:
            best[place.term] = max(best[place.term], place.factor)
        bits[line] = sum(map(float.__mul__, best, rare)) + PAIR * paired(here, rare)
    return bits


def _by_line(found: Sequence[Place], starts: Sequence[int]) -> dict[int, list[Place]]:
    spoken: dict[int, list[Place]] = {}
    for place in found:
        spoken.setdefault(bisect_right(starts, place.at) - 1, []).append(place)
    return spoken


def _bits(term: Term, often: int, lines: int) -> float:
    return term.weight * log2(lines / often) if 0 < often < TOO_OFTEN * lines else 0.0
