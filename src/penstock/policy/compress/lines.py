"""What is known about each line of a log or of a tool's output, and what that is worth, in bits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import accumulate
from math import log2

import msgspec

from penstock.policy.compress.line_relevance import asked
from penstock.policy.compress.severity import CHANGE, SEVERE, TROUBLE, severities
from penstock.policy.compress.surprise import surprise
from penstock.policy.compress.templates import Templates, mask, templates

__all__ = ["Lines", "counts", "firsts", "near", "news", "ranked", "read"]

FAMILY, COARSE, FINE = 22.0, 20.0, 10.0
"""Bits for the first line of a template, by grain."""

VARIANTS, RANK = 8, 4.0
"""Variants of a template that count in full, and bits off each time it has twice as many: the 100th name is no news."""

MUCH = 1.2
"""How many times shorter than the first line of a template another must be to stand for it."""

LEVEL = {CHANGE: 1.0, TROUBLE: 4.0, SEVERE: 10.0}
"""Bits for what a line says is wrong, if it is the first of its coarse template."""

AGAIN = 3.0
"""The same for any line, at most; fewer where many lines are as severe."""

NEAR = 0.4
"""The share of what a line is worth that the lines next to it get."""


class Lines(msgspec.Struct, frozen=True):
    """A text in lines. All lists have one entry a line."""

    text: str
    lines: list[str]
    """With their ends."""
    starts: list[int]
    kinds: Templates
    severity: list[int]
    surprise: list[float]
    asked: list[float]


def read(text: str, query: str | None) -> Lines:
    """The lines of a text and what is known about them, given what it is read for."""
    lines = text.split("\n")
    masked = mask(text).split("\n")
    ended = [line + "\n" for line in lines[:-1]]
    if lines[-1]:
        ended.append(lines[-1])
    starts = list(accumulate(map(len, ended[:-1]), initial=0)) if ended else []
    kinds = templates(masked[: len(ended)])
    return Lines(
        text, ended, starts, kinds, severities(text, starts), surprise(lines, kinds), asked(text, starts, query)
    )


def news(known: Lines) -> list[float]:
    """How much of a surprise each line is, and how much of it is asked for or says that something is wrong."""
    again = _again(known.severity)
    return [
        odd + wanted + again[level]
        for odd, wanted, level in zip(known.surprise, known.asked, known.severity, strict=True)
    ]


def _again(severity: Sequence[int]) -> dict[int, float]:
    """For each level the bits of saying so, by the share of lines that are as severe."""
    found = {0: 0.0}
    total = 0
    for level, often in sorted(Counter(severity).items(), reverse=True):
        total += often
        if level:
            found[level] = min(AGAIN, LEVEL[level], log2(len(severity) / total))
    return found


def firsts(known: Lines) -> list[float]:
    """The bits of lines that stand for a template, in the coarsest grain for which they do.

    A line that repeats a template to the letter gets none.
    """
    bits = [0.0] * len(known.lines)
    families: Counter[int] = Counter()
    variants: Counter[int] = Counter()
    kinds = known.kinds
    for i in _standing(known):
        family, coarse, level = kinds.family[i], kinds.coarse[i], LEVEL.get(known.severity[i], 0.0)
        if not variants[coarse]:
            families[family] += 1
            rank = families[family]
            bits[i] = level + (FAMILY if rank == 1 else ranked(COARSE, rank))
        variants[coarse] += 1
        bits[i] = max(bits[i], ranked(FINE, variants[coarse]))
    return bits


def _standing(known: Lines) -> list[int]:
    """For each fine template the line that stands for it: the first, unless another is much shorter."""
    best: dict[int, int] = {}
    for i, fine in enumerate(known.kinds.fine):
        j = best.setdefault(fine, i)
        if len(known.lines[i]) * MUCH < len(known.lines[j]):
            best[fine] = i
    return sorted(best.values())


def ranked(bits: float, rank: int) -> float:
    """The bits of the variant of this rank, from 1, among those of one template: the first few in full."""
    return max(0.0, bits - RANK * log2(max(1.0, rank / VARIANTS)))


def near(bits: Sequence[float]) -> list[float]:
    """The bits with a share of those next to them."""
    padded = [0.0, *bits, 0.0]
    return [each + NEAR * max(padded[i], padded[i + 2]) for i, each in enumerate(bits)]


def counts(known: Lines) -> list[str]:
    """Behind the line that stands for a fine template that came more than once: how often it came."""
    often = Counter(known.kinds.fine)
    notes = [""] * len(known.lines)
    for i in _standing(known):
        if often[known.kinds.fine[i]] > 1 and known.lines[i].strip():
            notes[i] = f" (x {often[known.kinds.fine[i]]:,})"
    return notes
