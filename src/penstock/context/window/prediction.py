"""What comes next, from what was used together before: counted, not guessed, and measured against what then came."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import msgspec

__all__ = ["CoUse", "Expected"]

FOLLOWERS = 8
"""Segments that are remembered as coming after another one; the least frequent go."""

SURE = 0.25
"""How often it has to have come after the last one used, to be expected."""


class Expected(msgspec.Struct, frozen=True):
    """A segment that is likely to be used next."""

    name: str
    share: float
    """How often it came (0..1) when what was used last had been used before."""
    because: str


class CoUse(msgspec.Struct):
    """What was used in the same step as a segment or in the next one, and how often."""

    after: dict[str, dict[str, int]] = {}
    times: dict[str, int] = {}
    """How often each was used."""
    last: tuple[str, ...] = ()
    fetched: int = 0
    """Segments that were read ahead."""
    hits: int = 0
    """Of those, the ones that were used in the next step."""

    @property
    def hit_rate(self) -> float | None:
        """The share of what was read ahead that was then used; None before anything was."""
        return self.hits / self.fetched if self.fetched else None

    def used(self, names: Collection[str]) -> None:
        """Count what was used in one step."""
        for before in self.last:
            self._follow(before, [name for name in names if name != before and name not in self.last])
        for name in names:
            self.times[name] = self.times.get(name, 0) + 1
            self._follow(name, [other for other in names if other != name])
        self.last = tuple(names)

    def forget(self, name: str) -> None:
        """Expect nothing of a segment that is gone."""
        self.after.pop(name, None)
        self.times.pop(name, None)
        for followers in self.after.values():
            followers.pop(name, None)
        self.last = tuple(each for each in self.last if each != name)

    def expected(self, most: int) -> list[Expected]:
        """What is likely to be used next, the likeliest first, at most ``most``.

        >>> uses = CoUse()
        >>> for name in ("a", "b", "a", "b", "a"): uses.used([name])
        >>> [each.name for each in uses.expected(1)]
        ['b']
        """
        found: dict[str, Expected] = {}
        for before in self.last:
            times = self.times[before]
            for name, often in self.after.get(before, {}).items():
                share = min(1.0, often / times)
                if name not in self.last and share >= SURE and (name not in found or share > found[name].share):
                    found[name] = Expected(name, share, f"used with or after {before} {often} of {times} times")
        return sorted(found.values(), key=lambda each: (-each.share, each.name))[:most]

    def _follow(self, before: str, names: Iterable[str]) -> None:
        followers = self.after.setdefault(before, {})
        for name in names:
            followers[name] = followers.get(name, 0) + 1
        while len(followers) > FOLLOWERS:
            del followers[min(followers, key=lambda name: followers[name])]
