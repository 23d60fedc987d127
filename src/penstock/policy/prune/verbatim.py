"""What a user asked for that has to outlive his messages: rules, limits, and the things he named.

Whatever is found is a stretch of the original, so that it stays word for word; what follows on each other stays in
one stretch. Where in doubt it is kept: a rule too many costs a few tokens, a rule lost costs the work.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import pairwise

import msgspec

__all__ = ["constraints"]

LONG = 1_500
"""Characters from which a text is taken to hold pasted material: what looks like code is none of the user's."""

TITLE = 60
"""Characters that a title has at most."""

FENCED = 1_000
"""Characters of code between fences that a rule may bring with it."""

PASTED = 8_000
"""Characters from which it is taken to be mostly that: names and weak words say little."""

_STRONG = re.compile(
    r"\b(?:must|mustn|never|always|only|do not|don.?t|cannot|can not|can.?t|shall|should(?:n.?t| not)?|requires?"
    r"|required|forbidden|prohibited|(?:not|n.t|be) allowed|ensure|make sure|be sure|avoid|at most|at least|up to"
    r"|exactly|unless|no (?:more|less|fewer) than|(?:more|less|fewer) than|maximum|minimum|limits?|limited to|budget"
    r"|quota|deadline|except|without|under no circumstances|not to|ha(?:s|ve) to|needs? to|stick to|refrain"
    r"|constraints?|rules?|important|nie|niemals|immer|nur|nicht|kein\w*|muss|müssen|darf|dürfen|höchstens|mindestens"
    r"|jamais|toujours|seulement|doit|doivent|nunca|siempre|solo|sólo|debe\w*|sempre|deve)\b"
    r"|必须|必須|不要|不得|不能|禁止|只能|总是|總是|务必|務必|切勿|しないで|ください|必ず|だけ|해야|하지 ?마"
    r"|[$€£]\s?\d|\d\s?(?:%|[$€£]|(?:ns|µs|ms|s|sec|min|h|kb|mb|gb|tb|kib|mib|gib|px|usd|eur|tokens?|requests?|users?"
    r"|days?|hours?|minutes?|seconds?|weeks?|lines?|characters?|chars?|words?|bytes?|rows?|columns?|times|retries|per)\b)",
    re.IGNORECASE,
)
"""Words that bind, in a few languages, and amounts with a unit."""
_WEAK = re.compile(
    r"\b(?:not|no|any|all|every|each|keep|leave|preserve|prefer|instead|until|before|after|by|please|use|using|remember|note"
    r"|want|max|min|critical|stop|allow|can|need|needs|exclude|excluding|rather|still|also|assume|soll\w*|bitte|pas)\b"
    r"|^\W*(?:add|answer|ask|build|call|cap|change|check|cite|commit|convert|cover|create|deploy|do|document|fix|focus"
    r"|follow|format|give|handle|ignore|implement|include|let|list|log|make|merge|move|name|order|place|put|quote|refactor"
    r"|remove|rename|reply|report|respond|return|round|run|set|show|skip|sort|split|store|summari[sz]e|support|target|tell"
    r"|test|translate|treat|update|wait|work|write)\b",
    re.IGNORECASE,
)
"""Words of wishes, and verbs that begin one."""
_NAMED = re.compile(
    r"\d|`[^`\n]+`|https?://|\b[\w.-]{1,80}/[\w./-]|\b\w[\w-]{0,80}\.[A-Za-z]{1,5}\b|\b[a-z]{1,40}_\w|\b[a-z]{1,40}[A-Z]"
    r"|\b[A-Z]{2,}\b|\"[^\"\n]{2,60}\"|“[^”\n]{2,60}”"
)
"""Numbers, paths and files, identifiers, and what is quoted."""
_ABBREVIATED = re.compile(r"(?:\b(?:e\.g|i\.e|etc|vs|cf|resp|approx|Mr|Ms|Mrs|Dr|No|Nr|St|z\.B|d\.h)|\b[A-Z])\.$")
_END = re.compile(r"[.!?]{1,9}[\"'\u201d\u2019)\]]{0,9}(?=\s)|[\u3002\uff01\uff1f]")
_FENCE = re.compile(r"^\s*(```|~~~)")
_ITEM = re.compile(r"^\s*(?:[-*•]|\(?\d{1,2}[.)])\s")
_HEADING = re.compile(r"[^\w\n]*\d*\W*|(?:\W*\w+){1,3}:\W*")
"""A number of a list, or a title that stands alone: it says nothing without what followed."""
_CODE = re.compile(
    r"\s*(?:\d+\s?[:|]|(?:at|File) .{1,300}(?:line |:)\d|[+@-]{2,}|[{}()\[\]]+[,;]?\s*$|[\w.]+\s?=|</?\w+|[$>#] "
    r"|[\w.]+\(.*\)[:;,]?\s*$|(?:def|class|import|from|return|const|let|var|function|public|private)\s.*[(:;={])"
    r"|\(.*\)\s*$|.*[;{}]\s*$"
)


