"""Diffs: the changes that are not made everywhere, and those the query asks for. What is left out is always told.

A change is known by the words and marks that went and that came. Where the same ones go and come in many places, it
is a rename or a reformatting; the change that does something else among them is what a reader looks for.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from math import log
from typing import Final

import msgspec

from penstock.policy.compress.alike import Line, answered, cut_lines
from penstock.policy.compress.extract import Piece, Plan

__all__ = ["left_out", "plan"]

TOGETHER: Final = 12
"""Lines up to which a change is kept or left out as a whole."""

HEADER: Final = 3.0
"""What the name of a changed file is worth."""

NOTABLE: Final = 9.0
"""What it is worth that a file came, went, moved, or may now be run."""

MESSAGE: Final = 3.0
"""What a line before the first file is worth: the commit message, the totals."""

AROUND: Final = 0.3
"""What an unchanged line is worth next to a change, of what the change is; elsewhere nothing."""

CHANGED: Final = 1.0
"""What any change is worth."""

BLANK: Final = 0.2
"""What a change counts in which nothing but spaces changed."""

GENERATED: Final = 0.3
"""What a change counts in a file that is written by a tool."""

TALK: Final = 0.6
"""What a change counts in which only comments changed."""

DECIDES: Final = 1.5
"""What it adds that a change is about a condition, a number, or an outcome."""

_HEADER = re.compile(
    r"diff |index [0-9a-f]+\.\.|--- |\+\+\+ |old mode|new mode|new file|deleted file|rename |copy |(?:dis)?similarity "
    r"|Binary files|GIT binary|Only in "
)
_NOTABLE = re.compile(r"old mode|new mode|new file|deleted file|rename |copy |Binary files|Only in ")
_HUNK = re.compile(r"@@+ .*? @@+|\d+(?:,\d+)?[acd]\d+(?:,\d+)?$|\*{15}$")
_TOKEN = re.compile(r"\w+|[^\w\s]")
_COMMENT = re.compile(r"[-+<>]\s*(?:#|//|/\*|\*|--|\"\"\"|$)")
_DECIDES = re.compile(
    r"\d+(?:\.\d+)?|and|or|not|if|unless|return|raise|throw|except|catch|assert|true|false|none|null|True|False|None"
    r"|await|break|continue|delete|drop|allow|deny|[<>!=]=?|&&|\|\||[<>!=&|+*/%-]"
)
_GENERATED = re.compile(
    r"(?:[-.]lock(?:\.json|\.yaml)?|lock\.(?:json|yaml)|\.lock|\.min\.\w+|\.snap|\.svg|\.map|go\.sum|_pb2\.py|\.generated\.\w+)$"
    r"|(?:^|/)(?:vendor|node_modules|dist|third_party|__snapshots__|generated)/"
)
_STAT = re.compile(r"\s*\d+ files? changed|.*\|\s+(?:\d+|Bin)\b")


class _Change(msgspec.Struct):
    """A run of removed and added lines: what is judged as a whole."""

    lines: list[int]
    generated: bool
    gone: frozenset[str] = frozenset()
    came: frozenset[str] = frozenset()


class _Read(msgspec.Struct):
    """The lines of a diff by what they are."""

    lines: list[Line]
    under: list[int]
    """For each line the line it stands under: of a change the hunk, of a hunk the file."""
    base: list[float]
    changes: list[_Change]
    context: list[int]
    """The unchanged lines of hunks."""


def plan(text: str, query: str | None, room: int) -> Plan:
    """The pieces of a diff: a header, a hunk line, a change, an unchanged line."""
    del room
    read = _read(cut_lines(text))
    worth = list(read.base)
    _judge(read, worth)
    _lend(read, worth)
    runs: dict[int, int] = {}
    for change in read.changes:
        if len(change.lines) <= TOGETHER:
            runs[change.lines[0]] = len(change.lines)
    pieces: list[Piece] = []
    number_of: dict[int, int] = {}
    at = 0
    while at < len(read.lines):
        end = at + runs.get(at, 1)
        under = number_of.get(read.under[at], -1)
        pieces.append(Piece(read.lines[at].start, read.lines[end - 1].end, worth[at], under=under))
        number_of[at] = len(pieces) - 1
        at = end
    return Plan(answered(text, query, pieces), left_out)


def left_out(stretch: str) -> str:
    r"""What is missing of a diff: how many files, lines, and changes.

    >>> left_out("-a\n+b\n c\n")
    '[3 lines: 1 added, 1 removed]\n'
    """
    lines = stretch.splitlines()
    files = sum(line.startswith("diff ") for line in lines)
    added = sum(line[:1] in {"+", ">"} and not line.startswith("+++ ") for line in lines)
    removed = sum(line[:1] in {"-", "<"} and not line.startswith("--- ") for line in lines)
    what = [f"{files:,} file{'s' if files > 1 else ''}"] * bool(files)
    what += [f"{added:,} added"] * bool(added) + [f"{removed:,} removed"] * bool(removed)
    many = f"{len(lines):,} line{'s' if len(lines) > 1 else ''}"
    return f"[{many}{': ' if what else ''}{', '.join(what)}]\n"


def _read(lines: list[Line]) -> _Read:
    read = _Read(lines, [-1] * len(lines), [0.0] * len(lines), [], [])
    file = hunk = -1
    generated = False
    change: _Change | None = None
    for number, line in enumerate(lines):
        changed = hunk >= 0 and line.text[:1] in {"-", "+", "<", ">"} and bool(line.text)
        if changed and not (
            line.text.startswith("--- ") and _HEADER.match(lines[min(number + 1, len(lines) - 1)].text)
        ):
            if change is None:
                change = _Change([], generated)
                read.changes.append(change)
            change.lines.append(number)
            read.under[number] = hunk
            continue
        change = None
        if _HUNK.match(line.text):
            hunk, read.under[number] = number, file
        elif _HEADER.match(line.text):
            if file < 0 or hunk >= 0 or line.text.startswith(("diff ", "Only in ", "Binary ")):
                file, hunk, generated = number, -1, False
                read.base[number] = HEADER
            else:
                read.under[number] = file
            read.base[number] += NOTABLE * bool(_NOTABLE.match(line.text))
            generated = generated or bool(_GENERATED.search(line.text))
        elif hunk >= 0:
            read.under[number] = hunk
            read.context.append(number)
        else:
            read.base[number] = (HEADER / 2 if _STAT.match(line.text) else MESSAGE) * bool(line.text)
    return read


def _judge(read: _Read, worth: list[float]) -> None:
    """How far each change is from what is changed elsewhere too."""
    often: Counter[str] = Counter()
    for change in read.changes:
        texts = [read.lines[number].text for number in change.lines]
        removed = Counter(token for line in texts if line[0] in "-<" for token in _TOKEN.findall(line[1:]))
        added = Counter(token for line in texts if line[0] in "+>" for token in _TOKEN.findall(line[1:]))
        change.gone, change.came = frozenset(removed - added), frozenset(added - removed)
        often.update(f"-{token}" for token in change.gone)
        often.update(f"+{token}" for token in change.came)
    total = len(read.changes)
    for change in read.changes:
        marks = [(f"-{token}", token) for token in change.gone] + [(f"+{token}", token) for token in change.came]
        news = sorted((log(total / often[mark]) for mark, _ in marks), reverse=True)[:3]
        value = CHANGED + (sum(news) / len(news) if news else 0.0)
        if any(_DECIDES.fullmatch(token) for mark, token in marks if often[mark] * 4 <= total + 3):
            value += DECIDES
        texts = [read.lines[number].text for number in change.lines]
        value *= BLANK if not marks else 1.0
        value *= TALK if all(_COMMENT.match(line) for line in texts) else 1.0
        value *= GENERATED if change.generated else 1.0
        for place, number in enumerate(change.lines):
            late = place / TOGETHER if len(change.lines) > TOGETHER else 0.0
            worth[number] = value / (1 + late)


def _lend(read: _Read, worth: list[float]) -> None:
    """What unchanged lines are worth: by the change next to them, and as the head of the block a change is in."""
    changed = {number for change in read.changes for number in change.lines}
    for number in read.context:
        near: Sequence[int] = [each for each in (number - 1, number + 1) if each in changed]
        worth[number] = max((AROUND * worth[each] for each in near), default=0.0)
    for change in read.changes:
        first = change.lines[0]
        column = _column(read.lines[first].text)
        for number in range(first - 1, max(-1, first - 40), -1):
            text = read.lines[number].text
            if read.under[number] != read.under[first] or (number in changed and _column(text) >= column):
                continue
            if text[1:].strip() and _column(text) < column:
                worth[number] = max(worth[number], 2 * AROUND * worth[first])
                break


def _column(line: str) -> int:
    return len(line[1:]) - len(line[1:].lstrip())
