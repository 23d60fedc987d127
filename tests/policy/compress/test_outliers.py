"""What stands out in a field, and what only differs there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.policy.compress.outliers import number_of, rarities, shape, strongest, surprises, template


def oddest(values: list[str]) -> str | None:
    """The one value that stands out most, None if none does or several do as much."""
    odd = surprises(values)
    most = max(odd)
    return values[odd.index(most)] if most > 0.5 and odd.count(most) == 1 else None


def test_a_rare_value_among_few_stands_out_and_names_do_not() -> None:
    assert oddest(["open"] * 40 + ["revoked"] + ["open"] * 9) == "revoked"
    assert not any(surprises([f"user-{name}" for name in "abcdefghijklmnopqrst"]))
    assert surprises(["a", "b"]) == [0.0, 0.0]


def test_chance_in_even_counts_is_no_surprise() -> None:
    values = [str(n * 7 % 30) for n in range(300)] + ["3", "4", "4"]
    assert max(surprises(values)) < 1.0


@pytest.mark.parametrize(
    ("usual", "odd"),
    [
        ([f"{100 + n * 53 % 61}.{n * 7 % 100:02}" for n in range(60)], "-120.10"),
        ([f"{100 + n * 53 % 61}.{n * 7 % 100:02}" for n in range(60)], "99120.00"),
        ([str(800 + n * 537 % 911) for n in range(60)], "0"),
        ([f"2026-05-{1 + n * 11 % 28:02} 10:00" for n in range(60)], "1970-01-01 00:00"),
        ([f"{n * 53 % 89} ms" for n in range(60)], "41000 ms"),
        ([f'"call {n}"' for n in range(60)], "null"),
        ([f"10.0.0.{n}" for n in range(60)], "fe80::1"),
        ([f"stage {'abcdefghij'[n % 10]} was finished" for n in range(60)], "disk failure"),
    ],
)
def test_what_is_odd_in_form_or_far_off_stands_out(usual: list[str], odd: str) -> None:
    assert oddest([*usual[:40], odd, *usual[40:]]) == odd


def test_a_long_text_among_short_ones_stands_out() -> None:
    values = [f"word {'xyzw'[n % 4] * (n % 5 + 1)}{n}" for n in range(60)]
    values[31] = "this one goes on and on, it says what no other says, and it does not stop for a long while " * 3
    assert oddest(values) == values[31]


def test_many_far_values_are_a_heavy_tail_and_stand_out_less_than_one() -> None:
    usual = [str(100 + n * 37 % 83) for n in range(200)]
    one = surprises([*usual, "70000"])[-1]
    many = surprises([*usual, *(str(70000 + n) for n in range(20))])[-1]
    assert one > 2 * many


def test_in_a_rising_field_the_steps_are_judged() -> None:
    rising = [str(1000 + 60 * n) for n in range(50)]
    assert not any(surprises(rising))
    leap = surprises([*rising[:30], *(str(int(value) + 5400) for value in rising[30:])])
    assert leap.index(max(leap)) == 30
    back = surprises([*rising[:20], "1001", *rising[20:]])
    assert back[20] > 2
    falling = surprises([*rising[::-1][:25], "9000", *rising[::-1][25:]])
    assert falling[25] > 2


def test_a_doubled_identifier_stands_out_and_a_doubled_measure_does_not() -> None:
    names = [f"id-{n * 7919 % 100000:05x}" for n in range(60)]
    odd = surprises([*names[:50], names[3], *names[50:]])
    assert odd[3] == odd[50] > 1
    assert sum(value > 0 for value in odd) == 2
    measures = [f"{n * 7.31 % 50:.3f}" for n in range(60)]
    assert not any(surprises([*measures[:50], measures[3], *measures[50:]]))


def test_a_constant_number_with_one_other_has_no_spread() -> None:
    assert oddest(["5"] * 30 + ["6"] + ["5"] * 30) == "6"


def test_trouble_counts_unless_it_is_the_rule() -> None:
    some = ["state ready"] * 12 + ["state failed"] * 3 + ["state idle"] * 5
    assert surprises(some)[12] > 1
    assert not any(surprises(["request failed", "request timeout"] * 10))


def test_lengths_are_judged_where_some_are_numbers_too() -> None:
    assert surprises(["a", "b", "c", "d", "4", "5"]) == [0.0] * 6


def test_rarities_need_enough_values() -> None:
    assert rarities({"a": 3, "b": 1}) == {}
    assert rarities({"a": 30}) == {}
    assert set(rarities({"a": 30, "b": 1})) == {"b"}


def test_numbers_are_read_with_signs_units_and_dates() -> None:
    assert [number_of(text) for text in ("1,204.5 ms", "-3", "(12)", "$4_000")] == [1204.5, -3, -12, 4000]
    assert [number_of(text) for text in ("x1", "", "1e999")] == [None, None, None]
    assert number_of("2026-11-21T08:06:00Z") == 20261121080600
    assert number_of("2026-11-21") == 20261121000000


def test_templates_and_shapes() -> None:
    assert template("took 12 ms for 3fa9c1d2e4") == "took 0 ms for h"
    assert shape("INV-20041 / Lyon") == "a0 / a"
    assert strongest([]) == 0.0
    assert strongest([1.0, 4.0]) == 4.25


@given(st.lists(st.text(max_size=12), max_size=60))
def test_any_values_have_a_surprise_each_and_none_is_below_zero(values: list[str]) -> None:
    odd = surprises(values)
    assert len(odd) == len(values)
    assert all(value >= 0 for value in odd)
