"""Lines among lines: which stand out, which were said before, and which others they stand under."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Final

import msgspec

from penstock.policy.compress.answers import answers
from penstock.policy.compress.extract import Piece
from penstock.policy.compress.lines import counts, firsts, news, read

__all__ = ["Line", "answered", "cut_lines", "heads", "without_numbers", "worths"]

NEAR: Final = 0.25
"""What the lines right before and behind one lend it."""

NATS: Final = 0.69
"""Nats in a bit."""

FIRST: Final = 4.0
"""What the first line of its like is worth, where it is like no other."""

NUMBERED: Final = 0.6
"""Part of the lines that begin with rising numbers, from which these are taken for the numbers of the lines."""

_NUMBERED = re.compile(r"[ \t]*(\d+)(?:[ ]?[:|→][ ]?(?!\d)|\t|[ ]{2})")


class Line(msgspec.Struct, frozen=True, gc=False):
    """A line of the text, with its line break."""

    start: int
    end: int
    text: str
    """Without the line break and what is blank at its end."""


def cut_lines(text: str) -> list[Line]:
    """The lines of a text, in order."""
    cut = text.split("\n")
    ended = [line + "\n" for line in cut[:-1]] + cut[-1:] * bool(cut[-1])
    offsets = [0, *accumulate(map(len, ended))]
    return [Line(offsets[number], offsets[number + 1], line.rstrip()) for number, line in enumerate(ended)]


def without_numbers(lines: list[str]) -> list[str]:
    """The lines without the numbers that a viewer wrote before them; the very list, if there are none.

    >>> without_numbers(["[File: a.py]", "1:import os", "2:", "3:os.getcwd()"])
    ['[File: a.py]', 'import os', '', 'os.getcwd()']
    """
    found = [_NUMBERED.match(line) for line in lines]
    numbers = [int(match[1][:9]) for match in found if match]
    rising = sum(a < b for a, b in pairwise(numbers)) + 1
    if not numbers or rising < NUMBERED * sum(bool(line.strip()) for line in lines):
        return lines
    return [line[match.end() :] if match else line for line, match in zip(lines, found, strict=True)]


def worths(lines: Sequence[str]) -> tuple[list[float], list[str]]:
    """What lines are worth beside each other, in nats: how they stand out, whether they are the first of their like.

    And what is said behind them: how often the like came.
    """
    known = read("\n".join(lines) + "\n" * bool(lines), None)
    first = firsts(known)
    most = max(first, default=0.0) or 1.0
    worth = [NATS * odd + FIRST * one / most for odd, one in zip(news(known), first, strict=True)]
    return worth, counts(known)


def heads(lines: Sequence[str]) -> Iterator[int]:
    """For each line the number of the line it stands under: less indented, and ending in a colon. -1 for none.

    No line is blank.
    """
    open_: list[tuple[int, int]] = []
    for number, line in enumerate(lines):
        column = len(line.expandtabs()) - len(line.expandtabs().lstrip())
        while open_ and open_[-1][0] >= column:
            open_.pop()
        yield open_[-1][1] if open_ else -1
        if line.endswith(":"):
            open_.append((column, number))


def answered(text: str, query: str | None, pieces: Sequence[Piece]) -> list[Piece]:
    """The pieces with what they answer added to their worth, and a part of what their neighbours are worth."""
    worth = [piece.worth + answer for piece, answer in zip(pieces, answers(text, query, pieces), strict=True)]
    return [
        msgspec.structs.replace(piece, worth=worth[i] + NEAR * max(worth[max(0, i - 1) : i + 2]))
        for i, piece in enumerate(pieces)
    ]
