from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from penstock.meter import Rates, Tier, price
from penstock.values import NANO, Usage

AMOUNT = st.integers(0, 200 * NANO)
TOKENS = st.integers(0, 2_000_000)
USAGE = st.builds(Usage, *[TOKENS] * 6)
FLAT = st.builds(
    Rates,
    input=AMOUNT,
    cache_read=AMOUNT,
    cache_write_5m=AMOUNT,
    cache_write_1h=AMOUNT,
    output=AMOUNT,
    reasoning=AMOUNT,
)
FIELDS = ("input", "cache_read", "cache_write_5m", "cache_write_1h", "output", "reasoning")


def exact(usage: Usage, rates: Rates) -> Fraction:
    return sum((Fraction(getattr(usage, name) * getattr(rates, name), 10**6) for name in FIELDS), Fraction())


@given(USAGE, FLAT)
def test_price_is_the_sum_of_products_rounded_half_up(usage: Usage, rates: Rates) -> None:
    assert price(usage, rates) == (exact(usage, rates) + Fraction(1, 2)).__floor__()


@given(USAGE, USAGE, FLAT)
def test_price_adds_up_without_tiers(one: Usage, two: Usage, rates: Rates) -> None:
    assert exact(one + two, rates) == exact(one, rates) + exact(two, rates)
    assert abs(price(one + two, rates) - price(one, rates) - price(two, rates)) <= 1


@given(st.sampled_from(FIELDS), TOKENS, FLAT)
def test_each_count_has_its_own_rate(field: str, tokens: int, rates: Rates) -> None:
    assert price(Usage(**{field: tokens}), rates) == (tokens * getattr(rates, field) + 500_000) // 10**6


def test_a_half_is_rounded_up() -> None:
    rates = Rates(input=500_000, cache_read=0, cache_write_5m=0, cache_write_1h=0, output=0, reasoning=0)
    assert [price(Usage(input=n), rates) for n in (0, 1, 2, 3)] == [0, 1, 1, 2]


def test_a_tier_replaces_all_rates_for_all_tokens() -> None:
    long = Rates(input=6, cache_read=1, cache_write_5m=7, cache_write_1h=12, output=30, reasoning=30)
    longer = Rates(input=9, cache_read=1, cache_write_5m=7, cache_write_1h=12, output=45, reasoning=45)
    rates = Rates(
        input=3,
        cache_read=1,
        cache_write_5m=4,
        cache_write_1h=6,
        output=15,
        reasoning=15,
        per_call=12,
        tiers=(Tier(200, long), Tier(400, longer)),
    )
    assert rates.at(200) is rates
    assert rates.at(201) is rates.at(400) is long
    assert rates.at(401) is longer
    assert price(Usage(input=100_000, cache_read=150_000, output=10**6), rates) == 45 + 1
    assert price(Usage(output=10**6), rates) == 15 + 12