class _Stretch(msgspec.Struct, frozen=True):
    start: int
    end: int
    kept: bool


@lru_cache(maxsize=1024)
def constraints(words: str, *, strong: bool = False) -> tuple[str, ...]:
    """The stretches of what a user said that have to be kept word for word, in order.

    Of a short text these are all sentences with a rule, a wish, a number or a name; code between fences is none by
    itself. Of a longer one what looks like code is left out; of a very long one, and of any that is asked for
    ``strong`` ones, the sentences remain that say must, never, only and the like, or how much.

    >>> constraints("Hello there! Never touch db/schema.sql. It was a fine day.")
    ('Never touch db/schema.sql.',)
    """
    binds = _binds if len(words) <= LONG else _binds_in_long
    if strong or len(words) > PASTED:
        binds = _binds_in_pasted
    found = (words[start:end].strip() for start, end in _joined(list(_sentences(words, binds))))
    return tuple(stretch for stretch in found if len(stretch) > TITLE or not _HEADING.fullmatch(stretch))


def _joined(found: Sequence[_Stretch]) -> Iterator[tuple[int, int]]:
    """Neighbours that are kept, as one."""
    begin: int | None = None
    for stretch, following in pairwise((*found, _Stretch(0, 0, kept=False))):
        if stretch.kept and begin is None:
            begin = stretch.start
        if begin is not None and not following.kept:
            yield begin, stretch.end
            begin = None


def _sentences(words: str, binds: Callable[[str], bool]) -> Iterator[_Stretch]:
    """The sentences of a text, line by line, and whether each is to be kept.

    A list, or some code between fences, belongs to the rule with a colon that it follows.
    """
    fenced = listed = ruled = False
    at = 0
    for line in words.splitlines(keepends=True):
        start, at = at, at + len(line)
        fence = _FENCE.match(line)
        if fence:
            fenced = not fenced
            ruled = ruled and (not fenced or words.find(fence[1], at, at + FENCED) > 0)
        if fenced or fence or not line.strip():
            yield _Stretch(start, at, kept=ruled)
            ruled = ruled and (fenced or not fence)
            continue
        listed = listed and bool(_ITEM.match(line))
        for begin, end in _cut(line):
            yield _Stretch(start + begin, start + end, kept=listed or binds(line[begin:end]))
        ruled = line.rstrip().endswith(":") and bool(_STRONG.search(line))
        listed = listed or ruled


def _cut(line: str) -> Iterator[tuple[int, int]]:
    begin = 0
    for end in _END.finditer(line):
        if not _ABBREVIATED.search(line, max(begin, end.end() - 8), end.end()):
            yield begin, end.end()
            begin = end.end()
    if line[begin:].strip():
        yield begin, len(line)


def _binds(sentence: str) -> bool:
    return bool(_STRONG.search(sentence) or _WEAK.search(sentence) or _NAMED.search(sentence))


def _binds_in_long(sentence: str) -> bool:
    return _binds(sentence) and not _CODE.match(sentence)


def _binds_in_pasted(sentence: str) -> bool:
    return bool(_STRONG.search(sentence)) and not _CODE.match(sentence)
