"""How far a value stands out from its like: rare where the others repeat, odd in its form, far off in its size.

Rarity alone says nothing: every name in a column of names is rare. A value stands out by as much as it is rarer than
the values of its field usually are, and only if few are as rare as it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from math import isfinite, log
from typing import Final

__all__ = ["SEVERE", "USUAL", "number_of", "rarities", "shape", "strongest", "surprises", "template"]

LEAST: Final = 5
"""Values that a field must have before one of them can stand out."""

USUAL: Final = 1.0
"""Surprise that is taken for chance, in nats: what a third of the values has."""

FAR: Final = 3.0
"""How many middle ranges a number lies outside the middle half before it is odd (Tukey's far out)."""

FARTHEST: Final = 8.0
"""Middle ranges from which it is as odd as can be."""

ZERO_AWAY: Final = 10
"""What the least of the numbers above zero must be for a zero to be away from them."""

BY_LENGTH: Final = 0.5
"""What an odd length counts, beside an odd value."""

DOUBLED: Final = 0.6
"""What a doubled value counts where all others are single."""

ORDERED: Final = 0.9
"""Part of the steps of a field that go one way, so that its steps are judged and not its values."""

SINGLE: Final = 0.95
"""Part of the values that are single, so that a doubled one is odd."""

SEVERE: Final = re.compile(
    r"(?i)(?<![a-z])(?:err(?:or)?s?|fail(?:s|ed|ure|ures)?|fatal|panic(?:ked)?|exception|traceback|critical|abort(?:ed)?"
    r"|crash(?:ed|loopbackoff)?|denied|refused|reject(?:ed)?|timed?[ _-]?out|timeout|unreachable|corrupt(?:ed)?|invalid"
    r"|missing|not found|violat\w+|killed|oomkilled|evict\w*|expired|revoked|unhealthy|degraded|overdue|deprecated"
    r"|vulnerab\w+|warn(?:ing)?s?|unknown|unavailable|mismatch|rollback|rolled back|cannot|insufficient)(?![a-z])"
)
"""Words of trouble."""

_HEX = re.compile(r"\b(?=[0-9a-f-]*\d)[0-9a-f]{6,}(?:-[0-9a-f]{3,})*\b", re.IGNORECASE)
_DIGITS = re.compile(r"\d+")
_WORDS = re.compile(r"(?:[^\W\d_]+[ _-]?)+")
_NUMBER = re.compile(r"([-+(]?)[$€£]?(\d[\d,_]*(?:\.\d+)?(?:[eE][-+]?\d+)?)\)?[ ]?[A-Za-zµ%/]{0,4}")
_MOMENT = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d))?)?")


def template(value: str) -> str:
    """A value with its numbers and identifiers taken out.

    >>> template("call 101 of 3fa9c1d2")
    'call 0 of h'
    """
    return _DIGITS.sub("0", _HEX.sub("h", value))


def shape(value: str) -> str:
    """A value with its words and numbers taken out.

    >>> shape("INV-20041/Lyon")
    'a0/a'
    """
    return _DIGITS.sub("0", _WORDS.sub("a", value))


def rarities(counts: Mapping[str, int]) -> dict[str, float]:
    """How far each of the values stands out by how often it comes, in nats; the usual ones are left out.

    The smaller of two: how much rarer it is than the values usually are (its information less the entropy), and how
    small the part of all values is that are at least as rare.

    >>> rarities({"paid": 99, "void": 1})["void"] > 3, rarities({"a": 1, "b": 1, "c": 1})
    (True, {})
    """
    total = sum(counts.values())
    if total < LEAST or len(counts) in {1, total}:
        return {}
    usual = sum(count * log(total / count) for count in counts.values()) / total
    as_rare: dict[int, int] = {}
    below = 0
    for count, values in sorted(Counter(counts.values()).items()):
        below += count * values
        as_rare[count] = below
    worth = {count: min(log(total / count) - usual, log(total / below)) - USUAL for count, below in as_rare.items()}
    return {value: worth[count] for value, count in counts.items() if worth[count] > 0}


def surprises(values: Sequence[str]) -> list[float]:
    """How far each value of a field stands out, in nats, 0 for the usual; ``values`` in the order of the records."""
    counts = Counter(values)
    if len(values) < LEAST or len(counts) == 1:
        return [0.0] * len(values)
    found = rarities(counts)
    for fold in (template, shape):
        _raise(found, _folded(counts, fold))
    numbers = {value: number for value in counts if (number := number_of(value)) is not None}
    if len(numbers) >= 0.9 * len(counts):
        steps = _steps(values, numbers)
        if steps:
            return [max(found.get(value, 0.0), step) for value, step in zip(values, steps, strict=True)]
        _raise(found, _far_off(numbers, counts))
        _raise(found, _folded(counts, _signs(numbers)))
    else:
        lengths = {value: float(len(value)) for value in counts}
        _raise(found, {value: BY_LENGTH * odd for value, odd in _far_off(lengths, counts).items()})
    _raise(found, _doubled(counts, numbers))
    _add_severe(found, counts)
    return [found.get(value, 0.0) for value in values]


def _raise(found: dict[str, float], others: Mapping[str, float]) -> None:
    for value, odd in others.items():
        if odd > found.get(value, 0.0):
            found[value] = odd


