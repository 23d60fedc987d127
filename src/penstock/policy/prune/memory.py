"""Conversations as they grow: which cut each of them is under, remembered by the beginning that they share.

The messages of a request are looked up by the longest beginning that was sent before. A conversation that forks keeps
its cut in both branches; one that was never seen is cold, and may be cut at once, since there is no cache to lose.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

import msgspec

from penstock.policy.prune.cuts import ENTRY, Count, Cut, Entry, Pruned, Shorten, cut_to
from penstock.policy.prune.levels import Level, fitted
from penstock.policy.prune.steps import Account, Prices, Step, Warmth, all_of, decided
from penstock.policy.prune.turns import Conversation, conversation
from penstock.values.shape import Json, entries, mapping

__all__ = ["Decision", "Memory", "State", "follow"]

MOST = 10_000
"""Beginnings that are remembered, about 5 MB."""


class State(msgspec.Struct, frozen=True):
    """What is remembered of a request."""

    cut: Cut = Cut()
    account: Account = Account()
    sent: int = 0
    """Tokens of its messages as they were sent."""
    without: int = 0
    """Tokens of its messages as they came."""


class Decision(msgspec.Struct, frozen=True):
    """What to send for a request, and what to remember once it is sent."""

    step: Step
    state: State
    key: bytes
    """Of all its messages."""
    parent: bytes = b""
    """Of the longest beginning that was sent before; empty: none was."""
    without: int = 0
    """Tokens that would be read of the prompt if nothing had ever been pruned."""

    @property
    def messages(self) -> list[Json]:
        """The messages to send."""
        return self.step.sent.messages


class Memory:
    """States by the digest of the messages up to them; the oldest go first."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._states: OrderedDict[bytes, State] = OrderedDict()

    def __len__(self) -> int:
        return len(self._states)

    def find(self, keys: Sequence[bytes]) -> tuple[int, State]:
        """The longest known beginning: its number of messages, and its state. None known: 0, and an empty state."""
        for length in range(len(keys), 0, -1):
            state = self._states.get(keys[length - 1])
            if state is not None:
                with contextlib.suppress(KeyError):  # another thread has let it go
                    self._states.move_to_end(keys[length - 1])
                return length, state
        return 0, State()

    def keep(self, decision: Decision) -> None:
        """Remember a request that was sent.

        What the conversation has won goes with it: another branch from the same beginning may not spend it again.
        """
        parent = self._states.get(decision.parent)
        if parent is not None and decision.parent != decision.key:
            spent = msgspec.structs.replace(parent.account, won=min(parent.account.won, 0.0))
            self._states[decision.parent] = msgspec.structs.replace(parent, account=spent)
        self._states[decision.key] = decision.state
        self._states.move_to_end(decision.key)
        if len(self._states) > self._most:
            self._states.popitem(last=False)


def follow(
    messages: Sequence[Json],
    level: Level,
    memory: Memory,
    *,
    count: Count,
    shorten: Shorten,
    prices: Prices,
    salt: bytes = b"",
    head: int = 0,
    warm: int | None = None,
    readable: Callable[[int], int] = all_of,
    entry: Entry = ENTRY,
    allowance: float = 0.0,
) -> Decision | None:
    """What to send for a request, given what was sent before; None for messages that have to be left alone.

    ``salt``: what else the provider's cache tells requests apart by, such as the tenant, the model and the tools.
    ``head``: tokens before the messages. ``warm``: tokens that the provider is expected to read, the head among them;
    None: all that were sent last, as far as that is remembered. ``readable``: see `Warmth`. Nothing is changed in
    ``memory`` until the decision is kept there. A request that was sent before gets the same bytes again.
    """
    whole = conversation(messages, count)
    if whole is None or not messages:
        return None
    shorten = cache(shorten)
    entry = msgspec.structs.replace(entry, least=prices.least - head)
    keys = list(_keys(messages, salt))
    known, state = memory.find(keys)
    parent = keys[known - 1] if known else b""
    if not known:
        turns = sum(each.role == "assistant" for each in whole.read)
        state = State(account=Account(turns))
    stay = cut_to(whole, state.cut, count, shorten, entry)
    warmth = _warmth(state, head, warm, readable, known=known > 0)
    if known == len(messages):
        return Decision(Step(stay, state.account, warmth.read, taken=False), state, keys[-1], parent, warmth.without)
    step = decided(
        stay,
        _offers(whole, level, count, shorten, entry),
        warmth=warmth,
        account=state.account,
        prices=prices,
        allowance=allowance,
    )
    after = State(step.sent.cut, step.account, step.sent.after, whole.total)
    return Decision(step, after, keys[-1], parent, warmth.without)


def _warmth(state: State, head: int, warm: int | None, readable: Callable[[int], int], *, known: bool) -> Warmth:
    """What is in the cache; of the history as it came the same share as of what was sent."""
    if not known:
        return Warmth(head, warm or 0, warm or 0, readable)
    sent = head + state.sent
    read = sent if warm is None else min(warm, sent)
    return Warmth(head, read, (head + state.without) * read // max(sent, 1), readable)


def _offers(whole: Conversation, level: Level, count: Count, shorten: Shorten, entry: Entry) -> Iterator[Pruned]:
    """The cuts among which a step chooses: all that the level does not keep, or of that the results alone."""
    most = fitted(whole, level, count=count, shorten=shorten, entry=entry)
    if most.cut.masked or most.cut.short:
        yield most
    if most.cut.start:
        yield cut_to(whole, msgspec.structs.replace(most.cut, start=0, notes=0), count, shorten, entry)


def _keys(messages: Sequence[Json], salt: bytes) -> Iterator[bytes]:
    """A digest of each beginning. Marks for the cache move from request to request and are no part of it."""
    digest = hashlib.sha256(salt)
    for message in messages:
        encoded = msgspec.json.encode(message)
        if b"cache_control" in encoded or b'"content":[' in encoded:
            encoded = msgspec.json.encode(_plain(_bare(message)))
        digest.update(encoded)
        yield digest.digest()[:16]


def _bare(value: Any) -> Any:
    """The same without marks."""
    if value.__class__ is dict:
        return {name: _bare(each) for name, each in mapping(value).items() if name != "cache_control"}
    return [_bare(each) for each in entries(value)] if value.__class__ is list else value


def _plain(message: Json) -> Json:
    """A text alone is the same whether it is the content or a block of it."""
    blocks = entries(message.get("content"))
    only = mapping(blocks[0]) if len(blocks) == 1 else {}
    return {**message, "content": only["text"]} if only.keys() == {"type", "text"} else message
