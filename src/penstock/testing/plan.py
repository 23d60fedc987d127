"""What a scripted upstream is asked and what it answers, as values: `penstock.testing.answers` makes bytes of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

from penstock.values import Usage, segments

__all__ = ["Count", "Plan", "Question", "ToolCall", "pieces", "quarter", "split"]

Count: TypeAlias = Callable[[str], int]
"""Counts the tokens of a text."""

_PROMPT = ("tools", "system", "instructions", "messages", "input")


class ToolCall(msgspec.Struct, frozen=True):
    """A call of a tool that the model makes; ``arguments`` is JSON text."""

    name: str
    arguments: str = "{}"
    id: str = "call_1"


class Plan(msgspec.Struct, frozen=True):
    """One answer and how it travels. Seconds pass on the clock of whoever carries the plan out.

    >>> Plan("Hello")                                                           # doctest: +SKIP
    >>> Plan(status=429, headers={"retry-after": "2"})                          # doctest: +SKIP
    >>> Plan("a long text", gap=0.05, cut_after_event=3)                        # doctest: +SKIP
    """

    text: str | None = None
    """The visible answer; None: a short text derived from the prompt, the same for the same prompt."""
    tools: tuple[ToolCall, ...] = ()
    thinking: str = ""
    usage: Usage | UnsetType | None = UNSET
    """What is reported and billed; unset: counted from the texts; None: not reported."""
    finish: str = ""
    """The reason to end, in the provider's word; empty: the usual one."""
    status: int = 200
    """Anything but 200 answers with ``text`` as the message of an error."""
    headers: Mapping[str, str] = {}
    body: bytes | None = None
    """These very bytes instead of a body made from the fields above."""
    content_type: str = ""
    gzip: bool = False
    latency: float = 0.0
    """Seconds before the status line."""
    gap: float = 0.0
    """Seconds before each event of a stream."""
    piece: int = 16
    """Characters in one event of a stream."""
    split: int = 0
    """Write in pieces of this many bytes, wherever that cuts; 0: event by event."""
    drip: float = 0.0
    """Seconds before each such piece."""
    hang: bool = False
    """Never answer, though the connection stays open."""
    drop: bool = False
    """Close the connection instead of answering."""
    hang_after_event: int | None = None
    """Stop sending after this many events, though the connection stays open."""
    cut_after: int | None = None
    """Close the connection after this many bytes of the body."""
    cut_after_event: int | None = None
    """Close the connection after this many events."""
    error_after_event: int | None = None
    """Go on with an error event after this many events, and end the stream in good order."""


class Question(msgspec.Struct, frozen=True):
    """What was asked, as far as an answer depends on it."""

    dialect: str
    """One of `penstock.providers.dialects.NAMES`."""
    body: Mapping[str, Any]
    number: int = 0
    """How many came before it."""

    @property
    def model(self) -> str:
        """The model asked for."""
        return str(self.body.get("model", ""))

    @property
    def generates(self) -> bool:
        """Whether a model writes the answer: embeddings and counts of tokens say nothing, and never stream."""
        return self.dialect not in {"embeddings", "count_tokens"}

    @property
    def stream(self) -> bool:
        """Whether events are wanted."""
        return self.generates and self.body.get("stream") is True

    @property
    def prompt(self) -> str:
        """All text that the model reads, in order: tools, system, messages. Parameters are not of it."""
        read = {field: self.body[field] for field in _PROMPT if field in self.body}
        return "\n".join(segment.text for segment in segments(read))

    def text(self, plan: Plan) -> str:
        """The visible answer: the plan's, or an echo of the prompt's last line under the digest of the whole prompt."""
        if plan.text is not None:
            return plan.text
        if plan.tools:
            return ""
        prompt = self.prompt
        digest = hashlib.blake2b(prompt.encode(), digest_size=4).hexdigest()
        return f"echo {digest}: {prompt.rpartition(chr(10))[2][:80]}"

    def usage(self, plan: Plan, count: Count, share: float = 1.0) -> Usage:
        """What the answer uses, or what a ``share`` of it does when the rest was never sent."""
        if self.dialect == "count_tokens":
            return Usage()
        if isinstance(plan.usage, Usage):
            used = plan.usage
        else:
            said = self.text(plan) + "".join(tool.arguments for tool in plan.tools)
            used = Usage(input=count(self.prompt), output=count(said), reasoning=count(plan.thinking))
        if not self.generates:
            share = 0.0
        if share >= 1:
            return used
        return msgspec.structs.replace(used, output=int(used.output * share), reasoning=int(used.reasoning * share))


def quarter(text: str) -> int:
    """A token for every four characters or part of them: a stand-in for a tokenizer, the same everywhere.

    >>> quarter(""), quarter("abcd"), quarter("abcde")
    (0, 1, 2)
    """
    return -(-len(text) // 4)


def split(part: bytes, size: int) -> Iterator[bytes]:
    """The part in pieces of ``size`` bytes; whole when ``size`` is 0."""
    for start in range(0, len(part), size or len(part) or 1):
        yield part[start : start + (size or len(part))]


def pieces(text: str, size: int) -> Iterator[str]:
    """The text in pieces of ``size`` characters, as the events of a stream bring it."""
    for start in range(0, len(text), max(size, 1)):
        yield text[start : start + max(size, 1)]
