"""Prose and collections of documents in sentences, and what each is worth for a question, or without one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from penstock.policy.compress.central import central, repeated
from penstock.policy.compress.extract import Piece, Plan
from penstock.policy.compress.likely import Sentence, likely
from penstock.policy.compress.likeness import Similar, looked_at_again
from penstock.policy.compress.sections import Section, Source, sections
from penstock.policy.compress.sentences import LONGEST, SHORTEST, sentences
from penstock.relevance.words import fold

__all__ = ["cut", "plan"]

PASSAGE: Final = 1000
"""Characters that a passage has at most, but for a sentence that is longer; a paragraph ends it from half of that."""

REPEATED: Final = 20.0
"""How much less a sentence is worth that was said before: it comes behind all others."""

LOOKED_AT: Final = 10
"""Characters that are looked at for what is said twice, a token of room: about twice what will be kept."""

_BLANK_LINE = re.compile(r"\n[ \t]*\n")


def plan(
    text: str, query: str | None, room: int, sources: Sequence[Source] = (), similar: Similar | None = None
) -> Plan:
    """Prose in sentences, each under the title of its section. ``sources`` are what `joined` said, if it made the text.

    With a query, worth is how likely the sentence answers it; without, how much it says that is said all over the
    text. ``similar`` is asked about the few sentences that words alone put first. What was said before is worth
    least. No sentence is longer than about half the ``room``.
    """
    parts = sections(text, sources)
    said = cut(text, parts, min(LONGEST, max(SHORTEST, 2 * room)))
    small = fold(text)
    told = [small[one.start : one.end] for one in said]
    worths = likely(text, small, query or "", parts, said) or central(told, [one.opens for one in said])
    if similar and query:
        worths = looked_at_again(text, query, parts, said, worths, similar)
    for number in repeated(told, worths, LOOKED_AT * room):
        worths[number] -= REPEATED
    return Plan(_pieces(text, parts, said, worths), _gap)


def cut(text: str, parts: Sequence[Section], longest: int = LONGEST) -> list[Sentence]:
    """The sentences of a text whose sections are ``parts``, in order, and the passages they belong to."""
    found: list[Sentence] = []
    passage = -1
    for number, section in enumerate(parts):
        first = last = -1
        for start, end in sentences(text, section.body, section.end, longest):
            parted = last < 0 or _BLANK_LINE.search(text, last, start) is not None
            if first < 0 or end - first > PASSAGE or (parted and start - first > PASSAGE // 2):
                passage += 1
                first = start
            found.append(Sentence(start, end, passage, number, opens=parted or start == first))
            last = end
    return found


def _pieces(text: str, parts: Sequence[Section], said: Sequence[Sentence], worths: Sequence[float]) -> list[Piece]:
    """Titles and sentences in order. A title comes with a sentence below it; on its own it comes after all of them."""
    least = min(worths, default=0.0) - 1.0
    below: list[list[int]] = [[] for _ in parts]
    for number, one in enumerate(said):
        below[one.section].append(number)
    found: list[Piece] = []
    titles: list[int] = []
    for section, numbers in zip(parts, below, strict=True):
        title = titles[section.above] if section.above >= 0 else -1
        if section.body > section.start:
            end = section.start + len(text[section.start : section.body].rstrip())
            found.append(Piece(section.start, end, least, title))
            title = len(found) - 1
        titles.append(title)
        found.extend(Piece(said[number].start, said[number].end, worths[number], title) for number in numbers)
    return found


def _gap(stretch: str) -> str:
    """What stands for sentences that are left out: three dots, on a new paragraph where one began."""
    if not stretch.strip():
        return stretch
    parted = _BLANK_LINE.search(stretch) is not None
    if stretch.endswith("\n"):
        return "\n\n" if parted else " …\n"
    return "\n\n… " if parted else "\n… " if stretch.startswith("\n") else " … "
