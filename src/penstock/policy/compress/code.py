"""Source code: what the query asks for, whole; of the rest the signatures, and what is odd in it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from penstock.policy.compress.alike import Line, cut_lines, without_numbers
from penstock.policy.compress.answers import answers
from penstock.policy.compress.extract import Piece, Plan, lines_left_out
from penstock.policy.compress.outliers import rarities, shape
from penstock.relevance.outline import Entry, outline

__all__ = ["plan"]

SIGNATURE: Final = 2.0
"""What a signature is worth without any query; half as much for each level it is nested."""

FILE: Final = 2.0
"""What the docstring of the file is worth."""

OUTSIDE: Final = 0.8
"""What a line outside of all definitions is worth: imports, constants."""

DOCSTRING: Final = 0.5
"""What the first line of a docstring is worth; the rest is worth half as much."""

MARKED: Final = 5.0
"""What a comment is worth in which someone warns of something."""

NEARLY: Final = 0.6
"""Part of the best answer from which a definition is taken for asked too, and kept whole."""

NAMED: Final = 6.0
"""What a definition gains whose name the query spells out."""

LINE: Final = 0.3
"""What the answer of a line counts, beside that of its definition."""

LONGEST: Final = 12
"""Lines that a signature may have."""

_PYTHON = re.compile(r"^[ \t]*(?:async )?(?:def|class) \w+.*:[ \t]*(?:#.*)?$", re.MULTILINE)
_OTHER = re.compile(r"[{};][ \t]*$", re.MULTILINE)
_QUOTES = re.compile(r"[ \t]*[rRbBuU]{0,2}(\"{3}|'{3})")
_COMMENT = re.compile(r"[ \t]*(?:#(?!include|define|if|endif|else|pragma|undef|!)|//|/\*|\*(?=[ /])|--[ ]|;;)")
_BEHIND = re.compile(r"\s(?:#|//|/\*) ")
_WARNS = re.compile(
    r"\b(?:TO-?DO|FIX-?ME|HACK|XXX|BUG|KLUDGE|NOTE|WARNING|WARN|CAUTION|DANGER|IMPORTANT|ATTENTION|DEPRECATED|SAFETY|UNSAFE"
    r"|SECURITY|OPTIMIZE|REVIEW|TEMP|TEMPORARY|WORKAROUND)\b|(?i:\b(?:work-?around|do not (?:change|remove|touch|use)"
    r"|must not|never call|not thread.?safe|deprecated|broken|wrong|temporary|careful|beware|legacy|known issue)\b)"
)
_CALL = re.compile(r"\b([A-Za-z_]\w{2,})\s*\(")


class _Unit(msgspec.Struct):
    """A definition, or a stretch outside of all: what is asked for as a whole."""

    first: int
    """Its first line."""
    end: int
    """The line behind its last."""
    name: str = ""
    level: int = 0
    above: int = -1
    """The number of the unit around it."""
    signed: int = 0
    """The line behind its signature; 0 for what has none."""


def plan(text: str, query: str | None, room: int) -> Plan:
    """The pieces of source code: a signature is one, and each other line."""
    del room
    lines = cut_lines(text)
    bare = without_numbers([line.text for line in lines])
    units = list(_units(bare, outline("a.py" if _is_python(bare) else "a.c", "\n".join(bare), bare)))
    home = _homes(units, len(lines))
    pieces, numbers = _pieces(lines, bare, units, home)
    whole = _asked_units(text, query, lines, units)
    own = answers(text, query, pieces)
    odd_units, odd_lines = _odd(bare, units)
    base = _base(bare, units, home)
    most = max(whole, default=0.0)
    called = _called(bare, units, whole, most)
    told: list[Piece] = []
    for piece, line, answer in zip(pieces, numbers, own, strict=True):
        unit = home[line]
        wanted = whole[unit] if whole[unit] >= NEARLY * most else NEARLY * LINE * whole[unit]
        worth = base[line] + wanted + LINE * answer + odd_units[unit] + odd_lines[line]
        worth += called[unit] * (line == units[unit].first)
        told.append(msgspec.structs.replace(piece, worth=worth))
    return Plan(told, lines_left_out)


def _is_python(lines: Sequence[str]) -> bool:
    text = "\n".join(lines)
    return len(_PYTHON.findall(text)) * 4 >= len(_OTHER.findall(text))


def _units(lines: Sequence[str], entries: Sequence[Entry]) -> Iterator[_Unit]:
    """The definitions with those inside them, and what is between those outermost, in the order of the text."""
    at = 0
    number = 0
    for entry in entries:
        if at < entry.start:
            yield _Unit(at, entry.start)
            number += 1
        at = max(at, entry.end)
        for unit in _defined(lines, entry, 0, -1, number):
            yield unit
            number += 1
    if at < len(lines):
        yield _Unit(at, len(lines))


def _defined(lines: Sequence[str], entry: Entry, level: int, above: int, number: int) -> Iterator[_Unit]:
    yield _Unit(entry.start, entry.end, entry.name, level, above, _signed(lines, entry))
    mine = number
    number += 1
    for inner in entry.inside:
        for unit in _defined(lines, inner, level + 1, mine, number):
            yield unit
            number += 1


def _signed(lines: Sequence[str], entry: Entry) -> int:
    """The line behind the signature of a definition."""
    for number in range(entry.body, min(entry.body + LONGEST, entry.end)):
        if lines[number].rstrip().endswith((":", "{", ";", "=>", ")", "=")) and not lines[number].rstrip().endswith(
            "("
        ):
            return number + 1
    return entry.body + 1


def _homes(units: Sequence[_Unit], count: int) -> list[int]:
    """For each line the innermost unit it lies in."""
    home = [-1] * count
    for number, unit in enumerate(units):
        home[unit.first : unit.end] = [number] * (unit.end - unit.first)
    return home


def _pieces(
    lines: Sequence[Line], bare: Sequence[str], units: Sequence[_Unit], home: Sequence[int]
) -> tuple[list[Piece], list[int]]:
    """A piece for each signature and each other line that is not blank, and the line each begins with.

    A line stands under the signature, and under the lines less indented that open the block it is in.
    """
    pieces: list[Piece] = []
    numbers: list[int] = []
    signature: dict[int, int] = {}
    open_: list[tuple[int, int]] = []
    number = 0
    while number < len(lines):
        unit = units[home[number]]
        end = number + 1
        under = signature.get(home[number], -1)
        if number == unit.first < unit.signed:
            end = unit.signed
            signature[home[number]] = len(pieces)
            under = signature.get(unit.above, -1)
            open_ = []
        elif bare[number].strip():
            column = len(bare[number]) - len(bare[number].lstrip())
            while open_ and open_[-1][0] >= column:
                open_.pop()
            under = open_[-1][1] if open_ and home[number] == home[numbers[open_[-1][1]]] else under
            open_.append((column, len(pieces)))
        else:
            number += 1
            continue
        pieces.append(Piece(lines[number].start, lines[end - 1].end, 0.0, under=under))
        numbers.append(number)
        number = end
    return pieces, numbers


def _asked_units(text: str, query: str | None, lines: Sequence[Line], units: Sequence[_Unit]) -> list[float]:
    """How well each definition answers: its own lines, with the names of those around it."""
    spans = [Piece(lines[unit.first].start, lines[unit.end - 1].end, 0.0, under=unit.above) for unit in units]
    flat: list[Piece] = []
    for number, span in enumerate(spans):
        inner = number + 1 < len(units) and units[number + 1].above == number
        end = lines[units[number + 1].first].start if inner else span.end
        flat.append(msgspec.structs.replace(span, end=max(end, span.start)))
    return [
        answer + _named(unit.name.rpartition(".")[2], query or "")
        for unit, answer in zip(units, answers(text, query, flat), strict=True)
    ]


def _named(name: str, query: str) -> float:
    """What it adds that the query spells out the name: as a name, or as a word that it also may be."""
    if len(name) < 2 or name not in query:
        return 0.0
    found = re.search(rf"(?<![\w.])([`'\"]?)(?:\w+[.:]+)*{re.escape(name)}(?!\w)(\(|\1)", query)
    if found is None:
        return 0.0
    return NAMED if found[1] or found[2] or not name.isalpha() or not (name.islower() or name.istitle()) else NAMED / 3


def _called(lines: Sequence[str], units: Sequence[_Unit], whole: Sequence[float], most: float) -> list[float]:
    """What a definition gains that one of those asked for calls."""
    if not most:
        return [0.0] * len(units)
    calls: set[str] = set()
    for unit, answer in zip(units, whole, strict=True):
        if unit.name and answer >= NEARLY * most:
            calls.update(_CALL.findall("\n".join(lines[unit.first : unit.end])))
    return [float(unit.name.rpartition(".")[2] in calls) for unit in units]


def _odd(lines: Sequence[str], units: Sequence[_Unit]) -> tuple[list[float], list[float]]:
    """How far definitions and lines stand out by their form, where the others are alike."""
    forms = [shape(line) for line in lines]
    bodies = ["\n".join(forms[unit.first : unit.end]) for unit in units]
    rare = rarities(Counter(bodies))
    rare_lines = rarities(Counter(form for form in forms if form.strip()))
    return [rare.get(body, 0.0) for body in bodies], [rare_lines.get(form, 0.0) for form in forms]


def _base(lines: Sequence[str], units: Sequence[_Unit], home: Sequence[int]) -> list[float]:
    """What each line is worth without a query."""
    base = [0.0 if units[unit].name else OUTSIDE for unit in home]
    for unit in units:
        if unit.name:
            base[unit.first] = SIGNATURE / 2**unit.level
        start = unit.signed or next((at for at in range(unit.first, unit.end) if lines[at].strip()), unit.first)
        told = _docstring(lines, start, unit.end)
        for number in told:
            base[number] = (DOCSTRING if unit.name else FILE) / (1 if number == start else 2)
    for number, line in enumerate(lines):
        comment = _COMMENT.match(line) is not None
        if (comment or _BEHIND.search(line)) and _WARNS.search(line):
            base[number] += MARKED
        elif comment:
            base[number] /= 2
    return base


def _docstring(lines: Sequence[str], start: int, end: int) -> range:
    """The lines of the docstring that begins at a line; none where there is none."""
    quotes = _QUOTES.match(lines[start]) if start < end else None
    if quotes is None:
        return range(0)
    rest = [lines[start][quotes.end() :], *lines[start + 1 : end]]
    closed = next((at for at, line in enumerate(rest) if quotes[1] in line), len(rest) - 1)
    return range(start, start + closed + 1)
