"""The words that the data of genai-prices is written in, as small records.

Its data module begins with ``from .types import *``. Read inside this package it finds these instead of its own, which
would bring pydantic and an HTTP client along. Names and fields are therefore those of genai-prices 0.2.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any, Protocol, TypeAlias

import msgspec

__all__ = [
    "ArrayMatch",
    "ClauseAnd",
    "ClauseContains",
    "ClauseEndsWith",
    "ClauseEquals",
    "ClauseOr",
    "ClauseRegex",
    "ClauseStartsWith",
    "ConditionalPrice",
    "ModelInfo",
    "ModelPrice",
    "PriceVariant",
    "Provider",
    "StartDateConstraint",
    "Tier",
    "TieredPrices",
    "TimeOfDateConstraint",
    "UsageExtractor",
    "UsageExtractorMapping",
]


class Clause(Protocol):
    """Whether a name is meant."""

    def is_match(self, text: str) -> bool:
        """Whether the name is meant."""
        ...


class Constraint(Protocol):
    """Whether a price holds at a time; a time without zone is UTC."""

    def active(self, request_timestamp: datetime) -> bool:
        """Whether the price holds then."""
        ...


class ClauseStartsWith(msgspec.Struct):
    """The name starts so."""

    starts_with: str

    def is_match(self, text: str) -> bool:
        """Whether the name is meant."""
        return text.lower().startswith(self.starts_with.lower())


class ClauseEndsWith(msgspec.Struct):
    """The name ends so."""

    ends_with: str

    def is_match(self, text: str) -> bool:
        """Whether the name is meant."""
        return text.lower().endswith(self.ends_with.lower())


class ClauseContains(msgspec.Struct):
    """The name has this in it."""

    contains: str

    def is_match(self, text: str) -> bool:
        """Whether the name is meant."""
        return self.contains.lower() in text.lower()


class ClauseEquals(msgspec.Struct):
    """The name is this."""

    equals: str

    def is_match(self, text: str) -> bool:
        """Whether the name is meant."""
        return self.equals.lower() == text.lower()


class ClauseRegex(msgspec.Struct):
    """A pattern is found in the name."""

    regex: str

    def is_match(self, text: str) -> bool:
        """Whether the name is meant."""
        return re.search(self.regex, text) is not None


class ClauseOr(msgspec.Struct):
    """One of several clauses holds."""

    or_: list[Clause]

    def is_match(self, text: str) -> bool:
        """Whether the name is meant."""
        return any(clause.is_match(text) for clause in self.or_)


class ClauseAnd(msgspec.Struct):
    """All of several clauses hold."""

    and_: list[Clause]

    def is_match(self, text: str) -> bool:
        """Whether the name is meant."""
        return all(clause.is_match(text) for clause in self.and_)


class StartDateConstraint(msgspec.Struct):
    """From the beginning of a day on, in UTC."""

    start_date: date

    def active(self, request_timestamp: datetime) -> bool:
        """Whether the price holds then."""
        return _utc(request_timestamp).date() >= self.start_date


class TimeOfDateConstraint(msgspec.Struct):
    """In a part of each day, which may run over midnight."""

    start_time: time
    end_time: time

    def active(self, request_timestamp: datetime) -> bool:
        """Whether the price holds then."""
        now = _utc(request_timestamp).timetz()
        start, end = _utc_time(self.start_time), _utc_time(self.end_time)
        return start <= now < end if start <= end else now >= start or now < end


class Tier(msgspec.Struct):
    """A price for prompts of more than ``start`` tokens."""

    start: int
    price: Decimal


class TieredPrices(msgspec.Struct):
    """A price that another one replaces, for all tokens, where the prompt is longer than a tier's start."""

    base: Decimal
    tiers: list[Tier]

    def __post_init__(self) -> None:
        self.tiers.sort(key=lambda tier: tier.start)


Price: TypeAlias = Decimal | TieredPrices
"""Dollars per million tokens, or per the unit in the name of the price."""


class ModelPrice:
    """Prices by name: ``vars(prices)["input_mtok"]``. Which names there are is the catalogue's affair."""

    def __init__(self, **prices: Price | None) -> None:
        self.__dict__.update(prices)


class ConditionalPrice(msgspec.Struct):
    """Prices under a condition; of several that hold the last one counts."""

    constraint: Constraint | None = None
    prices: ModelPrice = ModelPrice()


class PriceVariant(msgspec.Struct):
    """Prices that replace the standard ones for calls of a certain processing."""

    when: dict[str, str]
    prices: ModelPrice
    constraint: Constraint | None = None


class ModelInfo(msgspec.Struct):
    """A model: what it is called, and what it costs."""

    id: str
    match: Clause
    name: str | None = None
    description: str | None = None
    context_window: int | None = None
    price_comments: str | None = None
    deprecated: bool | None = None
    prices: ModelPrice | list[ConditionalPrice] = []
    price_variants: list[PriceVariant] | None = None


class Provider(msgspec.Struct):
    """A place that serves models."""

    id: str
    name: str
    api_pattern: str
    pricing_urls: list[str] | None = None
    description: str | None = None
    price_comments: str | None = None
    model_match: Clause | None = None
    provider_match: Clause | None = None
    extractors: list[Any] | None = None
    fallback_model_providers: list[str] | None = None
    models: list[ModelInfo] = []


ArrayMatch = UsageExtractor = UsageExtractorMapping = dict
"""How usage is found in a reply: the dialects know that better."""


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _utc_time(value: time) -> time:
    return _utc(datetime.combine(date(1970, 1, 1), value)).timetz()
