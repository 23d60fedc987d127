"""Budgets that begin anew: how they are written, and where their periods begin and end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import BadInput
from penstock.stores.budgets import Budget, Period, nests, parse_budget, parse_duration, window
from penstock.values import parse_money

PERIODS: tuple[Period, ...] = get_args(Period)
MOMENTS = st.datetimes(datetime(2001, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))


@given(st.integers(0, 10**7), st.sampled_from(["${}", "{}c", "{}", "{} usd"]), st.sampled_from(PERIODS))
def test_a_budget_is_an_amount_and_perhaps_a_period(number: int, form: str, period: Period) -> None:
    amount = form.format(number)
    written = f"{amount}/{period}" if period else amount
    assert parse_budget(written) == Budget(int(parse_money(amount)), period)
    assert parse_budget(written.upper().replace("/", " / ")) == parse_budget(written)


@given(st.integers(0, 10**9).map(lambda cents: cents * 10**7), st.sampled_from(PERIODS))
def test_a_budget_is_read_as_it_is_printed(nano: int, period: Period) -> None:
    assert parse_budget(str(Budget(nano, period))) == Budget(nano, period)


@given(st.text())
def test_any_other_text_is_refused_in_one_line(text: str) -> None:
    try:
        said = str(parse_budget(text))
    except BadInput as error:
        said = str(error)
    assert "\n" not in said


@pytest.mark.parametrize("text", ["", "/day", "$5/", "$5/year", "$5/day/day", "-5c/day", "$5 day", "5c/", "lots/day"])
def test_what_is_no_budget(text: str) -> None:
    with pytest.raises(BadInput, match="write it like"):
        parse_budget(text)


@given(st.integers(0, 999_999), st.sampled_from("mhdw"))
def test_durations(number: int, unit: str) -> None:
    seconds = number * {"m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}[unit]
    assert parse_duration(f" {number} {unit.upper()} ") == seconds


@pytest.mark.parametrize("text", ["", "30", "d", "-1d", "1.5d", "1y", "٣d", "1d1h", "9" * 7 + "d"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(BadInput, match="write it like"):
        parse_duration(text)


@given(MOMENTS, st.sampled_from(PERIODS[1:]))
def test_a_moment_lies_in_its_period_and_the_end_in_the_next(moment: datetime, period: Period) -> None:
    now = moment.timestamp()
    label, ends = window(period, now)
    assert now < ends
    assert window(period, ends - 0.001)[0] == label
    following, later = window(period, ends)
    assert following > label
    assert later > ends
    longest = {"hour": 3600, "day": 86400, "week": 7 * 86400, "month": 31 * 86400}
    assert ends - now <= longest[period]


@given(MOMENTS, st.sampled_from(PERIODS), st.sampled_from(PERIODS))
def test_what_nests_ends_no_later(moment: datetime, inner: Period, outer: Period) -> None:
    if nests(inner, outer):
        assert window(inner, moment.timestamp())[1] <= window(outer, moment.timestamp())[1] or not outer


def test_nothing_lasts_longer_than_what_it_nests_in() -> None:
    assert [nests(period, "") for period in PERIODS] == [True] * 5
    assert not nests("", "month")
    assert not nests("week", "month")
    assert not nests("month", "week")
    assert all(nests(period, period) for period in PERIODS)


@pytest.mark.parametrize(
    ("period", "label", "length"),
    [
        ("", "", None),
        ("hour", "2026-11-21T10", timedelta(minutes=30)),
        ("day", "2026-11-21", timedelta(hours=13, minutes=30)),
        ("week", "2026-W47", timedelta(days=1, hours=13, minutes=30)),
        ("month", "2026-11", timedelta(days=9, hours=13, minutes=30)),
    ],
)
def test_periods_of_one_morning(period: Period, label: str, length: timedelta | None) -> None:
    now = datetime(2026, 11, 21, 10, 30, tzinfo=UTC)
    assert window(period, now.timestamp()) == (label, (now + length).timestamp() if length else float("inf"))


def test_the_week_of_new_year_is_of_one_year() -> None:
    ends = datetime(2027, 1, 4, tzinfo=UTC).timestamp()
    assert window("week", datetime(2027, 1, 1, tzinfo=UTC).timestamp()) == ("2026-W53", ends)
