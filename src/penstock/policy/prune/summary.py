"""The message that stands for those left out. All in it is taken from them word for word, nothing is told anew.

An earlier summary is carried over whole: a summary of a summary would lose what nobody can look up any more.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from penstock.policy.prune.turns import Conversation, calls, said
from penstock.policy.prune.verbatim import constraints
from penstock.values.shape import Json, text

__all__ = ["NOTED", "Summary", "carried", "is_noted", "summarised"]

NOTED: Json = {"role": "assistant", "content": "Noted."}
"""What stands between a summary and a user's message where users and assistants have to take turns."""

_HEAD = re.compile(r"\[(\d[\d,]*) earlier messages? left out\]")
_USER = "What the user said, word for word:"
_WORK = "What was done:"
_LONGEST = 240
"""Characters of a note. A longer sentence says more than a note should."""
USER_TOKENS = 5_000
USER_SHARE = 33
"""Where what the user said has more tokens than that, and more than one in so many, only strong rules are told."""
REPEATED = 24
"""Characters from which a sentence is told only once."""
_CALL = 120
"""Characters of a call."""

_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_ENDED = re.compile(r"(?<=[.!?]\s)(?=\S)|(?<=\n)")
_TALK = re.compile(
    r"(?:let (?:me|us)|let.s|i.ll|i will|i.m going to|i am going to|i need to|i should|we (?:can|should|need)|now|next"
    r"|first|great|sure|ok(?:ay)?|alright|perfect|certainly|of course|thank|you.re right|to (?:start|begin)"
    r"|here(?:.s)?)\b",
    re.IGNORECASE,
)
"""How sentences begin that talk about the work and do not say what came of it."""
_FINDING = re.compile(
    r"\b(?:found|because|fixed|fail\w*|error|cause[ds]?|due to|decided|confirmed|pass(?:es|ed)|works?|worked|broken|bug"
    r"|issue|problem|changed|added|removed|created|updated|shows?|means|turns out|result|done|implemented|renamed"
    r"|conclu\w+)\b",
    re.IGNORECASE,
)


class Summary(msgspec.Struct, frozen=True):
    """What is told of messages that are left out."""

    messages: int
    """How many."""
    user: tuple[str, ...] = ()
    """Stretches of what the user said."""
    work: tuple[str, ...] = ()
    """One line each: findings, and calls that were made."""

    def told(self) -> str:
        """As the text of a message."""
        parts = [f"[{self.messages:,} earlier message{'s' * (self.messages != 1)} left out]"]
        if self.user:
            parts += [_USER, "\n\n".join(self.user)]
        if self.work:
            parts += [_WORK, "\n".join(f"- {line}" for line in self.work)]
        return "\n".join(parts)


def carried(message: Json) -> Summary | None:
    """The summary that a message holds, if it is one.

    >>> carried({"role": "user", "content": Summary(3, ("Never push.",), ("ran the tests",)).told()}).user
    ('Never push.',)
    """
    words = text(message.get("content"))
    head, _, rest = words.partition("\n")
    number = _HEAD.fullmatch(head)
    if message.get("role") != "user" or number is None:
        return None
    before, found, work = f"\n{rest}".rpartition(f"\n{_WORK}\n")
    user = (before if found else f"\n{rest}").removeprefix(f"\n{_USER}\n").strip("\n")
    lines = tuple(line.removeprefix("- ") for line in work.split("\n")) if found else ()
    return Summary(int(number[1].replace(",", "")), (user,) if user else (), lines)


def is_noted(message: Json) -> bool:
    """Whether a message says nothing but that a summary was read."""
    return message == NOTED


def summarised(whole: Conversation, left_out: Sequence[int], notes: int, count: Callable[[str], int]) -> Summary:
    """What is told of these messages: the user's constraints, and at most ``notes`` tokens of what was done."""
    messages = 0
    work: list[str] = []
    for index in left_out:
        earlier = carried(whole.messages[index])
        if earlier is not None:
            work += earlier.work
        messages += earlier.messages if earlier else not is_noted(whole.messages[index])
    user = list(_user(whole, left_out))
    room = max(USER_TOKENS, sum(whole.tokens[i] for i in left_out) // USER_SHARE)
    if sum(map(count, user)) > room:
        user = list(_user(whole, left_out, strong=True))
    return Summary(messages, tuple(user), (*work, *_noted(whole, left_out, notes, count)))


def _user(whole: Conversation, left_out: Sequence[int], *, strong: bool = False) -> Iterator[str]:
    """What the user said in these messages and in those that earlier summaries tell of."""
    told: set[str] = set()
    for index in left_out:
        earlier = carried(whole.messages[index])
        if earlier is not None:
            yield from _once(earlier.user, told)
        elif whole.read[index].said and not whole.observed(index):
            yield from _once(constraints(whole.read[index].said, strong=strong), told)


def _once(stretches: Iterable[str], told: set[str]) -> Iterator[str]:
    """The stretches without long sentences that were told before, such as instructions that come with each task."""
    for stretch in stretches:
        parts = [part for part in _ENDED.split(stretch) if part.strip() not in told]
        told.update(part.strip() for part in parts if len(part.strip()) >= REPEATED)
        if kept := "".join(parts).strip("\n"):
            yield kept


def _noted(whole: Conversation, left_out: Sequence[int], room: int, count: Callable[[str], int]) -> tuple[str, ...]:
    """The lines worth most, in order: findings and what was answered last before calls, the newer the sooner."""
    if not room:
        return ()
    lines: dict[str, tuple[int, int]] = {}
    for at, index in enumerate(left_out):
        if whole.read[index].role == "assistant":
            lines |= {line: (worth, at) for line, worth in _lines(whole.messages[index])}
    ranked = sorted(
        lines, key=lambda line: (lines[line][0] + lines[line][1] / len(left_out), lines[line][1]), reverse=True
    )
    kept: list[str] = []
    for line in ranked:
        size = count(line) + 3
        if size > room:
            break
        room -= size
        kept.append(line)
    return tuple(sorted(kept, key=lambda line: lines[line][1]))


def _lines(message: Json) -> Iterator[tuple[str, int]]:
    """The sentences and calls of an assistant, and what each is worth."""
    for sentence in _SENTENCE.split(said(message)):
        line = sentence.strip()
        if 20 < len(line) <= _LONGEST and not _TALK.match(line):
            yield line, 1 + bool(_FINDING.search(line))
    for _, asked in calls(message):
        told = " ".join(asked.split())
        yield told if len(told) <= _CALL else told[: _CALL - 1] + "…", 1
