"""Which lines of a text say the same: templates, found by masking what varies.

Three grains, each a union of the ones before:

- *fine*: the line with numbers, hashes and ids masked.
- *coarse*: every word with a digit in it, every path and every ``=value`` is a value, as Drain has it (He et al.,
  ICWS 2017), and so is a leading column that varies on its own, such as the host: leaving it out must make far fewer
  templates of them.
- *family*: words are values too where few lines have them, such as names, as in SLCT (Vaarandi, IPOM 2003), if
  most words of the line are ones that many lines have: two rare lines that share nothing are not one family.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

__all__ = ["Templates", "columns", "mask", "templates"]

COMMON_LINES, COMMON_SHARE = 3, 0.01
"""A word is common from this many lines on, and in at least this share of all lines."""

ALIKE = 0.5
"""The share of common words from which a line's other words are taken for values."""

HEAD_COLUMNS, HEAD_VALUES, HEAD_SAVES = 10, 64, 0.8
"""A column that varies on its own is one of the first so many, has at most so many values, and without it there are
at most this share of the templates."""

LEVELS = 8
"""Values that a column may have that does not vary on its own, such as the level, and still others may behind it."""

_MASK = re.compile(
    r"""
    (?<![^\W_])(?:0[xX][0-9a-fA-F]+                                # 0x7fed
    |(?=[a-fA-F-]{0,40}\d)[0-9a-fA-F]{6,}(?:-[0-9a-fA-F]{2,})*(?![^\W_]))  # a hash, a UUID
    |\d[^\W_]*(?:[-.:,/_+][^\W_]*\d[^\W_]*)*                       # a number, a date, an address, 5ms, 3.11.7
    """,
    re.VERBOSE,
)
_SET = re.compile(r"(?<=\w)[=:][^\s,;=:)\]}]+")
_NAMED = re.compile(r"[^\W\d_]{4,}[^\w\s]+0\W*$")
_PATH = re.compile(r"[/\\.]\w.*[/\\.]\w")

Row = tuple[str, ...]


class Templates(msgspec.Struct, frozen=True):
    """The templates of the lines of a text: for each line the number of its template in each grain."""

    fine: list[int]
    coarse: list[int]
    family: list[int]


def mask(text: str) -> str:
    r"""The text with each number, hash and id as ``0``; its lines stay lines.

    >>> mask("took 1911.204 ms, blk_-77 on 10.4.91.127:80 at 2025-10-09T08:53:41,383")
    'took 0 ms, blk_-0 on 0 at 0'
    >>> mask("order 77e0c1d2-9a41-40bd from 0xff9b, E0602 in test_12[a-7]")
    'order 0 from 0, E0 in test_0[a-0]'
    """
    return _MASK.sub("0", text)


def columns(line: str) -> list[str]:
    """The words of a line as white space and bars part them."""
    return line.replace("|", " ").split()


def templates(lines: Iterable[str]) -> Templates:
    """The templates of masked lines (see `mask`), numbered in order of appearance."""
    rows = [tuple(columns(line)) for line in lines]
    often = Counter(rows)
    fine = _numbered(often)
    coarse = dict(zip(often, _without_free_columns([tuple(map(_value, row)) for row in often]), strict=True))
    weights: Counter[Row] = Counter()
    for row, key in coarse.items():
        weights[key] += often[row]
    common = _common(weights, len(rows))
    family = dict(zip(weights, _without_free_columns([_family(key, common) for key in weights]), strict=True))
    coarse_number, family_number = _numbered(weights), _numbered(family.values())
    return Templates(
        [fine[row] for row in rows],
        [coarse_number[coarse[row]] for row in rows],
        [family_number[family[coarse[row]]] for row in rows],
    )


def _numbered(keys: Iterable[Row]) -> dict[Row, int]:
    found: dict[Row, int] = {}
    for key in keys:
        found.setdefault(key, len(found))
    return found


def _value(word: str) -> str:
    """A masked word in the coarse grain."""
    if "=" in word or ":" in word:
        word = _SET.sub("=0", word)
    return "0" if ("0" in word and not _NAMED.match(word)) or _PATH.search(word) else word


def _without_free_columns(rows: Sequence[Row]) -> Sequence[Row]:
    """The rows without the leading columns that vary on their own."""
    for column in range(HEAD_COLUMNS):
        values = {row[column] for row in rows if len(row) > column}
        if len(values) > HEAD_VALUES:
            break
        if len(values) < 2:
            continue
        without = [(*row[:column], "", *row[column + 1 :]) if len(row) > column else row for row in rows]
        if len(set(without)) <= HEAD_SAVES * len(set(rows)):
            rows = without
        elif len(values) > LEVELS:
            break
    return rows


def _common(weights: Counter[Row], lines: int) -> set[str]:
    found: Counter[str] = Counter()
    for row, often in weights.items():
        for word in set(row):
            found[word] += often
    least = max(COMMON_LINES, lines * COMMON_SHARE)
    return {word for word, often in found.items() if often >= least}


def _family(row: Row, common: set[str]) -> Row:
    words = [word for word in row if word and word != "0"]
    known = sum(word in common for word in words)
    if known == len(words) or known < ALIKE * len(words):
        return row
    return tuple("*" if word and word != "0" and word not in common else word for word in row)
