"""What is done for the provider's prompt cache, and for how much of the traffic."""

from __future__ import annotations

import msgspec

from penstock.errors import ConfigError

__all__ = ["LayoutSettings"]


class LayoutSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[layout]``."""

    enabled: bool = True
    share: float = 1.0
    """The share of conversations that it is done for, from 0 to 1."""
    move_volatile: bool = False
    """Whether lines of a system prompt that hold a time, an id or a counter may be moved behind its others."""
    keep_warm: bool = False
    """Whether a prefix that is about to expire is read for its own sake, where that is expected to pay."""
    salt_tenants: bool = False
    """Whether each tenant's prompts begin with a text of its own, so that tenants who share a key at a provider share
    nothing of its cache."""
    wait_for_leader: bool = True
    """Whether calls that share a prefix that is not cached wait until the first of them can be read."""

    def checked(self) -> LayoutSettings:
        """The same. Raises `ConfigError` for a share that is none."""
        if not 0 <= self.share <= 1:
            raise ConfigError(f"layout.share = {self.share:g}", mend="a number from 0 to 1")
        return self
