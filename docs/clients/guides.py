"""The guides of this folder as values: the files that a page shows, its commands, and what they print.

A block whose first line is a comment with the name of a file is that file. A block ``sh`` is run, and a block ``text``
is what the one before it prints, with ``...`` for any characters of a line. What installs is left out: `trial` installs
what it has pinned.
"""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["ADDRESS", "Guide", "Step", "differs", "read"]

ADDRESS = "http://127.0.0.1:8080"
"""Where the gateway listens in all guides."""

_PART = re.compile(
    r"^(?:#+ (?P<heading>[^\n]+)|```(?P<language>\w+)[^\n]*\n(?P<source>.*?)^```)$", re.MULTILINE | re.DOTALL
)
_FILE = re.compile(r"(?://|#) ([\w.-]+\.\w+)\n")
_INSTALLS = re.compile(r"(pip|npm|uv|pipx) ")


class Step(NamedTuple):
    """Commands, and what they print."""

    section: str
    line: int
    """Where they begin on the page."""
    commands: str
    prints: str | None = None
    """None: it is not said."""


class Guide(NamedTuple):
    """One page."""

    title: str
    files: dict[str, str]
    """What stands in each file, by its name."""
    steps: list[Step]


def read(page: str) -> Guide:
    r"""The guide that is written on a page. Raises `ValueError` for a block that is neither file, command nor output.

    >>> read("# curl\n```sh\necho 1\n```\n```text\n1\n```\n").steps
    [Step(section='curl', line=3, commands='echo 1\n', prints='1\n')]
    """
    title = section = ""
    files: dict[str, str] = {}
    steps: list[Step] = []
    for part in _PART.finditer(page):
        line = page.count("\n", 0, part.start()) + 2
        source = part["source"]
        if part["heading"]:
            section = part["heading"].strip("# \n")
            title = title or section
        elif named := _FILE.match(source):
            files[named[1]] = source
        elif part["language"] == "sh":
            if not _INSTALLS.match(source):
                steps.append(Step(section, line, source))
        elif part["language"] == "text" and steps and steps[-1].prints is None:
            steps[-1] = steps[-1]._replace(prints=source)
        else:
            raise ValueError(f"line {line}: a block that is neither a file, a command nor what one prints")
    return Guide(title, files, steps)


def differs(printed: str, expected: str) -> str:
    r"""The first line that is not as expected, and what was; empty when there is none.

    >>> differs("it cost $0.0021\n", "it cost $0.0...\n"), differs("a\n", "b\n")
    ('', "'b' is expected, and there is 'a'")
    """
    found, wanted = printed.split("\n"), expected.split("\n")
    for number in range(max(len(found), len(wanted))):
        there = found[number] if number < len(found) else ""
        pattern = wanted[number] if number < len(wanted) else ""
        if not re.fullmatch(".*".join(map(re.escape, pattern.split("..."))), there):
            return f"{pattern!r} is expected, and there is {there!r}"
    return ""
