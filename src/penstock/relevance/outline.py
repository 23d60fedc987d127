"""The outline of a text: definitions of code, headings of prose, each with the lines it spans.

Found by the shape of lines, not by a parser: one pass at 0.03 s per megabyte, and no text can make it fail. Python's
`ast` takes five times as long, warns about the code it reads, and gives nothing for a file with one wrong line; over
the standard library this outline finds the definitions that `ast` finds (a test holds it to that).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

__all__ = ["CODE", "Entry", "is_code", "outline"]

DEEPEST = 8
"""Definitions nested deeper than this belong to the one around them."""

LONGEST = 300
"""A line longer than this is data, not a definition."""


CODE_COMMENT = 60
"""Lines that a comment above a definition may have."""


class Entry(msgspec.Struct):
    """A definition or a section. Lines are counted from 0; ``end`` is the line behind the last."""

    start: int
    """Its first line, decorators and the comment above among them."""
    body: int
    """The line that names it."""
    end: int
    level: int
    name: str
    """With those around it: ``JSONEncoder.encode``, ``Install > Linux``."""
    inside: list[Entry] = []


_PYTHON = frozenset({"py", "pyi", "pyx", "pyw"})
_OTHER = """
bash c cc cjs cpp cs css cu cxx dart erl ex exs fs go gradle groovy h hh hpp hs hxx java jl js jsx kt kts less
lua m mjs ml mm nim php pl pm proto ps1 r rb rs sbt scala scss sh sol sql svelte swift tcl tf ts tsx v vb vue
zig zsh
"""
CODE = _PYTHON | frozenset(_OTHER.split())
"""File name endings of source code."""

_PYTHON_MARKS = re.compile(
    r"""\#[^\n]*
    | (?P<quotes>\"{3}|'{3})(?:[^\\]|\\.)*?(?:(?P=quotes)|\\?\Z)
    | "(?:[^"\\\n]|\\.)*"?
    | '(?:[^'\\\n]|\\.)*'?
    | ^(?P<indent>[ \t]*)(?:async[ \t]+)?(?:def|class)[ \t]+(?P<name>\w+)""",
    re.VERBOSE | re.MULTILINE | re.DOTALL,
)
_WORDS = (
    r"(?:(?:export|default|declare|public|private|protected|internal|static|abstract|final|sealed|open|override"
    r"|virtual|inline|async|unsafe|const|extern|pub(?:\([^)\n]{0,40}\))?|partial|readonly|local|data|case)[ \t]+)*"
)
_KEYWORD = re.compile(
    rf"[ \t]*{_WORDS}(?:"
    r"func[ \t]+(?:\([^)\n]{0,80}\)[ \t]*)?"
    r"|(?:fn|fun|function\*?|def|defp|defmodule|class|struct|union|enum|trait|interface|impl|module|namespace|object"
    r"|record|protocol|extension|sub|proc|message|service|mod|type|resource|macro_rules!)(?:<[^>\n]{0,80}>)?[ \t]+"
    r")(?P<name>[\w.:$\"]+)"
)
_BOUND = re.compile(
    rf"[ \t]*{_WORDS}(?:(?:const|let|var)[ \t]+)?(?P<name>[\w$.]+)[ \t]*[=:][ \t]*(?:async[ \t]*)?"
    r"(?:function\b|\([^()\n]{0,160}\)[ \t]*(?::[^=\n]{0,60})?=>|\w+[ \t]*=>)"
)
_TYPED = re.compile(
    r"[ \t]*(?!(?:if|for|while|switch|return|else|catch|new|throw|do|case|using|await|yield|assert|with|elif|except)\b)"
    r"(?P<type>(?:[\w:<>,\[\]?~*&]{1,60}[ \t]+[*&]*){0,6})(?P<name>[\w:~$#]{1,80})[ \t]?\([^;]*$"
)
_CLOSES = (")", "]", "}", "{", "end", "begin")
_ABOVE = ("@", "#", "*", "//", "/*", "--", ";;", "[<")
_CLEAR = ("#", "//", "/*", "* ", "*/")
_FENCE = re.compile(r"[ \t]{0,3}(```+|~~~+)")
_HASHES = re.compile(r"(#{1,6})[ \t]+(\S.*)")
_TABLE = re.compile(r"\[{1,2}([^\[\]\n]{1,120})\]{1,2}[ \t\r]*$")
_RULE = re.compile(r"([=\-~^\"'`*+#.:_<>])\1{2,}[ \t\r]*$")


def _ending(path: str) -> str:
    return path.rpartition("/")[2].rpartition(".")[2].lower() if "." in path else ""


def is_code(path: str) -> bool:
    """Whether the name of a file says that it is source code."""
    return _ending(path) in CODE


def outline(path: str, text: str, lines: list[str]) -> list[Entry]:
    """The outermost entries of a text in order, with those inside them. ``lines`` is the text cut at line feeds."""
    ending = _ending(path)
    if ending in _PYTHON:
        named, masked = _python(text)
        return _nested(_spans(lines, named, masked), ".")
    if ending in CODE:
        return _nested(_spans(lines, _curly(lines), set()), ".")
    headings = _tables(lines) if ending in {"toml", "ini", "cfg", "conf"} else _headings(lines, rest=ending == "rst")
    return _nested(_sections(lines, headings), " > ")


def _python(text: str) -> tuple[dict[int, str], set[int]]:
    """The lines that define something, with its name, and the lines that begin inside a string."""
    named: dict[int, str] = {}
    masked: set[int] = set()
    line = at = 0
    for match in _PYTHON_MARKS.finditer(text):
        line += text.count("\n", at, match.start())
        at = match.start()
        if match["name"]:
            named[line] = match["name"]
        elif match["quotes"]:
            masked.update(range(line + 1, line + 1 + match[0].count("\n")))
    return named, masked


def _curly(lines: list[str]) -> dict[int, str]:
    named: dict[int, str] = {}
    for number, line in enumerate(lines):
        if 3 < len(line) < LONGEST:
            match = _KEYWORD.match(line) or _BOUND.match(line) or ("(" in line and _typed(line)) or None
            if match:
                named[number] = match["name"].strip('":')
    return named


def _typed(line: str) -> re.Match[str] | None:
    """``static int parse(const char *s)`` at the start of a line, ``render(props) {`` anywhere."""
    opens = line.rstrip().endswith("{")
    if not opens and line[0] in " \t":
        return None
    match = _TYPED.match(line)
    return match if match and (opens or match["type"]) else None


def _spans(lines: list[str], named: dict[int, str], masked: set[int]) -> Iterator[Entry]:
    """Definitions with the lines they own: those further in, and what closes them at their own indentation."""
    open_: list[Entry] = []
    comment = -1
    for number, line in enumerate(lines):
        content = line.strip()
        if not content or number in masked:
            comment = -1 if content else comment
            continue
        column = len(line) - len(line.lstrip())
        if content.startswith(_CLEAR):
            if comment < 0 and open_ and column <= open_[-1].level:
                comment = number
            continue
        closes = number not in named and content.startswith(_CLOSES)
        while open_ and (column < open_[-1].level or (column == open_[-1].level and not closes)):
            open_.pop().end = number if comment < 0 else comment
        comment = -1
        if number in named and len(open_) < DEEPEST:
            open_.append(Entry(_above(lines, number, column), number, len(lines), column, named[number]))
            yield open_[-1]
    for entry in open_:
        entry.end = len(lines) if comment < 0 else comment


def _above(lines: list[str], number: int, column: int) -> int:
    """Where the decorators and the comment right above a definition begin; a decorator may take several lines."""
    least = max(0, number - CODE_COMMENT)
    at = number
    while at > least and (content := lines[at - 1].strip()):
        at -= 1
        if content.startswith(_ABOVE):
            number = at
        elif lines[at][: column + 1].strip() and not content.startswith(_CLOSES):
            break
    return number


def _headings(lines: list[str], *, rest: bool) -> list[tuple[int, int, str]]:
    """Headings as (line, level, title): ``#`` of Markdown, underlines of reStructuredText and of old Markdown."""
    found: list[tuple[int, int, str]] = []
    rules: list[str] = []
    fence = ""
    for number, line in enumerate(lines):
        if len(line) > LONGEST:
            continue
        mark = None if rest else _FENCE.match(line)
        if mark and (not fence or line.strip().startswith(fence)):
            fence = "" if fence else mark[1]
        elif fence:
            continue
        elif not rest and (hashes := _HASHES.match(line)):
            found.append((number, len(hashes[1]), hashes[2].rstrip(" \t\r#")))
        elif number and (rule := _RULE.match(line)) and _underlines(rule, lines, number, rest=rest):
            if rule[1] not in rules:
                rules.append(rule[1])
            found.append((number - 1, rules.index(rule[1]) + 1, lines[number - 1].strip()))
    return found


def _underlines(rule: re.Match[str], lines: list[str], number: int, *, rest: bool) -> bool:
    above = lines[number - 1].strip()
    if not above or above[0] in "|#>" or _RULE.match(above) or len(above) > LONGEST:
        return False
    if not rest and (rule[1] not in "=-" or (number > 1 and lines[number - 2].strip())):
        return False
    return len(rule[0].strip()) >= len(above)


def _tables(lines: list[str]) -> list[tuple[int, int, str]]:
    return [
        (number, 1, match[1].strip())
        for number, line in enumerate(lines)
        if len(line) < LONGEST and (match := _TABLE.match(line))
    ]


def _sections(lines: list[str], headings: list[tuple[int, int, str]]) -> Iterator[Entry]:
    """Headings with the lines up to the next one of their level or above."""
    open_: list[Entry] = []
    for number, level, title in headings:
        while open_ and open_[-1].level >= level:
            open_.pop().end = number
        if len(open_) < DEEPEST:
            open_.append(Entry(number, number, len(lines), level, title))
            yield open_[-1]


def _nested(entries: Iterator[Entry], joint: str) -> list[Entry]:
    """Entries as a tree, under their full names."""
    outermost: list[Entry] = []
    flat = list(entries)
    around: list[Entry] = []
    for entry in flat:
        while around and around[-1].end <= entry.body:
            around.pop()
        if around:
            around[-1].inside.append(entry)
            entry.name = f"{around[-1].name}{joint}{entry.name}"
        else:
            outermost.append(entry)
        around.append(entry)
    return outermost
