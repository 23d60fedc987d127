"""What a question asks about, in everyday words: its words, those that mean the same, and where both stand."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import chain
from math import log
from typing import Final

import msgspec

from penstock.relevance.english import FAMILIAR, commonness, kin
from penstock.relevance.words import Place, Term, fold, places, stem, terms

__all__ = ["Question", "question", "rarity", "spoken"]

KIN: Final = 0.5
"""What a word of the same meaning counts, beside the word itself."""

RUN_TOGETHER_FROM: Final = 4
"""Letters from which a word that nothing speaks of is looked for in two: "superbowl" is a "Super Bowl"."""

_NUMERALS: Final = """
2 two second ii | 3 three third iii | 4 four fourth iv | 5 five fifth | 6 six sixth vi | 7 seven seventh vii
8 eight eighth viii | 9 nine ninth ix | 10 ten tenth
"""
_NUMERAL = {word: line.split() for line in re.split(r"[|\n]", _NUMERALS) for word in line.split()}
_STATES = ("us", "u.s", "usa", "u.s.a", "united states", "america", "american", "americans")
_US_AND_NOT_THEM = frozenset({"about", "for", "give", "gives", "help", "let", "lets", "show", "tell", "to", "with"})
_WORD = re.compile(r"[^\W_]+(?:[-_.][^\W_]+)*")


class Question(msgspec.Struct, frozen=True):
    """What is asked about."""

    terms: tuple[Term, ...]
    kin: tuple[tuple[Term, int], ...] = ()
    """Words that mean the same as a term, each with the term's number."""


def question(text: str, without: Collection[str] = ()) -> Question:
    """What a text asks about, but the words with the stems in ``without``.

    >>> asked = question("Who played in the second movie?", without={"plai"})
    >>> [term.stem for term in asked.terms], [term.stem for term, _ in asked.kin]
    (['2', 'movi'], ['film'])
    """
    own = list({term.stem: term for term in _terms(fold(text)) if term.stem not in without}.values())
    named = {term.stem for term in own}
    others = (
        (other, number) for number, term in enumerate(own) for word in kin(term.stem) for other in _unnamed(word, named)
    )
    return Question(tuple(own), tuple(others))


def _terms(small: str) -> Iterator[Term]:
    """The terms of a question in its order: numerals by all their spellings, "in the us" as the country."""
    before = ""
    for word in _WORD.findall(small):
        if word in _NUMERAL:
            yield _spelled(_NUMERAL[word])
        elif word in _STATES and before not in _US_AND_NOT_THEM:
            yield _spelled(_STATES[1:])
        else:
            for term in terms(word):
                yield msgspec.structs.replace(term, weight=commonness(term.stem))
        before = word


def _spelled(spellings: Sequence[str]) -> Term:
    """A term that stands in any of these spellings."""
    pattern = re.compile(rf"(?<![^\W_])(?:{'|'.join(map(re.escape, spellings))})(?![^\W_])")
    return Term(spellings[0], spellings[0], FAMILIAR, pattern, free=True)


def _unnamed(word: str, named: set[str]) -> list[Term]:
    return [] if stem(word) in named else terms(word)


def spoken(small: str, asked: Question) -> list[Place]:
    """Where a text, given as `fold` of it, speaks of what is asked about, in the order of the text."""
    own = places(small, small, list(asked.terms))
    heard = {place.term for place in own}
    others = places(small, small, [term for term, _ in asked.kin])
    of_kin = [Place(place.at, asked.kin[place.term][1], place.factor * KIN) for place in others]
    apart = chain.from_iterable(
        _apart(small, term, number) for number, term in enumerate(asked.terms) if number not in heard
    )
    return sorted(chain(own, of_kin, apart), key=_at)


def _apart(small: str, term: Term, number: int) -> Iterable[Place]:
    """The places of a word that the text writes with a hyphen, a blank or an apostrophe inside."""
    if term.free or len(term.base) < RUN_TOGETHER_FROM:
        return ()
    pattern = re.compile(r"\b" + "[-' ]?".join(map(re.escape, term.base)))
    return (Place(match.start(), number, 1.0) for match in pattern.finditer(small))


def _at(place: Place) -> int:
    return place.at


def rarity(asked: Question, having: Sequence[int], pieces: int) -> list[float]:
    """What each term counts: the inverse of how many of the pieces have it, and how common it is anyhow."""
    return [term.weight * log(1 + (pieces - n + 0.5) / (n + 0.5)) for term, n in zip(asked.terms, having, strict=True)]
