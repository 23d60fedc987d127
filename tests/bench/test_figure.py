"""Figures beside goals that are the most, or the least."""

from __future__ import annotations

from penstock.bench.figure import measured, table


def test_goals_in_both_directions() -> None:
    cost = measured("a call", [500.0, 700.0, 550.0], unit="µs", goal=600)
    ratio = measured("theirs / ours", [14.0, 16.0, 13.0], unit="times", goal=15, at_least=True)
    told = measured("just so", [1.0], unit="s")
    assert (cost.value, cost.met, ratio.value, ratio.met, told.met) == (550, True, 14, False, True)
    head, first, second, third = table([cost, ratio, told]).splitlines()
    assert head.split() == ["figure", "median", "least", "most", "goal"]
    assert first.split() == ["a", "call,", "µs", "550.0", "500.0", "700.0", "<=", "600", "met"]
    assert second.split()[-3:] == [">=", "15", "MISSED"]
    assert third.split() == ["just", "so,", "s", "1.0", "1.0", "1.0"]
