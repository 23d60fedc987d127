"""What a call used, in tokens, and what it would have used without an edit."""

from __future__ import annotations

from penstock.values import Usage


def test_a_token_counts_as_what_stands_beside_it() -> None:
    long = Usage(input=100, cache_read=10_000)
    assert (long.field_at(0.5), long.field_at(1.0)) == ("cache_read", "input")
    assert Usage(cache_write_5m=100).field_at(0.5) == "cache_write_5m"
    assert Usage(cache_write_1h=100).field_at(0.5) == "cache_write_1h"
    assert long.with_more(1000, "cache_read", 0) == Usage(input=100, cache_read=11_000)
    assert Usage(input=5).with_more(-10, "input", -10) == Usage()


def test_what_would_have_been_read_of_a_longer_prompt() -> None:
    assert Usage(input=50).reading(100, 120) == Usage(input=30, cache_read=120)
    assert Usage(cache_read=10, cache_write_1h=90).reading(0, 60) == Usage(cache_read=60, cache_write_1h=40)
    assert Usage(input=50).reading(-100, 120) == Usage()
    assert Usage(input=50, cache_read=100).reading(1000, 120) == Usage(input=50, cache_read=1100)  # no more is new
