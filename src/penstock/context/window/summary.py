"""The passages that say most of a text, by vectors of what they mean: extracts, never new words.

Each passage is taken that adds most to what the extract already says of the whole (maximal marginal relevance,
Carbonell and Goldstein, SIGIR 1998): near to the middle of the text and to the request, far from what was taken.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from math import log, sqrt
from typing import TypeAlias
from zlib import crc32

from penstock.context.window.segment import Count, Shorten
from penstock.relevance.words import stem

__all__ = ["Embed", "by_vectors", "word_vectors"]

Embed: TypeAlias = Callable[[Sequence[str]], Sequence[Sequence[float]]]
"""Texts to vectors of one length, such as an embedding model makes."""

NOVEL = 0.5
"""What likeness to a passage that was taken counts against, beside likeness to the whole."""

DIMENSIONS = 256
"""Of the vectors that are made of words where there is no model."""

PASSAGES = 400
"""Passages that are weighed; of a longer text neighbours are weighed together."""

GAP = "[...]"
"""What stands where passages were left out."""

_CUT = re.compile(r"(?<=[.!?])\s+(?=[A-Z\"'(\[])|\n+")
_LONG = re.compile(r".{1,300}(?:\s|$)|.{1,300}", re.DOTALL)
"""A piece of a passage that is too long to be taken or left as one."""

_WORD = re.compile(r"[^\W_]+")


def by_vectors(count: Count, embed: Embed | None = None) -> Shorten:
    """What shortens a text to the passages that say most of it, word for word and in order.

    ``embed``: a model's vectors; None: vectors of words, which need none.
    """

    def shorten(text: str, tokens: int, query: str | None) -> str:
        if count(text) <= tokens:
            return text
        parts = _passages(text)
        vectors = [_unit(each) for each in (embed or word_vectors)([*parts, query or text])]
        return _extract(parts, vectors, tokens, count)

    return shorten


def word_vectors(texts: Sequence[str]) -> list[list[float]]:
    """Vectors of the words of texts: each stem weighs by its rarity among them, and falls on one of 256 dimensions."""
    words = [[stem(word) for word in _WORD.findall(text.lower())] for text in texts]
    having: dict[str, int] = {}
    for each in words:
        for word in dict.fromkeys(each):
            having[word] = having.get(word, 0) + 1
    vectors: list[list[float]] = []
    for each in words:
        vector = [0.0] * DIMENSIONS
        for word in each:
            vector[crc32(word.encode("utf-8", "replace")) % DIMENSIONS] += log(1 + len(texts) / having[word])
        vectors.append(vector)
    return vectors


def _passages(text: str) -> list[str]:
    found = (part.strip() for part in _CUT.split(text))
    parts = [piece.strip() for part in found for piece in _LONG.findall(part)]
    size = -(-len(parts) // PASSAGES)
    return ["\n".join(parts[at : at + size]) for at in range(0, len(parts), size)] if size > 1 else parts


def _extract(parts: list[str], vectors: list[list[float]], room: int, count: Count) -> str:
    """The parts that fit. The last of the vectors is what they are compared with, beside their middle."""
    *each, wanted = vectors
    middle = _unit([sum(column) for column in zip(*each, strict=True)])
    worth = [_dot(vector, middle) + _dot(vector, wanted) for vector in each]
    told = [0.0] * len(each)
    sizes = [count(part) + 1 for part in parts]
    taken: set[int] = set()
    gap = count(GAP) + 1
    open_ = set(range(len(parts)))
    room -= gap
    while open_:
        best = max(open_, key=lambda at: (worth[at] - 2 * NOVEL * told[at], -at))
        open_.remove(best)
        if sizes[best] + gap > room:
            continue
        room -= sizes[best] + gap
        taken.add(best)
        for at in open_:
            told[at] = max(told[at], _dot(each[at], each[best]))
    return _told(parts, taken)


def _told(parts: list[str], taken: set[int]) -> str:
    lines: list[str] = []
    for at, part in enumerate(parts):
        if at in taken:
            lines.append(part)
        elif not lines or lines[-1] != GAP:
            lines.append(GAP)
    return "\n".join(lines)


def _unit(vector: Sequence[float]) -> list[float]:
    length = sqrt(sum(each * each for each in vector)) or 1.0
    return [each / length for each in vector]


def _dot(one: Sequence[float], other: Sequence[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))
