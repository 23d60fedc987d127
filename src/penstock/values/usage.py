"""What a call used, in tokens, in disjoint counts."""

from __future__ import annotations

import msgspec

__all__ = ["Usage"]


class Usage(msgspec.Struct, frozen=True):
    """Tokens of one call. No token is in two of the counts, whatever accounting the provider uses.

    Anthropic reports input, creation and read as disjoint; OpenAI reports ``cached_tokens`` inside ``prompt_tokens``
    and ``reasoning_tokens`` inside ``completion_tokens``. The dialects bring both to this form.
    """

    input: int = 0
    """Prompt tokens at the full price: neither read from nor written to the provider's prompt cache."""
    cache_read: int = 0
    cache_write_5m: int = 0
    """Written to the prompt cache for the provider's short time to live (5 min at Anthropic)."""
    cache_write_1h: int = 0
    output: int = 0
    """Answer tokens without the reasoning ones."""
    reasoning: int = 0
    """Thinking tokens, billed as output, where the provider tells them apart."""

    @property
    def prompt(self) -> int:
        """All tokens of the prompt, cached or not."""
        return self.input + self.cache_read + self.cache_write_5m + self.cache_write_1h

    @property
    def completion(self) -> int:
        """All generated tokens, reasoning among them."""
        return self.output + self.reasoning

    def uncached(self) -> Usage:
        """The same call where the provider's prompt cache takes no part in it."""
        return Usage(self.prompt, output=self.output, reasoning=self.reasoning)

    def with_more(self, prompt: int, place: float, output: int) -> Usage:
        """The same call with so many tokens more, or less, at a place of its prompt (0: its beginning, 1: its end).

        What stands within what was read or written is read or written too. No count falls below 0.

        >>> Usage(input=10, cache_read=90).with_more(5, 0.5, 0)
        Usage(input=10, cache_read=95, cache_write_5m=0, cache_write_1h=0, output=0, reasoning=0)
        """
        at = place * self.prompt
        if at < self.cache_read:
            field = "cache_read"
        elif at < self.prompt - self.input:
            field = "cache_write_1h" if self.cache_write_1h else "cache_write_5m"
        else:
            field = "input"
        changed = {field: max(0, getattr(self, field) + prompt), "output": max(0, self.output + output)}
        return msgspec.structs.replace(self, **changed)

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input + other.input,
            self.cache_read + other.cache_read,
            self.cache_write_5m + other.cache_write_5m,
            self.cache_write_1h + other.cache_write_1h,
            self.output + other.output,
            self.reasoning + other.reasoning,
        )
