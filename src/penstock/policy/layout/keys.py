"""Keys that spread one busy prefix over several of a provider's machines.

OpenAI sends prompts that begin alike to one machine, as long as they come at about 15 a minute; what is beyond that
lands on machines that have cached nothing. A key takes part in the choice. So while a beginning is asked for seldom
none is set, and the request stays as it is; when it is busy, its conversations are dealt out over as many keys as keep
them below that rate on average, and each conversation keeps its own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from penstock.policy.layout.blocks import Block
from penstock.values.caching import CacheRules

__all__ = ["Shards"]

_AMPLE = 0.8
"""How much of the rate of one key is planned for: arrivals come in bursts."""

_KEPT_SECONDS = 600.0
"""How long a number of shards outlives the load that asked for it: prefixes live that long without use."""

_MOST_SHARDS = 64


class _Head(msgspec.Struct):
    """One beginning of prompts."""

    minute: int = 0
    now: int = 0
    """Requests in this minute."""
    before: int = 0
    """Requests in the minute before."""
    shards: int = 1
    until: float = 0.0
    """Till when there are so many shards at least."""


class Shards:
    """Counts how often each beginning is asked for, and deals conversations out."""

    def __init__(self, most: int = 1024) -> None:
        self._most = most
        self._heads: dict[tuple[str, bytes], _Head] = {}

    def key(self, tenant: str, found: Sequence[Block], rules: CacheRules, now: float) -> str | None:
        """The key for a prompt, counted as asked at ``now`` (seconds); None: it needs none."""
        head = _reaching(found, rules.routed)
        if not rules.per_minute or head is None or found[-1].digest == head.digest:
            return None
        seen = self._seen(tenant, head.digest)
        _count(seen, now)
        wanted = _rate(seen, now) / (_AMPLE * rules.per_minute)
        shards = min(_MOST_SHARDS, 1 << max(0, math.ceil(math.log2(max(wanted, 1.0)))))
        if shards >= seen.shards or now >= seen.until:
            seen.shards, seen.until = shards, now + _KEPT_SECONDS
        if seen.shards == 1:
            return None
        own = int.from_bytes(_conversation(found).digest[:4], "big") % seen.shards
        return f"{head.digest.hex()[:16]}-{own}"

    def _seen(self, tenant: str, digest: bytes) -> _Head:
        seen = self._heads.pop((tenant, digest), None)
        if seen is None:
            seen = _Head()
            while len(self._heads) >= self._most:
                del self._heads[next(iter(self._heads))]
        self._heads[tenant, digest] = seen
        return seen


def _reaching(found: Sequence[Block], tokens: int) -> Block | None:
    """The block with which a prompt reaches so many tokens."""
    total = 0
    for block in found:
        total += block.tokens
        if total >= tokens:
            return block
    return None


def _conversation(found: Sequence[Block]) -> Block:
    """The block that tells a conversation from others and stays in it: the first one of its messages."""
    return next((block for block in found if block.level == "messages"), found[-1])


def _count(seen: _Head, now: float) -> None:
    minute = int(now // 60)
    if minute != seen.minute:
        seen.before = seen.now if minute == seen.minute + 1 else 0
        seen.minute, seen.now = minute, 0
    seen.now += 1


def _rate(seen: _Head, now: float) -> float:
    """Requests in the last 60 s, as if those of the minute before had come evenly."""
    return seen.now + seen.before * (1 - now % 60 / 60)
