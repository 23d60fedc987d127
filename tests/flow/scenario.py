"""A language for walks: what was observed, in order, and what must come of it.

done = walk({"model": "gpt-4o-mini"}).misses().admitted().answered(Usage(input=10, output=5)).ends()
"""

from __future__ import annotations

from typing import Any

import msgspec

from penstock.errors import PenstockError
from penstock.flow import (
    Admit,
    Answered,
    Done,
    Failed,
    Follow,
    Granted,
    Hit,
    InFlight,
    Landed,
    Lookup,
    Miss,
    Refused,
    Rules,
    Send,
    Settle,
    Shape,
    State,
    begin,
)
from penstock.ledger import Limits, Never
from penstock.meter import Factors, PriceBook
from penstock.policy.layout.interplay import COLD
from penstock.values import Call, Reply, Usage

__all__ = ["NOW", "RULES", "Walk", "call", "reply", "walk"]

NOW = 1_790_000_000.0
RULES = Rules(
    PriceBook({"mine": {"input": "1.00", "output": "2.00"}, "dear": {"input": "10", "output": "20"}}), Factors()
)


def call(body: dict[str, Any] | None = None, **fields: Any) -> Call:
    whole = {"model": "mine", "max_tokens": 100, "messages": [{"role": "user", "content": "Why?"}], **(body or {})}
    return Call.parse(msgspec.json.encode(whole), **{"dialect": "openai", "provider": "p", **fields})


def reply(usage: Usage | None = None, *, text: str = "Because.", finish: str = "stop") -> Reply:
    return Reply("openai", b"{}", False, text, finish, "mine", usage)


class Walk:
    """A call on its way; each method is one observation."""

    def __init__(self, call: Call, rules: Rules = RULES) -> None:
        self.rules = rules
        self.state: State = begin(call, NOW)
        self.log: list[State] = [self.state]

    def _to(self, state: State) -> Walk:
        self.state = state
        self.log.append(state)
        return self

    def hits(self, stored: Reply) -> Walk:
        assert isinstance(self.state, Lookup)
        return self._to(self.state.next(Hit(stored), self.rules))

    def joins(self, leader: str = "c1") -> Walk:
        assert isinstance(self.state, Lookup)
        return self._to(self.state.next(InFlight(leader), self.rules))

    def misses(self) -> Walk:
        """Nobody has asked: the walk goes on as the flight that is set off."""
        assert isinstance(self.state, Lookup)
        following = self.state.next(Miss(), self.rules)
        assert isinstance(following, Follow)
        self.log.append(following)
        return self._to(Shape(self.state.call, NOW))

    def lands(self, outcome: Done | Refused, *, heard: bool = False) -> Walk:
        assert isinstance(self.state, Follow)
        return self._to(self.state.next(Landed(outcome, heard)))

    def shaped(self, limits: Limits | None = None) -> Walk:
        assert isinstance(self.state, Shape)
        return self._to(self.state.next(self.state.shaped(self.rules, lambda call: COLD), self.rules, limits))

    def admitted(self, limits: Limits | None = None) -> Walk:
        """Shaped, and the worst case held where there are limits."""
        self.shaped(limits)
        if isinstance(self.state, Admit):
            self._to(self.state.next(Granted("h1"), self.rules))
        return self

    def barred(self, dimension: str = "nano", needed: float = 10, left: float = 5) -> Walk:
        assert isinstance(self.state, Admit)
        return self._to(self.state.next(Never(("local", "s"), dimension, needed, left), self.rules))

    def answered(self, usage: Usage | None = None, **fields: Any) -> Walk:
        assert isinstance(self.state, Send)
        answer = reply(usage, **fields)
        return self._to(self.state.next(Answered(answer, answer.text), self.rules))

    def failed(self, error: PenstockError, *, billed: bool = False, usage: Usage | None = None, text: str = "") -> Walk:
        assert isinstance(self.state, Send)
        return self._to(self.state.next(Failed(error, billed, usage, text), self.rules))

    @property
    def settling(self) -> Settle:
        assert isinstance(self.state, Settle)
        return self.state

    def ends(self) -> Done:
        if isinstance(self.state, Settle):
            self._to(self.state.next())
        assert isinstance(self.state, Done)
        return self.state

    def refused(self) -> Refused:
        if isinstance(self.state, Settle):
            self._to(self.state.next())
        assert isinstance(self.state, Refused)
        return self.state


def walk(body: dict[str, Any] | None = None, rules: Rules = RULES, **fields: Any) -> Walk:
    return Walk(call(body, **fields), rules)
