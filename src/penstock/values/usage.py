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

    def field_at(self, place: float) -> str:
        """The count that a token belongs to which stands at a place of the prompt (0: its beginning, 1: its end)."""
        at = place * self.prompt
        if at < self.cache_read:
            return "cache_read"
        if at < self.prompt - self.input:
            return "cache_write_1h" if self.cache_write_1h else "cache_write_5m"
        return "input"

    def with_more(self, prompt: int, field: str, output: int) -> Usage:
        """The same call with so many tokens more, or less, in one of the counts of its prompt. None falls below 0.

        >>> Usage(input=10, cache_read=90).with_more(5, "cache_read", 0)
        Usage(input=10, cache_read=95, cache_write_5m=0, cache_write_1h=0, output=0, reasoning=0)
        """
        changed = {field: max(0, getattr(self, field) + prompt), "output": max(0, self.output + output)}
        return msgspec.structs.replace(self, **changed)

    def reading(self, more: int, read: int) -> Usage:
        """The same call with a prompt longer by ``more``, of which ``read`` tokens had been read from the cache.

        No more is new in it than in the prompt that was sent.

        >>> Usage(cache_read=10, cache_write_5m=90).reading(100, 180)
        Usage(input=0, cache_read=180, cache_write_5m=20, cache_write_1h=0, output=0, reasoning=0)
        """
        prompt = max(0, self.prompt + more)
        new = min(max(0, prompt - read), self.prompt - self.cache_read)
        written = self.cache_write_5m + self.cache_write_1h
        field = "input" if not written else "cache_write_1h" if self.cache_write_1h else "cache_write_5m"
        bare = Usage(cache_read=prompt - new, output=self.output, reasoning=self.reasoning)
        return msgspec.structs.replace(bare, **{field: new})

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input + other.input,
            self.cache_read + other.cache_read,
            self.cache_write_5m + other.cache_write_5m,
            self.cache_write_1h + other.cache_write_1h,
            self.output + other.output,
            self.reasoning + other.reasoning,
        )
