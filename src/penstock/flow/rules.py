"""What the states decide by, and how a bill is told from the usage that came back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import TypeAlias

import msgspec

from penstock.errors import Overloaded, PenstockError, Unreachable
from penstock.ledger import Cut, Receipt, book
from penstock.meter import Factors, PriceBook, Quote, Rates, family, price, processing_of, quote
from penstock.values import Call, Edit, Usage

__all__ = ["Fallback", "Policy", "Rules", "cuts_of", "reused"]

Policy: TypeAlias = Callable[[Call], Sequence[Edit]]
"""A mechanism: it looks at a call and answers with its edits."""


@lru_cache(maxsize=64)
def _minute(number: int) -> datetime:
    """A minute since 1970. No price changes within one."""
    return datetime.fromtimestamp(number * 60, UTC)


class Fallback(msgspec.Struct, frozen=True):
    """Who stands in for a provider."""

    provider: str
    origin: str
    model: str = ""
    """Its own model; empty: the one that was asked for."""


class Rules(msgspec.Struct, frozen=True):
    """What the states decide by."""

    book: PriceBook
    factors: Factors
    policies: tuple[tuple[str, Policy], ...] = ()
    """The mechanisms by name, in the order they edit."""
    salt: bytes = b""
    """The secret that tenants' salts are made of; empty: prompts are not salted."""
    fit: bool = False
    """Where ``max_tokens`` is absent and the model's maximum does not fit the budget, send what does fit."""

    fallbacks: Mapping[str, Fallback] = {}
    """By the provider that they stand in for."""

    def instead(self, call: Call, error: PenstockError) -> Call | None:
        """The call as the next provider is asked it; None: ``error`` is the answer.

        A client's own key goes to its own provider only.
        """
        other = self.fallbacks.get(call.provider)
        if other is None or other.provider in call.tried or call.credential is not None:
            return None
        if not isinstance(error, Overloaded | Unreachable):
            return None
        tried = (*call.tried, call.provider)
        moved = msgspec.structs.replace(call, provider=other.provider, origin=other.origin, tried=tried)
        if other.model in {"", call.model}:
            return moved
        return moved.edited(Edit("fallback", ("model",), "set", other.model, evidence={"asked": call.model}))

    def rates(self, call: Call, at: float, model: str | None = None) -> Rates | None:
        """The prices of this call's model, or of another one in its place, at the time ``at``; None: not known."""
        return self.book.rates(
            model or call.model,
            call.origin or call.provider,
            when=_minute(int(at // 60)),
            processing=processing_of(call),
            name=call.provider,
        )

    def quote(self, call: Call, at: float) -> Quote:
        """The worst case of a call. The model's context window matters only where nothing else bounds the answer."""
        rates = self.rates(call, at)
        free = rates is not None and rates.output == 0
        bounded = free or call.max_tokens is not None
        window = None if bounded else self.book.window(call.model, call.origin or call.provider)
        return quote(call, rates, self.factors, window=window)

    def learning(self, model: str, quote: Quote | None, usage: Usage | None) -> Rules:
        """The rules after a provider has reported what the prompt of a quoted call really counted."""
        if quote is None or usage is None:
            return self
        return msgspec.structs.replace(self, factors=self.factors.observe(family(model), quote.tally, usage.prompt))


def reused(call: Call, usage: Usage | None, rules: Rules, at: float) -> Receipt:
    """A stored reply costs nothing; it saves what asking again would cost, where that is known."""
    rates = rules.rates(call, at)
    if usage is None or rates is None:
        return book(0)
    return book(0, [Cut("reuse", price(usage, rates))])


def cuts_of(call: Call, usage: Usage, spent: int | None, rules: Rules, at: float) -> list[Cut]:
    """The price before each edit, first edit first: the edits are undone from the last to the first.

    An edit whose undone price is not known moves nothing: no saving is claimed from it.
    """
    if spent is None:
        return []
    cuts: list[Cut] = []
    sent = usage
    before, model = spent, call.model
    learned = rules.factors.of(family(model), "code")  # what is taken away is what tools wrote
    scale = learned.mean if learned.seen else 1.0
    for edit in reversed(call.edits):
        undo = edit.undo
        if undo.uncached:
            usage, sent = usage.uncached(), sent.uncached()
        if undo.reads >= 0:
            usage = usage.reading(round(undo.input_tokens * scale), round(undo.reads * scale))
        else:
            more = round(undo.input_tokens * scale)
            usage = usage.with_more(more, sent.field_at(undo.place), undo.output_tokens)
        model = undo.model or model
        rates = rules.rates(call, at, model)
        before = before if rates is None else price(usage, rates)
        cuts.append(Cut(edit.mechanism, before))
    return cuts[::-1]
