"""Money is whole nano-dollars, whatever a person writes or reads."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import BadInput, PenstockError
from penstock.values import NANO, Money, parse_money


@pytest.mark.parametrize(
    ("text", "nano"),
    [
        ("$2.00", 2 * NANO),
        ("2", 2 * NANO),
        (" 5c ", 50_000_000),
        ("0.25 USD", 250_000_000),
        (".5$", NANO // 2),
        ("$0", 0),
        ("$ 1", NANO),
    ],
)
def test_amounts_as_people_write_them(text: str, nano: int) -> None:
    assert parse_money(text) == nano


@pytest.mark.parametrize("text", ["", "five", "-1", "$-2", "1,5", "1e3", "5%", "$1.2.3", "inf"])
def test_what_is_no_amount_says_how_to_write_one(text: str) -> None:
    with pytest.raises(BadInput, match="write it like"):
        parse_money(text)


@pytest.mark.parametrize(
    ("nano", "shown"),
    [
        (0, "$0.00"),
        (2_100_000, "$0.0021"),
        (11_000_000, "$0.0110"),
        (150, "$0.00000015"),
        (1, "$0.000000001"),
        (999_999_999, "$1.0000"),
        (NANO, "$1.00"),
        (3 * NANO + 104_000_000, "$3.10"),
        (-1_500_000_000, "-$1.50"),
    ],
)
def test_amounts_as_people_read_them(nano: int, shown: str) -> None:
    assert str(Money(nano)) == shown
    assert repr(Money(nano)) == shown


@given(st.integers(0, 10**15))
def test_what_is_shown_is_close_to_the_amount(nano: int) -> None:
    error = abs(parse_money(str(Money(nano))) - nano)
    assert error <= (5_000_000 if nano >= NANO else max(nano * 0.05, 1))


def test_an_error_without_a_mend_is_its_message() -> None:
    assert str(PenstockError("it broke")) == "it broke"
    assert str(PenstockError("it broke", mend="mend it")) == "it broke (mend it)"
