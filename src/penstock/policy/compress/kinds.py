"""What a text is: told by the marks of its lines, and where a text holds several, in what parts.

Only kinds that are compressed differently are told apart. Marks of a tool (``test session starts``) come before forms
(a table, a listing), and forms before what is left: speech, prose, or what a machine said.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final, Literal, TypeAlias

import msgspec

from penstock.policy.compress import signs
from penstock.policy.compress.alike import without_numbers
from penstock.policy.compress.listings import reads
from penstock.policy.compress.tables import rows

__all__ = ["Kind", "Part", "kind_named", "kind_of", "parts"]

Kind: TypeAlias = Literal[
    "prose", "meeting", "code", "traceback", "log", "tests", "build", "shell", "json", "diff", "table", "listing"
]

_MIXED = frozenset({"prose", "meeting", "shell", "log", "traceback"})
"""Kinds within which there may be others, with marks of their own around them."""

_LOOSE = frozenset({"prose", "shell"})
"""Kinds of which a run of paragraphs may be of another kind."""

HEAD, TAIL, BETWEEN = 150, 60, 90
"""Lines that are looked at: from the start, from the end, and evenly between."""

WIDE: Final = 400
"""Characters of a line that are looked at."""

LEAST: Final = 6
"""Lines from which a stretch of another kind is a part of its own."""

_NAMES: dict[str, Kind] = {
    **dict.fromkeys(("prose", "text", "markdown", "md", "document", "docs", "article", "email"), "prose"),
    **dict.fromkeys(("meeting", "chat", "transcript", "conversation", "dialogue"), "meeting"),
    **dict.fromkeys(("code", "source", "python", "py", "javascript", "js", "typescript", "ts", "go", "rust"), "code"),
    **dict.fromkeys(("java", "c", "cpp", "csharp", "ruby", "php", "kotlin", "swift"), "code"),
    **dict.fromkeys(("traceback", "stacktrace", "stack_trace", "exception"), "traceback"),
    **dict.fromkeys(("log", "logs", "syslog"), "log"),
    **dict.fromkeys(("tests", "test", "pytest", "unittest", "junit", "jest", "tap"), "tests"),
    **dict.fromkeys(("build", "compiler", "lint", "linter", "ci", "make"), "build"),
    **dict.fromkeys(("json", "ndjson", "jsonl", "yaml", "yml", "records"), "json"),
    **dict.fromkeys(("diff", "patch", "udiff"), "diff"),
    **dict.fromkeys(("table", "csv", "tsv"), "table"),
    **dict.fromkeys(("listing", "ls", "find", "tree", "files", "grep", "file_listing"), "listing"),
}
"""What kinds are called here and elsewhere."""


class Part(msgspec.Struct, frozen=True):
    """A stretch of a text that is of one kind."""

    start: int
    end: int
    kind: Kind


class _Seen(msgspec.Struct):
    """What is looked at of a text."""

    text: str
    ends: str
    """Its beginning and its end."""
    lines: list[str]
    """Lines that are not blank, without the numbers that a viewer wrote before them."""
    numbered: bool
    """Whether there were such numbers."""

    def share(self, form: re.Pattern[str]) -> float:
        """The part of the lines that have a form."""
        return sum(form.match(line) is not None for line in self.lines) / max(1, len(self.lines))


def kind_named(name: str | None) -> Kind | None:
    """The kind that a foreign name means; None where only the text can tell (``sql``, ``shell``, ``output``).

    >>> kind_named("pytest"), kind_named("json"), kind_named("sql")
    ('tests', 'json', None)
    """
    return _NAMES.get((name or "").strip().lower())


def kind_of(text: str) -> Kind:
    r"""What a text is, by a sample of its lines: a few milliseconds for any length.

    >>> kind_of('{"a": 1}'), kind_of("def f():\n    return 1\n"), kind_of("The gate is open.")
    ('json', 'code', 'prose')
    """
    seen = _seen(text)
    if not seen.lines:
        return "prose"
    return _by_marks(seen) or _by_words(seen) or _by_form(seen) or _machine(seen)


def _seen(text: str) -> _Seen:
    text = text.replace("\r\n", "\n")
    head, tail = text[: HEAD * WIDE], text[max(HEAD * WIDE, len(text) - TAIL * WIDE) :]
    lines = head.splitlines()
    lines = lines[:HEAD] + lines[HEAD :: max(1, len(lines) // BETWEEN)] + lines[HEAD:][-TAIL:] * (not tail)
    for at in range(len(head), len(text) - len(tail), max(1, (len(text) - len(head) - len(tail)) // BETWEEN)):
        begin = text.find("\n", at) + 1
        lines.append(text[begin : begin + WIDE].partition("\n")[0])
    said = [line[:WIDE].rstrip() for line in (*lines, *tail.splitlines()[-TAIL:]) if line.strip()]
    bare = without_numbers(said)
    return _Seen(text, text[:6000] + "\n" + text[-4000:], [line for line in bare if line.strip()], bare is not said)


def _by_marks(seen: _Seen) -> Kind | None:
    """The kinds that some marks tell for sure."""
    if _is_diff(seen):
        return "diff"
    if kind := _records(seen):
        return kind
    if seen.share(signs.SESSION) > 0.3 or (signs.PROMPT.match(seen.lines[0]) and _several(seen, signs.PROMPT)):
        return "shell"
    tests = seen.share(signs.TESTS)
    if tests > 0.4 or signs.TESTED.search(seen.ends):
        return "tests"
    if seen.share(signs.BUILD) > 0.25 or signs.BUILT.search(seen.ends):
        return "build"
    if _is_code(seen):
        return "code"
    return "traceback" if signs.TRACE.search(seen.text) else None


def _is_code(seen: _Seen) -> bool:
    """Whether definitions and imports begin lines of it, and enough of the rest looks like code."""
    if seen.lines[0].startswith("#!") or seen.numbered:
        return seen.share(signs.CODE) > 0.15
    tops = seen.share(signs.TOP)
    code = seen.share(signs.CODE)
    if signs.FENCED.search(seen.ends):
        return False
    several = _several(seen, signs.TOP)
    return (code > 0.5 and (several or tops > 0.02)) or (code > 0.2 and several and tops > 0.02)


def _several(seen: _Seen, form: re.Pattern[str]) -> bool:
    return sum(form.match(line) is not None for line in seen.lines) > 1


def _is_diff(seen: _Seen) -> bool:
    return signs.DIFF.search(seen.ends) is not None and seen.share(signs.DIFF_LINE) > 0.8


def _records(seen: _Seen) -> Kind | None:
    """JSON, JSON lines (a log, if each has a time and a message), YAML."""
    lines = seen.lines
    objects = sum(line[0] == "{" and (line[-1] == "}" or len(line) >= WIDE) for line in lines)
    if objects > 0.8 * len(lines) and len(lines) > 1:
        return "log" if seen.share(signs.TIMED) > 0.6 else "json"
    if signs.JSON.match(seen.text):
        return "json"
    inner = sum(line[0] in " -" for line in lines)
    keyed = seen.share(signs.KEYED) > 0.8 and inner > 0.3 * len(lines)
    return "json" if keyed and signs.OPENS.search(seen.ends) else None


def _by_form(seen: _Seen) -> Kind | None:
    """The kinds that the form of the lines tells."""
    lines = seen.lines
    if (seen.share(signs.MOMENT) > 0.6 or seen.share(signs.LEVEL) > 0.6) and not _headed(seen):
        return "log"
    paths = [one.path for one in reads(lines) if one is not None]
    telling = sum("/" in path or "." in path for path in paths)
    if len(lines) > 1 and len(paths) > 0.6 * len(lines) and telling > 0.4 * len(lines):
        return "listing"
    if _headed(seen) or _barred(seen):
        return "table"
    return "code" if seen.share(signs.CODE) > 0.75 else None


def _headed(seen: _Seen) -> bool:
    """Whether most lines are rows of tables with headers, or fields of records."""
    roles = Counter(row.role for row in rows("\n".join(seen.lines[:HEAD])))
    rest = roles.total() - roles["loose"]
    return rest > 0.5 * roles.total() and roles["header"] + roles["record"] + roles["rule"] > 0


def _barred(seen: _Seen) -> bool:
    """Whether most lines have as many bars, tabs, or, nearly all, commas."""
    for mark, least in (("|", 0.5), ("\t", 0.5), (";", 0.9), (",", 0.9)):
        often = Counter(count for line in seen.lines if (count := line.count(mark))).most_common(1)
        if often and often[0][1] > max(2, least * len(seen.lines)):
            return True
    return False


def _by_words(seen: _Seen) -> Kind | None:
    """Speech and prose: the words that only bind others together are many."""
    lines = seen.lines
    if seen.share(signs.GREPPED) > 0.6:
        return None
    spoken = _spoken(lines)
    speakers = Counter(match[1] for line in lines if (match := signs.SPEAKER.match(line)))
    turns = sum(often for often in speakers.values() if often > 1)
    if spoken > 0.15 and turns > 0.6 * len(lines) and len(speakers) > 1:
        return "meeting"
    fenced = signs.FENCED.search(seen.ends) is not None
    ended = sum(line.endswith((".", "!", "?", ":")) for line in lines) > 0.2 * len(lines)
    if len(lines) > 3 and (seen.share(signs.MOMENT) > 0.9 or (_repeats(lines) and not ended and not fenced)):
        return None  # what machines note, in whatever words
    return "prose" if spoken > 0.25 or (spoken > 0.12 and fenced) else None


def _repeats(lines: Sequence[str]) -> bool:
    """Whether many lines differ from others by nothing but numbers."""
    likes = Counter(signs.DIGITS.sub("0", line) for line in lines)
    return len(lines) > 8 and sum(count for count in likes.values() if count > 1) > 0.4 * len(lines)


def _machine(seen: _Seen) -> Kind:
    """What is left: lines that repeat each other are a log."""
    lines = seen.lines
    if signs.PROMPT.match(lines[0]):
        return "shell"
    if _repeats(lines):
        return "log"
    return "prose" if _spoken(lines) > 0.12 or len(lines) < 3 else "shell"


def _spoken(lines: Sequence[str]) -> float:
    """The part of the words that only bind others together: a third in prose, next to none in what machines write."""
    words = [word.lower() for line in lines for word in signs.WORD.findall(line)]
    return sum(word in signs.FUNCTION_WORDS for word in words) / max(1, len(words))


def parts(text: str) -> list[Part]:
    r"""The stretches of a text by kind, in order; together they are the whole text, and none is empty.

    Fenced blocks, diffs and JSON within speech, prose or the output of a terminal are parts, and so is what a command
    wrote behind its prompt, and a run of paragraphs that is no prose. The fences themselves belong to what is around.

    >>> [part.kind for part in parts("See this:\n\n```json\n" + '{"a":\n[\n1,\n2,\n3,\n4]}\n' + "```\nWhat is it?\n")]
    ['prose', 'json', 'prose']
    """
    kind = kind_of(text)
    if kind not in _MIXED and not (kind == "code" and signs.FENCED.search(text)):
        return [Part(0, len(text), kind)] if text else []
    found: list[Part] = []
    at = 0
    for start, end, inner in _islands(text):
        found += _stretches(text, at, start)
        found.append(Part(start, end, inner))
        at = end
    return _joined([*found, *_stretches(text, at, len(text))])


def _islands(text: str) -> Iterator[tuple[int, int, Kind]]:
    """What lies in a text with marks of its own around it: fenced blocks, diffs, JSON."""
    at = 0
    for match in signs.ISLAND.finditer(text):
        start, end = match.span("fenced") if match["fence"] else match.span()
        if start < at or text.count("\n", start, end) < LEAST:
            continue
        inside = text[start:end]
        yield start, end, (kind_named(match["info"]) if match["fence"] else None) or kind_of(inside)
        at = end


def _stretches(text: str, start: int, end: int) -> list[Part]:
    """A stretch without islands: at its prompts if it has some, else where runs of paragraphs are of another kind."""
    inside = text[start:end]
    if not inside:
        return []
    kind = kind_of(inside)
    if kind not in _LOOSE:
        return [Part(start, end, kind)]
    cuts = [match.end() for match in signs.PARAGRAPH.finditer(inside)]
    prompts = [match.start() for match in signs.PROMPTED.finditer(inside)]
    if prompts and kind == "shell":
        cuts = sorted({*prompts, *(inside.find("\n", at) + 1 or len(inside) for at in prompts)})
    found: list[Part] = []
    for begin, stop in pairwise([0, *(cut for cut in cuts if 0 < cut < len(inside)), len(inside)]):
        block = inside[begin:stop]
        large = block.count("\n") >= LEAST
        found.append(Part(start + begin, start + stop, kind_of(block) if large else kind))
    return found


def _joined(found: Sequence[Part]) -> list[Part]:
    """Neighbours of one kind as one part; prose and meeting, and what little there is between, are one kind."""
    joined: list[Part] = []
    for part in found:
        last = joined[-1] if joined else None
        if last and last.kind == part.kind:
            joined[-1] = Part(last.start, part.end, part.kind)
        else:
            joined.append(part)
    return joined
