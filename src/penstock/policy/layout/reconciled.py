"""What was expected of the provider's prompt cache, beside what it reported."""

from __future__ import annotations

import msgspec

from penstock.values import Usage

__all__ = ["Reconciled"]


class Reconciled(msgspec.Struct):
    """Of the calls that were laid out. Tokens are the provider's own."""

    calls: int = 0
    hits: int = 0
    """Calls that read something."""
    missed: int = 0
    """Calls for which a warm prefix was expected that was not read."""
    prompt: int = 0
    """Tokens of all prompts."""
    expected: int = 0
    """Of them, those that were expected to be read."""
    read: int = 0
    written: int = 0
    followed: int = 0
    """Calls that waited for a leader."""
    hit_seconds: float = 0.0
    """Seconds to the first token of streams that read something, and how many they are."""
    hit_streams: int = 0
    miss_seconds: float = 0.0
    """The same of those that read nothing."""
    miss_streams: int = 0

    def count(self, usage: Usage, *, expected: int, verdict: str, first_token: float | None) -> None:
        """One call whose usage is known. ``first_token`` is in seconds, where it was seen."""
        self.calls += 1
        self.prompt += usage.prompt
        self.expected += expected
        self.read += usage.cache_read
        self.written += usage.cache_write_5m + usage.cache_write_1h
        self.hits += usage.cache_read > 0
        self.missed += verdict == "missed"
        if first_token is None:
            return
        if usage.cache_read:
            self.hit_seconds += first_token
            self.hit_streams += 1
        else:
            self.miss_seconds += first_token
            self.miss_streams += 1
