"""What is compressed by itself, and for how much of the traffic."""

from __future__ import annotations

import msgspec

from penstock.errors import ConfigError

__all__ = ["CompressSettings"]


class CompressSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[compress]``."""

    enabled: bool = True
    share: float = 1.0
    """The share of tool outputs that it is done for, from 0 to 1."""
    above_tokens: int = 5000
    """Outputs of more than this are compressed."""
    target_tokens: int = 2000
    leave: tuple[str, ...] = ()
    """Names of tools whose outputs stay as they are."""

    def checked(self) -> CompressSettings:
        """The same. Raises `ConfigError` for what cannot be meant."""
        if not 0 <= self.share <= 1:
            raise ConfigError(f"compress.share = {self.share:g}", mend="a number from 0 to 1")
        if not 1 <= self.target_tokens <= self.above_tokens:
            raise ConfigError(
                f"compress.target_tokens = {self.target_tokens}", mend="a number from 1 to compress.above_tokens"
            )
        return self
