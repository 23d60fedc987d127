"""A cut through a history, and the list of messages that it leaves.

A `Cut` says how much of a history stays; `cut_to` makes the list that a cut leaves, always the same for the same
messages and cut. What comes after a cut was made follows it without changing what stands before, so that a provider's
cache goes on reading what it has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import msgspec

from penstock.policy.prune.outputs import LEAST, Output, marker, outputs, replaced, same_as
from penstock.policy.prune.summary import NOTED, carried, is_noted, summarised
from penstock.policy.prune.turns import Conversation, tokens_of
from penstock.values import Edit, Undo
from penstock.values.shape import Json, entries, mapping, text

__all__ = ["ENTRY", "Count", "Cut", "Entry", "Pruned", "Shorten", "cut_to"]

Count: TypeAlias = Callable[[str], int]
"""How many tokens a text has."""

Shorten: TypeAlias = Callable[[str, int], str]
"""A text in about so many tokens; always the same for the same text and number."""

_NEW = -2
"""In place of the index of a message that was not there before; it is next to none."""

REPEATED = 200
"""Tokens from which a result that came before is told by pointing there."""

SUPERSEDED = 500
"""Tokens from which a result is left out when the very same call was made again later."""


class Entry(msgspec.Struct, frozen=True):
    """What is done to results once, when they come in, before a provider ever caches them."""

    over: int = 5_000
    """Tokens of a result that is shortened; 0: none is."""
    to: int = 2_000
    """Tokens that are left of it."""
    repeats: bool = True
    """Whether a result that stands above already, letter for letter, is told by pointing there."""
    least: int = 0
    """Tokens of the prompt up to the result that have to be left: a provider caches no shorter prompt."""


ENTRY = Entry()


class Cut(msgspec.Struct, frozen=True):
    """What stays of the first ``seen`` messages. Later ones are only treated as they come in (`Entry`)."""

    seen: int = 0
    """Messages that were there when the cut was made."""
    start: int = 0
    """Messages before this one are left out, but for the system's, the last request and thinking in progress."""
    masked: int = 0
    """Results before this message are left out."""
    short: int = 0
    """Results and explanations before this message have at most ``room`` tokens."""
    room: int = 0
    notes: int = 0
    """Tokens of what is told of the work that is left out, beside what the user said."""


class Pruned(msgspec.Struct, frozen=True):
    """A list of messages after a cut."""

    messages: list[Json]
    tokens: list[int]
    """Of each of them."""
    before: int
    """Tokens of the list as it came."""
    dropped: int
    """Messages that are left out."""
    masked: int
    """Results in whose place a marker stands."""
    shortened: int
    """Results and explanations that were cut short."""
    cut: Cut
    fits: bool = True
    """Whether the target was met, if there was one."""

    @property
    def after(self) -> int:
        """Tokens of the list as it is now."""
        return sum(self.tokens)

    @property
    def changed(self) -> bool:
        """Whether anything is different."""
        return bool(self.dropped or self.masked or self.shortened)

    def agrees(self, other: Pruned) -> int:
        """How many messages at the beginning are the same in both."""
        pairs = list(zip(self.messages, other.messages, strict=False))
        return next((i for i, (a, b) in enumerate(pairs) if a is not b and a != b), len(pairs))

    def edits(self) -> tuple[Edit, ...]:
        """The change of a body whose messages these were; none where nothing is different."""
        if not self.changed:
            return ()
        told = {"dropped": self.dropped, "masked": self.masked, "shortened": self.shortened}
        undo = Undo(input_tokens=self.before - self.after)
        return (Edit("prune", ("messages",), "set", self.messages, undo, told),)


class _Sent(msgspec.Struct, frozen=True):
    index: int
    """Where it stood before, or `_NEW`."""
    message: Json
    tokens: int


def cut_to(whole: Conversation, cut: Cut, count: Count, shorten: Shorten, entry: Entry = ENTRY) -> Pruned:
    """The messages that a cut leaves. Fields that are not changed are the very objects that came in."""
    stays = _staying(whole, cut)
    left_out = [i for i in range(cut.start) if i not in stays]
    if all(_is_told(whole, i) for i in left_out):
        left_out = []
    away = set(left_out)
    knife = _Knife(whole, cut, count, shorten, entry)
    kept: list[_Sent] = []
    head = next((i for i in range(len(whole.read)) if whole.read[i].role != "system"), len(whole.read))
    for index in range(len(whole.messages)):
        if index == head and left_out:
            told: Json = {"role": "user", "content": summarised(whole, left_out, cut.notes, count).told()}
            kept.append(_Sent(_NEW, told, tokens_of(told, count)))
            knife.sent += kept[-1].tokens
        if index not in away:
            kept.append(knife.applied(index))
    listed = list(_in_turn(whole, kept, count)) if left_out else kept
    return Pruned(
        messages=[each.message for each in listed],
        tokens=[each.tokens for each in listed],
        before=whole.total,
        dropped=len(left_out),
        masked=knife.masked,
        shortened=knife.shortened,
        cut=cut,
    )


