"""The wire formats by name. Each is imported when it is first asked for."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from penstock.errors import ConfigError

if TYPE_CHECKING:
    from penstock.providers.port import Dialect

__all__ = ["NAMES", "dialect", "serving"]

_FAMILIES = {
    "openai": ("openai", "responses", "embeddings"),
    "anthropic": ("anthropic", "count_tokens"),
}
"""Which wire formats an upstream of each family speaks; the first is the one that new questions are written in."""

NAMES = tuple(name for family in _FAMILIES.values() for name in family)


def serving(family: str) -> tuple[str, ...]:
    """The wire formats of a family.

    >>> serving("anthropic")
    ('anthropic', 'count_tokens')
    """
    return _FAMILIES[family]


@cache
def dialect(name: str) -> Dialect:
    """The wire format of this name, always the same object. Raises `ConfigError` when there is none.

    >>> dialect("anthropic").path
    'messages'
    """
    match name:
        case "openai":
            from penstock.providers.openai import OpenAI

            return OpenAI()
        case "responses":
            from penstock.providers.responses import Responses

            return Responses()
        case "embeddings":
            from penstock.providers.embeddings import Embeddings

            return Embeddings()
        case "anthropic":
            from penstock.providers.anthropic import Anthropic

            return Anthropic()
        case "count_tokens":
            from penstock.providers.count_tokens import CountTokens

            return CountTokens()
        case _:
            raise ConfigError(f"there is no dialect {name!r}", mend=f"use one of {', '.join(NAMES)}")
