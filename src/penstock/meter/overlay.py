"""Prices that the catalogue lacks: our own dated rows, and those of the user.

Precedence: the configuration, then these rows, then the catalogue. A row scales the catalogue's standard rates and is
only asked where the catalogue lists no rates for that processing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal, InvalidOperation

import msgspec

from penstock.errors import ConfigError
from penstock.meter.models import family
from penstock.meter.rates import Processing, Rates, Tier
from penstock.values import NANO
from penstock.values.shape import is_object

__all__ = ["DISCOUNTS", "FREE", "Discount", "discounted", "free", "override"]

FREE = Rates(input=0, cache_read=0, cache_write_5m=0, cache_write_1h=0, output=0, reasoning=0, source="embedded reader")


class Discount(msgspec.Struct, frozen=True):
    """A share of the standard rates, for one provider and processing, from a day on."""

    provider: str
    """As the catalogue names it."""
    processing: Processing
    models: str
    """A pattern for the whole of a model's family."""
    percent: int
    """What is left of the standard rates."""
    since: date
    source: str
    cached: bool = True
    """Whether reads from the prompt cache are reduced as well; if not, they never cost more than plain input."""


DISCOUNTS: tuple[Discount, ...] = (
    Discount(
        "openai",
        "batch",
        r"(?!ft:).*",
        50,
        date(2024, 4, 15),
        "developers.openai.com/api/docs/guides/batch, read 2026-11",
        cached=False,
    ),
    Discount(
        "anthropic",
        "batch",
        r"claude-.*",
        50,
        date(2024, 10, 8),
        "platform.claude.com/docs/en/build-with-claude/batch-processing, read 2026-11",
    ),
    Discount(
        "openai",
        "flex",
        r"o3|o4-mini|gpt-5(-mini|-nano)?",
        50,
        date(2025, 4, 17),
        "developers.openai.com/api/docs/guides/flex-processing, read 2026-11",
    ),
)


def free(place: str) -> Rates | None:
    """The rates of a provider that costs nothing by nature: the embedded reader runs no model.

    ``place`` is its name or origin. What a model is called never makes it free.

    >>> free("embedded:1").input, free("https://embedded.example/v1")
    (0, None)
    """
    return FREE if place.partition(":")[0] == "embedded" else None


def discounted(standard: Rates, *, provider: str, model: str, day: date, processing: Processing) -> Rates | None:
    """The standard rates with the discount of a row; None when no row speaks of this processing on this day.

    Models with a price of their own for audio or images, and fine-tuned ones, have no general discount.
    """
    name = f"ft:{model}" if model.startswith("ft:") else family(model)
    for row in DISCOUNTS:
        asked = (row.provider, row.processing) == (provider, processing) and day >= row.since
        if asked and not standard.apart and re.fullmatch(row.models, name):
            return _scaled(standard, row)
    return None


def _scaled(rates: Rates, row: Discount) -> Rates:
    def part(amount: int) -> int:
        return -(-amount * row.percent // 100)

    plain = part(rates.input)
    return Rates(
        input=plain,
        cache_read=part(rates.cache_read) if row.cached else min(rates.cache_read, plain),
        cache_write_5m=part(rates.cache_write_5m),
        cache_write_1h=part(rates.cache_write_1h),
        output=part(rates.output),
        reasoning=part(rates.reasoning),
        per_call=rates.per_call,
        tiers=tuple(Tier(tier.above, _scaled(tier.rates, row)) for tier in rates.tiers),
        since=str(row.since),
        source=f"{row.processing}: {row.source}",
    )


_FIELDS = ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h", "reasoning")


def override(model: str, table: object) -> Rates:
    """The rates a user set for a model, in dollars per million tokens, as strings or numbers.

    ``input`` and ``output`` must be there. What is left out: cache reads cost as much as input; cache writes as much as
    input, for a claude 1.25 and 2 times that; reasoning as much as output. Raises `ConfigError` naming the key.

    >>> override("llama", {"input": "0.20", "output": 0.6}).input
    200000000
    """
    given = {key: _nano(model, key, value) for key, value in _table(model, table).items()}
    plain, output = given["input"], given["output"]
    short, long = (-(-plain * 5 // 4), plain * 2) if "claude" in model else (plain, plain)
    write = given.get("cache_write_5m", short)
    return Rates(
        input=plain,
        cache_read=given.get("cache_read", plain),
        cache_write_5m=write,
        cache_write_1h=given.get("cache_write_1h", max(write, long)),
        output=output,
        reasoning=given.get("reasoning", output),
        source="configuration",
    )


def _table(model: str, table: object) -> Mapping[str, object]:
    if not is_object(table):
        raise ConfigError(f'prices."{model}" is not a table', mend='write {input = "3.00", output = "15.00"}')
    for key in table:
        if key not in _FIELDS:
            raise ConfigError(f'prices."{model}".{key} is not a known key', mend=f"use {', '.join(_FIELDS)}")
    for key in ("input", "output"):
        if key not in table:
            raise ConfigError(f'prices."{model}".{key} is missing', mend="give dollars per million tokens")
    return table


def _nano(model: str, key: str, value: object) -> int:
    mend = 'write dollars per million tokens, like "3.00"'
    try:
        if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
            raise InvalidOperation
        amount = Decimal(repr(value) if isinstance(value, float) else value) * NANO
    except ArithmeticError:
        raise ConfigError(f'prices."{model}".{key} is {value!r}: not an amount', mend=mend) from None
    if not amount.is_finite() or amount < 0:
        raise ConfigError(f'prices."{model}".{key} is {value!r}: not an amount from 0 up', mend=mend)
    if amount != int(amount):
        raise ConfigError(f'prices."{model}".{key} is {value!r}: finer than a nano-dollar', mend=mend)
    return int(amount)
