"""The places of files that an answer names."""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

__all__ = ["Citation", "citations"]


class Citation(msgspec.Struct, frozen=True):
    """A line of a file that was part of the question."""

    path: str
    line: int


_LINE = re.compile(r"(?:[`*\"'\])]{0,3}:[`*]{0,2}|#)L?([1-9][0-9]{0,8})(?![0-9]|\.[0-9])")
_BEFORE = "/\\"


def citations(text: str, known_paths: Iterable[str]) -> list[Citation]:
    """The mentions ``path:line``, ``path:first-last`` and ``path#L12`` of known files, in order, each once.

    A path may be shortened to its last parts where that is unique.

    >>> citations("Checked in `auth.py:12-15` and src/auth.py:12.", ["src/auth.py", "src/db.py"])
    [Citation(path='src/auth.py', line=12)]
    """
    endings = _endings(known_paths)
    found: dict[Citation, None] = {}
    for match in _LINE.finditer(text):
        path = _path_before(text, match.start(), endings)
        if path:
            found[Citation(path, int(match[1]))] = None
    return list(found)


def _endings(paths: Iterable[str]) -> dict[str, list[tuple[str, str]]]:
    """By the last word of its name: every way to end a path that means one file only, the longest first."""
    known = list(paths)
    means: dict[str, set[str]] = {}
    for path in known:
        parts = path.split("/")
        for i in range(len(parts)):
            means.setdefault("/".join(parts[i:]), set()).add(path)
    means.update((path, {path}) for path in known)
    endings: dict[str, list[tuple[str, str]]] = {}
    for ending, meant in sorted(means.items(), key=lambda item: -len(item[0])):
        if len(meant) == 1 and ending.strip():
            endings.setdefault(ending.split()[-1].rpartition("/")[2], []).append((ending, next(iter(meant))))
    return endings


def _path_before(text: str, at: int, endings: dict[str, list[tuple[str, str]]]) -> str:
    """The known file whose name stands right before a place; empty when there is none."""
    start = max(0, at - 1024)
    before = text[start:at].replace("\\", "/")
    words = before.split()
    if not words or before[-1:].isspace():
        return ""
    last = words[-1].rpartition("/")[2]
    for skip in range(len(last)):
        for ending, path in endings.get(last[skip:], ()):
            if before.endswith(ending) and not _continues(before, len(before) - len(ending)):
                return path
    return ""


def _continues(before: str, at: int) -> bool:
    """Whether a longer path stands here than the known one."""
    if not at:
        return False
    if before[at - 1] == "/":
        return not before[:at].endswith((" ./", "(./", "`./")) and before[:at] != "./"
    return before[at - 1].isalnum() or before[at - 1] in "_-."