def _signs(numbers: Mapping[str, float]) -> Callable[[str], str]:
    """Folds numbers to whether they are below zero, or zero where the others are far from it."""
    far = min((number for number in numbers.values() if number > 0), default=0.0) >= ZERO_AWAY

    def sign(value: str) -> str:
        number = numbers.get(value, 1.0)
        return "-" if number < 0 else "0" if far and not number else "+"

    return sign


def _folded(counts: Mapping[str, int], fold: Callable[[str], str]) -> dict[str, float]:
    """What stands out once the values are folded."""
    folds = {value: fold(value) for value in counts}
    together: Counter[str] = Counter()
    for value, count in counts.items():
        together[folds[value]] += count
    rare = rarities(together)
    return {value: rare[one] for value, one in folds.items() if one in rare} if rare else {}


def number_of(value: str) -> float | None:
    """A number, also with a sign, a unit, or separators; a moment as the number its digits are."""
    if moment := _MOMENT.match(value):
        return float("".join(part or "00" for part in moment.groups()))
    found = _NUMBER.fullmatch(value.strip("\"' "))
    if found is None:
        return None
    number = float(found[2].replace(",", "").replace("_", ""))
    if not isfinite(number):
        return None
    return -number if found[1] in {"-", "("} else number


def _steps(values: Sequence[str], numbers: Mapping[str, float]) -> list[float]:
    """What stands out in a field that only rises or falls: a leap, or a step back. Nothing for other fields."""
    row = [numbers.get(value) for value in values]
    known = [number for number in row if number is not None]
    deltas = [b - a for a, b in pairwise(known)]
    ups, downs = sum(d > 0 for d in deltas), sum(d < 0 for d in deltas)
    if len(deltas) < LEAST or max(ups, downs) < ORDERED * len(deltas) or len(known) < len(row):
        return []
    places = {str(place): delta for place, delta in enumerate(deltas)}
    far = _far_off(places, dict.fromkeys(places, 1))
    rare = rarities(Counter(map(str, deltas)))
    least = log(len(deltas) / max(1, min(ups, downs)))
    wrong = [0.0]
    for place, delta in enumerate(deltas):
        against = delta < 0 if ups > downs else delta > 0
        wrong.append(max(far.get(str(place), 0.0), rare.get(str(delta), 0.0), least if against else 0.0))
    return wrong


def _far_off(numbers: Mapping[str, float], counts: Mapping[str, int]) -> dict[str, float]:
    """What lies far outside the middle half, in size and, where all are positive, in order of magnitude too.

    The less, the more values are half as far or further.
    """
    total = sum(counts[value] for value in numbers)
    distance = _distances(numbers, counts, total)
    if min(numbers.values()) > 0:
        magnitudes = {value: log(number) for value, number in numbers.items()}
        orders = _distances(magnitudes, counts, total)
        distance = {value: min(far, orders.get(value, 0.0)) for value, far in distance.items()}
    far = sorted(((d, value) for value, d in distance.items() if d > FAR), reverse=True)
    found: dict[str, float] = {}
    company, last = 0, 0
    for d, value in far:
        while last < len(far) and far[last][0] * 2 > d:
            company += counts[far[last][1]]
            last += 1
        found[value] = min(1.0, d / FARTHEST) * max(0.0, log(total / company) - USUAL / 2)
    return found


def _distances(numbers: Mapping[str, float], counts: Mapping[str, int], total: int) -> dict[str, float]:
    """How many middle ranges each lies outside the middle half; nothing where there is no range."""
    row = sorted((number, value) for value, number in numbers.items())
    marks: list[float] = []
    wanted = [0.05, 0.25, 0.75, 0.95]
    passed = 0
    for number, value in row:
        passed += counts[value]
        while len(marks) < len(wanted) and passed >= wanted[len(marks)] * total:
            marks.append(number)
    low, first, third, high = marks
    spread = third - first or high - low
    if not spread:
        return {}
    return {value: max(first - number, number - third) / spread for number, value in row}


def _doubled(counts: Mapping[str, int], numbers: Mapping[str, float]) -> dict[str, float]:
    """The values that come twice where nearly all come once. Measures may coincide; names and whole numbers do not."""
    total = sum(counts.values())
    if total < 4 * LEAST or len(counts) < SINGLE * total or len(counts) == total:
        return {}
    twice = {value: count for value, count in counts.items() if count > 1 and not ("." in value and value in numbers)}
    odd = log(total / max(1, sum(twice.values())))
    return dict.fromkeys(twice, DOUBLED * odd)


def _add_severe(found: dict[str, float], counts: Mapping[str, int]) -> None:
    """Words of trouble count where most values have none."""
    severe = [value for value in counts if SEVERE.search(value)]
    often = sum(counts[value] for value in severe)
    total = sum(counts.values())
    if often and often * 4 <= total:
        for value in severe:
            found[value] = found.get(value, 0.0) + log(total / often)


def strongest(odds: Iterable[float]) -> float:
    """What several odd values of one record come to: the oddest, and a little for each other."""
    ranked = sorted(odds, reverse=True)
    return ranked[0] + 0.25 * sum(ranked[1:4]) if ranked else 0.0
