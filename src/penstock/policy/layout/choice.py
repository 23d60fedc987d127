"""The best marks, by expected value, among the places that were weighed."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from penstock.values.caching import CacheRules, Ttl

__all__ = ["MARGIN", "Choice", "Point", "best"]

MARGIN = 1.15
"""How many times its price a write must be expected to save. Odds that were chosen for being high are too high."""


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """A place where a prompt may be marked."""

    position: int
    """Blocks from the start of the prompt."""
    tokens: int
    """Tokens from the start of the prompt."""
    shared: bool = False
    """Whether it is as far as an earlier prompt went the same way; else it lies behind."""
    chain: tuple[str, ...] = ()
    """The classes of prefixes that this one is of, the widest first."""
    hazards: tuple[float, ...] = ()
    """The odds that it is read again, for each span of age."""
    odds: tuple[float, ...] = ()
    """The odds that it is read again within each time to live of the rules."""


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """Places to write, and what that is worth. Amounts are in tokens of uncached input."""

    points: tuple[Point, ...]
    ttl: Ttl
    cost: float
    """What the write costs more than no write."""
    value: float
    """What later requests are expected to save, less ``cost``."""
    slow: bool = False
    """Whether one read does not pay for the write."""


def best(points: Sequence[Point], warm: int, *, after: int, room: int, rules: CacheRules) -> Choice | None:
    """The choice of at most ``room`` points behind block ``after`` (where ``warm`` tokens are read) with most value.

    A later request reads up to the last mark that it shares. So a mark adds its odds x the tokens since the mark before
    it; and who repeats a place has repeated all before it, so odds never rise on the way. A dearer life is bought only
    where a cheaper one does not pay. None: nothing pays.
    """
    places = sorted((point for point in points if point.position > after), key=lambda point: point.position)
    for index, ttl in sorted(enumerate(rules.ttls), key=lambda each: each[1].write):
        odds = [max(later.odds[index] for later in places[at:]) for at in range(len(places))]
        slow = ttl.write - 1 >= 1 - rules.read
        if slow:
            # The second read is as likely as the first was.
            odds = [each + each * each for each in odds]
        found: Choice | None = None
        for last, (saved, chosen) in enumerate(_ways(places, odds, warm, room)):
            cost = (ttl.write - 1) * (places[last].tokens - warm)
            saving = saved * (1 - rules.read)
            if saving > MARGIN * cost and saving - cost > (found.value if found else 0.0):
                found = Choice(points=chosen, ttl=ttl, cost=cost, value=saving - cost, slow=slow)
        if found is not None:
            return found
    return None


def _ways(
    places: Sequence[Point], odds: Sequence[float], warm: int, room: int
) -> list[tuple[float, tuple[Point, ...]]]:
    """For each place: the most tokens that are expected to be read if it is the last mark, and the marks up to it."""
    if not room:
        return []
    ways: list[tuple[float, tuple[Point, ...]]] = [
        (odd * (place.tokens - warm), (place,)) for place, odd in zip(places, odds, strict=True)
    ]
    for _ in range(room - 1):
        ways = [
            max(
                (ways[at], *(
                    (saved + odds[at] * (place.tokens - before[-1].tokens), (*before, place))
                    for saved, before in ways[:at]
                )),
                key=lambda way: way[0],
            )
            for at, place in enumerate(places)
        ]  # fmt: skip
    return ways
