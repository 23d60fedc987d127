"""The passages of a corpus that answer a question best."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence

import msgspec

from penstock.relevance.bm25 import MEASURED, WINDOW, Weights, frequencies, nearest, paired, rarity, score
from penstock.relevance.passages import Passage, passages
from penstock.relevance.words import Place, Term, lower, named, places, terms

__all__ = ["Document", "Hit", "rank"]

SPLIT_AT_MOST = 3_000_000
"""Characters that are cut into passages for one question. In a larger corpus the documents whose best window scores
highest are: cutting takes longer than finding the words."""

USUAL = 800
"""Characters of a passage of the usual length."""

ALIKE = 0.8
"""Passages that share this part of their lines are one passage, told twice."""

SAME_FILE = 0.9
"""What a further passage of a file counts, once more for each one chosen: an answer should see several places."""

ASIDE = 0.8
"""What a passage counts that tells of the code from outside: tests, vendored copies, changelogs, licenses."""

_ASIDE = re.compile(
    r"(?:^|/)(?:tests?|testing|vendor|vendored|_vendor|third_party|node_modules|changelog|changes|history|news|licen[cs]e)"
    r"(?:$|[/.])|(?:^|/)test_|_test\.|\.(?:test|spec)\.|\.min\.",
    re.IGNORECASE,
)


class Document(msgspec.Struct, frozen=True):
    """A text and where it is from."""

    path: str
    text: str
    title: str = ""
    """What it is about, where that is known and the path does not say it."""


class Hit(msgspec.Struct, frozen=True):
    """A passage that answers."""

    path: str
    first: int
    """Its first line, counted from 1."""
    last: int
    title: str
    """The definition or the headings it stands under; may be empty."""
    text: str
    score: float
    best_line: int
    """The line where most of the question's words are said together."""
    column: int
    """Where in that line they begin, counted from 0."""
    document: int
    """Its document's place in the corpus, counted from 0."""


class _Found(msgspec.Struct):
    """A document that speaks of the question."""

    number: int
    document: Document
    places: list[Place]
    path: list[float]


class _Scored(msgspec.Struct):
    found: _Found
    passage: Passage
    score: float
    at: int


def rank(question: str, documents: Sequence[Document], limit: int = 5, *, weights: Weights = MEASURED) -> list[Hit]:
    r"""The best passages for a question, best first, at most ``limit``; none when no document speaks of it.

    Deterministic: equal scores keep the order of the documents.

    >>> [(hit.path, hit.first) for hit in rank("where is the token checked?", [Document("a.py", "x = 1\ny = token")])]
    [('a.py', 1)]
    """
    wanted = terms(question)
    found = [one for number, document in enumerate(documents) if (one := _find(number, document, wanted))]
    if not found:
        return []
    rare = rarity(wanted, [one.places for one in found], sum(len(document.text) for document in documents))
    prior = 1.0 if _ASIDE.search(question.replace(" ", "/")) else ASIDE
    scored = [one for each in _shortlist(found, rare) for one in _scored(each, rare, wanted, weights, prior)]
    scored.sort(key=lambda one: (-one.score, one.found.number, one.passage.start))
    return [_hit(one) for one in _chosen(scored, limit)]


def _find(number: int, document: Document, wanted: list[Term]) -> _Found | None:
    spoken = places(document.text, lower(document.text), wanted)
    path = named(f"{document.path} {document.title}", wanted)
    return _Found(number, document, spoken, path) if spoken or any(path) else None


def _shortlist(found: list[_Found], rare: list[float]) -> list[_Found]:
    """The documents to cut into passages: all of them unless there is too much text."""
    if sum(len(one.document.text) for one in found) <= SPLIT_AT_MOST:
        return found
    room = SPLIT_AT_MOST
    kept: list[_Found] = []
    for one in sorted(found, key=lambda one: (-_promise(one, rare), one.number)):
        room -= len(one.document.text)
        if room < 0 and kept:
            break
        kept.append(one)
    return kept


def _promise(one: _Found, rare: list[float]) -> float:
    """The score of its best window: each term that the window or the path has, counted once."""
    best: dict[int, dict[int, float]] = {}
    for place in one.places:
        window = best.setdefault(place.at // WINDOW, {})
        window[place.term] = max(window.get(place.term, 0.0), place.factor)
    named = sum(worth * min(1.0, often) for worth, often in zip(rare, one.path, strict=True))
    return named + max((sum(rare[t] * f for t, f in window.items()) for window in best.values()), default=0.0)


def _scored(one: _Found, rare: list[float], wanted: list[Term], w: Weights, aside: float) -> list[_Scored]:
    """The passages of a document that have a score, after their neighbours lent them some of theirs."""
    prior = aside if _ASIDE.search(one.document.path) else 1.0
    cut = passages(one.document.path, one.document.text)
    offsets = [place.at for place in one.places]
    titles: dict[str, list[float]] = {}
    scores: list[float] = []
    spans: list[int] = []
    for passage in cut:
        inside = one.places[bisect_left(offsets, passage.start) : bisect_left(offsets, passage.end)]
        if passage.title not in titles:
            titles[passage.title] = named(passage.title, wanted)
        head = frequencies((place for place in inside if place.at < passage.head), len(wanted))
        fields = [
            w.head * h + w.title * t + w.path * min(1.0, p)
            for h, t, p in zip(head, titles[passage.title], one.path, strict=True)
        ]
        length = (passage.end - passage.start) / USUAL
        span, at = nearest(inside, rare)
        whole = score(frequencies(inside, len(wanted)), fields, length, rare, w) if inside else 0.0
        scores.append(whole + w.together * span + w.pair * paired(inside, rare))
        spans.append(at)
    return [
        _Scored(one, passage, prior * (scores[i] + w.neighbour * _around(scores, i)), spans[i])
        for i, passage in enumerate(cut)
        if scores[i]
    ]


def _around(scores: list[float], i: int) -> float:
    return sum(scores[max(0, i - 1) : i]) + sum(scores[i + 1 : i + 2])


def _chosen(scored: list[_Scored], limit: int) -> Iterator[_Scored]:
    """The best, one passage of a definition, no passage twice, later ones of a file behind others as good."""
    taken: list[set[str]] = []
    names: set[tuple[str, str]] = set()
    files: dict[str, int] = {}
    rest = scored
    while rest and len(taken) < limit:
        best = max(rest[:200], key=lambda one: one.score * SAME_FILE ** files.get(one.found.document.path, 0))
        rest.remove(best)
        path, lines = best.found.document.path, _lines(best)
        if (path, best.passage.title) in names or any(_alike(lines, other) for other in taken):
            continue
        if best.passage.title:
            names.add((path, best.passage.title))
        files[path] = files.get(path, 0) + 1
        taken.append(lines)
        yield best


def _lines(one: _Scored) -> set[str]:
    text = one.found.document.text[one.passage.start : one.passage.end]
    return {line.strip() for line in text.split("\n")} - {""}


def _alike(one: set[str], other: set[str]) -> bool:
    return len(one & other) >= ALIKE * max(1, min(len(one), len(other)))


def _hit(one: _Scored) -> Hit:
    passage, document = one.passage, one.found.document
    text = document.text[passage.start : passage.end]
    at = max(0, one.at - passage.start)
    best = min(passage.first + text.count("\n", 0, at), passage.last)
    return Hit(
        path=document.path,
        first=passage.first,
        last=passage.last,
        title=passage.title or document.title,
        text=text.rstrip(),
        score=round(one.score, 6),
        best_line=best,
        column=at - text.rfind("\n", 0, at) - 1,
        document=one.found.number,
    )
