"""Tables as text: of psql and MySQL, Markdown, CSV, columns aligned by spaces, expanded records, query plans.

Columns of one name are judged together, in however many tables. A row brings the header of its table.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Final

import msgspec

from penstock.policy.compress.alike import Line, answered, cut_lines, heads, worths
from penstock.policy.compress.extract import Piece, Plan, lines_left_out
from penstock.policy.compress.outliers import strongest, surprises
from penstock.policy.compress.relations import contradictions

__all__ = ["Row", "plan", "rows"]

FIRST: Final = 1.0
"""What the first of its like is worth."""

TOTAL: Final = 3.0
"""What a line of totals is worth."""

HEADER: Final = 2.0
"""What the header of a table is worth."""

RUN: Final = 3
"""Lines alike from which they are rows, where no rule is drawn."""

_RULE = re.compile(r"[ |+:]*+(?:[-=]{2,}+[ |+:]*+)++$")
_RECORD = re.compile(r"-\[ RECORD \d+ \][-+]*$|\*{5,} \d+\. row \*{5,}$")
_TOTALS = re.compile(
    r"(?i)\W*(?:grand[ -]|sub)?(?:totals?|sum|summary|average|mean|overall|all files)\b|\(\d[\d,]* (?:rows?|lines?)\)$"
    r"|\d+ rows? in set"
)
_QUOTED = {mark: re.compile(rf'((?:"[^"]*+"?+|[^"{mark}]++)*+){re.escape(mark)}') for mark in "\t|;,"}
_FIELD = re.compile(r"\s*([^|:]{1,63}?)\s*[|:]\s?(.*)")
_NAMES = re.compile(r"\S+(?: [a-z]\S*)*")
_NAME = re.compile(r"[A-Z%#][\w%#() /.-]*$")
_GAPS = re.compile(r"\s{2,}|\t")


class Row(msgspec.Struct):
    """A line of a text with tables."""

    line: Line
    apart: bool
    """Whether a blank line is before it."""
    cells: list[str] = []
    """Empty for a line that is no row."""
    schema: tuple[str, ...] = ()
    """The names of the columns; their numbers, where none are known."""
    header: int = -1
    """The number of the line that names the columns, or of the line the record begins with."""
    role: str = "loose"
    """row, header, rule, record, field, line (of a table with one column: a query plan), or loose."""


def plan(text: str, query: str | None, room: int) -> Plan:
    """The pieces of a text with tables: one for each line."""
    del room
    found = rows(text)
    odd = _odd(found)
    pieces = [
        Piece(row.line.start, row.line.end, worth, under=row.header, note=note)
        for row, (worth, note) in zip(found, odd, strict=True)
    ]
    return Plan(_with_records(found, answered(text, query, pieces)), lines_left_out)


def rows(text: str) -> list[Row]:
    """The lines of a text, each with its cells where it is a row of a table."""
    found: list[Row] = []
    apart = True
    for line in cut_lines(text):
        if line.text:
            found.append(Row(line, apart=apart))
        apart = not line.text
    _ruled(found)
    _expanded(found)
    _separated(found)
    _aligned(found)
    _headed(found)
    return found


def _ruled(found: list[Row]) -> None:
    """Tables with a rule under their header."""
    number = 1
    while number < len(found):
        rule, above = found[number].line.text, found[number - 1]
        if not (_RULE.fullmatch(rule) and above.role == "loose"):
            number += 1
            continue
        bars = "|" in rule or "+" in rule or "|" in above.line.text
        columns = [match.span() for match in re.finditer(r"[-=]+", rule)]
        names = tuple(_cells(above.line.text, bars, columns))
        if not bars and len(columns) < 2 and not above.line.text.strip().isupper():
            number += 1
            continue
        above.role, above.schema = "header", names
        found[number].role, found[number].header = "rule", number - 1
        header = number - 1
        number += 1
        while number < len(found) and not (row := found[number]).apart and not _TOTALS.match(line := row.line.text):
            if _RULE.fullmatch(line):
                row.role, row.header = "rule", header
            elif bars and len(names) > 1 and "|" not in line:
                break
            else:
                row.header, row.schema = header, names
                row.role = "row" if len(names) > 1 else "line"
                row.cells = _cells(line, bars, columns) if len(names) > 1 else []
            number += 1


def _cells(line: str, bars: bool, columns: Sequence[tuple[int, int]]) -> list[str]:
    if bars:
        return [cell.strip() for cell in line.strip().strip("|").split("|")]
    ends = [start for start, _ in columns[1:]] + [len(line)]
    return [line[start:end].strip() for (start, _), end in zip(columns, ends, strict=True)]


def _expanded(found: list[Row]) -> None:
    """Records with a line for each column."""
    record = -1
    for number, row in enumerate(found):
        line = row.line.text
        if _RECORD.match(line):
            record, row.role, row.schema, row.cells = number, "record", (), []
        elif record >= 0 and not row.apart and (parts := _FIELD.match(line)):
            row.role, row.header, row.schema, row.cells = "field", record, (parts[1],), [parts[2].strip()]
        else:
            record = -1


def _separated(found: list[Row]) -> None:
    """Lines with the same number of commas, tabs, semicolons or bars."""
    loose = [row for row in found if row.role == "loose"]
    if len(loose) < RUN:
        return
    for mark in _QUOTED:
        counts = Counter(split for row in loose if (split := _marks(row.line.text, mark)))
        if not counts:
            continue
        width, often = counts.most_common(1)[0]
        if often >= RUN and often * 2 > len(loose):
            _as_rows(found, loose, mark, width + 1)
            return


def _marks(line: str, mark: str) -> int:
    """How many separators a line has."""
    return line.count(mark) if '"' not in line else len(_split(line, mark)) - 1


def _as_rows(found: list[Row], loose: list[Row], mark: str, width: int) -> None:
    header, names = -1, tuple(map(str, range(width)))
    place = {id(row): number for number, row in enumerate(found)}
    for row in loose:
        cells = _split(row.line.text, mark)
        if len(cells) != width:
            continue
        if header < 0 and row is loose[0] and all(cells) and not any(cell[:1].isdigit() for cell in cells):
            header, names, row.role = place[id(row)], tuple(cells), "header"
            continue
        row.role, row.header, row.schema, row.cells = "row", header, names, cells


def _split(line: str, mark: str) -> list[str]:
    """A line at its separators; those within quotes are none."""
    if '"' not in line:
        return [cell.strip() for cell in line.split(mark)]
    return [cell.strip().strip('"') for cell in _QUOTED[mark].findall(line + mark)]


def _aligned(found: list[Row]) -> None:
    """Columns with spaces between, under a header in capitals or one that splits as the rows do."""
    number = 0
    while number < len(found):
        row = found[number]
        names = _GAPS.split(row.line.text.strip())
        if row.role != "loose" or (len(names) < 2 and len(row.line.text.split()) < 3):
            number += 1
            continue
        last = number + 1
        while last < len(found) and found[last].role == "loose" and not found[last].apart:
            last += 1
        _as_columns(found, number, last)
        number = last


def _as_columns(found: list[Row], first: int, last: int) -> None:
    header = found[first].line.text.strip()
    body = [found[number].line.text for number in range(first + 1, last)]
    if len(body) < RUN:
        return
    for split in (_gapped, _worded):
        names = _GAPS.split(header) if split is _gapped else _NAMES.findall(header)
        cells = [split(line, len(names)) for line in body]
        fit = sum(len(row) == len(names) for row in cells)
        if len(names) > 1 and fit >= 0.8 * len(body) and all(map(_NAME.match, names)):
            found[first].role, found[first].schema = "header", tuple(names)
            for number, row in enumerate(cells, first + 1):
                if len(row) == len(names):
                    one = found[number]
                    one.role, one.header, one.schema, one.cells = "row", first, tuple(names), row
            return


def _gapped(line: str, most: int) -> list[str]:
    del most
    return _GAPS.split(line.strip())


def _worded(line: str, most: int) -> list[str]:
    return line.split(None, most - 1)


def _headed(found: list[Row]) -> None:
    """What the other lines stand under, by their indentation."""
    for number, head in enumerate(heads([row.line.text for row in found])):
        row = found[number]
        if row.role == "loose" and row.header < 0 and head >= 0 and found[head].role == "loose":
            row.header = head


def _odd(found: list[Row]) -> list[tuple[float, str]]:
    """What each line is worth by itself, and what is said behind it."""
    columns: defaultdict[tuple[str, int, str], list[tuple[int, str]]] = defaultdict(list)
    loose = [number for number, row in enumerate(found) if row.role in {"loose", "line"}]
    odds: list[list[float]] = [[] for _ in found]
    for number, row in enumerate(found):
        for column, cell in enumerate(row.cells):
            name = row.schema[column] if column < len(row.schema) else ""
            columns[name, len(row.schema), row.role].append((number, cell))
    _relate(found, odds)
    for values in columns.values():
        for (number, _), odd in zip(values, surprises([cell for _, cell in values]), strict=True):
            odds[number].append(odd)
    result = [(strongest(odd), "") for odd in odds]
    for number, worth, note in zip(loose, *worths([found[number].line.text for number in loose]), strict=True):
        result[number] = (worth, note)
    seen: set[tuple[str, ...]] = set()
    for number, row in enumerate(found):
        worth, note = result[number]
        if row.role == "header":
            worth += HEADER
        elif row.role not in {"loose", "line"} and row.schema not in seen:
            worth += FIRST
            seen.add(row.schema)
        if row.line.text and _TOTALS.match(row.line.text):
            worth += TOTAL
        result[number] = worth, note
    return result


def _relate(found: list[Row], odds: list[list[float]]) -> None:
    """Judge rows by what holds between the columns of their table."""
    tables: defaultdict[tuple[str, ...], list[int]] = defaultdict(list)
    for number, row in enumerate(found):
        if row.role == "row" and len(row.cells) == len(row.schema) > 1:
            tables[row.schema].append(number)
    for numbers in tables.values():
        columns = list(zip(*(found[number].cells for number in numbers), strict=True))
        for number, odd in zip(numbers, contradictions(columns), strict=True):
            odds[number].append(odd)


def _with_records(found: list[Row], pieces: list[Piece]) -> list[Piece]:
    """The fields of one record lend each other worth; a rule is worth as much as its header."""
    best: dict[int, float] = {}
    for row, piece in zip(found, pieces, strict=True):
        if row.role == "field":
            best[row.header] = max(best.get(row.header, 0.0), piece.worth)
    return [
        msgspec.structs.replace(piece, worth=piece.worth + 0.5 * best[row.header]) if row.role == "field" else piece
        for row, piece in zip(found, pieces, strict=True)
    ]
