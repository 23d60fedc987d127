"""Odds of being read again, from lives that end or go on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.policy.layout.odds import AGES, Odds, Record, within

CLASS = ("all", "all narrow")


def test_without_lives_the_prior_holds() -> None:
    odds = Odds()
    assert odds.read_within(300.0, CLASS, prior=0.2) == pytest.approx(0.2)
    assert odds.read_within(3600.0, CLASS, prior=0.2) == pytest.approx(0.2)


def test_the_odds_come_near_the_share_that_is_read() -> None:
    odds = Odds()
    for second in range(2000):
        odds.advance(float(second))
        watch = odds.watch(float(second), CLASS)
        if second % 4 == 0:
            odds.end(watch, second + 2.0)
    odds.advance(10_000.0)
    assert odds.read_within(300.0, CLASS, prior=0.9) == pytest.approx(0.25, abs=0.03)


def test_lives_that_still_go_on_count_as_far_as_they_have_come() -> None:
    odds = Odds()
    for second in range(100):
        odds.watch(float(second), CLASS)
    odds.advance(140.0)
    reached = odds.curves["all"].reached
    assert reached[:4] == [100, 100, 100, 100]
    assert 55 <= reached[4] <= 65
    assert reached[5:] == [0.0] * (len(AGES) - 5)


def test_a_read_after_the_last_span_is_none() -> None:
    odds = Odds()
    watch = odds.watch(0.0, CLASS)
    odds.advance(4000.0)
    odds.end(watch, 4000.0)
    assert odds.curves["all"].ended == [0.0] * len(AGES)
    assert odds.curves["all"].reached == [1.0] * len(AGES)


def test_a_narrow_class_leans_on_the_wide_one() -> None:
    odds = Odds()
    for _ in range(200):
        odds.end(odds.watch(0.0, ("all",)), 1.0)
    assert odds.read_within(300.0, CLASS, prior=0.1) > 0.85


def test_the_oldest_classes_are_forgotten() -> None:
    odds = Odds(most_curves=3)
    for name in "abcad":
        odds.end(odds.watch(0.0, (name,)), 1.0)
    assert list(odds.curves) == ["c", "a", "d"]


def test_the_oldest_lives_are_let_go() -> None:
    odds = Odds(most_watched=3)
    first = odds.watch(0.0, CLASS)
    odds.advance(7.0)
    for second in (8.0, 9.0, 9.5):
        odds.watch(second, CLASS)
    assert odds.watched == 3
    odds.advance(11.0)
    assert odds.curves["all"].reached[:2] == [1.0, 0.0]
    odds.end(first, 12.0)
    assert odds.curves["all"].ended[2] == 1.0


def test_paid_writes_are_counted_against_what_was_foretold() -> None:
    odds = Odds()
    read, unread, late = (odds.watch(0.0, CLASS) for _ in range(3))
    for watch in (read, unread, late):
        watch.staked = (0.5, 0.25) + (0.0,) * (len(AGES) - 2)
    odds.end(read, 1.0)
    assert odds.record(b"") == Record(expected=0.5, realised=1.0, foretold=0.5, came=1.0)
    odds.advance(60.0)
    odds.end(late, 60.0)
    assert odds.record(b"") == Record(expected=2.0, realised=1.0, foretold=2.0, came=1.0)
    assert odds.record(b"").trusted
    odds.record(b"").wrote()
    assert odds.record(b"") == Record(expected=1.99, realised=0.995, writes=1.0, foretold=2.0, came=1.0)
    assert not Record().trusted
    assert not Record(expected=10.0, realised=3.0).trusted


@given(st.lists(st.floats(0, 1), min_size=len(AGES), max_size=len(AGES)), st.floats(1, 4000), st.floats(1, 4000))
def test_odds_are_odds_and_grow_with_time(hazards: list[float], one: float, other: float) -> None:
    shorter, longer = sorted([one, other])
    assert 0 <= within(shorter, hazards) <= within(longer, hazards) + 1e-12 <= 1 + 1e-9
