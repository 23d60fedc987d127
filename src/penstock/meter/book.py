"""The price book: who is asked for a price, in which order, and what is remembered of the answers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from penstock.meter import overlay
from penstock.meter.rates import Processing, Rates
from penstock.values import Call

__all__ = ["PriceBook", "processing_of"]

_REMEMBERED = 4_096
"""Answers kept. Model names come from outside: what is asked without end must not grow without end."""


class PriceBook:
    """Prices by model, provider, time and processing.

    The user's own prices win over our dated rows, these over the public catalogue. The catalogue is read at the first
    question about a model that neither knows. Of a time only the minute counts.
    """

    def __init__(self, overrides: Mapping[str, object] | None = None) -> None:
        """``overrides``: per model, or ``provider/model``, a table in dollars per million tokens.

        See `penstock.meter.overlay.override`. They hold for every processing. Raises `ConfigError` naming the key.
        """
        self._overrides = {model: overlay.override(model, table) for model, table in (overrides or {}).items()}
        self._rates: dict[tuple[object, ...], Rates | None] = {}
        self._windows: dict[tuple[str, str], int | None] = {}

    def rates(
        self, model: str, provider: str = "", *, when: datetime, processing: Processing = "standard", name: str = ""
    ) -> Rates | None:
        """What a model costs. None: unpriced, which is never the same as free.

        ``provider`` is a name, a base URL or a host; one that the catalogue does not know is left aside. ``name`` is
        what the user calls the provider, where that is something else. ``when``
        without a zone is UTC. Batch and flex without a listed discount cost the standard rates; priority and fast
        without listed rates are unpriced, for they cost more than the standard ones.

        >>> from datetime import datetime
        >>> book = PriceBook({"mine": {"input": "0.10", "output": "0.40"}})
        >>> now = datetime(2026, 11, 20)
        >>> book.rates("mine", when=now).output, book.rates("unheard-of", when=now)
        (400000000, None)
        """
        moment = when if when.tzinfo is None else when.astimezone(UTC)
        key = (model, provider, name, processing, moment.toordinal(), moment.hour, moment.minute)
        if key not in self._rates:
            if len(self._rates) >= _REMEMBERED:
                self._rates.clear()
            self._rates[key] = self._find(model, provider, name, moment, processing)
        return self._rates[key]

    def window(self, model: str, provider: str = "") -> int | None:
        """The context window of a model in tokens; None when the catalogue does not tell."""
        from penstock.meter.catalogue import catalogue_window

        key = (model, provider)
        if key not in self._windows:
            if len(self._windows) >= _REMEMBERED:
                self._windows.clear()
            self._windows[key] = catalogue_window(model, provider)
        return self._windows[key]

    def _find(self, model: str, provider: str, name: str, when: datetime, processing: Processing) -> Rates | None:
        own = self._overrides.get(f"{name or provider}/{model}") or self._overrides.get(model)
        own = own or overlay.free(provider)
        if own is not None:
            return own
        from penstock.meter.catalogue import catalogue_home, catalogue_rates

        listed = catalogue_rates(model, provider, when, processing)
        if listed is not None or processing in {"standard", "priority", "fast"}:
            return listed
        standard = catalogue_rates(model, provider, when)
        if standard is None:
            return None
        home, name = catalogue_home(model, provider)
        cheaper = overlay.discounted(standard, provider=home, model=name, day=when.date(), processing=processing)
        return cheaper or standard


_TIERS: tuple[Processing, ...] = ("flex", "priority", "fast")


def processing_of(call: Call) -> Processing:
    """How a call asks to be processed: OpenAI's ``service_tier``, Anthropic's ``speed``. A batch is known by its lane.

    >>> processing_of(Call.parse(b'{"service_tier": "flex"}', dialect="openai", provider="openai"))
    'flex'
    """
    if call.body.get("speed") == "fast":
        return "fast"
    tier = call.body.get("service_tier")
    for known in _TIERS:
        if known == tier:
            return known
    return "standard"
