"""How likely a prefix is read again, and how soon, learned from requests as they come.

Each watched prefix is a life that ends when a later request repeats it. Likes are pooled in `Curve`s: for each span of
age, how many lives reached its end or ended in it, and how many ended in it. Lives that are still open count as far as
they have come, so nothing has to wait for a time to live to pass, and nothing is counted that has not been seen
(the estimator of Kaplan and Meier, 1958). A class with few lives leans on the wider class before it in its chain.

Whether a prefix was written does not matter here: requests show what would have been read. Learning costs nothing.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from itertools import pairwise
from typing import TypeVar

import msgspec

__all__ = ["AGES", "Curve", "Odds", "Record", "Watch", "kept_of", "within"]

AGES = (5.0, 10.0, 20.0, 40.0, 80.0, 150.0, 220.0, 300.0, 600.0, 1200.0, 2400.0, 3600.0)
"""Where the spans of age end, in seconds. Finer ones changed no figure."""

STRENGTH = 20.0
"""How many lives of the wider class count as much as the class itself. From 10 to 40 the traces differ by 0.006."""

PRIOR_SECONDS = 300.0
"""The time that a prior speaks of. Beyond it nothing is expected that has not been seen."""

MOST_CURVES = 4096

MOST_WATCHED = 100_000
"""Lives that are watched at once, about 20 MB. Beyond them the oldest are let go, which biases nothing."""

TRUSTED = 1 / 3
"""The odds are trusted while at least this share of the reads that they foretold came. Low: it is
there for traffic that turns away from what is written. For odds that are merely too high there is the margin."""

TRUSTED_FROM = 0.5
"""How many reads that takes at least: one of late, as far as it has not faded."""

MOST_BILLS = 1024
"""Bills whose accounts are kept: one for each key at a provider, and each model."""

MEMORY = 0.995
"""What is kept of the record with each paid write: about the last 200 count."""


_T = TypeVar("_T")


class Curve(msgspec.Struct):
    """What became of the lives of one class, for each span of age."""

    since: float
    """When the first of them began."""
    reached: list[float] = msgspec.field(default_factory=lambda: [0.0] * len(AGES))
    """Lives that came to the end of the span, or ended in it."""
    ended: list[float] = msgspec.field(default_factory=lambda: [0.0] * len(AGES))


class Watch(msgspec.Struct, gc=False):
    """One life: a prefix since it was last sent."""

    since: float
    chain: tuple[str, ...]
    """Its classes, the widest first."""
    open: bool = True
    staked: tuple[float, ...] = ()
    """For each span the odds on which a write was paid; empty: nothing was."""
    bill: bytes = b""
    """Who paid it."""


class Record(msgspec.Struct):
    """Whether paid writes were read as often as the odds foretold, of late."""

    expected: float = 0.0
    """Reads that the odds foretold, as far as their time has come."""
    realised: float = 0.0
    """Reads that came. The difference of the two is a martingale as long as the odds hold."""

    @property
    def trusted(self) -> bool:
        """Whether writes were read at all, and not much less often than foretold."""
        return self.realised >= TRUSTED_FROM and self.realised >= TRUSTED * self.expected

    def fade(self) -> None:
        """Let what was counted so far weigh less, since there is a new write."""
        self.expected *= MEMORY
        self.realised *= MEMORY


class Odds:
    """Curves by class, and the lives that are watched.

    >>> odds = Odds()
    >>> for second in range(40):
    ...     odds.end(odds.watch(float(second), ("new",)), second + 0.5)
    >>> round(odds.read_within(300.0, ("new",), prior=0.1), 2)
    0.7
    """

    def __init__(self, most_curves: int = MOST_CURVES, most_watched: int = MOST_WATCHED) -> None:
        self._most_curves = most_curves
        self._most_watched = most_watched
        self.curves: OrderedDict[str, Curve] = OrderedDict()
        self._records: dict[bytes, Record] = {}
        self.now = 0.0
        """Up to when lives are counted."""
        self._due: list[deque[Watch]] = [deque() for _ in AGES]

    @property
    def records(self) -> Mapping[bytes, Record]:
        """How paid writes were read, for each bill; `MOST_BILLS` of them at the most."""
        return self._records

    def record(self, bill: bytes) -> Record:
        """The record of one bill."""
        return kept_of(self._records, bill, Record)

    def watch(self, now: float, chain: tuple[str, ...]) -> Watch:
        """Begin a life."""
        found = Watch(now, chain)
        self._due[0].append(found)
        if self.watched > self._most_watched:
            next(due for due in reversed(self._due) if due).popleft()
        return found

    @property
    def watched(self) -> int:
        """How many lives are kept."""
        return sum(map(len, self._due))

    def advance(self, now: float) -> None:
        """Count the lives that came to the end of a span by ``now``."""
        self.now = now
        for span, due in enumerate(self._due):
            while due and now - due[0].since > AGES[span]:
                watch = due.popleft()
                if watch.open:
                    self._count(watch, span, ended=False)
                    if span + 1 < len(AGES):
                        self._due[span + 1].append(watch)

    def end(self, watch: Watch, now: float) -> None:
        """A later request repeated the prefix; beyond the last span it is nothing that counts."""
        watch.open = False
        age = now - watch.since
        span = next((span for span, end in enumerate(AGES) if age <= end), None)
        if span is not None:
            self._count(watch, span, ended=True)

    def resume(self, watches: Iterable[Watch], now: float) -> None:
        """Take up lives that were counted in an earlier run; up to ``now``, as far as is known."""
        self.now = max(self.now, now)
        for watch in sorted(watches, key=lambda watch: watch.since):
            span = next((span for span, end in enumerate(AGES) if now - watch.since <= end), None)
            if watch.open and span is not None:
                self._due[span].append(watch)

    def _count(self, watch: Watch, span: int, *, ended: bool) -> None:
        for name in watch.chain:
            curve = self.curves.get(name)
            if curve is None:
                curve = self.curves[name] = Curve(watch.since)
                if len(self.curves) > self._most_curves:
                    self.curves.popitem(last=False)
            else:
                self.curves.move_to_end(name)
            curve.reached[span] += 1
            curve.ended[span] += ended
        if watch.staked and watch.staked[span]:
            record = self.record(watch.bill)
            record.expected += watch.staked[span]
            record.realised += ended

    def hazards(self, chain: Sequence[str], *, prior: float) -> tuple[float, ...]:
        """For each span, the odds that a life which came to its beginning ends in it."""
        spans = sum(end <= PRIOR_SECONDS for end in AGES)
        first = 1 - (1 - prior) ** (1 / spans)
        found = [first] * spans + [0.0] * (len(AGES) - spans)
        for name in chain:
            curve = self.curves.get(name)
            if curve is not None:
                found = [
                    (ended + STRENGTH * wider) / (reached + STRENGTH)
                    for reached, ended, wider in zip(curve.reached, curve.ended, found, strict=True)
                ]
        return tuple(found)

    def read_within(self, seconds: float, chain: Sequence[str], *, prior: float) -> float:
        """The odds that a prefix of this class is read again within ``seconds``.

        Beyond the time of the prior they count only of a class that has been watched for as long.
        """
        return self.told(seconds, chain, self.hazards(chain, prior=prior))

    def told(self, seconds: float, chain: Sequence[str], hazards: Sequence[float]) -> float:
        """The same, from `hazards` that are known already."""
        curve = self.curves.get(chain[-1])
        if curve is None or self.now - curve.since < seconds:
            seconds = min(seconds, PRIOR_SECONDS)
        return within(seconds, hazards)


def within(seconds: float, hazards: Sequence[float]) -> float:
    """The odds of an end within ``seconds``; of a span that is cut, the share that lies before the cut.

    >>> within(300.0, (0.5,) + (0.0,) * 11)
    0.5
    """
    open_still = 1.0
    for (begin, end), hazard in zip(pairwise((0.0, *AGES)), hazards, strict=True):
        if seconds <= begin:
            break
        open_still *= (1 - hazard) ** min(1.0, (seconds - begin) / (end - begin))
    return 1 - open_still


def kept_of(kept: MutableMapping[bytes, _T], bill: bytes, new: Callable[[], _T]) -> _T:
    """What is kept for a bill, new where there is nothing. The bills that came first make way."""
    found = kept.get(bill)
    if found is None:
        found = kept[bill] = new()
        if len(kept) > MOST_BILLS:
            del kept[next(iter(kept))]
    return found
