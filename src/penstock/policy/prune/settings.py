"""How much of a history is sent, and for how much of the traffic."""

from __future__ import annotations

import msgspec

from penstock.errors import ConfigError

__all__ = ["PruneSettings"]

_LEVELS = ("light", "medium", "aggressive")


class PruneSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[prune]``."""

    level: str = "off"
    """``off``, ``light`` (the last 20 messages), ``medium`` (the last 10 and a summary) or ``aggressive`` (the last 3
    and a summary)."""
    share: float = 1.0
    """The share of conversations that it is done for, from 0 to 1."""

    def checked(self) -> PruneSettings:
        """The same. Raises `ConfigError` for what cannot be meant."""
        if self.level not in {"off", *_LEVELS}:
            raise ConfigError(f"prune.level = {self.level!r}", mend=f"one of off, {', '.join(_LEVELS)}")
        if not 0 <= self.share <= 1:
            raise ConfigError(f"prune.share = {self.share:g}", mend="a number from 0 to 1")
        return self
