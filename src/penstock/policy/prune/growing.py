"""Histories are pruned as they grow: in steps that pay, for calls of agents that send their history with each turn."""

from __future__ import annotations

import hashlib
from functools import partial

import msgspec

from penstock.meter import count
from penstock.policy.prune.cuts import Entry, Shorten
from penstock.policy.prune.levels import LEVELS
from penstock.policy.prune.memory import Memory, follow
from penstock.policy.prune.settings import PruneSettings
from penstock.policy.prune.steps import Prices
from penstock.values import Call, Edit, Undo
from penstock.values.shape import objects

__all__ = ["Pruning"]

_LEAST_MESSAGES = 1
"""Fewer are no conversation. The first request is remembered too: what follows is then known to be cached."""

_DIALECTS = frozenset({"openai", "anthropic"})

_DEAREST = Prices(minimum=4096)
"""Those of Anthropic, whose writes are the dearest, with the largest minimum that any of its models has."""

_AS_THEY_CAME = Entry(over=0, repeats=False)
"""What tools wrote is shortened as it comes in by another mechanism (`policy.compress.entry`)."""


class Pruning:
    """The policy, with what it remembers of conversations. ``shorten`` cuts a text to so many tokens."""

    def __init__(self, settings: PruneSettings, shorten: Shorten) -> None:
        self._settings = settings
        self._shorten = shorten
        self._memory = Memory()

    def __call__(self, call: Call) -> list[Edit]:
        """The edit that sends a call's history as it was cut, or is cut now; none while it stays whole."""
        messages = objects(call.body.get("messages"))
        if call.dialect not in _DIALECTS or len(messages) < _LEAST_MESSAGES or not self._shares(messages):
            return []
        head = {name: call.body[name] for name in ("model", "tools", "system") if name in call.body}
        encoded = msgspec.json.encode([call.scope.tenant, call.provider, head])
        ask = partial(
            follow,
            messages,
            LEVELS[self._settings.level],
            self._memory,
            count=count,
            shorten=self._shorten,
            prices=_DEAREST,
            salt=hashlib.sha256(encoded).digest(),
            head=len(encoded) // 4,
            readable=_nothing,
            entry=_AS_THEY_CAME,
        )
        decision = ask()
        if decision is not None and not decision.parent:  # nobody knows what the provider has of it: perhaps all
            decision = ask(warm=len(call.raw))
        if decision is None:
            return []
        self._memory.keep(decision)
        sent = decision.step.sent
        if not sent.changed:
            return []
        why = {
            "level": self._settings.level,
            "step": decision.step.taken,
            "tokens_before": sent.before,
            "tokens_after": sent.after,
            "dropped": sent.dropped,
            "masked": sent.masked,
            "shortened": sent.shortened,
        }
        undo = Undo(input_tokens=sent.before - sent.after, reads=decision.without)
        return [Edit("prune", ("messages",), "set", sent.messages, undo, why)]

    def _shares(self, messages: list[dict[str, object]]) -> bool:
        """Whether this conversation is among those that are pruned: what its user said first tells, so it stays so."""
        first = next((each for each in messages if each.get("role") == "user"), messages[0])
        digest = hashlib.sha256(msgspec.json.encode(first)).digest()
        return int.from_bytes(digest[:4], "big") < self._settings.share * (1 << 32)


def _nothing(tokens: int) -> int:
    """What is read of a prompt that changes somewhere, where no mark stands before: the most careful guess."""
    del tokens
    return 0
