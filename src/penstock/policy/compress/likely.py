"""How likely each sentence of a text is to answer a question: a passage that speaks of it, then the sentence in it."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import groupby
from math import log
from typing import Final, TypeAlias

import msgspec

from penstock.policy.compress.cues import cue
from penstock.policy.compress.question import Question, question, rarity, spoken
from penstock.policy.compress.sections import Section
from penstock.relevance.bm25 import Weights, frequencies, paired, score
from penstock.relevance.words import Place, fold, stem

__all__ = ["MEASURED", "Sentence", "Signals", "likely", "signals"]

TITLE: Final = 3.0
"""What a word in a title counts for each passage under it, beside one in the passage."""

PAIR: Final = 0.3
"""What neighbouring words of the question count that stand together, beside the score of the passage."""

SURELY: Final = 0.5
"""From which likeness of the word on a place counts where it is asked how many passages have it."""

FAINT: Final = 0.1
"""Below this relevance of a passage nobody looks for the sort of answer in it."""

_BM25: Final = Weights(k1=2.0, b=0.5)
_WORD = re.compile(r"[^\W_]+")
_ASIDE = re.compile(r" \(.*")

Shares: TypeAlias = Sequence[float]
"""For each term of the question how much is said of it, 0 to 1."""


class Sentence(msgspec.Struct, frozen=True, gc=False):
    """A sentence and where it belongs."""

    start: int
    end: int
    passage: int
    section: int
    opens: bool
    """Whether it is the first of its paragraph or passage."""


class Signals(msgspec.Struct, frozen=True, gc=False):
    """What tells whether a sentence answers, each about 0 to 1; or what each of these weighs."""

    passage: float
    """The BM25F score of its passage, beside that of the best passage."""
    together: float
    """Neighbouring words of the question that stand together in the passage."""
    covered: float
    """The part of the question that the passage and its titles speak of."""
    spelled: float
    """Whether the question spells out a title."""
    titled: float
    """The part of a title's words that the question has."""
    said: float
    """The part of the question that the sentence and its titles speak of."""
    before: float
    """The part of the question that the sentence before speaks of: an answer may go on with "It was"."""
    sort: float
    """Whether it holds an answer of the sort asked for, times ``passage``."""
    opens: float
    """Whether it is the first of its paragraph or passage."""
    length: float
    """The logarithm of its characters: longer ones hold more, and cost more."""


MEASURED: Final = Signals(1.9, 4.0, 3.0, 1.3, 1.0, 2.8, 0.9, 2.3, 1.2, 0.3)
"""The log-odds that each signal adds, rounded: fitted on 300 questions on Wikipedia (Natural Questions); fitted on half
of them they keep half a percent fewer answers of the other half."""


def likely(text: str, small: str, query: str, parts: Sequence[Section], said: Sequence[Sentence]) -> list[float]:
    """The worth of each sentence for a query, in nats; none of all if the text speaks of nothing in the query.

    ``small`` is `fold` of the text.
    """
    weights = msgspec.structs.astuple(MEASURED)
    found = signals(text, small, query, parts, said)
    return [sum(map(float.__mul__, weights, msgspec.structs.astuple(one))) for one in found]


def signals(text: str, small: str, query: str, parts: Sequence[Section], said: Sequence[Sentence]) -> list[Signals]:
    """What tells of each sentence whether it answers; none if the text speaks of nothing in the query."""
    asked = question(query)
    heard = _Heard(spoken(small, asked), len(asked.terms))
    if not heard.places or not said:
        return []
    titles = _titles(heard, query, parts)
    runs = [list(run) for _, run in groupby(said, _passage_of)]
    rare, passages = _passages(heard, asked, titles, runs)
    sought = cue(query)
    found: list[Signals] = []
    for run, passage in zip(runs, passages, strict=True):
        before = 0.0
        for one in run:
            own = heard.shares(one.start, one.end)
            sort = sought(text[one.start : one.end]) * passage.relevance if passage.relevance >= FAINT else 0.0
            found.append(
                Signals(
                    passage=passage.relevance,
                    together=passage.together,
                    covered=passage.covered,
                    spelled=passage.title.spelled,
                    titled=passage.title.titled,
                    said=_dot(rare, map(max, own, passage.title.shares)),
                    before=before,
                    sort=sort,
                    opens=float(one.opens),
                    length=log(one.end - one.start),
                )
            )
            before = _dot(rare, own)
    return found


