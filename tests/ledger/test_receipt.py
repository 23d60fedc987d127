"""Receipts add up, exactly, whatever happened."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from penstock.ledger import Cut, Receipt, book, charge, total
from penstock.values import Money

NANO = st.integers(0, 10**13)
CUTS = st.lists(st.builds(Cut, st.sampled_from(["layout", "route", "compress", "reuse"]), NANO), max_size=6)
RECEIPTS = st.builds(book, st.none() | NANO, CUTS, estimated=st.booleans())


def adds_up(receipt: Receipt) -> bool:
    return receipt.asked == receipt.spent + sum(receipt.saved.values())


@given(NANO, CUTS)
def test_a_receipt_adds_up(spent: int, cuts: list[Cut]) -> None:
    receipt = book(spent, cuts)
    assert adds_up(receipt)
    assert receipt.spent == spent
    assert receipt.asked == (cuts[0].before if cuts else spent)
    assert set(receipt.saved) == {cut.mechanism for cut in cuts}


@given(st.lists(RECEIPTS, max_size=8), st.sampled_from(["compress", "route"]))
def test_sums_and_charges_add_up(receipts: list[Receipt], mechanism: str) -> None:
    charged = [charge(receipt, mechanism) for receipt in receipts]
    assert adds_up(total(receipts))
    assert adds_up(total(charged))
    assert total(charged).asked == 0
    assert total(charged).spent == total(receipts).spent == sum(receipt.spent for receipt in receipts)
    assert total(receipts).calls == len(receipts)


def test_a_mechanism_that_made_it_dearer_shows_a_loss() -> None:
    receipt = book(700, [Cut("compress", 500), Cut("route", 900)])
    assert receipt.saved == {"compress": Money(-400), "route": Money(200)}
    assert receipt.asked == 500


def test_what_a_mechanism_asked_for_itself_is_its_loss() -> None:
    helper = charge(book(40, [Cut("reuse", 60)]), "compress")
    assert helper.asked == 0
    assert helper.saved == {"reuse": Money(20), "compress": Money(-60)}


def test_unpriced_is_never_free() -> None:
    receipt = total([book(None), book(5)])
    assert receipt.unpriced == 1
    assert receipt.spent == 5
    assert str(total([book(None), book(None)])) == "unpriced: 2 calls whose price is not known"
    assert str(book(5)) == "asked $0.000000005 = spent $0.000000005 + saved $0.00"
    assert str(receipt) == "asked $0.000000005 = spent $0.000000005 + saved $0.00 (and 1 unpriced)"


def test_an_amount_that_is_an_estimate_says_so() -> None:
    guessed, known = book(5, estimated=True), book(0)
    assert str(guessed) == "asked $0.000000005 = spent $0.000000005 + saved $0.00 (estimated)"
    assert str(total([guessed, known])).endswith(" + saved $0.00 (1 of 2 calls estimated)")
    assert str(total([guessed, book(None)])).endswith(" (and 1 unpriced) (1 of 2 calls estimated)")
