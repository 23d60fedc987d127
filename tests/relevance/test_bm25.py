"""The parts of the score, each on its own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.relevance.bm25 import MEASURED, NEXT, SPAN, frequencies, nearest, paired, rarity, score
from penstock.relevance.words import Place, terms

PLACES = st.lists(st.builds(Place, st.integers(0, 5000), st.integers(0, 2), st.sampled_from([1.0, 0.5])), min_size=1)


def test_a_word_counts_less_the_more_windows_have_it() -> None:
    wanted = terms("cookie token gate")
    spoken = [[Place(at, 0, 1.0) for at in range(0, 9000, 1000)] + [Place(1, 1, 1.0), Place(2, 1, 1.0)]]
    often, seldom, never = rarity(wanted, spoken, 10_000)
    assert 0 < often < seldom < never


def test_no_rarity_is_negative_in_the_smallest_corpus() -> None:
    assert rarity(terms("cookie"), [[Place(0, 0, 1.0)]], 6)[0] > 0
    assert rarity([], [], 0) == []


def test_frequencies_count_loose_matches_in_part() -> None:
    assert frequencies([Place(0, 1, 1.0), Place(9, 1, 0.5)], 2) == [0.0, 1.5]


@given(st.floats(0.1, 20), st.floats(0.1, 20), st.floats(0.1, 5))
def test_the_score_rises_with_frequency_and_saturates(often: float, more: float, length: float) -> None:
    low = score([often], [0.0], length, [1.0], MEASURED)
    high = score([often + more], [0.0], length, [1.0], MEASURED)
    assert 0 < low < high < MEASURED.k1 + 1


def test_the_score_falls_with_length_and_names_count_whole() -> None:
    short, long = (score([2.0], [0.0], length, [1.0], MEASURED) for length in (0.5, 4.0))
    assert short > long
    assert score([0.0], [1.0], 9.0, [1.0], MEASURED) == score([0.0], [1.0], 0.1, [1.0], MEASURED) > 0
    assert score([0.0], [0.0], 1.0, [1.0], MEASURED) == 0


def test_pairs_stand_next_to_each_other_in_order() -> None:
    rare = [2.0, 1.0, 5.0]
    together = [Place(0, 0, 1.0), Place(NEXT, 1, 1.0), Place(900, 0, 1.0), Place(905, 1, 1.0)]
    assert paired(together, rare) == 1.0
    assert paired([Place(0, 1, 1.0), Place(5, 0, 1.0)], rare) == 0
    assert paired([Place(0, 0, 1.0), Place(NEXT + 1, 1, 1.0)], rare) == 0


def test_the_nearest_span_is_where_most_is_said() -> None:
    spread = [Place(0, 0, 1.0), Place(1000, 1, 1.0), Place(2000, 0, 1.0), Place(2000 + SPAN, 1, 1.0)]
    assert nearest(spread, [1.0, 3.0]) == (4.0, 2000)
    assert nearest([], [1.0]) == (0.0, 0)


@given(PLACES)
def test_a_span_never_counts_a_word_twice(found: list[Place]) -> None:
    rare = [1.0, 2.0, 4.0]
    best, at = nearest(sorted(found, key=lambda place: place.at), rare)
    inside = {place.term for place in found if at <= place.at <= at + SPAN}
    assert best == pytest.approx(sum(rare[term] for term in inside))
