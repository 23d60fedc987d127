from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import ConfigError
from penstock.meter import DISCOUNTS, Processing, Rates, Tier
from penstock.meter.overlay import discounted, override
from penstock.values import NANO

STANDARD = Rates(
    input=3 * NANO,
    cache_read=2 * NANO,
    cache_write_5m=4 * NANO,
    cache_write_1h=6 * NANO,
    output=15 * NANO,
    reasoning=15 * NANO,
    per_call=7,
)
DAY = date(2026, 1, 1)


@pytest.mark.parametrize(
    ("provider", "model", "day", "processing", "found"),
    [
        ("openai", "gpt-4o", DAY, "batch", True),
        ("openai", "gpt-4o", date(2024, 4, 14), "batch", False),
        ("openai", "ft:gpt-4o", DAY, "batch", False),
        ("anthropic", "claude-3-opus-20240229", DAY, "batch", True),
        ("anthropic", "claude-3-opus-20240229", date(2024, 10, 7), "batch", False),
        ("openai", "o3", DAY, "flex", True),
        ("openai", "o4-mini-2025-04-16", DAY, "flex", True),
        ("openai", "gpt-5-nano", DAY, "flex", True),
        ("openai", "gpt-4o", DAY, "flex", False),
        ("openai", "o3-pro", DAY, "flex", False),
        ("anthropic", "claude-opus-5", DAY, "flex", False),
        ("groq", "gpt-oss-120b", DAY, "batch", False),
    ],
)
def test_rows_and_whom_they_mean(provider: str, model: str, day: date, processing: Processing, found: bool) -> None:
    rates = discounted(STANDARD, provider=provider, model=model, day=day, processing=processing)
    assert (rates is not None) is found


def test_golden_rows() -> None:
    """Half of everything; a cached read of OpenAI's batch costs no more than its input, and is not halved itself."""
    batch, claude, flex = (
        discounted(STANDARD, provider=p, model=m, day=DAY, processing=how)
        for p, m, how in (
            ("openai", "gpt-4o", "batch"),
            ("anthropic", "claude-opus-4-1", "batch"),
            ("openai", "o3", "flex"),
        )
    )
    half = (NANO * 3 // 2, 2 * NANO, 3 * NANO, NANO * 15 // 2)
    for rates, read, since in (
        (batch, NANO * 3 // 2, "2024-04-15"),
        (claude, NANO, "2024-10-08"),
        (flex, NANO, "2025-04-17"),
    ):
        assert rates is not None
        assert (rates.input, rates.cache_write_5m, rates.cache_write_1h, rates.output) == half
        assert (rates.cache_read, rates.per_call, rates.since) == (read, 7, since)
        assert rates.source.startswith(("batch: ", "flex: "))


def test_every_row_says_when_and_where_from() -> None:
    for row in DISCOUNTS:
        assert 0 < row.percent < 100
        assert "read 2026" in row.source


def test_tiers_are_discounted_too() -> None:
    long = Rates(input=5, cache_read=1, cache_write_5m=5, cache_write_1h=5, output=9, reasoning=9)
    tiered = Rates(
        input=3, cache_read=1, cache_write_5m=3, cache_write_1h=3, output=7, reasoning=7, tiers=(Tier(200, long),)
    )
    rates = discounted(tiered, provider="anthropic", model="claude-x", day=DAY, processing="batch")
    assert rates is not None
    assert (rates.input, rates.at(201).input, rates.at(201).output) == (2, 3, 5)


def test_prices_of_other_modalities_are_left_alone() -> None:
    sound = Rates(input=1, cache_read=1, cache_write_5m=1, cache_write_1h=1, output=1, reasoning=1, apart=("audio",))
    assert discounted(sound, provider="openai", model="gpt-audio", day=DAY, processing="batch") is None


@pytest.mark.parametrize("value", ["3.00", "3", 3, 3.0, Decimal(3), "0.3e1"])
def test_an_amount_can_be_written_in_many_ways(value: object) -> None:
    assert override("m", {"input": value, "output": 0}).input == 3 * NANO


@given(st.integers(0, 10**13))
def test_amounts_are_exact(nano: int) -> None:
    dollars = f"{nano // NANO}.{nano % NANO:09d}"
    assert override("m", {"input": dollars, "output": 1}).input == nano


def test_what_an_override_leaves_out() -> None:
    plain = override("llama", {"input": 2, "output": 8})
    assert (plain.cache_read, plain.cache_write_5m, plain.cache_write_1h) == (2 * NANO, 2 * NANO, 2 * NANO)
    assert (plain.reasoning, plain.source) == (8 * NANO, "configuration")
    claude = override("anthropic/claude-x", {"input": 2, "output": 8})
    assert (claude.cache_write_5m, claude.cache_write_1h) == (NANO * 5 // 2, 4 * NANO)
    dear = override("llama", {"input": 2, "output": 8, "cache_write_5m": 5})
    assert (dear.cache_write_5m, dear.cache_write_1h) == (5 * NANO, 5 * NANO)
    table = {"input": 2, "output": 8, "cache_read": 1, "cache_write_5m": 3, "cache_write_1h": 4, "reasoning": 9}
    full = override("llama", table)
    assert [getattr(full, key) // NANO for key in table] == list(table.values())


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({"input": "abc", "output": 1}, 'prices."m".input'),
        ({"input": 1, "output": -1}, 'prices."m".output'),
        ({"input": "nan", "output": 1}, "input"),
        ({"input": "inf", "output": 1}, "input"),
        ({"input": True, "output": 1}, "input"),
        ({"input": None, "output": 1}, "input"),
        ({"input": "0.0000000001", "output": 1}, "finer"),
        ({"input": 1}, 'prices."m".output is missing'),
        ({"output": 1}, 'prices."m".input is missing'),
        ({"input": 1, "output": 1, "cached": 1}, 'prices."m".cached'),
        ({"input": 1, "output": 1, "cache_read": "$1"}, 'prices."m".cache_read'),
        ("3.00", 'prices."m" is not a table'),
    ],
)
def test_a_bad_value_is_named(table: object, says: str) -> None:
    with pytest.raises(ConfigError, match=says.replace(".", r"\.")) as caught:
        override("m", table)
    assert "\n" not in str(caught.value)
    assert caught.value.mend
