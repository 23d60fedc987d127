"""What the lines of a tool's output are, by forms that many tools share: verdicts, failing tests, findings, frames."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

__all__ = [
    "DETAIL",
    "ERROR",
    "FAILING",
    "NOISE",
    "NOTE",
    "VERDICT",
    "failing_id",
    "indents",
    "is_library",
    "part",
    "place",
]

VERDICT: Final = "verdict"
"""How a run ended: counts, exit codes."""
FAILING: Final = "failing"
"""A test that failed."""
ERROR: Final = "error"
"""An exception with its message, or a compiler's error."""
DETAIL: Final = "detail"
"""What an assertion saw and wanted."""
NOTE: Final = "note"
"""What a compiler adds to a finding."""
NOISE: Final = "noise"
"""Underlining and rules."""

LONG: Final = 400
"""Characters of a line that are looked at."""

_COUNTED = (
    r"(?:pass(?:ed|ing)?|fail(?:ed|ing|ures?)?|errors?|warnings?|problems?|skipped|ignored|pending|tests?|examples?"
    r"|specs?|suites?|assertions|todo|vulnerabilities|issues?|offenses)"
)
_FORMS: Final = (
    (NOISE, r"[\s|E>?]*[\^~=\-_*+#.│─\s]*$"),
    (
        VERDICT,
        rf"(?i:.{{0,80}}(?<![\w:.,/-])\d+ (?:[a-z]+ ){{0,2}}{_COUNTED}\b(?!:)"
        rf"|\W*(?:[a-z]+ ){{0,2}}{_COUNTED}\s*[:=]?\s*\d+\b"
        r"|.{0,40}\btest result\b|.{0,40}\bexit(?:ed)?(?: with)? (?:code|status)\b|\W*[\w.]{1,16}=\d+$)"
        r"|\W*(?:\[?\w+\]?\W+)?(?:BUILD|TESTS?|RESULT)\W+(?:FAIL|SUCCE|PASS|OK)"
        r"|.{0,30}: \*\*\* |OK\b|FAILED \(|rated at ",
    ),
    (
        FAILING,
        r"\s*(?:FAIL(?:ED)?|ERROR|--- FAIL|not ok|[✗✕✖\u00d7●])[: ]+\S"
        r"|.*?\S\s+(?:\.\.\. ?)?(?:FAIL(?:ED)?|ERROR)(?:\s+\[[^\]]*\])?\s*$",
    ),
    (
        ERROR,
        r"(?:E\s+)?\s*(?:\S+:\d+: )?(?:\[cause\]: |Caused by: |Uncaught |Unhandled )?"
        r"(?:(?:[A-Za-z_][\w.$:]*)?(?:Error|Exception|Exit|Interrupt|Warning|Fault|Panic)\b(?: \[[^\]]*\])?(?::|$)"
        r"|.*\bpanicked at\b|panic: |fatal: |(?:fatal )?error(?:\[\w+\])?: )",
    ),
    (
        DETAIL,
        r"E\s|\s*(?i:left|right|expected|actual|received|got|want|wanted|but was|diff)\b.{0,12}[:=]|\s*[+-]\s+\S",
    ),
    (NOTE, r"(?:\S+:\d+:(?:\d+:)? |\s*= )?(?:note|help|hint|remark|info)\b:?"),
)
_COMPILED: Final = tuple((name, re.compile(form)) for name, form in _FORMS)
_PLACE = re.compile(
    r"""(?<=File[ ]")[^"]+",[ ]line[ ]\d+
    |(?<![\w/])(?:file://|[A-Za-z]:)?[\w.@~+/\\<>$-]*\.\w{1,5}(?::\d+|\(\d+)""",
    re.VERBOSE,
)
_LINE_NUMBER = re.compile(r"\.\w{1,5}[:(]\d|\bline \d")
_LIBRARY = re.compile(
    r"""(?:^|[/\\])(?:site-packages|dist-packages|node_modules|lib/python[\d.]*|usr/(?:include|lib|share|local/lib)|rustc
    |\.cargo|\.rustup|go/(?:pkg|src)|\.m2|vendor|internal|jre|jdk[^/]*)[/\\]|^(?:node:|<frozen|<string>|internal/)""",
    re.VERBOSE,
)
_LIBRARY_CALL = re.compile(
    r"\s*at (?:java|javax|jdk|sun|com\.sun|org\.(?:junit|apache|gradle|springframework|postgresql)|scala|kotlin|node"
    r"|core|std|tokio|alloc)[.:]"
)
_MARGIN = re.compile(r"(?:E(?= ))?[ \t|]*(?:[-+?](?= ))?\s*")
_RESULT = re.compile(
    r"^[\s\W]*(?:FAIL(?:ED)?|ERROR|--- FAIL|not ok(?: \d+)?)\b(?: collecting\b)?[\s:-]*"
    r"|\s+(?:\.\.\. ?)?(?:FAIL(?:ED)?|ERROR)\b.*$"
)
_NAMED = re.compile(r"\w[/:._]+\w")


def part(line: str) -> str:
    """What a line is; empty for nothing special.

    >>> part("=== 3 failed, 188 passed in 0.69s ==="), part("E   KeyError: 'eu-9'"), part("   ^^^^^")
    ('verdict', 'error', 'noise')
    """
    for name, form in _COMPILED:
        if form.match(line, 0, LONG):
            return name
    return ""


def failing_id(line: str) -> str:
    """The name of the test that a line of kind `FAILING` is about.

    >>> failing_id("FAILED tests/test_price.py::test_rate[20] - assert 1 == 2"), failing_id("  ✕ adds a row (5 ms)")
    ('tests/test_price.py::test_rate[20]', 'adds a row (5 ms)')
    """
    rest = _RESULT.sub("", line[:LONG]).strip(" \t\n✗✕✖\u00d7●_=-")
    named = [word for word in rest.split() if _NAMED.search(word)]
    return max(named, key=len) if named else rest


def place(line: str) -> str:
    """The place in code that a line names, file and line number, if it does."""
    found = _PLACE.search(line, 0, LONG) if _LINE_NUMBER.search(line, 0, LONG) else None
    return "" if found is None else found[0]


def is_library(line: str, at: str) -> bool:
    """Whether a place in code is not the user's own."""
    return bool(_LIBRARY.search(at) or _LIBRARY_CALL.match(line))


def indents(lines: Sequence[str]) -> list[int]:
    """How far each line is set in, behind what pytest and differs put before it; blank lines as the one before."""
    found: list[int] = []
    for line in lines:
        margin = _MARGIN.match(line)
        width = margin.end() if margin else 0
        found.append(width if width < len(line) else (found[-1] if found else 0))
    return found
