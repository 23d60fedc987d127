from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from penstock.values.caching import CacheRules, Ttl

RULES = CacheRules(
    family="test",
    since=date(2026, 1, 1),
    minimum=1024,
    step=128,
    matching="longest",
    ttls=(Ttl("5m", 300, 1.25), Ttl("12h", 43_200, 2.0)),
    read=0.1,
    accounting="inside",
)


@pytest.mark.parametrize(
    ("tokens", "cached"),
    [(0, 0), (1023, 0), (1024, 1024), (1151, 1024), (1152, 1152), (2047, 1920)],
)
def test_a_prefix_counts_from_the_minimum_in_whole_steps(tokens: int, cached: int) -> None:
    assert RULES.cacheable(tokens) == cached


def test_without_a_minimum_nothing_is_still_nothing() -> None:
    assert replace(RULES, minimum=0, step=1).cacheable(0) == 0
    assert replace(RULES, minimum=0, step=1).cacheable(7) == 7


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 4096), st.integers(1, 256))
def test_more_tokens_never_cache_less(one: int, other: int, minimum: int, step: int) -> None:
    rules = replace(RULES, minimum=minimum, step=step)
    less, more = sorted((one, other))
    assert rules.cacheable(less) <= rules.cacheable(more) <= more


def test_a_time_to_live_is_found_by_its_name() -> None:
    assert RULES.ttl.name == "5m"
    assert RULES.named("5m") == RULES.ttl
    assert RULES.named("12h") == RULES.ttls[1]
    assert RULES.named("1h") is None


def test_rules_are_values() -> None:
    again: Any = replace(RULES)
    assert again == RULES
    assert hash(again) == hash(RULES)
