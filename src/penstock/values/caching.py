"""How a provider caches prompts, as one value: what a policy decides by, and what the simulator charges by.

The tables that make these values stand in `penstock.providers.prompt_cache`.
"""

from __future__ import annotations

from datetime import date
from typing import Literal, TypeAlias

import msgspec

__all__ = [
    "FREE_FIELDS", "LEVELS", "MARK_FIELDS", "UNMARKABLE", "Accounting", "CacheRules", "Level", "Marker", "Matching",
    "Placing", "Ttl",
]  # fmt: skip

Marker: TypeAlias = Literal["", "cache_control", "cache_point", "prompt_cache_breakpoint", "cached_content"]
"""The wire's word for a mark that the caller sets at the end of a prefix; empty: there is none.

``cached_content`` is no mark inside a prompt: the prefix is stored by a call of its own and named by reference.
"""

MARK_FIELDS = frozenset({"cache_control", "prompt_cache_breakpoint"})
"""The fields of a block that are marks on the wire. They are no part of the prompt."""

UNMARKABLE = frozenset({"thinking", "redacted_thinking", "fallback", "mcp_tool_listing"})
"""Types of blocks that can bear no mark (source: Anthropic's documentation and the specification of its SDK). Nor can
an empty text, nor a tool that is loaded when it is needed."""

FREE_FIELDS = frozenset({"input", "input_schema", "parameters"})
"""Fields of a block whose JSON is the caller's own: what it calls by a mark's name is none."""

Placing: TypeAlias = Literal["never", "asked", "unless_explicit", "always"]
"""When the provider finds the end of a prefix by itself: never, where one field of the request asks for it
(Anthropic's top-level ``cache_control``), unless a field forbids it (OpenAI's mode ``explicit``), or always."""

Matching: TypeAlias = Literal["look_back", "breakpoint", "longest", "unit", "reference"]
"""What of a prompt is read. ``look_back``: up to an earlier write at a mark or at most some blocks before it.
``breakpoint``: up to a breakpoint that this request has as well. ``longest``: the longest common prefix.
``unit``: a persisted prefix as a whole, or nothing of it. ``reference``: what the request names."""

Accounting: TypeAlias = Literal["disjoint", "inside"]
"""Whether reported cache tokens stand beside the reported input tokens, or inside them."""

Level: TypeAlias = Literal["tools", "system", "messages"]
"""The parts of a prompt in the order of its prefix. What is lost from a level on is lost to the end."""

LEVELS: tuple[Level, ...] = ("tools", "system", "messages")


class Ttl(msgspec.Struct, frozen=True):
    """One time to live that a write may ask for."""

    name: str
    """As the wire says it (``5m``); where there is no word for it, one of ours."""
    seconds: int
    """From the start of the request that wrote or, where reads refresh, last read."""
    write: float = 1.0
    """The price of a written token, as a multiple of the price of input. 1: writing costs nothing more."""


class CacheRules(msgspec.Struct, frozen=True, kw_only=True):
    """The rules of one model family at one provider, in force from a day on.

    Factors are multiples of the price of uncached input. They are for decisions; bills follow the price book.
    """

    family: str
    since: date
    """The day from which these rules are applied."""
    minimum: int
    """Tokens a prefix must have; a shorter one is not cached, without an error."""
    step: int = 1
    """Beyond the minimum, a prefix counts in whole steps of this many tokens."""
    marker: Marker = ""
    most_marks: int = 0
    """Marks one request may have, the provider's own among them; 0: none can be set."""
    surplus: Literal["refused", "oldest_dropped"] = "refused"
    """What becomes of marks beyond that: an error 400, or the latest ones are written."""
    placing: Placing = "never"
    matching: Matching
    look_back: int = 0
    """Blocks where an earlier write is looked for from each mark backwards, its own block the first; 0: all of them."""
    remembered: int = 0
    """Breakpoints of a conversation, counted from its end, that are compared at all; 0: no limit."""
    ttls: tuple[Ttl, ...]
    """The first is the default."""
    ordered: bool = False
    """Whether a longer-lived mark behind a shorter-lived one is refused (400)."""
    refreshed: bool = True
    """Whether a read starts the time to live anew, at no cost."""
    read: float
    """The price of a token that is read, as a multiple of the price of input."""
    storage: float = 0.0
    """The price of keeping a token for an hour, as a multiple of the price of input."""
    lag: float = 0.0
    """Seconds from the first token of an answer until others can read what its call wrote."""
    routed: int = 0
    """Tokens at the start of a prompt whose hash chooses the machine; 0: no routing is known."""
    key: str = ""
    """The field of the request that takes part in the routing; empty: there is none."""
    per_minute: int = 0
    """Requests a minute with one prefix and key beyond which another, cold machine answers; 0: no limit."""
    accounting: Accounting
    lost: tuple[tuple[str, Level], ...] = ()
    """What invalidates: a change of this loses what was cached from this level on."""

    @property
    def ttl(self) -> Ttl:
        """The time to live of a write that asks for none."""
        return self.ttls[0]

    def named(self, name: str) -> Ttl | None:
        """The time to live of this name; None when there is none."""
        return next((ttl for ttl in self.ttls if ttl.name == name), None)

    def cacheable(self, tokens: int) -> int:
        """How many tokens of a prefix of ``tokens`` can be cached: none below the minimum, then whole steps."""
        if tokens < max(self.minimum, 1):
            return 0
        return self.minimum + (tokens - self.minimum) // self.step * self.step
