"""How many tokens prompts really have, as far as providers have told."""

from __future__ import annotations

import pytest

from penstock.policy.layout.sizes import Sizes


def test_a_models_scale_follows_what_is_reported() -> None:
    sizes = Sizes()
    assert sizes.scale("m") == 1.0
    for _ in range(50):
        sizes.learn("m", 1.3)
    assert sizes.scale("m") == pytest.approx(1.3, rel=0.01)
    assert sizes.scale("other") == 1.0
    sizes.learn("m", 1000.0)
    assert sizes.scale("m") < 1.6  # one absurd report does little
    for _ in range(50):
        sizes.learn("m", 0.0)
    assert sizes.scale("m") == pytest.approx(0.5, rel=0.01)
    few = Sizes(most=1)
    few.learn("one", 1.5)
    few.learn("two", 1.5)
    assert (few.scale("one"), few.scale("two")) == (1.0, 1.1)


def test_calls_laid_out_at_once_do_not_add_up_in_the_scale() -> None:
    sizes = Sizes()
    laid_out_by = sizes.scale("m")
    for _ in range(10):
        sizes.learn("m", laid_out_by * 1.3)
    assert 1.2 < sizes.scale("m") < 1.3


def test_a_prefix_whose_size_was_told_is_expected_exactly() -> None:
    sizes = Sizes()
    assert sizes.expected(b"one", 1000.0) == (1000, 650.0)
    sizes.tell(b"one", 1234)
    assert sizes.expected(b"one", 1000.0) == (1234, 1234.0)
    assert sizes.expected(None, 0.0) == (0, 0.0)


def test_sizes_told_longest_ago_are_forgotten() -> None:
    sizes = Sizes(most=2)
    for name in (b"one", b"two", b"one", b"three"):
        sizes.tell(name, 1234)
    assert [sizes.expected(name, 1000.0)[0] for name in (b"one", b"two", b"three")] == [1234, 1000, 1234]
