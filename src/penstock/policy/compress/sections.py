"""The documents and sections of a text, by their titles; and documents joined so that they can be told apart again."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

__all__ = ["Section", "Source", "joined", "sections"]

PLAIN_LEVEL: Final = 7
"""The level of a title that nothing but its place and length tell, below those that are marked."""

SHORTER: Final = 0.6
"""A title without a mark is at most this long, beside the line that follows it."""


class Source(msgspec.Struct, frozen=True):
    """Where a document lies in the text that it was joined to."""

    start: int
    """Offset of its title; of its text where it has none."""
    body: int
    """Offset of its text."""
    end: int


class Section(msgspec.Struct, frozen=True):
    """A title and the text under it, up to the next title."""

    start: int
    """Offset of the line of its title."""
    body: int
    """Offset behind its title; ``start`` for text without one."""
    end: int
    names: tuple[str, ...]
    """Its title and those above it, its own first; none for text without one."""
    above: int
    """The number of the section it is a part of; -1 for none."""


class _Title(msgspec.Struct, frozen=True):
    start: int
    end: int
    level: int
    name: str


_MARKED = re.compile(
    r"""^(?:[ ]{0,3}(?P<hashes>\#{1,6})[ \t]+(?P<after>\S.*)
    | (?P<over>\S.{0,120})\n(?P<rule>={3,}|-{3,})[ \t]*$
    | (?:document|source|passage|article|section)[ ]*(?:\[\d+\]|\d+)[ .:]*
      (?:\(title:[ ]*(?P<within>[^\n]{1,200}?)\)(?=\s|$)|(?P<behind>.{0,120})$)
    | title:[ ]*(?P<title>\S.{0,200}))""",
    re.VERBOSE | re.MULTILINE | re.IGNORECASE,
)
_PLAIN = re.compile(r"(?:\A|(?<=\n\n))(?=[^\W_a-z]|[\"'“(])(?P<line>[^\n]{1,100})(?=\n\n?(?P<following>[^\n]+))")
_SENTENCE_END = (".", "!", "?", ":", ";", ",", "…", "|")


def joined(documents: Iterable[Mapping[str, str]]) -> tuple[str, tuple[Source, ...]]:
    r"""Documents as one text, each under the line of its title, and where each lies in it.

    A document is a mapping with ``text`` and maybe ``title``.

    >>> joined([{"title": "Oak", "text": "A tree."}, {"text": "No title."}])[0]
    'Oak\nA tree.\n\nNo title.\n'
    """
    parts: list[str] = []
    found: list[Source] = []
    at = 0
    for document in documents:
        title = " ".join(document.get("title", "").split())
        head = f"{title}\n" if title else ""
        body = document["text"].strip("\n") + "\n"
        if parts:
            parts.append("\n")
            at += 1
        found.append(Source(at, at + len(head), at + len(head) + len(body)))
        parts += [head, body]
        at = found[-1].end
    return "".join(parts), tuple(found)


def sections(text: str, sources: Sequence[Source] = ()) -> list[Section]:
    r"""The sections of a text in order; together they are the whole text.

    ``sources`` are what `joined` said; without them, documents are told by their titles alone.

    >>> [(s.names, s.above) for s in sections("# Oak\nA tree.\n## Wood\nHard.\n")]
    [(('Oak',), -1), (('Wood', 'Oak'), 0)]
    """
    titles = sorted(_titles(text, sources), key=_start)
    found: list[Section] = []
    open_: list[tuple[int, int]] = []
    if not titles or text[: titles[0].start].strip():
        found.append(Section(0, 0, titles[0].start if titles else len(text), (), -1))
    for number, title in enumerate(titles):
        while open_ and open_[-1][0] >= title.level:
            open_.pop()
        above = open_[-1][1] if open_ else -1
        names = ((title.name,) if title.name else ()) + (found[above].names if open_ else ())
        end = titles[number + 1].start if number + 1 < len(titles) else len(text)
        open_.append((title.level, len(found)))
        found.append(Section(title.start, title.end, end, names, above))
    return found


def _start(title: _Title) -> int:
    return title.start


def _titles(text: str, sources: Sequence[Source]) -> Iterator[_Title]:
    """All titles, no two of which overlap."""
    for source in sources:
        yield _Title(source.start, source.body, 0, text[source.start : source.body].strip())
    within = [(source.body, source.end) for source in sources] or [(0, len(text))]
    for start, end in within:
        marked = [_marked(match) for match in _MARKED.finditer(text, start, end) if not _is_sentence(match)]
        yield from marked
        taken = {title.start for title in marked}
        for match in _PLAIN.finditer(text, start, end):
            if match.start() not in taken and _is_title(match):
                yield _Title(match.start(), match.end("line"), PLAIN_LEVEL, match["line"].strip())


def _marked(match: re.Match[str]) -> _Title:
    hashes, rule = match["hashes"], match["rule"]
    level = len(hashes) if hashes else 2 if rule and rule[0] == "-" else 1
    name = match["after"] or match["over"] or match["within"] or match["behind"] or match["title"] or ""
    return _Title(match.start(), match.end(), level, name.strip(" \t#"))


def _is_title(match: re.Match[str]) -> bool:
    line = match["line"].rstrip()
    return not line.endswith(_SENTENCE_END) and len(line) <= SHORTER * len(match["following"])


def _is_sentence(match: re.Match[str]) -> bool:
    """Whether it is a sentence that begins like a title: "Section 3 was repealed."."""
    return bool(match["behind"]) and match["behind"].rstrip().endswith(_SENTENCE_END)
