"""The second look: a model's sense of what is alike, at the few sentences that words alone put first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from penstock.policy.compress.likely import Sentence
from penstock.policy.compress.sections import Section

__all__ = ["Similar", "looked_at_again"]

LOOKED_AT: Final = 24
"""Sentences that are looked at again. With 40 as many answers are kept, at 1.6 times the cost."""

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
    within = {said[number].passage: [0, 0] for number in best}
    for one in said:
        if one.passage in within:
            span = within[one.passage]
            span[:] = [span[0] if span[1] else one.start, one.end]
    titled = [f"{'. '.join((*parts[said[n].section].names[:1], text[said[n].start : said[n].end]))}" for n in best]
    found = similar(query, [*titled, *(text[start:end] for start, end in within.values())])
    of_passage = dict(zip(within, found[len(best) :], strict=True))
    again = [worth + (SENTENCE + PASSAGE) * USUAL for worth in worths]
    for number, likeness in zip(best, found, strict=False):
        again[number] = worths[number] + SENTENCE * likeness + PASSAGE * of_passage[said[number].passage]
    return again
