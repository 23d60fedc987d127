"""All words of a text in a few hundred bytes: a Bloom filter (Bloom, CACM 1970) of their stems.

It never misses a word that is there; of those that are not it takes about one in 70 to be.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from zlib import crc32

from penstock.relevance.words import fold, stem

__all__ = ["positions", "sketch", "told"]

BITS, HASHES = 9, 4
"""Bits for each word, and how many of them it sets."""

_PART = re.compile(r"\d+|[A-Z]+(?![a-z])|[A-Z]?[^\W\d_A-Z]+")


def sketch(words: Iterable[str]) -> bytes:
    """The filter of some words, of the parts of those that are put together, and of all their stems.

    >>> [word for word in ("cookie", "parse", "token") if told(sketch(["parse_cookies"]), positions(word))]
    ['cookie', 'parse']
    """
    roots = {root for word in words for root in _roots(word)}
    size = -(-BITS * len(roots) // 8)
    bits = bytearray(size)
    for root in roots:
        for at in _hashes(root):
            place = at % (8 * size)
            bits[place >> 3] |= 1 << (place & 7)
    return bytes(bits)


def positions(word: str) -> tuple[int, ...]:
    """What to look for in any filter to know whether a word is in it."""
    return _hashes(stem(fold(word)))


def told(bits: bytes, at: tuple[int, ...]) -> bool:
    """Whether a filter has a word, by its `positions`."""
    size = 8 * len(bits)
    return size > 0 and all(bits[(place := each % size) >> 3] >> (place & 7) & 1 for each in at)


def _roots(word: str) -> list[str]:
    parts = _PART.findall(word)
    return [stem(fold(each)) for each in (parts if len(parts) < 2 else [*parts, word])]


def _hashes(root: str) -> tuple[int, ...]:
    first = crc32(root.encode("utf-8", "surrogatepass"))
    second = crc32(b"\0", first) | 1
    return tuple((first + number * second) & 0xFFFFFFFF for number in range(HASHES))
