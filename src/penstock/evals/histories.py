"""What pruning makes of recorded histories, and what that costs where the provider caches prompts.

A conversation is billed as its client sends it: each request repeats the history and adds to it. What the request
shares with the one before, from the first byte on, is read from the cache; all that follows is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from penstock.policy.prune.cuts import ENTRY, Count, Entry, Pruned, Shorten
from penstock.policy.prune.levels import Level
from penstock.policy.prune.memory import Memory, follow
from penstock.policy.prune.steps import Prices
from penstock.values.shape import Json, objects

__all__ = ["Cut", "Growth", "chained", "grown", "pruned", "requests"]


class Cut(msgspec.Struct, frozen=True):
    """One step of a conversation."""

    messages: int
    """Messages that had come by then."""
    before: int
    """Tokens of them."""
    after: int
    """Tokens that were sent."""


class Growth(msgspec.Struct, frozen=True):
    """What the input of one conversation cost, in tokens of uncached input."""

    requests: int
    tokens: int
    """Of its last request, as it came."""
    cost: float
    without: float
    """The same without any pruning."""
    lowest: float
    """The least that it had won at any of its requests; negative where it was behind at some time."""
    steps: list[Cut]

    @property
    def relative(self) -> float:
        """The cost over the cost without; 1.0 where nothing was sent."""
        return self.cost / self.without if self.without else 1.0


def pruned(
    rows: Iterable[Mapping[str, Any]], level: Level, *, count: Count, shorten: Shorten, entry: Entry = ENTRY
) -> Iterator[dict[str, list[Json]]]:
    """For each row with ``messages`` the messages that are sent, decided from that row and those before it.

    A row that goes on where an earlier one ended is the next request of that conversation: the provider has its
    beginning in the cache, and it is cut only where that pays. Any other row is cold, and is cut to the level at once.
    Messages that break the rules of both wire formats come back as they are.
    """
    memory = Memory()
    for row in rows:
        messages = objects(row.get("messages"))
        decision = follow(
            messages, level, memory, count=count, shorten=shorten, prices=Prices(), entry=entry, readable=_nothing
        )
        if decision is not None:
            memory.keep(decision)
        yield {"messages": messages if decision is None else decision.messages}


def _nothing(tokens: int) -> int:
    """What is read of a prompt that changes somewhere, where no mark stands before: the most careful guess."""
    del tokens
    return 0


def requests(messages: Sequence[Json]) -> Iterator[Sequence[Json]]:
    """The requests by which a conversation came to be: what stands before each answer, and all if it waits for one.

    >>> talk = [{"role": role, "content": "x"} for role in ("user", "assistant", "user")]
    >>> [len(request) for request in requests(talk)]
    [1, 3]
    """
    for at, message in enumerate(messages):
        if message.get("role") == "assistant" and at and messages[at - 1].get("role") != "assistant":
            yield messages[:at]
    if messages and messages[-1].get("role") != "assistant":
        yield messages


def chained(histories: Iterable[Sequence[Json]]) -> list[Json]:
    """One long conversation of several: task after task. The system's messages of the first one count for all."""
    found: list[Json] = []
    for history in histories:
        found += [message for message in history if not found or message.get("role") not in {"system", "developer"}]
    return found


def grown(
    messages: Sequence[Json],
    level: Level,
    *,
    count: Count,
    shorten: Shorten,
    prices: Prices | None = None,
    entry: Entry = ENTRY,
    cold: Iterable[int] = (),
) -> Growth:
    """Bill a conversation request by request. ``cold``: numbers of requests, from 0, that find the cache gone."""
    rates, gone, memory = prices or Prices(), frozenset(cold), Memory()
    last: Pruned | None = None
    cost = without = lowest = 0.0
    sent = 0
    steps: list[Cut] = []
    for number, request in enumerate(requests(messages)):
        warm = 0 if number in gone else None
        decision = follow(request, level, memory, count=count, shorten=shorten, prices=rates, entry=entry, warm=warm)
        if decision is None:
            break
        memory.keep(decision)
        now = decision.step.sent
        alive = last is not None and number not in gone
        cost += rates.cost(now.after, sum(now.tokens[: now.agrees(last)]) if last is not None and alive else 0)
        without += rates.cost(now.before, last.before if last is not None and alive else 0)
        lowest = min(lowest, without - cost)
        if decision.step.taken:
            steps.append(Cut(len(request), now.before, now.after))
        last, sent = now, number + 1
    return Growth(sent, last.before if last else 0, cost, without, lowest, steps)
