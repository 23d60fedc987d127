"""Which segments speak of what is asked: BM25 over tags and sketches of all, then over the texts of the best.

The first pass sees every segment and no text; it decides what is worth reading. The second reads the few that did best
and also sees how close together the words stand. What has a loader that was never called keeps its first score.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import log

import msgspec

from penstock.context.window.segment import Segment
from penstock.context.window.sketch import positions, told
from penstock.context.window.tags import Tags
from penstock.relevance.bm25 import MEASURED, frequencies, nearest, paired, score
from penstock.relevance.words import Place, Term, lower, places, terms

__all__ = ["MOST", "relevance"]

LONGEST = 4000
"""Characters of a request that are read: half of them from its beginning, half from its end."""

MOST = 40
"""Segments that are looked at more closely."""

OFTEN, ONCE = 3.0, 1.0
"""How often a word is taken to be said that is among the tags of a text, and one that its sketch has."""


def relevance(
    request: str, segments: Iterable[tuple[Segment, Tags]], at_hand: Callable[[str], str | None]
) -> dict[str, float]:
    """How well the segments answer a request, beside the best one (1.0): the `MOST` that do, the best first.

    ``at_hand``: the text of a segment, by name; None where nobody has it yet.
    """
    wanted = terms(request if len(request) <= LONGEST else f"{request[: LONGEST // 2]} {request[-LONGEST // 2 :]}")
    looked_for = [positions(term.stem) for term in wanted]
    spoken = {segment.name: _spoken(segment, tags, wanted, looked_for) for segment, tags in segments}
    rare = _rarity(wanted, list(spoken.values()))
    scores = {name: _score(each, rare) for name, each in spoken.items() if any(each.body) or any(each.title)}
    best = sorted(scores, key=lambda name: -scores[name])[:MOST]
    texts = {name: text for name in best if (text := at_hand(name)) is not None}
    usual = max(1, sum(map(len, texts.values())) // max(1, len(texts)))
    for name, text in texts.items():
        found = places(text, lower(text), wanted)
        scores[name] = _score(
            _Spoken(frequencies(found, len(wanted)), spoken[name].title, found), rare, len(text) / usual
        )
        scores[name] += _joined(spoken[name], rare)
    best.sort(key=lambda name: -scores[name])
    return {name: scores[name] / scores[best[0]] for name in best if scores[name] > 0}


class _Spoken(msgspec.Struct, gc=False):
    """How often or how directly a segment speaks of each term, in its text and in the names that it has and gives."""

    body: list[float]
    title: list[float]
    near: list[Place]
    """Where the terms stand, in the text if it was read, else in the names."""


def _spoken(segment: Segment, tags: Tags, wanted: list[Term], looked_for: list[tuple[int, ...]]) -> _Spoken:
    title = f"{segment.path or segment.name} {tags.defines}"
    names = places(title, lower(title), wanted)
    body = [OFTEN * each for each in _best(places(tags.speaks, lower(tags.speaks), wanted), len(wanted))]
    for number, at in enumerate(looked_for):
        if body[number] < ONCE and told(tags.sketch, at):
            body[number] = ONCE
    return _Spoken(body, _best(names, len(wanted)), names)


def _best(found: list[Place], count: int) -> list[float]:
    """How directly each term is spoken of (0..1): tags tell a word once, however often it was said."""
    best = [0.0] * count
    for place in found:
        best[place.term] = max(best[place.term], place.factor)
    return best


def _score(spoken: _Spoken, rare: list[float], length: float = 1.0) -> float:
    title = [MEASURED.title * each for each in spoken.title]
    return score(spoken.body, title, length, rare, MEASURED) + _joined(spoken, rare)


def _joined(spoken: _Spoken, rare: list[float]) -> float:
    """What it says that words of the request stand together, and next to each other as they do there."""
    together, _ = nearest(spoken.near, rare)
    return MEASURED.together * together + MEASURED.pair * paired(spoken.near, rare)


def _rarity(wanted: list[Term], spoken: list[_Spoken]) -> list[float]:
    """What each term counts: its weight times the inverse of how many segments speak of it."""
    counts = [sum(1 for each in spoken if each.body[t] or each.title[t]) for t in range(len(wanted))]
    return [term.weight * log(1 + (len(spoken) - n + 0.5) / (n + 0.5)) for term, n in zip(wanted, counts, strict=True)]
