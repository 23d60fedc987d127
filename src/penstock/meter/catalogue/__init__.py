"""The public price catalogue (the package genai-prices), turned into `Rates`. Nothing here uses the network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal

import msgspec

from penstock.meter.catalogue import types
from penstock.meter.catalogue.listing import find, providers
from penstock.meter.catalogue.types import ModelInfo, ModelPrice, Price, Provider
from penstock.meter.rates import Processing, Rates, Tier
from penstock.values import NANO

__all__ = ["catalogue_home", "catalogue_rates", "catalogue_window", "rates_of"]

_CONTEXTS: Mapping[Processing, Mapping[str, str]] = {
    "batch": {"processing": "batch"},
    "flex": {"service_tier": "flex"},
    "priority": {"service_tier": "priority"},
    "fast": {"service_tier": "fast", "speed": "fast"},
}


def catalogue_rates(model: str, provider: str, when: datetime, processing: Processing = "standard") -> Rates | None:
    """What the catalogue says that a model costs at a time, processed in a certain way; None when it does not say.

    ``provider`` is a name, a base URL or a host, or empty: see `penstock.meter.catalogue.listing.find`.
    """
    found = find(providers(), model, provider)
    return None if found is None else rates_of(*found, when, processing)


def catalogue_window(model: str, provider: str = "") -> int | None:
    """The context window of a model in tokens, where the catalogue has one."""
    found = find(providers(), model, provider)
    return None if found is None else found[1].context_window


def catalogue_home(model: str, provider: str = "") -> tuple[str, str]:
    """The provider a model is listed under, and the entry's name; empty where the catalogue has none."""
    found = find(providers(), model, provider)
    return ("", "") if found is None else (found[0].id, found[1].id)


def rates_of(home: Provider, entry: ModelInfo, when: datetime, processing: Processing) -> Rates | None:
    """The rates of one entry; None where it is not billed by the token, or not listed with this processing."""
    standard, since = _standard(entry, when)
    prices = _given(standard)
    if processing != "standard":
        changed, since = _variant(home, entry, when, processing)
        if not changed:
            return None
        prices |= changed
    return _compile(prices, claude="claude" in entry.id, since=since)


def _standard(entry: ModelInfo, when: datetime) -> tuple[ModelPrice, str]:
    """The last of the conditional prices that holds, or the first; and the day it began, where one is named."""
    if not isinstance(entry.prices, list):
        return entry.prices, ""
    for one in reversed(entry.prices):
        if one.constraint is None or one.constraint.active(when):
            return one.prices, _start(one.constraint)
    return entry.prices[0].prices, ""


def _variant(home: Provider, entry: ModelInfo, when: datetime, processing: Processing) -> tuple[dict[str, Price], str]:
    """The prices that a processing changes, if the provider itself lists it. The first variant to name a price wins."""
    context = _CONTEXTS[processing]
    changed: dict[str, Price] = {}
    since = ""
    for variant in entry.price_variants or () if any(entry is own for own in home.models) else ():
        meant = all(context.get(key) == value for key, value in variant.when.items())
        if meant and (variant.constraint is None or variant.constraint.active(when)):
            changed = _given(variant.prices) | changed
            since = since or _start(variant.constraint)
    return changed, since


def _given(prices: ModelPrice) -> dict[str, Price]:
    return {name: value for name, value in vars(prices).items() if value is not None}


def _start(constraint: object) -> str:
    start = getattr(constraint, "start_date", None)
    return "" if start is None else str(start)


def _compile(prices: Mapping[str, Price], *, claude: bool, since: str) -> Rates | None:
    if "input_mtok" not in prices:
        return None
    starts = sorted({tier.start for price in prices.values() for tier in _tiers(price)})
    tiers = tuple(Tier(start, _flat(prices, claude, since, _above(start))) for start in starts)
    base = _flat(prices, claude, since, lambda price: price if isinstance(price, Decimal) else price.base)
    return msgspec.structs.replace(base, tiers=tiers)


def _tiers(price: Price) -> list[types.Tier]:
    return [] if isinstance(price, Decimal) else price.tiers


def _above(start: int) -> Callable[[Price], Decimal]:
    """The price of prompts longer than ``start``."""

    def pick(price: Price) -> Decimal:
        if isinstance(price, Decimal):
            return price
        return next((tier.price for tier in reversed(price.tiers) if tier.start <= start), price.base)

    return pick


def _flat(prices: Mapping[str, Price], claude: bool, since: str, pick: Callable[[Price], Decimal]) -> Rates:
    """Rates without tiers. What the catalogue leaves out is never cheaper than plain input (or than output)."""

    def nano(name: str, default: int) -> int:
        return _nano(pick(prices[name])) if name in prices else default

    plain = nano("input_mtok", 0)
    output = nano("output_mtok", plain)
    write = nano("cache_write_5m_mtok", nano("cache_write_mtok", plain * 5 // 4 if claude else plain))
    return Rates(
        input=plain,
        cache_read=nano("cache_read_mtok", plain),
        cache_write_5m=write,
        cache_write_1h=nano("cache_write_1h_mtok", max(write, plain * 2) if claude else write),
        output=output,
        reasoning=nano("output_reasoning_mtok", output),
        per_call=nano("requests_kcount", 0) // 1000,
        since=since,
        source="catalogue",
        apart=tuple(kind for kind in ("audio", "image", "video") if any(_of(kind, name) for name in prices)),
    )


def _of(kind: str, name: str) -> bool:
    return name.endswith("_mtok") and f"_{kind}_" in name


def _nano(dollars: Decimal) -> int:
    """Nano-dollars, exactly but for prices that went through a float: 0.18000000000000002 is 0.18."""
    return int((dollars * NANO).to_integral_value(ROUND_HALF_UP))
