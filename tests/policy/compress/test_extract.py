"""The choice of pieces fits its room, also where what is said of the gaps costs more than the pieces."""

from __future__ import annotations

import pytest

from penstock.meter.tokens import count
from penstock.policy.compress.extract import Gap, Piece, Plan, extract, lines_left_out


def plan_of(lines: list[str], gap: Gap, note: str = "") -> Plan:
    """Each line as a piece; every third is worth most, so that kept lines stand alone."""
    pieces: list[Piece] = []
    at = 0
    for number, line in enumerate(lines):
        pieces.append(Piece(at, at + len(line), -(number % 3) * 1000 - number, note=note))
        at += len(line)
    return Plan(pieces, gap)


@pytest.mark.parametrize("ratio", [4, 10])
@pytest.mark.parametrize("words", [1, 4, 12])
def test_a_choice_with_dear_gaps_fills_its_room(words: int, ratio: int) -> None:
    lines = [" ".join(["keel"] * words) + "\n" for _ in range(400)]
    text = "".join(lines)
    room = count(text) // ratio
    found = extract(text, plan_of(lines, lines_left_out), room, count)
    assert 0.8 * room <= found.tokens <= room


def test_a_choice_of_lines_that_cost_less_together_fills_its_room() -> None:
    lines = ["a"] * 400
    found = extract("a" * 400, plan_of(lines, lambda _: ""), 40, count)
    assert 20 <= found.tokens <= 40
    assert len(found.kept) > 40


def test_a_choice_that_is_over_by_a_little_is_mended() -> None:
    lines = [f"{number:04d} mast\n" for number in range(300)]
    text = "".join(lines)
    for room in range(100, 130):
        assert 0.9 * room <= extract(text, plan_of(lines, lambda _: ""), room, count).tokens <= room


def test_where_nothing_fits_what_is_sure_is_left() -> None:
    """What is said in place of the rest needs more than all of the room, however little is chosen."""
    text = "a " * 2000
    plan = Plan([Piece(at, at + 2, 1.0) for at in range(0, 4000, 2)], lambda stretch: "word " * 1001)
    assert extract(text, plan, 1000, lambda told: told.count(" ")).kept == ()


def test_what_stands_under_something_too_long_is_not_looked_at_again() -> None:
    text = "a" * 400 + "bc"
    pieces = [Piece(0, 400, 3.0), Piece(400, 401, 2.0, under=0), Piece(401, 402, 1.0, under=1)]
    assert extract(text, Plan(pieces, lambda stretch: ""), 30, len).kept == ()
