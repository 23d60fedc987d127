from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.meter import KINDS, Factor, Factors, Kind, Tally, factors

FAMILIES = ("gpt-4o", "gpt-4", "o3", "claude-sonnet-4-5", "claude-opus-5", "llama-3.1-8b", "")
TALLIES = st.builds(
    lambda text, code, json, tool, media, messages, more: Tally(
        text, code, json, tool, media, messages, text + code + json + tool + more
    ),
    *[st.integers(0, 50_000)] * 5,
    st.integers(0, 50),
    st.integers(0, 500),
)
OBSERVATIONS = st.lists(st.tuples(TALLIES, st.integers(0, 400_000)), max_size=8)


def learned(family: str, seen: list[tuple[Tally, int]]) -> Factors:
    known = Factors()
    for tally, reported in seen:
        known = known.observe(family, tally, reported)
    return known


@given(st.sampled_from(FAMILIES), TALLIES, OBSERVATIONS)
def test_bound_is_at_least_the_estimate_and_the_contract(
    family: str, tally: Tally, seen: list[tuple[Tally, int]]
) -> None:
    known = learned(family, seen)
    assert known.bound(family, tally) >= known.estimate(family, tally) >= 0
    assert known.bound(family, tally) >= tally.o200k + 3 * tally.messages + 3


@given(st.sampled_from(FAMILIES), TALLIES, TALLIES, OBSERVATIONS)
def test_bound_grows_with_what_is_added(family: str, tally: Tally, more: Tally, seen: list[tuple[Tally, int]]) -> None:
    known = learned(family, seen)
    fields = Tally.__struct_fields__
    both = Tally(**{name: getattr(tally, name) + getattr(more, name) for name in fields})
    assert known.bound(family, both) >= known.bound(family, tally)
    assert known.estimate(family, both) >= known.estimate(family, tally)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ratio", [0.8, 1.0, 1.37, 2.6])
def test_what_is_observed_is_learned(family: str, kind: Kind, ratio: float) -> None:
    tally = Tally(**{kind: 10_000}, messages=1, o200k=10_000)
    known = Factors()
    around = known.estimate(family, Tally(messages=1, **{kind: 1})) - 1
    for _ in range(200):
        known = known.observe(family, tally, round(10_000 * ratio) + around)
    assert known.of(family, kind).mean == pytest.approx(ratio, rel=0.01)
    assert ratio <= known.of(family, kind).upper <= ratio * 1.04
    assert known.estimate(family, tally) == pytest.approx(10_000 * ratio, rel=0.07)


def test_a_call_that_is_dearer_than_the_bound_raises_it_at_once() -> None:
    tally = Tally(text=10_000, messages=1, o200k=10_000)
    known = Factors()
    assert known.bound("llama", tally) < 19_000
    assert known.observe("llama", tally, 19_000).bound("llama", tally) >= 19_000


def test_an_outlier_passes() -> None:
    tally = Tally(text=1_000, messages=1, o200k=1_000)
    known = Factors()
    for i in range(200):
        known = known.observe("llama", tally, 1_000_000 if i == 100 else 1_207)
    assert known.of("llama", "text").mean == pytest.approx(1.2, rel=0.02)
    assert known.of("llama", "text").upper < 1.25


def test_a_mixture_teaches_its_dominant_kind() -> None:
    mixed = Tally(text=1_000, code=9_000, messages=1, o200k=10_000)
    known = Factors()
    for _ in range(200):
        known = known.observe("gpt-4o", mixed, 1_000 + round(9_000 * 1.3) + 7)
    assert set(known.learned) == {"gpt-4o code"}
    assert known.of("gpt-4o", "code").mean == pytest.approx(1.3, rel=0.01)
    assert known.of("gpt-4o", "text") == Factor(1.0, 1.02)


@pytest.mark.parametrize(
    "tally",
    [
        Tally(text=20, messages=1, o200k=20),
        Tally(text=1_000, media=500, messages=1, o200k=1_000),
        Tally(text=400, code=350, json=300, messages=1, o200k=1_050),
        Tally(),
    ],
)
def test_what_says_too_little_teaches_nothing(tally: Tally) -> None:
    known = Factors()
    assert known.observe("gpt-4o", tally, 5_000) is known


def test_there_is_an_end_to_learning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(factors, "_MOST", 2)
    tally = Tally(text=1_000, messages=1, o200k=1_000)
    known = Factors()
    for name in ("a", "b", "c", "a"):
        known = known.observe(name, tally, 1_300)
    assert set(known.learned) == {"a text", "b text"}
    assert known.of("a", "text").seen == 2


def test_priors_of_families() -> None:
    tally = Tally(text=1_000, messages=1, o200k=1_000)
    tools = Tally(text=1_000, tool=100, messages=1, o200k=1_100)
    known = Factors()
    assert known.estimate("gpt-4o", tally) == 1_007
    assert known.bound("gpt-4o", tally) == 1_027
    assert known.estimate("claude-sonnet-4-5", tally) == 1_207
    assert known.bound("claude-sonnet-4-5", tally) == 1_507
    assert known.bound("claude-opus-5", tally) == 1_807
    assert known.bound("llama", tally) == 1_507
    assert known.bound("claude-sonnet-4-5", tools) == 1_507 + 150 + 600


def test_a_store_can_keep_it() -> None:
    known = Factors().observe("gpt-4o", Tally(text=1_000, messages=1, o200k=1_000), 1_100)
    assert msgspec.json.decode(msgspec.json.encode(known), type=Factors) == known
