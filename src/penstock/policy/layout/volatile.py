"""Text that will not be the same in the next call: times, ids, counters.

In the part of a prompt that is meant to stay the same, one such line makes every call pay for all that stands behind
it. It is reported; where the user allows it, it is moved behind what stays.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from penstock.values import Edit, Path
from penstock.values.shape import entries, mapping

__all__ = ["Volatile", "moved", "volatile"]

_KINDS = (
    ("time", r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|\b[+-]\d\d:?\d\d)?"),
    ("time", r"\b(?:[01]?\d|2[0-3]):[0-5]\d:[0-5]\d\b"),
    ("date", r"\b(?:19|20)\d\d-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])\b"),
    (
        "date",
        r"\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}\.? \d{1,2}(?:st|nd|rd|th)?,? (?:19|20)\d\d\b",
    ),
    ("date", r"\b\d{1,2}\.? (?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6} (?:19|20)\d\d\b"),
    ("id", r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"),
    ("id", r"\b(?:request|session|trace|run|conversation|correlation)[ _-]?id\b\W{1,3}[\w-]{6,}"),
    (
        "counter",
        r"\b(?:turn|step|iteration|attempt) {0,2}(?:number|no|#|:)?\.? {0,2}\d{1,9} {0,2}(?:of|/) {0,2}\d{1,9}\b",
    ),
    ("epoch", r"\b1[5-9]\d{8}(?:\d{3})?\b"),
)
_LONGEST = 1000
"""Characters of a line that are looked at, and lines of a text: what changes stands near the beginning of either."""

_ANY = re.compile("|".join(f"({pattern})" for _, pattern in _KINDS), re.IGNORECASE)


class Volatile(msgspec.Struct, frozen=True):
    """A line of the system text that will change."""

    path: Path
    line: int
    """Its number in the text there, from 0."""
    kind: str
    """``time``, ``date``, ``id``, ``counter`` or ``epoch``."""
    found: str


def volatile(body: Mapping[str, Any]) -> list[Volatile]:
    r"""Lines with volatile text in the system prompt: the first of each line tells its kind.

    >>> [each.found for each in volatile({"system": "You help.\nIt is 2026-11-21 10:00:05."})]
    ['2026-11-21 10:00:05']
    """
    found: list[Volatile] = []
    for path, told in _texts(body):
        for number, line in enumerate(told[: _LONGEST * _LONGEST].splitlines()[:_LONGEST]):
            match = _ANY.search(line[:_LONGEST])
            if match is not None:
                kind = _KINDS[(match.lastindex or 1) - 1][0]
                found.append(Volatile(path, number, kind, match[0]))
    return found


def moved(body: Mapping[str, Any]) -> list[Edit]:
    """The edits that move such lines behind the rest of the system text, as a block of its own.

    Only for bodies whose system prompt may be several blocks (Anthropic's). None where nothing would be left before
    them, or where they stand at the end already.
    """
    texts = list(_texts(body))
    lines = {(each.path, each.line) for each in volatile(body)}
    if "system" not in body or not lines:
        return []
    stays: list[str] = []
    goes: list[str] = []
    for path, told in texts:
        kept = ""
        for number, line in enumerate(told.splitlines(keepends=True)):
            if (path, number) in lines:
                goes.append(line)
            else:
                kept += line
        stays.append(kept)
    behind = "".join(goes)
    if not "".join(stays).strip() or "".join(told for _, told in texts).endswith(behind):
        return []
    value = [{"type": "text", "text": part} for part in (*stays, behind) if part.strip()]
    return [Edit("layout", ("system",), "set", value, evidence={"moved": [line.strip()[:80] for line in goes]})]


def _texts(body: Mapping[str, Any]) -> list[tuple[Path, str]]:
    """The texts of the system prompt, where it is nothing but texts without marks."""
    system = body.get("system", body.get("instructions"))
    name = "system" if "system" in body else "instructions"
    if isinstance(system, str):
        return [((name,), system)]
    found: list[tuple[Path, str]] = []
    for i, block in enumerate(entries(system)):
        fields = mapping(block)
        if fields.keys() != {"type", "text"} or not isinstance(fields["text"], str):
            return []
        found.append(((name, i, "text"), fields["text"]))
    return found
