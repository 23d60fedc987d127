"""Pieces of a text, what each is worth, and the choice of those that fit.

Whoever knows a kind of text (a log, a meeting, code) cuts it into pieces and says what each is worth; the choice
among them is made here, for all kinds alike. Whatever is kept is kept verbatim.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import msgspec

__all__ = ["Count", "Extract", "Gap", "Piece", "Plan", "extract", "lines_left_out"]

Count: TypeAlias = Callable[[str], int]
"""How many tokens a text has."""

Gap: TypeAlias = Callable[[str], str]
"""What stands in place of a stretch that is left out, given that stretch; empty for nothing."""

ROUNDS = 8
"""Times a choice is mended to fit: counts of pieces do not add up exactly, since tokens reach across their ends."""


_LONGEST_TOKEN = 16
"""Characters that a token hardly ever has: what is longer than so many for each token left need not be counted."""


_DEEPEST = 32
"""Pieces above one that come with it at the most: nothing that people read is nested deeper."""


class Piece(msgspec.Struct, frozen=True):
    """A stretch of the original that is kept or left out as a whole."""

    start: int
    """Offset of its first character."""
    end: int
    """Offset behind its last character."""
    worth: float
    """The more, the sooner it is kept. Only the order counts."""
    under: int = -1
    """The number of the piece it makes no sense without, such as the signature of its function; -1 for none."""
    sure: bool = False
    """Kept however small the room is."""
    note: str = ""
    """What is said behind it when it is kept, such as how often the like of it came."""


class Plan(msgspec.Struct, frozen=True):
    """A text in pieces."""

    pieces: Sequence[Piece]
    """In the order of the text, without overlap. What lies between them belongs to no piece and is left out."""
    gap: Gap
    """What is said where something is left out."""


class Extract(msgspec.Struct, frozen=True):
    """What was chosen of a text."""

    text: str
    tokens: int
    kept: tuple[int, ...]
    """The numbers of the pieces that are kept, in order."""


def lines_left_out(stretch: str) -> str:
    r"""The usual gap: how many lines are missing, on a line of its own; nothing for blank lines.

    >>> lines_left_out("one\ntwo\n")
    '[2 lines]\n'
    """
    if not stretch.strip():
        return ""
    lines = stretch.count("\n") + (not stretch.endswith("\n"))
    return f"[{lines:,} line{'s' if lines > 1 else ''}]\n"


def extract(text: str, plan: Plan, room: int, count: Count) -> Extract:
    """The pieces worth most that fit in ``room`` tokens, as a text.

    Pieces that are sure are kept even where they alone need more than that. A piece brings the one it stands under.
    """
    chosen = _sure(plan.pieces)
    costs: dict[int, int] = {}
    order = sorted(range(len(plan.pieces)), key=lambda i: (-plan.pieces[i].worth, i))
    allowed, above = room, max(room, len(text))
    best: Extract | None = None
    for _ in range(ROUNDS):
        picked = _fill(text, plan.pieces, chosen, order, allowed, costs, count)
        told = _told(text, plan, picked)
        found = Extract(told, count(told), tuple(sorted(picked)))
        if found.tokens <= room and (best is None or found.tokens > best.tokens):
            best = found
        if picked == chosen and best is None:
            return found
        missed = room - found.tokens
        if 0 <= missed <= room // 50:
            break
        if missed < 0:
            above = min(allowed, sum(costs[number] for number in picked))
            allowed = above * room // found.tokens
        else:
            allowed = min(allowed + missed, (allowed + above) // 2)
    if best is not None:
        return best
    told = _told(text, plan, chosen)
    return Extract(told, count(told), tuple(sorted(chosen)))


def _sure(pieces: Sequence[Piece]) -> set[int]:
    found: set[int] = set()
    for number, piece in enumerate(pieces):
        if piece.sure:
            found |= _with_those_above(pieces, number, found)
    return found


def _with_those_above(pieces: Sequence[Piece], number: int, have: set[int]) -> set[int]:
    """A piece and all it stands under, but those that are there already."""
    needed: set[int] = set()
    while number >= 0 and number not in have and number not in needed and len(needed) < _DEEPEST:
        needed.add(number)
        number = pieces[number].under
    return needed


def _fill(
    text: str,
    pieces: Sequence[Piece],
    sure: set[int],
    order: list[int],
    room: int,
    costs: dict[int, int],
    count: Count,
) -> set[int]:
    """The sure pieces and as many of the others as fit, best first. A piece that does not fit makes way for smaller."""

    def cost(number: int) -> int:
        if number not in costs:
            piece = pieces[number]
            costs[number] = count(text[piece.start : piece.end] + piece.note)
        return costs[number]

    chosen = set(sure)
    dear: set[int] = set()
    left = room - sum(map(cost, sure))
    for number in order:
        if left <= 0:
            break
        if pieces[number].end - pieces[number].start > _LONGEST_TOKEN * left:
            continue
        if pieces[number].under in dear:  # what it stands under did not fit, and there is no more room since
            dear.add(number)
            continue
        needed = _with_those_above(pieces, number, chosen)
        price = sum(map(cost, needed))
        if price <= left:
            chosen |= needed
            left -= price
        else:
            dear.add(number)
    return chosen


def _told(text: str, plan: Plan, chosen: set[int]) -> str:
    """The chosen pieces in order, with what is said where something is missing."""
    parts: list[str] = []
    at = 0
    for number in sorted(chosen):
        piece = plan.pieces[number]
        if piece.start > at:
            parts.append(plan.gap(text[at : piece.start]))
        stretch = text[piece.start : piece.end]
        if piece.note:
            body = stretch.rstrip("\n")
            stretch = body + piece.note + stretch[len(body) :]
        parts.append(stretch)
        at = piece.end
    if at < len(text):
        parts.append(plan.gap(text[at:]))
    return "".join(parts)
