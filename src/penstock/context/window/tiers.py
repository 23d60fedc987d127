"""Where segments lie by how hot they are, and how far a request has to reach.

The hottest 50K tokens are the primary tier: their texts are in memory. The next 100K are the secondary tier and the
rest is the archive: of those the tags are in memory, and the texts are with the store or whoever loads them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import IntEnum

import msgspec

from penstock.context.window.allocation import SHARES
from penstock.context.window.held import Held
from penstock.context.window.importance import Judged
from penstock.context.window.segment import Importance

__all__ = ["SIZES", "Route", "Tier", "placed", "route"]


class Tier(IntEnum):
    """From hot to cold."""

    PRIMARY = 0
    SECONDARY = 1
    ARCHIVE = 2


SIZES: Mapping[Tier, int] = {Tier.PRIMARY: 50_000, Tier.SECONDARY: 100_000}
"""Tokens of each tier; the archive has no end."""

UNKNOWN = 1_000
"""Tokens that a text is taken to have that nobody has seen yet."""

_MUST = SHARES[Importance.CRITICAL] + SHARES[Importance.IMPORTANT]


class Route(msgspec.Struct, frozen=True):
    """How far a request reaches."""

    tier: Tier
    """The coldest tier that has something it must see."""
    limit: int
    """Tokens that are worth spending on it."""
    because: str


def placed(segments: Iterable[Held], sizes: Mapping[Tier, int] = SIZES) -> dict[str, Tier]:
    """The tier of each segment: the hotter first, of equals the newer."""
    found: dict[str, Tier] = {}
    ends = [(Tier.PRIMARY, sizes[Tier.PRIMARY]), (Tier.SECONDARY, sizes[Tier.PRIMARY] + sizes[Tier.SECONDARY])]
    filled = 0
    for each in sorted(segments, key=lambda each: (-each.heat, -each.number)):
        filled += UNKNOWN if each.tokens is None else each.tokens
        found[each.name] = next((tier for tier, end in ends if filled <= end), Tier.ARCHIVE)
    return found


def route(
    must: Iterable[Judged], tiers: Mapping[str, Tier], budget: int, sizes: Mapping[Tier, int], *, wider: bool
) -> Route:
    """How far a request reaches whose critical and important segments are these.

    They may take the shares of the two upper levels; ``wider``: one tier more than that, since of late something that
    was needed was left out.
    """
    needed = list(must)
    tokens = sum(each.held.tokens or UNKNOWN for each in needed)
    coldest = max((tiers[each.held.name] for each in needed), default=Tier.PRIMARY)
    fits = next((tier for tier in (Tier.PRIMARY, Tier.SECONDARY) if tokens <= _MUST * sizes[tier]), Tier.ARCHIVE)
    reach = Tier(min(fits + wider, Tier.ARCHIVE))
    because = f"what it must see has {tokens:,} tokens"
    if wider:
        because += ", and too much was left out of late"
    return Route(coldest, min(budget, sizes.get(reach, budget)), because)
