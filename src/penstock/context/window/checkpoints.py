"""Checkpoints: what stands for the older parts of a long session when it no longer fits.

Each 50,000 tokens that have come are a span. Its core is what goes on: instructions and what the user said word for
word, failures next, the rest shortened, and an index of what was cut. A core is always made anew from the originals, to
whatever size it has to be now, so nothing is ever a summary of a summary.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from penstock.context.window.allocation import allocate
from penstock.context.window.held import Held, Read, Unreadable
from penstock.context.window.segment import Count, Importance, Shorten
from penstock.context.window.selection import Chosen, LeftOut, Selection
from penstock.context.window.tiers import Route, Tier

__all__ = ["CORE", "EVERY", "THRESHOLD", "compacted", "remembered"]

EVERY, CORE = 50_000, 30_000
"""Tokens of a span, and of what stands for it."""

THRESHOLD = 0.7
"""How full a window is, beside its budget, before cores take the place of what they stand for."""

LEAST = 40
"""Tokens below which a shortened text says nothing."""

FAILURES = 0.3
"""The share of what is left then that failures may take whole, the newest first."""

REMEMBERED = 4_000
"""Shortened texts that are kept, of a few hundred bytes each."""

INDEXED = 0.05
"""The share of a core that its index may take."""

_WORDS = 6


def compacted(
    segments: Sequence[Held],
    ends: Sequence[int],
    budget: int,
    *,
    read: Read,
    count: Count,
    shorten: Shorten | None,
) -> Selection:
    """The whole session in at most ``budget`` tokens, unless what stays verbatim has more.

    ``ends``: the numbers of the segments with which the spans end. Up to the threshold everything is whole. Above it
    each span is a core, smaller than usual when there are many; what came after the last span is whole if that fits.
    Cores change when a span ends and at no other time, so that the provider's prompt cache keeps what it read.
    """
    total = sum(each.tokens or 0 for each in segments)
    spans = _spans(segments, ends)
    if total <= THRESHOLD * budget:
        targets = [total] * len(spans)
    else:
        late = sum(each.tokens or 0 for each in spans[-1])
        room = max(0, budget - max(EVERY, late))
        each_core = min(CORE, room // max(1, len(spans) - 1))
        targets = [each_core] * (len(spans) - 1) + [min(budget, late)]
    chosen: list[Chosen] = []
    left_out: list[LeftOut] = []
    for number, (span, target) in enumerate(zip(spans, targets, strict=True), 1):
        making = _Core(read, count, shorten)
        making.make(span, target)
        chosen += making.index(f"part {number}", span, target)
        chosen += (making.chosen[at] for at in sorted(making.chosen))
        left_out += (making.left_out[at] for at in sorted(making.left_out))
    because = f"{total:,} tokens, whole" if total <= THRESHOLD * budget else f"{total:,} tokens in {len(spans)} parts"
    return Selection(chosen, left_out, Route(Tier.ARCHIVE, budget, because), allocate({}, budget))


def remembered(shorten: Shorten) -> Shorten:
    """The same, but each text is shortened once: cores stay the same from turn to turn."""
    known: dict[tuple[int, int, int], str] = {}

    def once(text: str, tokens: int, query: str | None) -> str:
        key = (hash((text, query)), len(text), tokens)
        if key not in known:
            if len(known) >= REMEMBERED:
                del known[next(iter(known))]
            known[key] = shorten(text, tokens, query)
        return known[key]

    return once


def _spans(segments: Sequence[Held], ends: Sequence[int]) -> list[list[Held]]:
    """The segments of each span, and behind them those of the one that is still open."""
    spans: list[list[Held]] = [[] for _ in range(len(ends) + 1)]
    for each in segments:
        spans[bisect_left(ends, each.number)].append(each)
    return spans


class _Core:
    """The making of one core."""

    def __init__(self, read: Read, count: Count, shorten: Shorten | None) -> None:
        self.read = read
        self.count = count
        self.shorten = shorten
        self.chosen: dict[int, Chosen] = {}
        self.left_out: dict[int, LeftOut] = {}

    def make(self, span: Sequence[Held], target: int) -> None:
        """Verbatim what has to be, then failures, then the rest shortened alike, the newest first."""
        if sum(each.tokens or 0 for each in span) <= target:
            for each in span:
                self._take(each, "whole")
            return
        room = target - int(INDEXED * target)
        for each in span:
            if because := _verbatim(each):
                room -= self._take(each, because)
        failures = max(0, int(FAILURES * room))
        for each in reversed(span):
            if each.tags.error and not _verbatim(each) and (each.tokens or 0) <= failures:
                took = self._take(each, f"a failure: {each.tags.error}")
                failures -= took
                room -= took
        rest = [each for each in reversed(span) if each.number not in self.chosen and each.number not in self.left_out]
        ratio = min(1.0, max(0, room) / max(1, sum(each.tokens or 0 for each in rest)))
        for each in rest:
            room -= self._shortened(each, ratio, room)

    def index(self, title: str, span: Sequence[Held], target: int) -> list[Chosen]:
        """What was cut and by which words it can be asked for, as far as the index has room."""
        cut = [each for each in span if each.number in self.left_out]
        if not cut:
            return []
        lines = [f"[{title}: {len(cut)} segment{'s' * (len(cut) != 1)} left out; ask for them by name]"]
        used = self.count(lines[0])
        for each in reversed(cut):
            words = [word for word in each.tags.speaks.split() if not word.startswith("/")]
            line = f"- {each.name}, {each.tokens or 0:,} tokens: {' '.join(words[:_WORDS])}"
            used += self.count(line) + 1
            if used > INDEXED * target:
                break
            lines.insert(1, line)
        text = "\n".join(lines)
        return [Chosen(title, text, self.count(text), Importance.IMPORTANT, "index of what was left out")]

    def _take(self, each: Held, because: str) -> int:
        text = self._text(each)
        if text is None:
            return 0
        tokens = each.tokens or 0
        self.chosen[each.number] = Chosen(each.name, text, tokens, Importance.CRITICAL, because)
        return tokens

    def _shortened(self, each: Held, ratio: float, room: int) -> int:
        """Put what is left of a text into the core; how many tokens that took."""
        whole = each.tokens or 0
        target = whole if self.shorten is None else min(whole, max(LEAST, int(ratio * whole)))
        text = self._text(each) if target <= room else None
        if text is not None and self.shorten is not None and target < whole:
            text = self.shorten(text, target, None)
        tokens = 0 if text is None else self.count(text)
        if text is None or tokens > room:
            self.left_out.setdefault(each.number, LeftOut(each.name, each.tokens, "no room in the core"))
            return 0
        size = whole if tokens < whole else None
        self.chosen[each.number] = Chosen(each.name, text, tokens, Importance.SUPPORTING, "of an older part", size)
        return tokens

    def _text(self, each: Held) -> str | None:
        try:
            return self.read(each)
        except Unreadable as error:
            self.left_out[each.number] = LeftOut(each.name, each.tokens, f"it cannot be read: {error}")
            return None


def _verbatim(each: Held) -> str:
    if each.segment.role == "user":
        return "said by the user, word for word"
    if each.segment.role == "system":
        return "instructions, word for word"
    return "the client says that it is critical" if each.segment.importance is Importance.CRITICAL else ""
