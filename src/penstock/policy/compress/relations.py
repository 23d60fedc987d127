"""Rows in which columns that go together in all others do not: a wrong sum, a country that is not the city's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import combinations, permutations
from math import isclose, log
from typing import Final, TypeAlias

from penstock.policy.compress.outliers import USUAL, number_of

__all__ = ["contradictions"]

LEAST: Final = 10
"""Rows from which a relation between columns is believed."""

HOLDS: Final = 0.97
"""Part of the rows in which it must hold; all but one are enough."""

KINDS: Final = 64
"""Values that a column may have for others to go with them."""

NUMBERS: Final = 8
"""Columns of numbers that are tried with each other."""

_Row: TypeAlias = Sequence[float | None]
_Rule: TypeAlias = Callable[[float, float], float]

_RULES: tuple[_Rule, ...] = (lambda a, b: a + b, lambda a, b: a - b, lambda a, b: a * b)


def contradictions(columns: Sequence[Sequence[str]]) -> list[float]:
    """How odd each row is for breaking what holds in nearly all others, in nats. The columns are equally long.

    >>> rows = [[str(n) for n in range(20)], [str(2 * n) for n in range(19)] + ["7"]]
    >>> [round(odd) for odd in contradictions(rows)][-2:]
    [0, 2]
    """
    total = len(columns[0]) if columns else 0
    odd = [0.0] * total
    if total < LEAST:
        return odd
    numbers: list[_Row] = []
    for column in columns:
        row = [number_of(value) for value in column]
        if len(set(row) - {None}) > 2 and row.count(None) <= (1 - HOLDS) * total:
            numbers.append(row)
    for wrong in (*_dependent(columns, total), *_reckoned(numbers[:NUMBERS], total)):
        for row_number in wrong:
            odd[row_number] = max(odd[row_number], log(total / len(wrong)) - USUAL)
    return odd


def _few(wrong: Sequence[int], total: int) -> bool:
    return 0 < len(wrong) <= max(1, (1 - HOLDS) * total)


def _dependent(columns: Sequence[Sequence[str]], total: int) -> Iterator[list[int]]:
    """Rows in which the value of one column is not the one that goes with the value of another."""
    most = min(KINDS, total // 4)
    kinds = [column for column in columns if 1 < len(set(column)) <= most]
    for first, second in permutations(kinds[:NUMBERS], 2):
        partner: dict[str, str] = {}
        for (value, other), _ in sorted(Counter(zip(first, second, strict=True)).items(), key=lambda pair: pair[1]):
            partner[value] = other
        if len(set(partner.values())) < 2:
            continue
        wrong = [at for at, (value, other) in enumerate(zip(first, second, strict=True)) if partner[value] != other]
        usual = Counter(second).most_common(1)[0][1]
        if _few(wrong, total) and len(wrong) * 4 <= total - usual:
            yield wrong


def _reckoned(numbers: Sequence[_Row], total: int) -> Iterator[list[int]]:
    """Rows in which a number is not the sum, difference, product or multiple of others that it is elsewhere."""
    for first, second in permutations(numbers, 2):
        if rule := _line(first, second, total):
            wrong = _broken(rule, first, first, second)
            if _few(wrong, total):
                yield wrong
    for first, second in combinations(numbers, 2):
        for third in numbers:
            if third is first or third is second:
                continue
            for rule in _RULES:
                if _holds_at(rule, first, second, third, total):
                    wrong = _broken(rule, first, second, third)
                    if _few(wrong, total):
                        yield wrong


def _line(first: _Row, second: _Row, total: int) -> _Rule | None:
    """The straight line through two rows in the middle, if it goes through most of some others."""
    for near, far in ((total // 2, total // 5), (total // 3, 3 * total // 4)):
        a, b, c, d = first[near], first[far], second[near], second[far]
        if a is None or b is None or c is None or d is None or a == b or c == d:
            continue
        rule = partial(_on_line, slope=(d - c) / (b - a), at=c - a * (d - c) / (b - a))
        if _holds_at(rule, first, first, second, total):
            return rule
    return None


def _on_line(x: float, _: float, *, slope: float, at: float) -> float:
    return slope * x + at


def _holds_at(rule: _Rule, first: _Row, second: _Row, third: _Row, total: int) -> bool:
    """Whether a rule holds in most of a few rows."""
    places = range(0, total, max(1, total // 7))
    held = sum(_fits(rule, first[at], second[at], third[at]) for at in places)
    return held >= len(places) - 1


def _fits(rule: _Rule, a: float | None, b: float | None, c: float | None) -> bool:
    return a is not None and b is not None and c is not None and isclose(rule(a, b), c, rel_tol=1e-4, abs_tol=0.011)


def _broken(rule: _Rule, first: _Row, second: _Row, third: _Row) -> list[int]:
    return [at for at, (a, b, c) in enumerate(zip(first, second, third, strict=True)) if not _fits(rule, a, b, c)]
