"""The best marks by expected value."""

from __future__ import annotations

from datetime import date
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.policy.layout.choice import MARGIN, Point, best
from penstock.providers.prompt_cache import rules_for

RULES = rules_for("anthropic", "claude-sonnet-4-5", date(2026, 11, 20))
assert RULES is not None


def points(*odds: float | tuple[float, float]) -> list[Point]:
    both = [each if isinstance(each, tuple) else (each, each) for each in odds]
    return [Point(position=at, tokens=1000 * at, odds=each) for at, each in enumerate(both, 1)]


def marks(*odds: float | tuple[float, float], warm: int = 0, room: int = 4) -> tuple[list[int], str]:
    found = best(points(*odds), 1000 * warm, after=warm, room=room, rules=RULES)
    return ([], "") if found is None else ([point.position for point in found.points], found.ttl.name)


def test_a_write_has_to_pay_with_a_margin() -> None:
    edge = MARGIN * 0.25 / 0.9
    assert marks(edge - 0.001) == ([], "")
    assert marks(edge + 0.001) == ([1], "5m")


def test_the_write_ends_where_the_next_block_does_not_pay() -> None:
    assert marks(0.9, 0.8, 0.7, 0.1) == ([1, 2, 3], "5m")
    assert marks(0.9, 0.8, 0.7, 0.1, room=1) == ([3], "5m")
    assert marks(0.9, 0.8, 0.7, 0.1, room=0) == ([], "")


def test_who_repeats_a_place_repeats_all_before_it() -> None:
    assert marks(0.0, 0.9) == ([2], "5m") or marks(0.0, 0.9) == ([1, 2], "5m")
    found = best(points(0.0, 0.9), 0, after=0, room=2, rules=RULES)
    assert found is not None
    assert found.value == pytest.approx(2000 * (0.9 * 0.9 - 0.25))


def test_what_is_warm_is_not_paid_again() -> None:
    assert marks(0.9, 0.2, warm=1) == ([], "")
    assert marks(0.9, 0.4, warm=1) == ([2], "5m")


def test_an_hour_is_paid_where_two_reads_are_likely_and_come_late() -> None:
    assert marks((0.2, 0.7)) == ([], "")
    assert marks((0.2, 0.8)) == ([1], "1h")
    assert marks((0.8, 0.8)) == ([1], "5m")


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6), st.integers(1, 4))
def test_no_other_marks_are_worth_more(odds: list[float], room: int) -> None:
    places = points(*sorted(odds, reverse=True))
    found = best(places, 0, after=0, room=room, rules=RULES)
    worth = 0.0
    for count in range(1, room + 1):
        for chosen in combinations(places, count):
            saved, before = 0.0, 0
            for point in chosen:
                saved += 0.9 * point.odds[0] * (point.tokens - before)
                before = point.tokens
            if saved > MARGIN * 0.25 * before:
                worth = max(worth, saved - 0.25 * before)
    assert (found.value if found else 0.0) == pytest.approx(worth)
