"""Prices as whole numbers, and the price of a call.

A rate is in nano-dollars per million tokens: $3 per million tokens is 3,000,000,000. So a price is one sum of
products of integers, divided and rounded once.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from penstock.values import Usage

__all__ = ["MILLION", "Processing", "Rates", "Tier", "price"]

MILLION = 1_000_000

Processing: TypeAlias = Literal["standard", "batch", "flex", "priority", "fast"]
"""How a provider is asked to process a call. ``fast`` is Anthropic's fast mode and OpenAI's newer word for priority."""


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """What each kind of token costs, in nano-dollars per million tokens."""

    input: int
    cache_read: int
    cache_write_5m: int
    cache_write_1h: int
    output: int
    reasoning: int
    per_call: int = 0
    """A fee for each call, in nano-dollars."""
    tiers: tuple[Tier, ...] = ()
    """Other rates for long prompts, by rising threshold. They replace all rates, for all tokens of the call."""
    since: str = ""
    """The day from which these rates hold, where it is known: ``2026-10-14``."""
    source: str = ""
    """Where they come from: ``catalogue``, a row of the overlay, or ``configuration``."""
    apart: tuple[str, ...] = ()
    """Modalities (``audio``, ``image``, ``video``) with a price of their own, which `Usage` does not tell apart."""

    def at(self, prompt_tokens: int) -> Rates:
        """The rates for a prompt of this size: those of the highest tier whose threshold it exceeds."""
        for tier in reversed(self.tiers):
            if prompt_tokens > tier.above:
                return tier.rates
        return self


class Tier(msgspec.Struct, frozen=True):
    """Rates that hold for prompts of more than ``above`` tokens, cached ones included."""

    above: int
    rates: Rates


def price(usage: Usage, rates: Rates) -> int:
    """What a call cost, in nano-dollars, rounded half up once.

    >>> flat = Rates(input=3 * 10**9, cache_read=3 * 10**8, cache_write_5m=0, cache_write_1h=0, output=15 * 10**9,
    ...              reasoning=15 * 10**9)
    >>> price(Usage(input=1_000, cache_read=10_000, output=100), flat)
    7500000
    """
    rates = rates.at(usage.prompt)
    total = (
        usage.input * rates.input
        + usage.cache_read * rates.cache_read
        + usage.cache_write_5m * rates.cache_write_5m
        + usage.cache_write_1h * rates.cache_write_1h
        + usage.output * rates.output
        + usage.reasoning * rates.reasoning
    )
    return (total + MILLION // 2) // MILLION + rates.per_call
