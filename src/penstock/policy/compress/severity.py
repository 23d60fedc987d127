"""How severe a line is by what it says: a level word if it has one, and words of trouble or change without one.

Only hints: what is severe in itself may come ten thousand times, so whoever uses this weighs it against how often it
comes. A word that is denied (``0 errors``, ``no failures``, ``errors=0``) says nothing.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence

from penstock.relevance.words import lower

__all__ = ["CHANGE", "NOTHING", "SEVERE", "TROUBLE", "level_of", "severities"]

NOTHING, CHANGE, TROUBLE, SEVERE = 0, 1, 2, 3
"""Nothing to see; something is no longer as it was or only in part; something is wrong; something failed."""

_SEVERE = """
error errors err fatal panic panicked critical crit severe emerg emergency exception exceptions fail fails failed
failing failure failures abort aborts aborted aborting crash crashes crashed crashing corrupt corrupted corruption
segfault sigsegv sigabrt sigkill traceback killed oom undefined deadlock deadlocked unable violation violated violates
cannot can't couldn't
"""
_TROUBLE = """
warn warns warning warnings alert denied denies refused refuses refusing reject rejects rejected rejecting timeout
timeouts invalid illegal unexpected unexpectedly mismatch mismatched missing lost losing dropped dropping drops exceed
exceeds exceeded exceeding overflow overflowed overrun overload overloaded underflow expired stalled stuck unreachable
unavailable disconnect disconnects disconnected retry retries retried retrying exhausted insufficient truncated
truncation skipped skipping stale conflict conflicts conflicting duplicate duplicated leak leaks leaked degraded
throttled throttling evicted preempted unknown bad broken down dead wrong unauthorized forbidden interrupted unhandled
suspicious incomplete partial partially without never ignored ignoring slow attack
"""
_CHANGE = """
changed changes changing disabled enabled was were now only still instead revert reverted reverting withdrawn override
overridden overrides switched switching promoted demoted raised lowered downgrade downgraded upgrade upgraded fallback
shutdown stopped stopping restart restarted restarting terminate terminated terminating cancelled canceled cancelling
deprecated forced deleted deleting removed removing revoke revoked moved replaced manual manually until pause paused
suspended suspending quota inactive
"""
_LEVELS = {
    **dict.fromkeys(_CHANGE.split(), CHANGE),
    **dict.fromkeys(_TROUBLE.split(), TROUBLE),
    **dict.fromkeys(_SEVERE.split(), SEVERE),
}
_PHRASES = {
    **dict.fromkeys(("rolled back", "by operator", "took over", "fell back", "falling back", "shut down"), CHANGE),
    "->": CHANGE,
    **dict.fromkeys(("not found", "not available", "not permitted", "not allowed", "not supported"), TROUBLE),
    **dict.fromkeys(("not ready", "not responding", "no such", "no route", "no response", "no longer"), TROUBLE),
    **dict.fromkeys(("no match", "too many", "too large", "too long", "too small", "too few", "break-in"), TROUBLE),
    **dict.fromkeys(("timed out", "gave up", "giving up", "can not", "could not", "core dumped", "no space"), SEVERE),
}
_KINDS_OF_ERROR = ("Error", "Exception", "Failure", "Fault", "Panic")
_EXIT = r"\b(?:exit(?:ed)?(?: with)?(?: code| status)?|rc|status|code)[ =:]+[1-9]\d{0,2}\b(?![.%])"
_SHAPES = (
    (("exit", "rc=", "status", "code"), re.compile(_EXIT), SEVERE),
    (('"level":',), re.compile(r'"level": ?[56]0\b'), SEVERE),
    (("http/",), re.compile(r'\bhttp/[\d.]+"? [45]\d\d\b'), TROUBLE),
    ((" of ",), re.compile(r"\b\d+ of \d+\b"), CHANGE),
    ((" from ",), re.compile(r"\bfrom \S+ to "), CHANGE),
)
_WORD = re.compile(r"[A-Za-z][A-Za-z']+")
_DENIED = re.compile(r"(?:\b(?:0|no|zero|without|non)[ -]?)$")
_NONE = re.compile(r"s?[\"']? ?(?:[=:] ?[\"']?(?:0|none|null|false)\b|=[\"']?(?:no|ok)\b)|s?\(0\)|-free")
_LETTER = re.compile(r"^.{0,60}?(?:^|[ \t|\[(])([VDTINWECFA])(?=[ \t|\])/:])", re.MULTILINE)
_LETTERS = {"W": TROUBLE, "E": SEVERE, "F": SEVERE, "C": SEVERE, "A": SEVERE}

LETTERED = 0.6
"""The share of lines with a lone letter near their beginning from which that letter is taken for the level."""


def level_of(word: str) -> int:
    """How severe a word is, in any case; names of errors (``TypeError``) are.

    >>> level_of("WARN"), level_of("KeyError"), level_of("reverted"), level_of("ready")
    (2, 3, 1, 0)
    """
    level = _LEVELS.get(word.lower(), NOTHING)
    return SEVERE if level == NOTHING and word.endswith(_KINDS_OF_ERROR) else level


_MANY = 100
"""Words of trouble from which a text is walked word by word instead of once for each of them."""


def severities(text: str, starts: Sequence[int]) -> list[int]:
    """How severe each line of a text is; ``starts`` are the offsets where the lines begin."""
    found = [NOTHING] * len(starts)
    small = lower(text)
    for at, level in _hints(text, small):
        line = bisect_right(starts, at) - 1
        found[line] = max(found[line], level)
    letters = list(_LETTER.finditer(text))
    if len(letters) >= LETTERED * len(starts):
        for match in letters:
            line = bisect_right(starts, match.start()) - 1
            found[line] = max(found[line], _LETTERS.get(match[1], NOTHING))
    return found


def _hints(text: str, small: str) -> Iterator[tuple[int, int]]:
    """Where something severe is said, and how severe it is. Only what a text has at all is looked for by its place."""
    levels = {word: level for word in set(_WORD.findall(text)) if (level := level_of(word))}
    if len(levels) > _MANY:
        said = ((match.start(), match[0]) for match in _WORD.finditer(text) if match[0] in levels)
    else:
        said = ((at, word) for word in levels for at in _finds(text, word))
    for at, word in said:
        end = at + len(word)
        alone = not (text[at - 1 : at].isalpha() or text[end : end + 1].isalpha())
        if alone and not _denied(small, at, end):
            yield at, levels[word]
    for phrase, level in _PHRASES.items():
        for at in _finds(small, phrase):
            yield at, level
    for signs, shape, level in _SHAPES:
        if any(sign in small for sign in signs):
            for match in shape.finditer(small):
                yield match.start(), level


def _finds(text: str, word: str) -> Iterator[int]:
    at = text.find(word)
    while at >= 0:
        yield at
        at = text.find(word, at + len(word))


def _denied(small: str, at: int, end: int) -> bool:
    return bool(_DENIED.search(small, max(0, at - 8), at) or _NONE.match(small, end))
