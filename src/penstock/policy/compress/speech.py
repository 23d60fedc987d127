"""The turns of a transcript or chat: who says what, and which of them say nothing."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from math import log
from typing import Final

import msgspec

from penstock.relevance.words import fold

__all__ = ["SMALL_TALK", "Turn", "is_small_talk", "named_speakers", "turns"]

NAMED_FROM: Final = 0.5
"""The part of a speaker's name that a question must have to name the speaker."""


LISTENING: Final = 120
"""Characters up to which a turn may be small talk alone."""


class Turn(msgspec.Struct, frozen=True, gc=False):
    """What one speaker says until the next one does."""

    start: int
    said: int
    """Offset behind the name of the speaker."""
    end: int
    """Where the next turn starts."""
    speaker: str
    """Empty where none is told."""


_TIME = r"[\[(]?\d{1,2}:\d\d(?::\d\d)?(?:\.\d+)?(?:[ ]?[AaPp]\.?[Mm]\.?)?[\])]?"
_LINE = re.compile(
    rf"""^[ \t]*(?:(?:\d{{4}}-\d\d-\d\d[T ])?{_TIME}[ \t]*[-–]?[ \t]*)?(?:
      <(?P<nick>[^<>\n]{{1,60}})>
    | \*{{0,2}}(?P<name>@?[^\W\d_][^:\n*<>]{{0,100}}?)\*{{0,2}}[ \t]*(?:{_TIME})?[ \t]*:\*{{0,2}}(?=[ \t\n])
    )[ \t]*""",  # noqa: RUF001 (a dash behind the time)
    re.VERBOSE | re.MULTILINE,
)
_LINES = re.compile(r"^[^\n]*\S[^\n]*(?:\n|\Z)", re.MULTILINE)
_WORD = re.compile(r"[^\W_]+")
_ASIDE = re.compile(r"\{[^{}\n]*\}|\[[^\[\]\n]*\]|\([^()\n]*\)")
_SMALL = re.compile(r"[a-z][a-z']*")
_JOINTS = frozenset({"of", "the", "and", "for", "de", "la", "van", "von", "der"})

_SMALL_TALK = """
a actually ah aha alright and anyway bit but bye cause cool course d do don er exactly fine go going gonna good got
great ha hello hey hi hm hmm hmmm huh i in is it just kind know laugh like ll m maybe mean mhm mm mmhmm mmm nice no
nope of oh ok okay one or perfect please pretty probably re really right s see so sorry sort sure t thank thanks
that the then there thing things think this to true uh um umh ve very wanna want we welcome well what whatever would
wow ye yeah yep yes you
"""
SMALL_TALK: Final = frozenset(_SMALL_TALK.split())
"""Words that turns consist of which only say that one listens."""


def turns(text: str) -> list[Turn]:
    r"""The turns of a text in order; lines, where no speakers are told.

    >>> [(turn.speaker, turn.said) for turn in turns("Ann: Shall we?\nBo: Yes.\n")]
    [('Ann', 5), ('Bo', 19)]
    """
    marks = [(match.start(), match.end(), _name(match)) for match in _LINE.finditer(text)]
    often = Counter(name for _, _, name in marks)
    marks = [mark for mark in marks if often[mark[2]] > 1 or _is_titled(mark[2])]
    if not marks:
        return [Turn(match.start(), match.start(), match.end(), "") for match in _LINES.finditer(text)]
    first = [Turn(0, 0, marks[0][0], "")] if text[: marks[0][0]].strip() else []
    ends = [start for start, _, _ in marks[1:]] + [len(text)]
    return first + [Turn(start, said, end, name) for (start, said, name), end in zip(marks, ends, strict=True)]


def _name(match: re.Match[str]) -> str:
    return (match["nick"] or match["name"]).strip()


def _is_titled(name: str) -> bool:
    """Whether each word begins with a capital, as in the name or the office of someone who speaks once."""
    words = _WORD.findall(name)
    return all(word[0].isupper() or word in _JOINTS for word in words)


def is_small_talk(said: str) -> bool:
    """Whether it only says that one listens: "Yeah. OK, right."."""
    return len(said) <= LISTENING and all(word in SMALL_TALK for word in _SMALL.findall(_ASIDE.sub(" ", said.lower())))


def named_speakers(query: str, speakers: Sequence[str]) -> dict[str, float]:
    """The speakers that a query names, and how surely, 0.5 to 1.

    By the part of the name that stands in the query, where words that few speakers have count more; a name is also
    what stands before or within parentheses. Whose name stands there in half as much as another's is not meant.
    """
    known = sorted(set(speakers) - {""})
    having = Counter(word for name in known for word in set(_words(name)))
    worth = {word: log(len(known) / often) + 0.1 for word, often in having.items()}
    asked = set(_words(query)) - {"I"}
    found = {name: _named(name, asked, worth) for name in known}
    spelled = f" {' '.join(_words(query)).lower()} "
    full = {name: 1.0 for name in known if f" {' '.join(_words(name)).lower()} " in spelled}
    most = max((said for _, said in found.values()), default=0.0)
    near = {name: sure for name, (sure, said) in found.items() if sure >= NAMED_FROM and said >= most * NAMED_FROM}
    return near | full


def _named(name: str, asked: set[str], worth: Mapping[str, float]) -> tuple[float, float]:
    """The part of a name that is asked for, by what its words are worth, and what they are worth together."""
    parts = [_words(part) for part in (name, *name.rstrip(")").split("("))]
    said = [sum(worth[word] for word in words if word in asked) for words in parts]
    shares = [part / sum(worth[word] for word in words) for part, words in zip(said, parts, strict=True) if words]
    return max(shares, default=0.0), max(said)


def _words(text: str) -> list[str]:
    """Words to compare names by; a single letter stands for itself, since "a" is a word and "A" may be a name."""
    return [word if len(word) == 1 else fold(word) for word in _WORD.findall(text)]
