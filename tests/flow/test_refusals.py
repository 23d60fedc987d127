"""The words of a refusal for money: what would make the call fit."""

from __future__ import annotations

import pytest

from penstock.flow.refusals import too_dear
from penstock.ledger import Never
from penstock.meter import Quote

QUOTE = Quote(
    worst_nano=2_001_000, floor_nano=500, input_bound=10, input_estimate=8, output_bound=20_000, max_tokens=20_000,
    input_rate=100_000_000, output_rate=100_000_000,
)  # fmt: skip


@pytest.mark.parametrize(
    ("left", "fewest", "mend"),
    [
        (1_001_000, 0, "raise the budget, or set max_tokens to at most 10,000"),
        (51_000, 0, "raise the budget, or set max_tokens to at most 500"),
        (51_000, 1024, "raise the budget, or set max_tokens to at most 500; without it a call gets at least 1,024"),
        (500, 1024, "raise the budget, or send less text"),
    ],
)
def test_a_call_that_was_to_be_fitted_is_told_how_short_it_may_be(left: int, fewest: int, mend: str) -> None:
    error = too_dear(QUOTE, Never(("run",), "nano", 2_001_000, left), fewest=fewest)
    assert error.mend == mend
