"""Output of tests, compilers, builds and shells: what surprises and is asked, as in logs, and the parts it has.

Verdicts, failing tests, errors with what they saw, and places in the user's own code come first; each finding brings
the line it stands under, such as its file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from math import log2

from penstock.policy.compress.console_parts import (
    DETAIL,
    ERROR,
    FAILING,
    NOISE,
    NOTE,
    VERDICT,
    failing_id,
    indents,
    is_library,
    part,
    place,
)
from penstock.policy.compress.extract import Piece, Plan
from penstock.policy.compress.lines import Lines, counts, firsts, near, news, ranked, read
from penstock.policy.compress.logs import gap

__all__ = ["plan", "planned"]

BITS = {VERDICT: 10.0, FAILING: 0.0, ERROR: 8.0, DETAIL: 3.0, NOTE: -8.0, NOISE: -12.0, "": 0.0}
"""Bits for what a line is."""

FAILED = 20.0
"""Bits for the shortest line that names a failing test."""

REPEATED = 0.2
"""The share of them for a line that repeats a template to the letter."""

OWN, LIBRARY = 16.0, -4.0
"""Bits for a place in the user's own code, where others are not, and for one that is not."""

ENDS = (6.0, 4.0, 2.0)
"""Bits for the last lines that are not blank."""

FRAME, BEFORE, BEHIND = 10.0, 8, 4
"""Bits for the frame next to an error, and how many lines before and behind the error it may stand."""

DEAR = 1.0
"""Bits off each time a line is twice as long as the usual."""

HUGE, PART, TOKEN = 8.0, 8, 3.0
"""Bits off each time a line has twice as many characters as this part of the room; characters of a token, about."""

_HEADS = re.compile(r".*[:{(\[]\s*$|\S*[/\\.]\S*\s*$")
"""Lines that open what follows: with their last character, or as a path alone."""


def plan(text: str, query: str | None, room: int) -> Plan:
    """Each line as a piece, under the line that says what it belongs to; ``room`` is in tokens."""
    return planned(read(text, query), room)


def planned(known: Lines, room: int) -> Plan:
    """The same for a text whose lines are known."""
    pieces = [
        Piece(start, start + len(line), worth, under=under, note=note)
        for line, start, worth, under, note in zip(
            known.lines, known.starts, _worths(known, room), _unders(known), counts(known), strict=True
        )
    ]
    return Plan(pieces, gap(known))


def _worths(known: Lines, room: int) -> list[float]:
    parts = _parts(known)
    said = near([max(0.0, a + b) for a, b in zip(news(known), parts, strict=True)])
    usual = max(1.0, len(known.text) / max(1, len(known.lines)))
    part_of_room = max(usual, room * TOKEN / PART)
    bits = [
        each
        + min(part, 0.0)
        + first
        - DEAR * max(0.0, log2(len(line) / usual))
        - HUGE * max(0.0, log2(len(line) / part_of_room))
        for line, each, part, first in zip(known.lines, said, parts, firsts(known), strict=True)
    ]
    shown = [i for i, line in enumerate(known.lines) if line.strip()]
    for i, more in zip(reversed(shown), ENDS, strict=False):
        bits[i] += more
    return bits


def _parts(known: Lines) -> list[float]:
    """The bits of each line for what part of the output it is."""
    kinds = _kinds(known)
    places = [place(line) for line in known.lines]
    seen: set[int] = set()
    found = _placed(known, places)
    for i, (kind, fine) in enumerate(zip(kinds, known.kinds.fine, strict=True)):
        again = fine in seen
        seen.add(fine)
        found[i] += BITS[kind] * (REPEATED if again and BITS[kind] > 0 else 1.0)
        if kind == ERROR and not again:
            for frame in _frames(places, found, i):
                found[frame] += FRAME
    for i, more in _failing(known, kinds):
        found[i] += more
    return found


def _kinds(known: Lines) -> list[str]:
    kinds: dict[int, str] = {}
    for line, fine in zip(known.lines, known.kinds.fine, strict=True):
        if fine not in kinds:
            kinds[fine] = part(line)
    return [kinds[fine] for fine in known.kinds.fine]


def _failing(known: Lines, kinds: Sequence[str]) -> Iterator[tuple[int, float]]:
    """For each failing test the shortest line that names it, and its bits."""
    best: dict[str, int] = {}
    for i, (line, kind) in enumerate(zip(known.lines, kinds, strict=True)):
        if kind == FAILING:
            name = failing_id(line)
            if len(line) < len(known.lines[best.setdefault(name, i)]):
                best[name] = i
    for rank, i in enumerate(best.values(), 1):
        yield i, ranked(FAILED, rank)


def _frames(places: Sequence[str], worth: Sequence[float], error: int) -> Iterator[int]:
    """The frame next to an error, before it (with the code shown behind the frame) or else behind it."""
    for i in range(error - 1, max(-1, error - 1 - BEFORE), -1):
        if places[i]:
            yield i
            if i + 1 < error:
                yield i + 1
            return
    for i in range(error + 1, min(len(places), error + 1 + BEHIND)):
        if places[i] and worth[i] >= 0:
            yield i
            return


def _placed(known: Lines, places: Sequence[str]) -> list[float]:
    """The bits of each line for a place in code it names: the first time for one of the user's own, less for others.

    Where all places are the user's own, as a linter names them, none of them is news.
    """
    found = [0.0] * len(places)
    own: dict[str, int] = {}
    for i, (line, at) in enumerate(zip(known.lines, places, strict=True)):
        if at and is_library(line, at):
            found[i] = LIBRARY
        elif at:
            own.setdefault(at, i)
    if any(found):
        for rank, i in enumerate(own.values(), 1):
            found[i] = ranked(OWN, rank)
    return found


def _unders(known: Lines) -> list[int]:
    """For each line the one it stands under: set in less, and either right above or one that opens what follows."""
    inset = indents(known.lines)
    open_lines: list[int] = []
    found: list[int] = []
    for i, line in enumerate(known.lines):
        while open_lines and inset[open_lines[-1]] >= inset[i]:
            open_lines.pop()
        above = open_lines[-1] if open_lines else -1
        heads = above >= 0 and (above == i - 1 or _HEADS.match(known.lines[above]) is not None)
        found.append(above if heads else -1)
        if line.strip():
            open_lines.append(i)
    return found
