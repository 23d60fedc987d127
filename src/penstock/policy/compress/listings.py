"""Listings of files: of ls, find, tree, tar, git status, grep. What is asked for, what is odd, and the rest counted."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from typing import Final

import msgspec

from penstock.policy.compress.alike import Line, answered, cut_lines, worths
from penstock.policy.compress.extract import Piece, Plan
from penstock.policy.compress.outliers import strongest, surprises, template

__all__ = ["counted", "plan", "reads"]

SENSITIVE: Final = 2.5
"""What a file is worth that should not lie about: keys, secrets, leftovers, dumps."""

NEW: Final = 1.0
"""What the first file of a folder is worth; less for the next of it."""

LOOSE: Final = 2.0
"""What a line is worth that names no file, beside how it stands out: headings, totals, errors."""

LONGEST: Final = 500
"""Characters from which a line names no file."""

NAMED: Final = 3
"""Endings that are counted by name where lines are left out."""

_DRAWN = re.compile(r"(?:[│|]?[\s\xa0]*[├└|`+][─-]{1,3}[\s\xa0]?|[│|][\s\xa0]{2,3}|[\s\xa0]{4})+")
_GREP = re.compile(r"((?:[\w.@~+-]*/)*[\w.@~+-]*[\w~]):(\d+)(?::\d+)?[:-](.*)")
_HEADING = re.compile(r"[^\s:][^:]*:$")
_PATH = re.compile(r"[^\s,;:\"'()\[\]{}<>=|]*\w[^\s,;:\"'()\[\]{}<>=|]*")
_DETAILED = re.compile(
    r"[-dlbcpsD][-rwxsStT]{9}[.+@]?\s|\d{1,10}\s+(?:\d+\s+)?[-dlbcps][-rwxsStT]{9}|\s*\d+\s+\d{4}-\d\d-\d\d \d\d:\d\d\s"
)
_SIZED = re.compile(r"[ ]*\d[\d.,]*[KMGTPBi]{0,3}[ \t]+\S+$")
_STAT = re.compile(r" (\S+) +\| +((?:Bin|\d+).*)")
_STATUS = re.compile(r"(?:[ MADRCU?!]{2} |[12u?!] (?:[.MADRCU]{2} )?|\t(?:[a-z][a-z ]+:\s+)?|[MADRCTUX]\d*\t)\S")
_SENSITIVE = re.compile(
    r"(?i)(?:^|/)(?:id_(?:rsa|dsa|ecdsa|ed25519)|\.env(?:\.\w+)?|\.netrc|\.pgpass|\.htpasswd|core(?:\.\d+)?|authorized_keys"
    r"|[^/]*(?:secret|passw|credential|private)[^/]*|[^/]*\.(?:pem|key|p12|pfx|kdbx|orig|rej|bak|swp|tmp|old|dump|hprof))$"
)


class Named(msgspec.Struct):
    """A line that names a file."""

    path: str
    fields: list[tuple[Hashable, str]]
    """What is judged of it: each value with the name of its field."""


def plan(text: str, query: str | None, room: int) -> Plan:
    """The pieces of a listing: one for each line."""
    del room
    lines = [line for line in cut_lines(text) if line.text]
    named = reads([line.text for line in lines])
    under = _under(lines, named)
    worth = _worth(lines, named)
    pieces = [
        Piece(line.start, line.end, each, under=above) for line, each, above in zip(lines, worth, under, strict=True)
    ]
    return Plan(answered(text, query, pieces), counted)


def counted(stretch: str) -> str:
    r"""How many lines are missing, and what they name by ending.

    >>> counted("a/b.py\na/c.py\nd.md\n")
    '[3 lines: 2 .py, 1 .md]\n'
    """
    lines = [line for line in stretch.splitlines() if line.strip()]
    if not lines:
        return ""
    endings = Counter(_ending(line.rstrip().rpartition("/")[2]) for line in lines)
    endings.pop("", None)
    told = ", ".join(f"{often:,} {ending}" for ending, often in endings.most_common(NAMED))
    return f"[{len(lines):,} line{'s' if len(lines) > 1 else ''}{': ' if told else ''}{told}]\n"


def reads(lines: Sequence[str]) -> list[Named | None]:
    """What each line names, None for one that names no file."""
    return [_named(line) if len(line) < LONGEST else None for line in lines]


def _named(line: str) -> Named | None:
    if found := _GREP.match(line):
        return _with_path(found[1], [("grep", template(found[3].strip()))])
    drawn = _DRAWN.match(line)
    if drawn and drawn[0].strip():
        return _with_path(line[drawn.end() :].split(" -> ")[0].strip(), [("depth", str(drawn.end()))])
    if found := _STAT.match(line):
        return _with_path(found[1], [("changed", found[2])])
    before, arrow, after = line.partition(" -> ")
    words = before.split()
    if not words:
        return None
    path = words[-1]
    if len(words) == 1 or _SIZED.match(line) or _DETAILED.match(line) or _STATUS.match(line):
        if not _PATH.fullmatch(path):
            return None
        fields: list[tuple[Hashable, str]] = [((len(words), place), word) for place, word in enumerate(words[:-1])]
        return _with_path(path, [*fields, ("link", "to" * bool(arrow and after))])
    return None


def _with_path(path: str, fields: list[tuple[Hashable, str]]) -> Named:
    """A path with what is judged of it beside the other columns."""
    folder, _, name = path.rstrip("/").rpartition("/")
    kind = "folder" if path.endswith("/") else _ending(name)
    shown = "hidden" if name.startswith(".") else "upper" if name.isupper() else ""
    more: list[tuple[Hashable, str]] = [("folder", folder), ("kind", kind), ("shown", shown), ("name", name)]
    return Named(path, fields + more)


def _ending(name: str) -> str:
    stem, dot, ending = name.rpartition(".")
    return f".{ending}" if dot and stem and ending.isalnum() and len(ending) < 12 else ""


def _under(lines: Sequence[Line], named: Sequence[Named | None]) -> list[int]:
    """What each line stands under: the heading before it, and in a drawn tree the folder it is in."""
    heading = -1
    under: list[int] = []
    open_: list[tuple[int, int]] = []
    for number, line in enumerate(lines):
        drawn = _DRAWN.match(line.text[:LONGEST])
        if drawn and drawn[0].strip():
            while open_ and open_[-1][0] >= drawn.end():
                open_.pop()
            under.append(open_[-1][1] if open_ else -1)
            open_.append((drawn.end(), number))
        elif named[number] is None:
            under.append(-1)
            if _HEADING.match(line.text):
                heading = number
        else:
            under.append(heading)
    return under


def _worth(lines: Sequence[Line], named: Sequence[Named | None]) -> list[float]:
    fields: defaultdict[Hashable, list[tuple[int, str]]] = defaultdict(list)
    worth = [0.0] * len(lines)
    odds: list[list[float]] = [[] for _ in lines]
    loose = [number for number, one in enumerate(named) if one is None]
    folders: Counter[str] = Counter()
    for number, one in enumerate(named):
        if one is not None:
            for field, value in one.fields:
                fields[field].append((number, value))
    for values in fields.values():
        for (number, _), odd in zip(values, surprises([value for _, value in values]), strict=True):
            odds[number].append(odd)
    for number, one in enumerate(named):
        if one is not None:
            folder = one.path.rpartition("/")[0]
            folders[folder] += 1
            worth[number] = strongest(odds[number]) + NEW / folders[folder]
            worth[number] += SENSITIVE * bool(_SENSITIVE.search(one.path))
    for number, each in zip(loose, worths([lines[number].text for number in loose])[0], strict=True):
        worth[number] = LOOSE + each
    return worth
