"""Files cut into groups that fit a token budget, along the files' own structure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

from penstock.context.files import File
from penstock.context.prompt import render
from penstock.errors import BadInput
from penstock.relevance import passages

__all__ = ["Piece", "split"]

Piece: TypeAlias = File
"""A run of a file's text; ``first_line`` says where in the file it begins."""

Count: TypeAlias = Callable[[str], int]

_FAR = 999_999_999
"""A line number as long as any, for the size of the tags."""


def split(files: Sequence[File], max_tokens: int, count: Count) -> list[list[Piece]]:
    """Groups of pieces, each at most ``max_tokens`` as `render` writes it, in the order of the files.

    A file that fits a group stands in one; a larger one is cut between its definitions or sections, a line too long
    for a group wherever the budget ends. The pieces of a file, put together, are the file. ``count`` is taken to
    count a text at most as high as its parts together. Raises `BadInput` when a group cannot hold a single character
    beside the name of its file.
    """
    groups: list[list[Piece]] = [[]]
    room = max_tokens
    newline = count("\n")
    for file in files:
        tags = _tags(file, count)
        whole = tags + count(file.text)
        if whole <= room or whole <= max_tokens:
            if whole > room:
                groups.append([])
                room = max_tokens
            groups[-1].append(file)
            room -= whole + newline
            continue
        if room - tags < max_tokens // 2 and groups[-1]:
            groups.append([])
            room = max_tokens
        for number, (piece, tokens) in enumerate(_pieces(file, room - tags, max_tokens - tags, count)):
            if number:
                groups.append([])
            groups[-1].append(piece)
            room = (max_tokens if number else room) - tags - tokens - newline
    return [group for group in groups if group]


def _tags(file: File, count: Count) -> int:
    """The most tokens that the tags around a piece of the file take."""
    sample = File(file.path, "</file" if "</file" in file.text else "", _FAR)
    return count(render([sample]))


def _pieces(file: File, room: int, most: int, count: Count) -> Iterator[tuple[Piece, int]]:
    """A file in runs of parts: the first within ``room`` tokens, the others within ``most``; each with its tokens."""
    run: list[str] = []
    used, first, line = 0, file.first_line, file.first_line
    for part, tokens in _parts(file, min(room, most), count):
        if run and used + tokens > room:
            text = "".join(run)
            yield File(file.path, text, first), used
            line = first + text.count("\n")
            run, used, first, room = [], 0, line, most
        run.append(part)
        used += tokens
    yield File(file.path, "".join(run), first), used


def _parts(file: File, most: int, count: Count) -> Iterator[tuple[str, int]]:
    """The passages of a file, those too large cut into lines, those too long cut hard; each with its tokens."""
    for passage in passages(file.path, file.text):
        text = file.text[passage.start : passage.end]
        tokens = count(text)
        if tokens <= most:
            yield text, tokens
            continue
        for line in text.splitlines(keepends=True):
            yield from _cut(file.path, line, most, count)


def _cut(path: str, line: str, most: int, count: Count) -> Iterator[tuple[str, int]]:
    """A line in parts of at most ``most`` tokens: halved until they fit."""
    waiting = [line]
    while waiting:
        part = waiting.pop()
        tokens = count(part)
        if tokens <= most:
            yield part, tokens
        elif len(part) < 2:
            raise BadInput(f"the token budget of a part is too small for {path!r}", mend="raise the context limit")
        else:
            waiting += [part[len(part) // 2 :], part[: len(part) // 2]]
