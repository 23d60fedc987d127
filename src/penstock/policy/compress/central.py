"""What a text is about where nobody asks: the sentences that say most of what is said all over, each thing once."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from heapq import heapify, heappop, heapreplace
from math import fsum, sqrt
from typing import Final

from penstock.relevance.english import commonness
from penstock.relevance.words import stem

__all__ = ["central", "repeated"]

OPENS: Final = 1.3
"""What the first sentence of a paragraph is worth, beside one inside: it says what the paragraph is about."""

TOLD: Final = 0.3
"""What a word still counts once a sentence with it is taken."""

AGAIN: Final = 8
"""Times that a sentence is weighed anew before it is taken for what it was worth last."""

ALIKE: Final = 0.8
"""Sentences that share this part of their words say the same."""

LONGEST_WORDS: Final = 4
"""Words by which sentences that may be alike are brought together: the longest ones are the least common."""

_WORD = re.compile(r"[^\W\d_]{3,}|\d+")


def central(told: Sequence[str], opens: Sequence[bool]) -> list[float]:
    """The worth of each sentence, given as `fold` of it, without a question: 0 for the best, the next one less.

    The words that most sentences have are what the text is about (SumBasic: Nenkova and Vanderwende, 2005). What a
    word counts falls once it is told, so that the next sentence tells something else.
    """
    root = {word: stem(word) for word in {word for one in told for word in _WORD.findall(one)}}
    telling = {word for word, one in root.items() if commonness(one) == 1.0}
    words = [{root[word] for word in _WORD.findall(one) if word in telling} for one in told]
    counts = {word: float(often) for word, often in Counter(word for one in words for word in one).items()}

    def value(number: int) -> float:
        have = words[number]
        return (OPENS if opens[number] else 1.0) * fsum(counts[word] for word in have) / sqrt(len(have) + 1)

    heap = [(-value(number), number, AGAIN) for number in range(len(told))]
    heapify(heap)
    worths = [0.0] * len(told)
    for taken in range(len(told)):
        while heap[0][2] and (now := -value(heap[0][1])) > heap[0][0]:
            heapreplace(heap, (now, heap[0][1], heap[0][2] - 1))
        _, number, _ = heappop(heap)
        worths[number] = -float(taken)
        for word in words[number]:
            counts[word] *= TOLD
    return worths


def repeated(told: Sequence[str], worths: Sequence[float], most: int) -> list[int]:
    """The sentences, given as `fold` of them, that say what another one says that is worth more.

    Only the best are looked at, up to ``most`` characters: the others will be left out anyhow.
    """
    groups: dict[tuple[str, ...], list[set[str]]] = {}
    found: list[int] = []
    for number in sorted(range(len(told)), key=lambda number: (-worths[number], number)):
        most -= len(told[number])
        if most < 0:
            break
        words = set(_WORD.findall(told[number]))
        if len(words) < LONGEST_WORDS:
            continue
        group = groups.setdefault(tuple(sorted(sorted(words), key=len)[-LONGEST_WORDS:]), [])
        if any(len(words & other) >= ALIKE * len(words | other) for other in group):
            found.append(number)
        else:
            group.append(words)
    return found
