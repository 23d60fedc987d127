"""A document cut into passages: pieces that a reader would cite, by the document's own structure.

A function is one passage when it is small, with its decorators, docstring and the comment above it; a long one is cut
where a blank line or the least indentation is. Prose is cut between paragraphs. The passages of a text are all of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import accumulate

import msgspec

from penstock.relevance.outline import Entry, is_code, outline

__all__ = ["Passage", "Size", "passages"]


class Size(msgspec.Struct, frozen=True):
    """How long a passage may get. A single line may be longer."""

    lines: int
    characters: int


CODE_SIZE = Size(40, 4000)
PROSE_SIZE = Size(24, 1600)


class Passage(msgspec.Struct, frozen=True):
    """A run of whole lines of a document."""

    start: int
    """Offset of its first character."""
    end: int
    """Offset behind its last character: where the next passage starts."""
    first: int
    """Its first line, counted from 1."""
    last: int
    """Its last line that is not blank."""
    title: str
    """The definition or the headings it stands under; empty at the top of a file."""
    head: int
    """Offset behind what names it: the signature and the first line of its docstring, the comment above, the heading.
    ``start`` for the later passages of a long definition."""


_DOCSTRING = re.compile(r"[ \t]*[rRbBuU]{0,2}(?:\"{3}|'{3}|\"|')")


def passages(path: str, text: str) -> list[Passage]:
    r"""The passages of a document, in order; together they are the whole text. Takes time linear in the text.

    >>> [(p.first, p.last, p.title) for p in passages("a.py", "import os\n\ndef f():\n    return 1\n")]
    [(1, 1, ''), (3, 4, 'f')]
    """
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    if not lines:
        return []
    offsets = [0, *accumulate(len(line) + 1 for line in lines)]
    offsets[-1] = len(text)
    size = CODE_SIZE if is_code(path) else PROSE_SIZE
    found: list[Passage] = []
    for first, end, entry in _regions(outline(path, text, lines), len(lines)):
        named = entry is not None and first == entry.start
        for begin, stop in _cuts(lines, offsets, first, end, size):
            last = stop - 1
            while last > begin and not lines[last].strip():
                last -= 1
            head = offsets[min(_head(lines, entry), stop)] if named and entry else offsets[begin]
            title = entry.name if entry else ""
            found.append(Passage(offsets[begin], offsets[stop], begin + 1, last + 1, title, head))
            named = False
    return found


def _head(lines: list[str], entry: Entry) -> int:
    """The line behind what names an entry: its signature, and the first line of a docstring below it."""
    body = entry.body
    for number in range(body + 1, min(body + 12, len(lines))):
        if _DOCSTRING.match(lines[number]):
            return number + (2 if lines[number].strip(" \t\"'rRbBuU") == "" else 1)
        if lines[number - 1].rstrip().endswith((":", "{", ";", "}")):
            break
    return body + 1


def _regions(entries: list[Entry], end: int) -> Iterator[tuple[int, int, Entry | None]]:
    """Runs of lines (first, end, the entry they belong to): small entries whole, large ones by what is inside them."""
    at = 0
    for entry in entries:
        start = max(at, entry.start)
        if at < start:
            yield at, start, None
        yield from _inside(entry, start)
        at = max(at, entry.end)
    if at < end:
        yield at, end, None


def _inside(entry: Entry, start: int) -> Iterator[tuple[int, int, Entry]]:
    at = start
    if entry.end - start > CODE_SIZE.lines:
        for inner in entry.inside:
            if at < inner.start:
                yield at, inner.start, entry
                at = inner.start
            yield from _inside(inner, at)
            at = max(at, inner.end)
    if at < entry.end:
        yield at, entry.end, entry


def _cuts(lines: list[str], offsets: list[int], first: int, end: int, size: Size) -> Iterator[tuple[int, int]]:
    """A run of lines in pieces that are not too long."""
    while first < end:
        most = first + 1
        while most < end and most - first < size.lines and offsets[most + 1] - offsets[first] <= size.characters:
            most += 1
        stop = end if most == end else _best_cut(lines, first, most)
        yield first, stop
        first = stop


def _best_cut(lines: list[str], first: int, most: int) -> int:
    """The line before which to cut: behind a blank line and least indented, rather late than early."""

    def rank(number: int) -> tuple[bool, int, int]:
        line = lines[number]
        return (not lines[number - 1].strip() and bool(line.strip()), line[:60].lstrip() == line[:60], number)

    least = first + max(1, (most - first) // 3)
    return max(range(least, most + 1), key=rank)
