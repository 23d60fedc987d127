"""The wire formats by name. Each is imported when it is first asked for."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from penstock.errors import ConfigError

if TYPE_CHECKING:
    from penstock.providers.port import Dialect

__all__ = ["NAMES", "dialect"]

NAMES = ("openai", "anthropic")


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
        case "anthropic":
            from penstock.providers.anthropic import Anthropic

            return Anthropic()
        case _:
            raise ConfigError(f"there is no dialect {name!r}", mend=f"use one of {', '.join(NAMES)}")
