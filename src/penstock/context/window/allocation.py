"""How the token budget is shared out: by importance, and what one level leaves is lent to the next that needs it."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from penstock.context.window.segment import Importance

__all__ = ["BUDGET", "SHARES", "Allocation", "allocate"]

BUDGET = 200_000
"""Tokens of a window by default."""

SHARES: Mapping[Importance, float] = {
    Importance.CRITICAL: 0.2,
    Importance.IMPORTANT: 0.4,
    Importance.SUPPORTING: 0.3,
    Importance.CACHE: 0.1,
}


class Allocation(msgspec.Struct, frozen=True):
    """The tokens that each level may use, and what it gave or got."""

    rooms: Mapping[Importance, int]
    borrowed: Mapping[Importance, int]
    """Tokens above the level's own share; negative: tokens lent to others. The sum is at most 0."""


def allocate(
    wanted: Mapping[Importance, int], budget: int = BUDGET, shares: Mapping[Importance, float] = SHARES
) -> Allocation:
    """The room of each level for what it wants. What levels do not want is lent, to the most important first.

    The cache borrows nothing: it is what can be spared.

    >>> rooms = allocate({Importance.CRITICAL: 50_000, Importance.IMPORTANT: 10_000}).rooms
    >>> rooms[Importance.CRITICAL], rooms[Importance.IMPORTANT]
    (50000, 10000)
    """
    own = {level: int(budget * shares[level]) for level in Importance}
    rooms = {level: min(own[level], wanted.get(level, 0)) for level in Importance}
    left = budget - sum(rooms.values())
    for level in (Importance.CRITICAL, Importance.IMPORTANT, Importance.SUPPORTING):
        more = min(left, wanted.get(level, 0) - rooms[level])
        rooms[level] += more
        left -= more
    return Allocation(rooms, {level: rooms[level] - own[level] for level in Importance if rooms[level] != own[level]})
