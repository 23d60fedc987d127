"""What a question asks about, and where a text speaks of it.

A text is never cut into words. Each word of the question has a *base*, the beginning that all its forms share; the
text is searched for the bases (a substring search runs at memory speed), and only the places found are looked at:
is it a whole word or a part of an identifier (``parseCookieHeader`` speaks of a cookie), which form of the word is it?
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

import msgspec

__all__ = ["Place", "Term", "fold", "lower", "named", "places", "stem", "terms"]

EXACT, DERIVED, INSIDE = 1.0, 0.5, 0.25
"""What a place counts: the same word, a word made from it (encoder, encode), a run-together word (iterencode)."""

INSIDE_FROM, INSIDE_NAMES_FROM = 5, 4
"""Letters from which a word is looked for inside others; names run words together more often (email, pathname)."""

PLAIN, WEAK = 1.0, 0.3
"""What a word of the question counts: one that carries meaning, one that questions about code are made of."""

NAME = 1.5
"""What a name counts that the question spells out (``parse_header``, ``Set-Cookie``), besides its parts."""

_EVERYDAY = """
a about all also am an and any are as at be been being but by can could did do does doing done for from get gets
give given gives had has have having how i if in into is it its itself just let like may me mean means might my
no not of on one or our out shall she should so some tell than that the their them then there these they this
those to too up us very was way we were what when where which who whose why will with would you your
"""
_ASKING = """
call class code define describe determine document explain file find function handle happen implement kind line
locate look made make method module name place please program section show source summarize text thing type use
used using value work
"""
_WORD = re.compile(r"[^\W_]+(?:[-_.][^\W_]+)*")
_PART = re.compile(r"\d+|[^\W\d_]+")
_CAMEL = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\d_A-Z]+")
_LETTERS = r"[^\W\d_]*"
_WITHOUT_SPACES = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")
_ACCENTED = re.compile("[\u00c0-\u024f\u0386-\u03ce\u0400-\u045f\u1e00-\u1eff]")
_VOWEL = re.compile(r"[aeiouy]")
_MADE_FROM = re.compile(r"(?:i[sz]?ation|[ai]tion|ion|ment|ness|ity|able|ible|ive|ance|ence|er|or|al|i)$")


class Term(msgspec.Struct, frozen=True):
    """One thing that a question asks about."""

    stem: str
    base: str
    weight: float
    pattern: re.Pattern[str]
    free: bool
    """Whether any place counts in full, word boundary or not: names, numbers, scripts without spaces."""


class Place(msgspec.Struct, frozen=True, gc=False):
    """Where a text speaks of a term: the offset, the index of the term, how directly (0..1)."""

    at: int
    term: int
    factor: float


def lower(text: str) -> str:
    r"""The text in lower case, with every character where it was.

    >>> len(lower("\u0130stanbul"))
    8
    """
    small = text.lower()
    return small if len(small) == len(text) else "".join(c.lower() if len(c.lower()) == 1 else c for c in text)


def fold(text: str) -> str:
    """The text in lower case and without accents, with every character where it was.

    >>> fold("Gómez, Århus")
    'gomez, arhus'
    """
    for letter in set(_ACCENTED.findall(text)):
        text = text.replace(letter, unicodedata.normalize("NFD", letter)[0])
    return lower(text)


@lru_cache(maxsize=16384)
def stem(word: str) -> str:
    """A lower-case word without the endings of number and tense.

    >>> [stem(w) for w in ("parsed", "parsing", "parses", "parse", "queries", "query", "string", "running")]
    ['pars', 'pars', 'pars', 'pars', 'queri', 'queri', 'string', 'run']
    """
    if len(word) > 3 and word[-1] == "s" and word[-2] not in "sui":
        word = word[:-1]
    if word.endswith("ing") and len(word) > 5 and _VOWEL.search(word[:-3]):
        word = _undoubled(word[:-3])
    elif word.endswith("ed") and len(word) > 4 and word[-3] != "e" and _VOWEL.search(word[:-2]):
        word = _undoubled(word[:-2])
    if len(word) > 3 and word[-1] == "e":
        return word[:-1]
    return word[:-1] + "i" if len(word) > 3 and word[-1] == "y" else word


def _undoubled(word: str) -> str:
    return word[:-1] if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "lsz" else word


def terms(question: str) -> list[Term]:
    """What the question asks about, in the order of the question, each once.

    Words that every question has (where, is, the) are left out, those of questions about code (function, file) count
    little, unless the question has no others.

    >>> [term.stem for term in terms("Where is the Set-Cookie header parsed?")]
    ['set-cookie', 'set', 'cooki', 'header', 'pars']
    """
    found: dict[str, Term] = {}
    for word in _WORD.findall(question):
        for term in _terms_of(word):
            found.setdefault(term.stem, term)
    known = list(found.values())
    if all(term.weight == WEAK for term in known):
        return [msgspec.structs.replace(term, weight=PLAIN) for term in known]
    return known


def _terms_of(word: str) -> Iterator[Term]:
    runs = _WITHOUT_SPACES.findall(word)
    if runs:
        for run in runs:
            for i in range(max(1, len(run) - 1)):
                yield _free(run[i : i + 2], PLAIN)
        word = _WITHOUT_SPACES.sub(" ", word)
    parts = [piece for part in _PART.findall(word) for piece in (_CAMEL.findall(part) or [part])]
    spelled = len(parts) > 1
    if spelled and not runs:
        yield _free(lower(word), NAME)
    for part in parts:
        small = lower(part)
        if part.isdigit():
            if len(part) > 1:
                yield _free(small, PLAIN)
        elif len(small) > 1 and (spelled or small not in _STOP):
            yield _plain(small, WEAK if stem(small) in _WEAK else PLAIN)


def _free(word: str, weight: float) -> Term:
    """A term found as it is spelled, with any or no separator between its parts."""
    spelled = r"[-_. ]?".join(map(re.escape, re.split(r"[-_.]", word)))
    if not _WITHOUT_SPACES.match(word):
        spelled = rf"{spelled}(?![^\W_])" if word.isdigit() else spelled
        spelled = rf"(?<![^\W_]){spelled}"
    return Term(word, word, weight, re.compile(spelled), free=True)


def _plain(word: str, weight: float) -> Term:
    root = stem(word)
    base = _MADE_FROM.sub("", root)
    if len(base) < 4:
        base = root[:-1] if root[-1] == "i" and len(root) > 3 else root
    return Term(root, base, weight, re.compile(re.escape(base) + _LETTERS), free=False)


_STOP = frozenset(_EVERYDAY.split())
_WEAK = frozenset(map(stem, _ASKING.split()))


def places(text: str, small: str, wanted: list[Term], *, inside: int = INSIDE_FROM) -> list[Place]:
    """Where the text speaks of the terms, in the order of the text.

    ``small`` is `lower` of the text. Words of at least ``inside`` letters are found inside run-together ones too.
    """
    found: list[Place] = []
    for number, term in enumerate(wanted):
        if term.free:
            found.extend(Place(match.start(), number, EXACT) for match in term.pattern.finditer(small))
        elif term.base in small:
            found.extend(_places_of(text, small, term, number, inside))
    found.sort(key=_at)
    return found


def named(name: str, wanted: list[Term]) -> list[float]:
    """How much a name (a path, a title, a definition) says of each term."""
    found = [0.0] * len(wanted)
    for place in places(name, lower(name), wanted, inside=INSIDE_NAMES_FROM):
        found[place.term] += place.factor
    return found


def _at(place: Place) -> int:
    return place.at


def _places_of(text: str, small: str, term: Term, number: int, inside: int) -> Iterator[Place]:
    """The places of a plain word: where a word or a part of an identifier starts with it, or holds it."""
    for match in term.pattern.finditer(small):
        at = match.start()
        if at and small[at - 1].isalpha() and not _humped(text, at):
            if len(term.base) >= inside:
                yield Place(at, number, INSIDE)
            continue
        part = _CAMEL.match(text, at)
        word = lower(part[0]) if part else match[0]
        factor = _factor(word, term)
        if factor:
            yield Place(at, number, factor)


def _humped(text: str, at: int) -> bool:
    """Whether a part of a camelCase identifier begins here, behind a letter."""
    return text[at].isupper() and (text[at - 1].islower() or text[at + 1 : at + 2].islower())


def _factor(word: str, term: Term) -> float:
    if word == term.stem or stem(word) == term.stem:
        return EXACT
    longer = len(word) - len(term.base)
    if longer < 0 or len(term.base) < 4:
        return 0.0
    return DERIVED if longer <= 5 else INSIDE
