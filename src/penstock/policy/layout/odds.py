"""How likely a prefix is read again, and how soon, learned from requests as they come.

Each watched prefix is a life that ends when a later request repeats it. Likes are pooled in `Curve`s: for each span of
age, how many lives reached its end or ended in it, and how many ended in it. Lives that are still open count as far as
they have come, so nothing has to wait for a time to live to pass, and nothing is counted that has not been seen
(the estimator of Kaplan and Meier, 1958). A class with few lives leans on the wider class before it in its chain.

Whether a prefix was written does not matter here: requests show what would have been read. Learning costs nothing.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, MutableMapping, Sequence
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
    """Whether paid writes were read as often as the odds foretold."""

    expected: float = 0.0
    """Reads that the odds foretold, as far as their time has come: of late, faded with each paid write."""
    realised: float = 0.0
    """Reads that came, faded likewise. The difference of the two is a martingale as long as the odds hold."""
    writes: float = 0.0
    """Paid writes. This and what follows does not fade: processes add it up, and each fades what it hears."""
    foretold: float = 0.0
    came: float = 0.0

    @property
    def trusted(self) -> bool:
        """Whether writes were read at all, and not much less often than foretold."""
        return self.realised >= TRUSTED_FROM and self.realised >= TRUSTED * self.expected

    def wrote(self) -> None:
        """There is a new write, so that what was counted so far weighs less."""
        self.add(1.0, 0.0, 0.0)

    def count(self, expected: float, realised: float) -> None:
        """So many reads more were foretold, and so many came; less than none: they are taken back."""
        self.add(0.0, expected, realised)

    def add(self, writes: float, foretold: float, came: float) -> None:
        """What was counted elsewhere, spread evenly over the writes that were paid meanwhile."""
        fade = MEMORY**writes
        share = (1 - fade) / (writes * (1 - MEMORY)) if writes else 1.0
        self.expected = fade * self.expected + share * foretold
        self.realised = fade * self.realised + share * came
        self.writes += writes
        self.foretold += foretold
        self.came += came


class Odds:
    """Curves by class, and the lives that are watched.

    >>> odds = Odds()
    >>> for second in range(40):
    ...     _ = odds.end(odds.watch(float(second), ("new",)), second + 0.5)
    >>> round(odds.read_within(300.0, ("new",), prior=0.1), 2)
    0.7
    """

    def __init__(self, most_curves: int = MOST_CURVES, most_watched: int = MOST_WATCHED) -> None:
        self._most_curves = most_curves
        self._most_watched = most_watched
        self.curves: OrderedDict[str, Curve] = OrderedDict()
        self.touched: dict[str, None] = {}
        """The classes of which something was counted since the others were told; whoever tells them clears it."""
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

    def end(self, watch: Watch, now: float, *, read: bool = True) -> float:
        """A later request repeated the prefix; beyond the last span it is nothing that counts.

        The odds on which a write of it was paid, 0.0: none was. Whether it was ``read`` the provider has to say: False
        leaves the record as it is until then.
        """
        watch.open = False
        age = now - watch.since
        span = next((span for span, end in enumerate(AGES) if age <= end), None)
        if span is None:
            return 0.0
        self._count(watch, span, ended=True, told=read)
        return watch.staked[span] if watch.staked else 0.0

    def _count(self, watch: Watch, span: int, *, ended: bool, told: bool = True) -> None:
        for name in watch.chain:
            curve = self.curve(name, watch.since)
            curve.reached[span] += 1
            curve.ended[span] += ended
            self.touched[name] = None
        if told and watch.staked and watch.staked[span]:
            self.record(watch.bill).count(watch.staked[span], ended)

    def curve(self, name: str, since: float) -> Curve:
        """The curve of a class, new where there is none. Those that were used longest ago make way."""
        found = self.curves.get(name)
        if found is None:
            found = self.curves[name] = Curve(since)
            if len(self.curves) > self._most_curves:
                self.touched.pop(self.curves.popitem(last=False)[0], None)
        else:
            self.curves.move_to_end(name)
        return found

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
    """What is kept for a bill, new where there is nothing. The bills that were used longest ago make way."""
    found = kept.pop(bill, None)
    if found is None:
        found = new()
        if len(kept) >= MOST_BILLS:
            del kept[next(iter(kept))]
    kept[bill] = found
    return found
