"""Money is whole nano-dollars, whatever a person writes or reads."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

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
        ("0.5$", NANO // 2),
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
        (11_000_000, "$0.011"),
        (50_000_000, "$0.05"),
        (150, "$0.00000015"),
        (1, "$0.000000001"),
        (999_999_999, "$0.999999999"),
        (NANO, "$1.00"),
        (3 * NANO + 104_000_000, "$3.104"),
        (-1_500_000_000, "-$1.50"),
    ],
)
def test_amounts_as_people_read_them(nano: int, shown: str) -> None:
    assert str(Money(nano)) == shown
    assert repr(Money(nano)) == shown


@given(st.integers(0, 10**15))
def test_what_is_shown_is_the_very_amount(nano: int) -> None:
    assert parse_money(str(Money(nano))) == nano
    assert str(Money(-nano)).lstrip("-") == str(Money(nano))


@given(st.lists(st.integers(-(10**12), 10**12)))
def test_amounts_add_up_as_they_are_printed(amounts: list[int]) -> None:
    shown = [Decimal(str(Money(nano)).replace("$", "")) for nano in [*amounts, sum(amounts)]]
    assert sum(shown[:-1]) == shown[-1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the amount of money is empty"),
        (" ", "the amount of money is empty"),
        (".50", "'.50' is not an amount of money"),  # what a shell leaves of "$1.50"
        ("/day", "only the budget of a virtual key has a period"),
        ("$5/day", "only the budget of a virtual key has a period"),
    ],
)
def test_what_a_shell_leaves_of_an_amount_says_how_to_quote_it(text: str, said: str) -> None:
    with pytest.raises(BadInput, match=re.escape(said)) as caught:
        parse_money(text)
    assert "in a shell '$0.50', in single quotes" in caught.value.mend


def test_all_forms_that_are_named_are_understood() -> None:
    with pytest.raises(BadInput) as caught:
        parse_money("")
    named = caught.value.mend.partition(";")[0].removeprefix("write it like ").replace(" or ", ", ").split(", ")
    assert [int(parse_money(text)) for text in named] == [5 * NANO, NANO // 2, 50_000_000, NANO // 2]


def test_an_error_without_a_mend_is_its_message() -> None:
    assert str(PenstockError("it broke")) == "it broke"
    assert str(PenstockError("it broke", mend="mend it")) == "it broke (mend it)"


@pytest.mark.parametrize(("given", "nano"), [(2, 2_000_000_000), (0.05, 50_000_000), (1e-05, 10_000), (0, 0)])
def test_a_number_counts_dollars(given: float, nano: int) -> None:
    assert parse_money(given) == nano


@pytest.mark.parametrize("given", [-1, float("nan"), float("inf"), [], None, 1e30])
def test_what_is_no_amount_is_refused(given: Any) -> None:
    with pytest.raises(BadInput):
        parse_money(given)
