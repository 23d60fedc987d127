"""Reading the catalogue, and finding a model in it by the catalogue's own rules."""

from __future__ import annotations

import re
from datetime import date
from functools import cache
from importlib import import_module
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import find_spec, module_from_spec
from typing import Any

from penstock.meter.catalogue.types import ModelInfo, Provider

__all__ = ["find", "providers", "read"]


@cache
def providers() -> list[Provider]:
    """All providers with their models and prices, read at the first use.

    Only the data module of genai-prices is executed, with our own words for it: 30 ms of CPU and 1 module. Its package
    would cost 200 ms and 240 modules, an HTTP client among them. Where the data uses words that we do not know, the
    package is imported after all.
    """
    package = find_spec("genai_prices")
    places = package.submodule_search_locations if package else None
    return read(f"{next(iter(places or ()), '')}/data.py")


def read(path: str) -> list[Provider]:
    """The providers in a data module."""
    data: Any
    loader = SourceFileLoader("penstock.meter.catalogue.data", path)
    try:
        data = module_from_spec(ModuleSpec(loader.name, loader, origin=path))
        loader.exec_module(data)
    except (AttributeError, NameError, OSError, TypeError):
        data = import_module("genai_prices.data")
    listed: list[Provider] = data.providers
    return listed


def find(listed: list[Provider], model: str, provider: str = "") -> tuple[Provider, ModelInfo] | None:
    """The entry of a model, and the provider it is listed under; None when the catalogue has none.

    ``provider`` is a name (``openai``), a base URL or a host. One that the catalogue does not know is left aside, and
    the model's name decides. A vendor before the name counts where the name as a whole is not listed:
    ``anthropic/claude-opus-5``.
    """
    name = model.lower()
    home = _named(listed, provider) or next((p for p in listed if p.model_match and p.model_match.is_match(name)), None)
    entry = _entry(listed, home, name) if home else None
    if home and entry:
        return home, entry
    vendor, slash, rest = name.partition("/")
    home = next((p for p in listed if slash and p.id == vendor), None)
    entry = _entry(listed, home, rest) if home else None
    return (home, entry) if home and entry else None


def _named(listed: list[Provider], provider: str) -> Provider | None:
    name = provider.strip().lower()
    if "." in name or "://" in name:
        url = name if "://" in name else f"https://{name}"
        return next((p for p in listed if re.match(p.api_pattern, url)), None)
    exact = next((p for p in listed if p.id == name), None)
    return exact or next((p for p in listed if name and p.provider_match and p.provider_match.is_match(name)), None)


def _entry(listed: list[Provider], home: Provider, name: str) -> ModelInfo | None:
    """The first entry that matches, of the provider or of those whose models it serves; dates may lack their dashes."""
    others = [p for other in home.fallback_model_providers or () for p in listed if p.id == other]
    dashed = _dashed(name)
    for wanted in (name,) if dashed == name else (name, dashed):
        for place in (home, *others):
            for entry in place.models:
                if entry.match.is_match(wanted):
                    return entry
    return None


_COMPACT_DATE = re.compile(r"-(20\d{2})(\d{2})(\d{2})(?=[-:]|$)")


def _dashed(name: str) -> str:
    return _COMPACT_DATE.sub(_with_dashes, name)


def _with_dashes(match: re.Match[str]) -> str:
    try:
        return f"-{date(*map(int, match.groups())).isoformat()}"
    except ValueError:
        return match.group()
