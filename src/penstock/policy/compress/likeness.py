"""The second look: a model's sense of what is alike, at the few sentences that words alone put first."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Final, Protocol

from penstock.policy.compress.likely import Sentence
from penstock.policy.compress.sections import Section

__all__ = ["Similar", "looked_at_again"]

LOOKED_AT: Final = 24
"""Sentences that are looked at again at most. With 40 as many answers are kept, at 1.6 times the cost."""

READ: Final = 600
"""Characters of a sentence or a passage that are read at most: about what a small model takes in."""

ROOM: Final = 14_000
"""Characters that are read at most of all of them. So the time of a model has a bound that needs no clock, and what is
kept is the same on a slow day: all-MiniLM-L6-v2 reads one of English in 27 microseconds of a core."""

SENTENCE, PASSAGE = 8.0, 8.0
"""The log-odds that a likeness of 1.0 of the sentence under its title, and of its passage, adds. From 8 to 12 it is all
the same for all-MiniLM-L6-v2 on 300 questions on Wikipedia (Natural Questions); half of it is worse."""

USUAL: Final = 0.3
"""The likeness that is taken for granted where nobody looked."""


class Similar(Protocol):
    """How like a query each of some texts is, 0 to 1: the cosine of their embeddings, say."""

    def __call__(self, query: str, texts: Sequence[str], /) -> Sequence[float]:
        """A likeness for each text, in order."""
        ...


def looked_at_again(
    text: str, query: str, parts: Sequence[Section], said: Sequence[Sentence], worths: Sequence[float], similar: Similar
) -> list[float]:
    """The worths, with what a model says of the sentences that are worth most and of the passages they are in."""
    best = sorted(range(len(said)), key=lambda number: (-worths[number], number))[:LOOKED_AT]
    spans = {passage: _span(list(run)) for passage, run in groupby(said, lambda one: one.passage)}
    titled: list[str] = []
    passages: dict[int, str] = {}
    room = ROOM
    for one in (said[number] for number in best):
        start, end = spans[one.passage]
        passage = text[start : min(end, start + READ)]
        titled.append(". ".join((*parts[one.section].names[:1], text[one.start : one.end]))[:READ])
        room -= len(titled[-1]) + (0 if one.passage in passages else len(passage))
        if room < 0:
            del titled[-1]
            break
        passages[one.passage] = passage
    found = similar(query, [*titled, *passages.values()])
    of_passage = dict(zip(passages, found[len(titled) :], strict=True))
    again = [worth + (SENTENCE + PASSAGE) * USUAL for worth in worths]
    for number, likeness in zip(best, found[: len(titled)], strict=False):
        again[number] = worths[number] + SENTENCE * likeness + PASSAGE * of_passage[said[number].passage]
    return again


def _span(run: Sequence[Sentence]) -> tuple[int, int]:
    return run[0].start, run[-1].end
