"""What must be left of a text however hard it is compressed: found before, verified after.

Spans whose lines have equal templates are one: of an error that comes a thousand times one line must be left. They
are found in the order of `KINDS`, the most telling first, until a share of the text is reached, so that protecting
never means keeping everything.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator

import msgspec

from penstock.policy.compress.console_parts import (
    DETAIL,
    ERROR,
    FAILING,
    NOISE,
    NOTE,
    VERDICT,
    failing_id,
    is_library,
    part,
    place,
)
from penstock.policy.compress.line_relevance import MOST_TERMS
from penstock.policy.compress.lines import Lines, read
from penstock.policy.compress.severity import SEVERE
from penstock.policy.compress.templates import mask
from penstock.relevance.words import lower, terms

__all__ = ["KINDS", "SHARE", "Span", "missing", "protected", "quoted", "spans"]

KINDS = ("verdict", "exception", "failing", "query", "error", "frame", "code")
"""How a run ended and its exit codes; exception type and message; ids of failing tests; numbers and names of the
query; lines of errors; places in the user's code, the first and the last frame among them; fenced code blocks."""

SHARE = 0.25
"""Of the characters of a text, at most so many are protected."""

LONG = 400
"""Characters from which a line is prose rather than a message; nothing in it is protected as a line."""

PLACES = 12
"""Places in code that are protected at most."""

FEW = 3
"""Verdicts of one template and one severity up to which each is protected to the letter: their numbers matter."""

COMMON = 0.1
"""A name of the query that this share of the lines has is what the text is about, and no span."""

_FENCE = re.compile(r"^(```|~~~)([^\n]*)$", re.MULTILINE)
_COUNTED = re.compile(r" \(x [\d,]+\)$")
_MARKED = {VERDICT: "verdict", ERROR: "exception"}


class Span(msgspec.Struct, frozen=True):
    """A stretch of the original."""

    start: int
    end: int
    kind: str
    """One of `KINDS`."""
    text: str
    """What it says, without white space at its ends."""
    template: str = ""
    """If any line of this masked template will do, that template."""


def protected(text: str, query: str | None = None, share: float = SHARE) -> list[Span]:
    """The spans of a text that must be left, in its order; of no more than ``share`` of its characters."""
    return spans(read(text, query), query, share)


def spans(known: Lines, query: str | None = None, share: float = SHARE) -> list[Span]:
    """The same for a text whose lines are known."""
    found = sorted((*_of_lines(known), *_of_query(known, query), *_fenced(known.text)), key=_order)
    return _within(found, share * len(known.text))


def quoted(text: str, share: float = SHARE) -> list[Span]:
    """What must be left of speech and prose, whose every sentence is weighed for the query: fenced code."""
    return _within(_fenced(text), share * len(text))


def _within(found: Iterable[Span], room: float) -> list[Span]:
    """The first of them that fit so many characters together, in the order of the text."""
    chosen: list[Span] = []
    seen: set[str] = set()
    for span in found:
        key = f"{span.kind == 'query'} {span.template or span.text}"
        if key not in seen and len(span.text) <= room:
            seen.add(key)
            room -= len(span.text)
            chosen.append(span)
    return sorted(chosen, key=lambda span: span.start)


def missing(found: Iterable[Span], compressed: str) -> list[Span]:
    """The spans that a compressed text has lost. A count behind a line is not part of it."""
    found = list(found)
    if not found:
        return []
    left = {_template(_COUNTED.sub("", line)) for line in compressed.split("\n")}
    return [span for span in found if span.text not in compressed and (not span.template or span.template not in left)]


def _order(span: Span) -> tuple[int, float]:
    """Verdicts from the end, since the last one counts; all others from the start."""
    return KINDS.index(span.kind), -span.start if span.kind == "verdict" else span.start


def _template(line: str) -> str:
    return mask(line).strip()


def _line(known: Lines, number: int, kind: str, *, exact: bool = False) -> Span:
    start, line = known.starts[number], known.lines[number]
    text = line.strip()
    return Span(start, start + len(line.rstrip("\n")), kind, text, "" if exact else _template(line))


def _of_lines(known: Lines) -> Iterator[Span]:
    often = Counter(zip(known.kinds.fine, known.severity, strict=True))
    kinds: dict[int, str] = {}
    coarse_seen: set[int] = set()
    places: dict[str, int] = {}
    foreign = False
    for i, line in enumerate(known.lines):
        fine, coarse = known.kinds.fine[i], known.kinds.coarse[i]
        if len(line) > LONG:
            continue
        kind = kinds[fine] if fine in kinds else kinds.setdefault(fine, part(line))
        if kind == FAILING:
            name = failing_id(line)
            start = known.starts[i] + line.find(name)
            yield Span(start, start + len(name), "failing", name)
        elif kind in _MARKED:
            few = kind == VERDICT and often[fine, known.severity[i]] <= FEW
            yield _line(known, i, _MARKED[kind], exact=few)
        elif kind not in (NOISE, NOTE, DETAIL) and known.severity[i] == SEVERE and coarse not in coarse_seen:
            coarse_seen.add(coarse)
            yield _line(known, i, "error")
        at = place(line)
        if at and is_library(line, at):
            foreign = True
        elif at:
            places.setdefault(at, i)
    if foreign:
        yield from (_line(known, i, "frame", exact=True) for i in list(places.values())[:PLACES])


def _of_query(known: Lines, query: str | None) -> Iterator[Span]:
    """For each number and each spelled-out name of the query the line that has it and says most of the rest."""
    small = lower(known.text)
    for term in terms(query or "")[:MOST_TERMS]:
        matches = term.pattern.finditer(small) if term.free else ()
        ends = [match.end() for match in matches if not small[match.end() : match.end() + 1].isalnum()]
        having = sorted({bisect_left(known.starts, end) - 1 for end in ends})
        if having and len(having) <= max(1.0, COMMON * len(known.lines)):
            yield _line(known, max(having, key=lambda i: known.asked[i]), "query", exact=True)


def _fenced(text: str) -> Iterator[Span]:
    """Each block between two fences of one kind, the second with nothing behind it."""
    start, fence = -1, ""
    for match in _FENCE.finditer(text):
        if start < 0:
            start, fence = match.start(), match[1]
        elif match[1] == fence and not match[2].strip():
            yield Span(start, match.end(), "code", text[start : match.end()])
            start = -1
