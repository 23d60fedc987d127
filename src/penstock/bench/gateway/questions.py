"""What is asked and what is answered: bodies of a known size, each with a number that comes back in its answer."""

from __future__ import annotations

import random
import re

import msgspec

__all__ = ["DELTAS", "KINDS", "Kind", "Wish", "answer", "request", "wish"]

DELTAS = 33
"""Pieces of text in a streamed answer. With the events that open and end it a stream of OpenAI's has 35."""

_WORDS = (
    "the", "of", "a", "pump", "valve", "flow", "water", "gate", "turbine", "pressure", "level", "basin", "lock",
    "river", "measure", "open", "close", "raise",
)  # fmt: skip
_ASKED = re.compile(rb"Question (\d{10}), after (\d+) ms, every (\d+) ms")


class Kind(msgspec.Struct, frozen=True):
    """A shape of request."""

    family: str
    """``openai`` or ``anthropic``."""
    size: int
    """Bytes of the body, give or take a word."""
    stream: bool = False
    every: int = 0
    """Milliseconds from one event of a stream to the next; 0: each is written as soon as the last one is."""

    @property
    def path(self) -> str:
        """Where it is asked."""
        return "/v1/chat/completions" if self.family == "openai" else "/v1/messages"


KINDS = {
    "plain": Kind("openai", 1_500),
    "large": Kind("openai", 100_000),
    "stream": Kind("openai", 1_500, stream=True),
    "paced": Kind("openai", 1_500, stream=True, every=5),
    "messages": Kind("anthropic", 1_500),
    "messages-stream": Kind("anthropic", 1_500, stream=True),
}


class Wish(msgspec.Struct, frozen=True):
    """What a question says about its answer."""

    number: int
    after: float
    """Seconds until the answer begins."""
    every: float
    """Seconds between the events of a stream."""


def wish(body: bytes) -> Wish | None:
    """What the question in a request's body says; None where there is none.

    >>> wish(b"Question 0000000007, after 50 ms, every 0 ms: why?")
    Wish(number=7, after=0.05, every=0.0)
    """
    found = _ASKED.search(body)
    return None if found is None else Wish(int(found[1]), int(found[2]) / 1000, int(found[3]) / 1000)


def answer(number: int) -> list[str]:
    """The answer to a question, in the pieces that a stream sends.

    >>> "".join(answer(7))[:22]
    'Answer 0000000007: the'
    """
    return [f"Answer {number:010d}:", *(f" {_WORDS[place % len(_WORDS)]}" for place in range(DELTAS - 1))]


def request(kind: Kind, model: str, *, after: int = 0) -> tuple[bytes, bytes]:
    """The body of a request, cut where the ten digits of its number belong.

    One message holds all the text, behind the number, so that no part of it is known from an earlier request.
    ``after`` is the milliseconds of `Wish`.
    """
    source = random.Random(kind.size)
    content = f"Question 0000000000, after {after} ms, every {kind.every} ms:"
    body = _body(kind, model, content)
    while len(body) < kind.size:
        content += "".join(f" {word}" for word in source.choices(_WORDS, k=(kind.size - len(body)) // 8 + 1))
        body = _body(kind, model, content)
    before, _, behind = body.partition(b"0000000000")
    return before, behind


def _body(kind: Kind, model: str, content: str) -> bytes:
    asked: dict[str, object] = {"model": model, "max_tokens": 200, "messages": [{"role": "user", "content": content}]}
    return msgspec.json.encode({**asked, "stream": True} if kind.stream else asked)
