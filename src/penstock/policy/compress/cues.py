"""By what a sentence is seen to hold an answer of the sort a question asks for: a name, a time, a number, a place.

The sorts are those of factoid questions (Li and Roth, "Learning Question Classifiers", 2002), the coarse ones alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, TypeAlias

from penstock.relevance.words import fold, stem

__all__ = ["Cue", "cue"]

Cue: TypeAlias = Callable[[str], float]
"""How much a sentence looks like it holds an answer, 0 to 1."""

UNKNOWN: Final = 0.5
"""Where the question does not say what sort of answer it wants."""

_SORT = re.compile(
    r"\b(?:(?P<who>who|whose|whom)|(?P<when>when|(?:what|which) (?:year|day|date|month|time|century)|year)"
    r"|(?P<number>how (?:many|much|long|old|far|tall|big|large|often|deep|high|fast|heavy)|number)|(?P<where>where))\b"
)
_WORD = re.compile(r"[^\W_]+")
_NAME = re.compile(r"\b[A-Z][\w.'\u2019-]*(?: (?:(?:of|the|de|la|van|von|der|du|di|bin) )?[A-Z][\w.'\u2019-]*)*")
_YEAR = re.compile(r"\b(?:1\d|20)\d\d\b")
_TIME = re.compile(
    r"\b(?:January|February|March|April|May|June|July|August|September|October|November|December|century|centuries"
    r"|BCE?|\d{1,2}:\d\d|[Tt]oday|[Tt]omorrow|[Yy]esterday|days?|weeks?|months?|years?)\b"
)
_NUMBER = re.compile(
    r"\b(?:\d[\d,.]*|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|forty|fifty"
    r"|hundred|thousand|million|billion|dozen|half|twice|once)\b"
)
_PLACE = re.compile(r"\b(?:in|at|near|from|of|to|on|between|across)(?: the)? [A-Z][a-z]+")


def cue(question: str) -> Cue:
    """What a sentence must show to answer a question.

    >>> when = cue("When was it built?")
    >>> when("It was built in 1884."), when("It opened in May."), when("It was built of stone.")
    (1.0, 0.6, 0.0)
    """
    asked = _SORT.search(question.lower())
    sort = asked.lastgroup if asked else None
    if sort == "who":
        known = frozenset(map(stem, _WORD.findall(fold(question))))
        return lambda sentence: _names(sentence, known)
    return _CUES.get(sort or "", _unknown)


def _unknown(_: str) -> float:
    return UNKNOWN


def _when(sentence: str) -> float:
    return 1.0 if _YEAR.search(sentence) else 0.6 if _TIME.search(sentence) else 0.0


def _number(sentence: str) -> float:
    return 1.0 if _NUMBER.search(sentence) else 0.0


def _where(sentence: str) -> float:
    return 1.0 if _PLACE.search(sentence) else 0.0


_CUES: dict[str, Cue] = {"when": _when, "number": _number, "where": _where}


def _names(sentence: str, known: frozenset[str]) -> float:
    """1.0 for a name that the question does not have, of several words; 0.5 for one of a single word."""
    best = 0.0
    for match in _NAME.finditer(sentence):
        words = _WORD.findall(match[0])
        if all(stem(fold(word)) in known for word in words):
            continue
        if len(words) > 1:
            return 1.0
        if match.start():
            best = 0.5
    return best
