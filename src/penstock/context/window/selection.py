"""What is sent for a request: segments in the order in which they came, each with the reason why it is there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

import msgspec

from penstock.context.window.allocation import Allocation, allocate
from penstock.context.window.held import Read, Unreadable
from penstock.context.window.importance import Judged
from penstock.context.window.segment import Count, Importance, Shorten
from penstock.context.window.tiers import UNKNOWN, Route

__all__ = ["Chosen", "LeftOut", "Selection", "selected", "units"]

_Row = TypeVar("_Row")

LONG = 400
"""Tokens from which a text that only supports may be shortened."""

WORTH_SHORTENING = 100
"""Tokens that have to be left for a text that does not fit: fewer would not say anything."""


class Chosen(msgspec.Struct, frozen=True):
    """A segment that is sent."""

    name: str
    text: str
    tokens: int
    importance: Importance
    because: str
    shortened_from: int | None = None
    """Its tokens before it was shortened; None: it is whole."""


class LeftOut(msgspec.Struct, frozen=True):
    """A segment that is not."""

    name: str
    tokens: int | None
    because: str


class Selection(msgspec.Struct, frozen=True):
    """What is sent for a request, what is not, and why."""

    chosen: Sequence[Chosen]
    left_out: Sequence[LeftOut]
    route: Route
    allocation: Allocation

    @property
    def tokens(self) -> int:
        """Of all that is sent."""
        return sum(each.tokens for each in self.chosen)

    @property
    def names(self) -> list[str]:
        """Of what is sent, in order."""
        return [each.name for each in self.chosen]

    def explain(self) -> str:
        """Every decision, a line each."""
        tier, most = self.route.tier.name.lower(), self.route.limit
        lines = [f"{self.tokens:,} of at most {most:,} tokens, from the {tier} tier: {self.route.because}"]
        for level, tokens in self.allocation.borrowed.items():
            lines.append(f"{level.name.lower()}: {abs(tokens):,} tokens {'borrowed' if tokens > 0 else 'not needed'}")
        for each in self.chosen:
            cut = f" of {each.shortened_from:,}" if each.shortened_from else ""
            lines.append(f"+ {each.name}: {each.importance.name.lower()}, {each.tokens:,}{cut} tokens, {each.because}")
        lines += [f"- {each.name}: {each.because}" for each in self.left_out]
        return "\n".join(lines)


def units(segments: Iterable[Judged]) -> Iterator[list[Judged]]:
    """What is chosen as one: a call of a tool with its results, anything else alone."""
    calls: dict[str, list[Judged]] = {}
    for each in segments:
        if not each.held.segment.call:
            yield [each]
        else:
            calls.setdefault(each.held.segment.call, []).append(each)
    yield from calls.values()


class _Filling:
    """One run of `selected`."""

    def __init__(self, request: str, read: Read, count: Count, shorten: Shorten | None, ratio: float) -> None:
        self.request = request
        self.read = read
        self.count = count
        self.shorten = shorten
        self.ratio = ratio
        self.chosen: dict[int, Chosen] = {}
        self.left_out: dict[int, LeftOut] = {}

    def take(self, unit: list[Judged], room: int, *, last: bool) -> int:
        """Put a unit in if it fits; how many tokens it took. ``last``: no room will ever be larger."""
        level = min(_level(each) for each in unit)
        try:
            texts = [self.read(each.held) for each in unit] if self._may_fit(unit, room) else []
        except Unreadable as error:
            self._leave(unit, f"it cannot be read: {error}")
            return 0
        sizes = [each.held.tokens or 0 for each in unit]
        parts = self._parts(texts, sizes, room, level, last=last) if texts else None
        if parts is None:
            if last:
                short = f"{_tokens(unit):,} tokens do not fit, {room:,} are left"
                for each in unit:
                    self._leave([each], f"{level.name.lower()}, {each.because}, but {short}")
            return 0
        because = next(each.because for each in unit if _level(each) == level)
        for each, (text, tokens), size in zip(unit, parts, sizes, strict=True):
            mine = each.because if each.importance is not None else f"belongs to {unit[0].held.name}: {because}"
            cut = size if tokens < size else None
            self.chosen[each.held.number] = Chosen(each.held.name, text, tokens, level, mine, cut)
            self.left_out.pop(each.held.number, None)
        return sum(tokens for _, tokens in parts)

    def _may_fit(self, unit: list[Judged], room: int) -> bool:
        """Whether it is worth reading the texts."""
        known = sum(each.held.tokens or 0 for each in unit)
        return known <= room or (self.shorten is not None and room >= WORTH_SHORTENING)

    def _parts(
        self, texts: list[str], sizes: list[int], room: int, level: Importance, *, last: bool
    ) -> list[tuple[str, int]] | None:
        whole = sum(sizes)
        target = whole
        if self.shorten is not None:
            if level >= Importance.SUPPORTING and whole > LONG:
                target = int(self.ratio * whole)
            if last and target > room:
                target = room
        if target > room:
            return None
        if target >= whole:
            return list(zip(texts, sizes, strict=True))
        at = max(range(len(sizes)), key=lambda at: sizes[at])
        return self._shortened(texts, sizes, at, target - (whole - sizes[at]), room)

    def _shortened(
        self, texts: list[str], sizes: list[int], at: int, target: int, room: int
    ) -> list[tuple[str, int]] | None:
        """The longest of the texts cut down to its target; None when that is too little, or is not kept to."""
        if self.shorten is None or target < WORTH_SHORTENING:
            return None
        text = self.shorten(texts[at], target, self.request or None)
        parts = list(zip(texts, sizes, strict=True))
        parts[at] = (text, self.count(text))
        return parts if sum(tokens for _, tokens in parts) <= room else None

    def _leave(self, unit: list[Judged], because: str) -> None:
        for each in unit:
            self.left_out[each.held.number] = LeftOut(each.held.name, each.held.tokens, because)


def selected(
    found: Sequence[Judged],
    request: str,
    route: Route,
    *,
    read: Read,
    count: Count,
    shorten: Shorten | None,
    floor: float,
) -> Selection:
    """What is sent for a request within the limit of its route.

    Each level is filled within its room, then what is left over goes to those that did not fit, the most important
    first. When more is wanted than there is room for, texts that only support are shortened, the more the tighter it
    is, to ``floor`` of their tokens at least.
    """
    wanted = [unit for unit in units(found) if any(each.importance is not None for each in unit)]
    wanted.sort(key=lambda unit: (min(map(_level, unit)), -max(each.worth for each in unit), unit[0].held.number))
    needs = dict.fromkeys(Importance, 0)
    for unit in wanted:
        needs[min(map(_level, unit))] += _tokens(unit)
    allocation = allocate(needs, route.limit)
    ratio = min(1.0, max(floor, route.limit / max(1, sum(needs.values()))))
    filling = _Filling(request, read, count, shorten, ratio)
    left = route.limit
    waiting: list[list[Judged]] = []
    rooms = dict(allocation.rooms)
    for unit in wanted:
        level = min(map(_level, unit))
        took = filling.take(unit, min(left, rooms[level]), last=False)
        rooms[level] -= took
        left -= took
        if not took:
            waiting.append(unit)
    for unit in waiting:
        left -= filling.take(unit, left, last=True)
    chosen = set(filling.chosen)
    for each in found:
        if each.held.number not in chosen and each.held.number not in filling.left_out:
            filling.left_out[each.held.number] = LeftOut(each.held.name, each.held.tokens, each.because)
    return Selection(_ordered(filling.chosen), _ordered(filling.left_out), route, allocation)


def _level(each: Judged) -> Importance:
    return Importance.CACHE if each.importance is None else each.importance


def _tokens(unit: list[Judged]) -> int:
    return sum(UNKNOWN if each.held.tokens is None else each.held.tokens for each in unit)


def _ordered(by_number: Mapping[int, _Row]) -> list[_Row]:
    return [by_number[number] for number in sorted(by_number)]
