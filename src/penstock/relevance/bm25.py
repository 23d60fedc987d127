"""How well a piece of text answers a question: BM25 with fields, and how close together the words stand.

BM25 as in Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009): what a word counts
falls with the number of places that have it, its repetitions saturate (``k1``), and long pieces need more of them
(``b``). A word in what names the piece counts like several in its body (BM25F).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from math import log

import msgspec

from penstock.relevance.words import Place, Term

__all__ = ["MEASURED", "Weights", "frequencies", "nearest", "paired", "rarity", "score"]

WINDOW = 1000
"""Characters that count as one piece where the rarity of a word is measured: about a passage."""

SPAN = 240
"""Characters within which words count as said together: a sentence or three lines of code."""


NEXT = 20
"""Characters from the start of a word within which the next one begins."""


class Weights(msgspec.Struct, frozen=True):
    """The parameters of the ranking."""

    k1: float = 1.2
    b: float = 0.5
    head: float = 3.0
    """A word in the signature, the first line of the docstring, or the heading, beside one in the body."""
    title: float = 2.0
    """A word in the names around it."""
    path: float = 2.0
    """A word in the path of the file, or in the title of the document."""
    together: float = 0.2
    """The best span, beside the score of the whole passage."""
    pair: float = 0.4
    """Two neighbouring words of the question that stand next to each other, in their order."""
    neighbour: float = 0.1
    """The score of the passages before and behind, beside its own."""


MEASURED = Weights()
"""What did best on 250 questions about the standard library and on Natural Questions; all of it is a plateau."""


def rarity(terms: Sequence[Term], spoken: Iterable[Sequence[Place]], characters: int) -> list[float]:
    """What each term counts: its weight times the inverse of how many windows of the corpus have it."""
    windows = [0] * len(terms)
    for places in spoken:
        last = [-1] * len(terms)
        for place in places:
            window = place.at // WINDOW
            if last[place.term] != window:
                last[place.term] = window
                windows[place.term] += 1
    total = max(characters / WINDOW, *windows, 1.0)
    return [term.weight * log(1 + (total - n + 0.5) / (n + 0.5)) for term, n in zip(terms, windows, strict=True)]


def frequencies(places: Iterable[Place], count: int) -> list[float]:
    """How often each of ``count`` terms is spoken of, loose matches counted in part."""
    found = [0.0] * count
    for place in places:
        found[place.term] += place.factor
    return found


def score(body: Sequence[float], fields: Sequence[float], length: float, rare: Sequence[float], w: Weights) -> float:
    """The BM25F score of a piece.

    ``body`` and ``fields`` hold the frequency of each term in its text and, weighted, in what names it; ``length`` is
    that of the text beside the usual (1.0).
    """
    norm = 1 - w.b + w.b * length
    total = 0.0
    for inside, named, worth in zip(body, fields, rare, strict=True):
        if inside or named:
            often = inside / norm + named
            total += worth * often * (w.k1 + 1) / (often + w.k1)
    return total


def paired(places: Sequence[Place], rare: Sequence[float]) -> float:
    """The worth of the pairs of the question's words that stand next to each other as they do there, each once.

    After the sequential dependence model of Metzler and Croft (SIGIR 2005).
    """
    pairs: set[int] = set()
    for place, following in pairwise(places):
        if following.term == place.term + 1 and following.at - place.at <= NEXT:
            pairs.add(place.term)
    return sum(min(rare[first], rare[first + 1]) for first in pairs)


def nearest(places: Sequence[Place], rare: Sequence[float]) -> tuple[float, int]:
    """The span of text that says most: its score, each term counted once, and the offset where it begins."""
    best, at = 0.0, places[0].at if places else 0
    inside = [0] * len(rare)
    first, total = 0, 0.0
    for place in places:
        worth = rare[place.term] * place.factor
        if not inside[place.term]:
            total += rare[place.term]
        inside[place.term] += 1
        while place.at - places[first].at > SPAN:
            gone = places[first].term
            inside[gone] -= 1
            if not inside[gone]:
                total -= rare[gone]
            first += 1
        if worth and total > best + 1e-9:
            best, at = total, places[first].at
    return best, at
