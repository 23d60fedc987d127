"""Where the sentences of a text are: by punctuation and the ends of lines, without a model."""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["LONGEST", "SHORTEST", "sentences"]

LONGEST = 600
"""Characters a sentence may have. A longer one is cut behind the last semicolon, colon, comma or blank in them."""

SHORTEST = 40
"""Characters that a sentence may have however small the room for it is."""

WRAPPED = 50
"""A line of so many characters may go on in the next one: text wrapped at a width."""

ABBREVIATION = 30
"""Characters of a word at most that may be an abbreviation."""

_END = re.compile(
    r"""(?P<sign>[.!?…\n。！？])(?:
      (?<=[.!?…])[\"'”’»)\]*_]*\s+(?=(?P<after>\S))
    | (?<=\n)\s*(?=\S)
    | (?<=[。！？])[」』”）]*\s*)""",  # noqa: RUF001 (the full stops of Chinese and Japanese)
    re.VERBOSE,
)
_STARTS = re.compile(
    r"[\"'“(]?(?:The|An?|In|It|He|She|They|We|I|This|That|These|Those|His|Her|Its|Their|On|At|By|For|From|As|But|And"
    r"|However|When|While|After|Before|There|If|Some|Many|Most|Since|During|With|You)\b"
)
_ITEM = re.compile(r"[-*+•·|>#=]|\(?\w{1,3}[.)]\s")
_BEHIND = ("; ", ": ", ", ", "\n", " ")
_TITLE_WORDS = "mr mrs ms dr prof st rev gen col sgt capt cmdr lt hon gov sen rep pres messrs mt ft vs v cf"
_TITLES = frozenset(_TITLE_WORDS.split())
"""Abbreviations that a name or something else always follows."""

_NUMBERED_WORDS = """
no nos vol vols fig figs eq sec ch p pp art c ca b d r approx jan feb mar apr jun jul aug sep sept oct nov dec
"""
_NUMBERED = frozenset(_NUMBERED_WORDS.split())
"""Abbreviations before a number."""


def sentences(text: str, start: int = 0, end: int | None = None, longest: int = LONGEST) -> Iterator[tuple[int, int]]:
    """The sentences between two offsets, as offsets without the blanks around them, none of more than ``longest``.

    >>> text = "Dr. J. Ito of the U.S. Navy left. He was 4.5 m away!  "
    >>> [text[a:b] for a, b in sentences(text)]
    ['Dr. J. Ito of the U.S. Navy left.', 'He was 4.5 m away!']
    """
    at, stop = _bare(text, start, len(text) if end is None else end)
    for match in _END.finditer(text, at, stop):
        if _ends(text, match, at):
            yield from _parts(text, at, match.end(), longest)
            at = match.end()
    yield from _parts(text, at, stop, longest)


def _ends(text: str, match: re.Match[str], at: int) -> bool:
    if match["sign"] == "\n":
        return _ends_line(text, match, at)
    if not match["after"]:
        return True
    if match["after"].islower():
        return False
    return match["sign"] != "." or _full_stop(text, match, at)


def _ends_line(text: str, match: re.Match[str], at: int) -> bool:
    """Whether a line ends more than the width of the page: a blank line follows, an item, or it is short."""
    if "\n" in match[0][1:] or _ITEM.match(text, match.end()):
        return True
    line = text[max(at, text.rfind("\n", at, match.start()) + 1) : match.start()].rstrip()
    return len(line) < WRAPPED or line.endswith(":")


def _full_stop(text: str, match: re.Match[str], at: int) -> bool:
    """Whether a full stop before a capital or a number ends a sentence, and not an abbreviation."""
    near = max(at, match.start() - ABBREVIATION)
    blank = max(text.rfind(sign, near, match.start()) for sign in (" ", "\n", "("))
    word = text[max(near, blank + 1) : match.start()].lstrip("\"'“([").lower()
    if word in _TITLES or (word in _NUMBERED and match["after"].isdigit()):
        return False
    if word.isdigit():
        return blank >= at or len(word) > 3
    if len(word) == 1 or "." in word:
        return _STARTS.match(text, match.end()) is not None
    return True


def _parts(text: str, start: int, end: int, longest: int) -> Iterator[tuple[int, int]]:
    """A sentence without the blanks around it, in parts if it is too long."""
    start, end = _bare(text, start, end)
    while end - start > longest:
        cuts = (text.rfind(sign, start + longest // 3, start + longest) for sign in _BEHIND)
        stop = next((cut + 1 for cut in cuts if cut > 0), start + longest)
        yield _bare(text, start, stop)
        start, end = _bare(text, stop, end)
    if start < end:
        yield start, end


def _bare(text: str, start: int, end: int) -> tuple[int, int]:
    """Offsets without the blanks at both ends."""
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end
