"""Logs: a line of each template with how often it came, severe and rare ones first, then what surprises or is asked."""

from __future__ import annotations

from math import log2

from penstock.policy.compress.extract import Gap, Piece, Plan, lines_left_out
from penstock.policy.compress.lines import Lines, counts, firsts, near, news, read

__all__ = ["gap", "plan", "planned"]

ENDS = 6.0
"""Bits for the first line of the text and the last."""

DEAR = 1.5
"""Bits off each time a line is twice as long as the usual, where the lines that stand for a template fit."""

SHORT, TIGHT = -1.0, 2.0
"""A line at most counts as half as long as the usual one; length counts at most twice as much where room is short."""

TOKEN = 3.0
"""Characters of a token of a log, about."""


def plan(text: str, query: str | None, room: int) -> Plan:
    """Each line as a piece; ``room`` is in tokens."""
    return planned(read(text, query), room)


def planned(known: Lines, room: int) -> Plan:
    """The same for a text whose lines are known."""
    pieces = [
        Piece(start, start + len(line), worth, note=note)
        for line, start, worth, note in zip(known.lines, known.starts, _worths(known, room), counts(known), strict=True)
    ]
    return Plan(pieces, gap(known))


def _worths(known: Lines, room: int) -> list[float]:
    """What each line is worth; the less room there is, the more its length counts."""
    usual = max(1.0, len(known.text) / max(1, len(known.lines)))
    standing = firsts(known)
    needed = sum(len(line) for line, first in zip(known.lines, standing, strict=True) if first)
    dear = DEAR * min(TIGHT, max(1.0, needed / (max(1, room) * TOKEN)))
    bits = [
        said + first - dear * max(SHORT, log2(len(line) / usual))
        for line, said, first in zip(known.lines, near(news(known)), standing, strict=True)
    ]
    for end in (0, -1) if bits else ():
        bits[end] += ENDS
    return bits


def gap(known: Lines) -> Gap:
    """Says how many lines are missing where many are; the counts behind the lines say the rest."""
    lines = max(20, len(known.lines) // 50)
    characters = max(2000, len(known.text) // 50)

    def told(stretch: str) -> str:
        return lines_left_out(stretch) if stretch.count("\n") >= lines or len(stretch) >= characters else ""

    return told
