"""Meetings and chats: what is said about the question in one stretch, rather than single sentences from everywhere."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import exp, fsum, log
from typing import Final

import msgspec

from penstock.policy.compress.central import central
from penstock.policy.compress.extract import Piece, Plan
from penstock.policy.compress.question import question, rarity, spoken
from penstock.policy.compress.sentences import LONGEST, SHORTEST, sentences
from penstock.policy.compress.speech import SMALL_TALK, is_small_talk, named_speakers, turns
from penstock.relevance.english import LIGHT, commonness
from penstock.relevance.words import fold, stem

__all__ = ["plan"]

WHOLE: Final = 1200
"""Characters up to which a turn is kept or left out as a whole; a longer one goes by sentences."""

STRETCH: Final = 2000
"""Characters over which what is said about something falls to 1/e: a matter is spoken of for a minute or two."""

NEAR: Final = 900
"""Characters over which a speaker is near."""

WINDOW: Final = 600
"""Characters that count as one piece where the rarity of a word is measured."""

ASKED, AKIN, SPEAKER = 1.5, 3.0, 4.0
"""What speaking of the question counts, speaking of what is spoken of there, and who speaks. Fitted on 35
meetings (QMSum); fitted on half of them they keep 74% of the relevant tokens of the others, instead of 76%."""

SHARPNESS: Final = 3.0
"""To which power how much a place speaks of the question is taken, to say where what is akin is learned."""

LEAST: Final = 0.01
"""Places that speak of the question less than this are not learned from."""

OFTEN: Final = 3
"""Times that a word must be said at all to be learned."""

AKIN_WORDS: Final = 25
"""Words that are learned from there."""

MORE_OFTEN: Final = 1.5
"""How many times as often as elsewhere a word is to stand there."""

SMALL: Final = 1.0
"""How much less a turn is worth that only says that one listens, unless it answers a question. Where the rest counts
much, it is kept: an agreement may be meant."""

_ASKING_WORDS = """
agree agreed answer ask asked attitude attitudes believe comment commented committee concern concerned concerning
conclude concluded conclusion conclusions contribute decide decided decision decisions describe detail details
different disagree disagreed discuss discussed discussing discussion discussions elaborate elaborated entire
everyone explain explained express feel felt forward general group idea ideas introduce introduced introducing
introduction issue issues learn learned main mainly meeting meetings member members mention mentioned opinion
opinions overall part participant participants people perspective point present presentation presentations presented
presenting propose proposed put reason reasons recommend recommended regard regarding respond responded response
said say speak speaker suggest suggested suggestion suggestions summarise summarize summary talk talked talking team
teammates tell think thinking thought thoughts told topic topics view views whole
"""
_ASKING = frozenset(map(stem, _ASKING_WORDS.split()))
"""Stems of what every question about a meeting says."""

_WORD = re.compile(r"[^\W\d_]{3,}")


class _Unit(msgspec.Struct, frozen=True, gc=False):
    """A turn, a sentence of a long one, or the name before that."""

    start: int
    end: int
    speaker: str
    under: int = -1
    """The number of the unit that names the speaker; -1 where this one does."""
    label: bool = False
    """Whether it is the name alone."""
    small: bool = False
    """Whether it only says that one listens."""

    @property
    def middle(self) -> float:
        return (self.start + self.end) / 2


def plan(text: str, query: str | None, room: int) -> Plan:
    """A transcript in turns, long ones in sentences below the name of the speaker.

    With a query, worth is how much is said about it around, and by whom; without, how much a turn says that is spoken
    of all over. No turn is kept as a whole that is longer than about half the ``room``.
    """
    units = _units(text, min(WHOLE, max(SHORTEST, 2 * room)))
    small = fold(text)
    worths = _discussed(units, small, query) if query else []
    if not worths:
        worths = central([small[unit.start : unit.end] for unit in units], [False] * len(units))
    least = min(worths, default=0.0) - 2 * SMALL
    pieces = [
        Piece(unit.start, unit.end, least if unit.label else worth - SMALL * unit.small, unit.under)
        for unit, worth in zip(units, worths, strict=True)
    ]
    return Plan(pieces, _gap)


def _units(text: str, whole: int) -> list[_Unit]:
    found: list[_Unit] = []
    answers = False
    for turn in turns(text):
        said = text[turn.said : turn.end].rstrip()
        end = turn.said + len(said)
        if len(said) <= whole:
            found.append(_Unit(turn.start, end, turn.speaker, small=not answers and is_small_talk(said)))
        else:
            label = -1
            if turn.said > turn.start:
                label = len(found)
                found.append(_Unit(turn.start, turn.said, turn.speaker, label=True))
            cut = sentences(text, turn.said, end, min(LONGEST, whole))
            found.extend(_Unit(start, stop, turn.speaker, label) for start, stop in cut)
        answers = said.endswith("?")
    return found


def _discussed(units: Sequence[_Unit], small: str, query: str) -> list[float]:
    """The worth of each unit for a query; none if nothing in the text is named or spoken of in it."""
    named = named_speakers(query, [unit.speaker for unit in units])
    whose = frozenset(stem(word) for name in named for word in _WORD.findall(fold(name)))
    asked = _spread(units, _spoken_of(units, small, query, whose), STRETCH)
    akin = _spread(units, _akin(units, small, asked), STRETCH) if asked else []
    if not asked and not named:
        return []
    nothing = [0.0] * len(units)
    speaks = _near(units, named) if named else nothing
    return [
        ASKED * one + AKIN * other + SPEAKER * who
        for one, other, who in zip(asked or nothing, akin or nothing, speaks, strict=True)
    ]


def _spoken_of(units: Sequence[_Unit], small: str, query: str, whose: frozenset[str]) -> list[float]:
    """How much each unit speaks of the query, the words that name its speakers left aside."""
    asked = question(query, _ASKING | whose)
    places = spoken(small, asked)
    windows = [len({place.at // WINDOW for place in places if place.term == term}) for term in range(len(asked.terms))]
    rare = rarity(asked, windows, len(small) // WINDOW + 1)
    found = [0.0] * len(units)
    starts = [unit.start for unit in units]
    for place in places:
        found[max(0, bisect_right(starts, place.at) - 1)] += rare[place.term] * place.factor
    return found


def _spread(units: Sequence[_Unit], values: Sequence[float], over: float) -> list[float]:
    """Values shared out to the units around, the most being 1.0; none if all are 0."""
    summed = _summed(units, values, over)
    most = max(summed, default=0.0)
    return [value / most for value in summed] if most else []


def _summed(units: Sequence[_Unit], values: Sequence[float], over: float) -> list[float]:
    """For each unit the sum of all values, each falling with the distance by e over ``over`` characters."""
    falls = [exp((one.middle - other.middle) / over) for one, other in pairwise(units)]
    found = list(values)
    carried = 0.0
    for number in range(1, len(units)):
        carried = (carried + values[number - 1]) * falls[number - 1]
        found[number] += carried
    carried = 0.0
    for number in range(len(units) - 2, -1, -1):
        carried = (carried + values[number + 1]) * falls[number]
        found[number] += carried
    return found


def _near(units: Sequence[_Unit], named: Mapping[str, float]) -> list[float]:
    """The share of what is said around each unit that the named speakers say."""
    sizes = [float(unit.end - unit.start) for unit in units]
    theirs = [size * named.get(unit.speaker, 0.0) for size, unit in zip(sizes, units, strict=True)]
    around = zip(_summed(units, theirs, NEAR), _summed(units, sizes, NEAR), strict=True)
    return [part / whole for part, whole in around]


def _akin(units: Sequence[_Unit], small: str, asked: Sequence[float]) -> list[float]:
    """How much each unit speaks of what is spoken of where the query is: relevance feedback without a judge.

    After Lavrenko and Croft, "Relevance-Based Language Models" (SIGIR 2001): words that are more frequent there.
    """
    known: dict[str, str] = {}
    said: list[list[str]] = []
    for unit in units:
        words = _WORD.findall(small, unit.start, unit.end)
        known |= {word: stem(word) for word in words if word not in known}
        said.append([known[word] for word in words])
    usual = Counter(word for words in said for word in words)
    there: defaultdict[str, float] = defaultdict(float)
    for words, part in zip(said, asked, strict=True):
        share = part**SHARPNESS
        if share >= LEAST:
            for word in words:
                there[word] += share
    telling = _telling(there, usual)
    return [fsum(telling.get(word, 0.0) for word in set(words)) for words in said]


def _telling(there: Mapping[str, float], usual: Counter[str]) -> dict[str, float]:
    """The words that are said much more often there than usual, and what each tells."""
    here, whole = fsum(there.values()), usual.total()
    found: dict[str, float] = {}
    for word, often in there.items():
        more = often / here / (usual[word] / whole)
        if usual[word] >= OFTEN and more > MORE_OFTEN and commonness(word) > LIGHT and word not in SMALL_TALK:
            found[word] = often / here * log(more)
    best = sorted(found, key=lambda word: (-found[word], word))[:AKIN_WORDS]
    return {word: found[word] for word in best}


def _gap(stretch: str) -> str:
    """What stands for turns that are left out: how many; nothing for those that only say that one listens."""
    if "\n" not in stretch:
        return " … " if stretch.strip() else stretch
    begun, *whole = stretch.split("\n")
    goes_on = begun == "" or begun[0].isspace()
    out = sum(not is_small_talk(line.partition(": ")[2] or line) for line in (whole if goes_on else [begun, *whole]))
    told = f"[{out:,} turn{'s' if out > 1 else ''}]\n" if out else ""
    if not goes_on:
        return told
    return f" …\n{told}" if begun.strip() else f"\n{told}"
