"""How much of a surprise each line of a text is beside the others, in bits.

Nothing here knows a word of any tool. A line is surprising if few lines are as rare as it: the bits are those of the
p-value, the share of lines whose template is at most as frequent. So where half of the lines are unlike all others,
being unlike is no surprise. The same holds for the values in the columns of one template: among 500 lines that end in
PASSED three that end in FAILED surprise, and none of 500 different names does. Numbers surprise far from the others.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from itertools import pairwise
from math import log2
from statistics import median
from typing import TypeVar

from penstock.policy.compress.templates import Templates, columns

__all__ = ["rarity", "repeated_ids", "silences", "surprise"]

T = TypeVar("T", bound=Hashable)

ENOUGH = 8
"""Lines of one template from which its columns are looked at."""

FAR = 6.0
"""Deviations from the median, on a logarithmic scale, from which a number is far from the others."""

NUMBERS = 12
"""Different values from which a column is one of numbers; with fewer it is one of kinds, such as a status."""

SHAPES = 6
"""Different signs and units of a column of numbers at most."""

ONCE, AGAIN = 0.6, 4
"""The share of ids that come once from which one that comes again surprises, and how often that may be."""

LONG, DAY = 60, 86_400
"""How many times longer than usual nothing must be said to be a silence; the seconds of a day."""

_CLOCK = re.compile(r"\b([01]\d|2[0-3]):([0-5]\d):([0-5]\d)")
_ID = re.compile(r"(?<![^\W_])(?=[a-fA-F-]{0,40}\d)[0-9a-fA-F]{6,}(?:-[0-9a-fA-F]{2,})*(?![^\W_])")
_NUMBER = re.compile(r"\d{1,15}(?:\.\d{1,9})?")


def rarity(often: Counter[T]) -> dict[T, float]:
    """For each key the bits of its p-value: the share of all whose key is at most as frequent.

    >>> rarity(Counter(passed=6, failed=1, skipped=1))
    {'passed': 0.0, 'failed': 2.0, 'skipped': 2.0}
    """
    total = sum(often.values())
    mass: Counter[int] = Counter()
    for count in often.values():
        mass[count] += count
    bits: dict[int, float] = {}
    behind = 0
    for count in sorted(mass):
        behind += mass[count]
        bits[count] = log2(total / behind)
    return {key: bits[count] for key, count in often.items()}


def surprise(lines: Sequence[str], found: Templates) -> list[float]:
    """The bits of each line: of its family of templates, and of the oddest value in it."""
    rare = rarity(Counter(found.family))
    bits = [rare[family] for family in found.family]
    members: defaultdict[int, list[int]] = defaultdict(list)
    for number, family in enumerate(found.family):
        members[family].append(number)
    for numbers in members.values():
        if len(numbers) >= ENOUGH:
            odd = _odd_values([columns(lines[number]) for number in numbers])
            for number, more in zip(numbers, odd, strict=True):
                bits[number] += more
    for more_bits in (repeated_ids(lines), silences(lines)):
        for number, more in more_bits.items():
            bits[number] += more
    return bits


def _odd_values(rows: Sequence[Sequence[str]]) -> list[float]:
    """For each row the bits of its most surprising value, less those of having looked at so many columns."""
    best = [0.0] * len(rows)
    looked = 0
    for column in zip(*rows, strict=False):
        often = Counter(column)
        if len(often) == 1:
            continue
        looked += 1
        bits = rarity(often)
        here: Iterable[float] = [bits[word] for word in column]
        if len(often) >= NUMBERS:
            here = map(max, here, _odd_shapes(column), _far(column))
        best = list(map(max, best, here))
    less = log2(max(looked, 1))
    return [max(0.0, bits - less) for bits in best]


def _odd_shapes(column: Sequence[str]) -> list[float]:
    """The bits of numbers with another sign or unit than most. Ids have too many shapes to say."""
    shapes = [_NUMBER.sub("0", word) for word in column]
    often = Counter(shapes)
    odd = rarity(often) if len(often) <= SHAPES else {}
    return [odd.get(shape, 0.0) for shape in shapes]


def _far(column: Sequence[str]) -> list[float]:
    """The bits of numbers far from the others; none for what is no number."""
    matches = [_NUMBER.search(word) for word in column]
    values = [log2(1 + float(match[0])) if match else None for match in matches]
    known = [value for value in values if value is not None]
    if len(known) < ENOUGH:
        return [0.0] * len(column)
    middle = median(known)
    spread = median(abs(value - middle) for value in known) + 0.05
    far = [value is not None and abs(value - middle) > FAR * spread for value in values]
    return [log2(len(column) / sum(far)) if each else 0.0 for each in far]


def repeated_ids(lines: Sequence[str]) -> dict[int, float]:
    """The lines with an id that comes again where ids come once, such as an order charged twice, and their bits."""
    found: defaultdict[str, set[int]] = defaultdict(set)
    for number, line in enumerate(lines):
        for name in _ID.findall(line):
            found[name].add(number)
    once = sum(len(each) == 1 for each in found.values())
    if once < ONCE * len(found):
        return {}
    again = {number for each in found.values() if 1 < len(each) <= AGAIN for number in each}
    return {number: log2(len(lines) / len(again)) for number in again}


def silences(lines: Sequence[str]) -> dict[int, float]:
    """The lines before and behind the longest silences of a log with the time of day, and their bits."""
    times: list[tuple[int, int]] = []
    for number, line in enumerate(lines):
        clock = _CLOCK.search(line, 0, 48)
        if clock:
            times.append((number, int(clock[1]) * 3600 + int(clock[2]) * 60 + int(clock[3])))
    waits = [(now[1] - before[1]) % DAY for before, now in pairwise(times)]
    if len(waits) < ENOUGH:
        return {}
    least = LONG * (1 + median(waits))
    silent = [at for at, wait in enumerate(waits) if least < wait < DAY / 2]
    more = log2(len(lines) / (2 * len(silent))) if silent else 0.0
    return {times[at + side][0]: more for at in silent for side in (0, 1)}