def _is_told(whole: Conversation, index: int) -> bool:
    """Whether a message is an earlier summary, or the word that it was read: nothing is won by telling it anew."""
    return carried(whole.messages[index]) is not None or is_noted(whole.messages[index])


def _staying(whole: Conversation, cut: Cut) -> set[int]:
    """Messages before a cut that stay: the system's, the last request, thinking of the turn in progress."""
    requests = whole.requests(cut.seen)
    progress = whole.in_progress(cut.seen)
    stays = {i for i in range(cut.start) if whole.read[i].role == "system"}
    for group in whole.groups:
        if group.start >= cut.start:
            break
        span = range(group.start, group.end)
        if requests.intersection(span) or any(i >= progress and whole.read[i].thinks for i in span):
            stays.update(span)
    return stays


def _in_turn(whole: Conversation, kept: Sequence[_Sent], count: Count) -> Iterator[_Sent]:
    """The messages, with a word of the assistant between two of the user where the wire wants them to take turns."""
    last, before = "", _NEW
    for sent in kept:
        role = text(sent.message.get("role"))
        if whole.alternates and role == last == "user" and sent.index != before + 1:
            yield _Sent(_NEW, NOTED, tokens_of(NOTED, count))
        yield sent
        last, before = role, sent.index


class _Knife:
    """What is done to each message that stays, in order."""

    def __init__(self, whole: Conversation, cut: Cut, count: Count, shorten: Shorten, entry: Entry) -> None:
        self._whole, self._cut, self._entry = whole, cut, entry
        self._count, self._shorten = count, shorten
        self._shown: dict[str, str] = {}
        self._requests = whole.requests(cut.seen)
        self._progress = whole.in_progress(cut.seen)
        self._again = whole.asked_again(cut.seen)
        self.sent = 0
        """Tokens of all messages so far."""
        self.masked = 0
        self.shortened = 0

    def applied(self, index: int) -> _Sent:
        """The message as it is sent."""
        message, tokens = self._whole.messages[index], self._whole.tokens[index]
        if tokens >= LEAST:
            message = self._changed(index, message)
            if message is not self._whole.messages[index]:
                tokens = tokens_of(message, self._count)
        self.sent += tokens
        return _Sent(index, message, tokens)

    def _changed(self, index: int, message: Json) -> Json:
        read = self._whole.read[index]
        for output in outputs(message):
            told = self._told(index, output)
            if told is not None:
                message = replaced(message, output.block, told)
        if index < self._cut.seen and index not in self._requests:
            if read.role == "assistant" and index < min(self._cut.short, self._progress):
                return self._explained(message, self._cut.room)
            if read.said and isinstance(message.get("content"), str) and self._whole.observed(index):
                told = self._told(index, Output(-1, "", read.said, plain=True))
                return message if told is None else {**message, "content": told}
        return message

    def _told(self, index: int, output: Output) -> str | None:
        """What stands in place of a result; None: it stays as it is."""
        tokens = self._count(output.text) if output.plain else self._whole.tokens[index]
        if output.marked or tokens < LEAST:
            return None
        if index < self._cut.masked or (tokens >= SUPERSEDED and output.call in self._again):
            self.masked += 1
            return marker(tokens)
        if not output.plain:
            return None
        if output.call and self._entry.repeats and tokens >= REPEATED:
            shown = self._shown.setdefault(output.text, output.call)
            if shown != output.call and self.sent >= self._entry.least:
                self.masked += 1
                return same_as(shown, tokens)
        if index < self._cut.short and tokens > self._cut.room:
            return self._shortened(output.text, self._cut.room, tokens)
        if output.call and 0 < self._entry.over < tokens:
            return self._shortened(output.text, self._entry.to, tokens, least=self._entry.least - self.sent)
        return None

    def _shortened(self, words: str, room: int, tokens: int, least: int = 0) -> str | None:
        told = self._shorten(words, room)
        if not told.strip() or not least <= self._count(told) < tokens:
            return None
        self.shortened += 1
        return told

    def _explained(self, message: Json, room: int) -> Json:
        """An assistant's message with its explanations cut short; its calls and its thinking stay as they are."""
        content = message.get("content")
        if isinstance(content, str):
            told = self._briefly(content, room)
            return message if told is None else {**message, "content": told}
        blocks = list(entries(content))
        for place, block in enumerate(blocks):
            fields = mapping(block)
            if fields.get("type") == "text" and not fields.get("citations"):
                told = self._briefly(text(fields.get("text")), room)
                blocks[place] = block if told is None else {**fields, "text": told}
        return message if blocks == entries(content) else {**message, "content": blocks}

    def _briefly(self, words: str, room: int) -> str | None:
        tokens = self._count(words)
        return self._shortened(words, room, tokens) if tokens > room else None