class _Heard:
    """Where a text speaks of the terms of a question."""

    def __init__(self, places: list[Place], terms: int) -> None:
        self.places = places
        self.terms = terms
        self._offsets = [place.at for place in places]

    def between(self, start: int, end: int) -> list[Place]:
        return self.places[bisect_left(self._offsets, start) : bisect_left(self._offsets, end)]

    def shares(self, start: int, end: int) -> list[float]:
        """Of each term, how surely the stretch speaks of it."""
        found = [0.0] * self.terms
        for place in self.between(start, end):
            found[place.term] = max(found[place.term], place.factor)
        return found


class _Title(msgspec.Struct, frozen=True):
    """What the titles above a text say of the question."""

    shares: Shares
    spelled: float = 0.0
    titled: float = 0.0


class _Passage(msgspec.Struct, frozen=True):
    """What all sentences of a passage share."""

    title: _Title
    relevance: float
    together: float
    covered: float


def _passage_of(one: Sentence) -> int:
    return one.passage


def _dot(rare: Sequence[float], shares: Iterable[float]) -> float:
    return sum(map(float.__mul__, rare, shares))


def _titles(heard: _Heard, query: str, parts: Sequence[Section]) -> list[_Title]:
    """For each section, what its title and those above it say of the question."""
    words = _WORD.findall(fold(query))
    spelled = f" {' '.join(words)} "
    known = frozenset(map(stem, words))
    found: list[_Title] = []
    for section in parts:
        above = found[section.above] if section.above >= 0 else _Title([0.0] * heard.terms)
        own = list(map(max, heard.shares(section.start, section.body), above.shares))
        names = _WORD.findall(_ASIDE.sub("", fold(section.names[0]))) if section.names else []
        found.append(
            _Title(
                own,
                max(above.spelled, float(f" {' '.join(names)} " in spelled)) if names else above.spelled,
                max(above.titled, sum(stem(name) in known for name in names) / max(1, len(names))),
            )
        )
    return found


def _passages(
    heard: _Heard, asked: Question, titles: Sequence[_Title], runs: Sequence[Sequence[Sentence]]
) -> tuple[list[float], list[_Passage]]:
    """What part of the question each term is, and the passages that the runs of sentences are."""
    inside = [heard.between(run[0].start, run[-1].end) for run in runs]
    over = [titles[run[0].section] for run in runs]
    rare = _rare(asked, inside, over)
    lengths = [run[-1].end - run[0].start for run in runs]
    usual = sum(lengths) / len(lengths)
    together = [paired(places, rare) for places in inside]
    scores: list[float] = []
    covered: list[float] = []
    for places, title, length, pairs in zip(inside, over, lengths, together, strict=True):
        often = frequencies(places, heard.terms)
        named = [TITLE * share for share in title.shares]
        scores.append(score(often, named, length / usual, rare, _BM25) + PAIR * pairs)
        covered.append(_dot(rare, (min(1.0, max(both)) for both in zip(often, title.shares, strict=True))))
    best = max(scores) or 1.0
    found = zip(over, scores, together, covered, strict=True)
    return rare, [_Passage(title, value / best, pairs, part) for title, value, pairs, part in found]


def _rare(asked: Question, inside: Sequence[Sequence[Place]], over: Sequence[_Title]) -> list[float]:
    having = [0] * len(asked.terms)
    for places, title in zip(inside, over, strict=True):
        sure = {place.term for place in places if place.factor >= SURELY}
        for term in sure | {term for term, share in enumerate(title.shares) if share}:
            having[term] += 1
    rare = rarity(asked, having, len(inside))
    whole = sum(rare)
    return [each / whole for each in rare]
