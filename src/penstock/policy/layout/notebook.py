"""What a write policy tells other processes, and what it hears from them.

What it learned stands in counts that add up, and in prefixes of which the latest write counts. Lives are told to
nobody: a process that ends lets those go that it watched, which biases nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import islice
from operator import add, sub
from typing import TypeAlias

import msgspec

from penstock.policy.layout.forest import Node
from penstock.policy.layout.guard import Guard
from penstock.policy.layout.odds import AGES, MOST_BILLS, MOST_CURVES, Curve, Record
from penstock.policy.layout.writes import Writes
from penstock.values.prefixes import PAGE, Known, Prefix, Tally

__all__ = ["Notebook"]

_CURVE, _BILL, _RECORD = "odds", "bill", "record"
_COUNTS = {_CURVE: 2 * len(AGES), _BILL: 3, _RECORD: 3}
_MOST_TOLD = 2 * (MOST_CURVES + 2 * MOST_BILLS)
_MOST_PRESUMED = 10_000

_Counted: TypeAlias = Curve | Guard | Record


class _Told(msgspec.Struct):
    """How far the counts of one class or bill were told and heard."""

    of: _Counted
    """What was counted: what is forgotten and made anew begins at nothing."""
    here: tuple[float, ...]
    """What it came to when it was told of last."""
    there: tuple[float, ...]
    """What the sum of all came to then."""


class Notebook:
    """Keeps what was told apart from what is new."""

    def __init__(self, writes: Writes) -> None:
        self._writes = writes
        self._told: dict[str, _Told] = {}
        self._presumed: dict[bytes, bytes] = {}
        """Prefixes that others sent again, and who had paid to write them: they count as read until more is heard."""

    def news(self) -> Iterator[Known]:
        """What is new here since the last time, a page at a time: at least one, which may be empty."""
        touched = self._writes.forest.touched
        page = Known(self._prefixes(PAGE))
        while len(page.prefixes) == PAGE and touched:
            yield page
            page = Known(self._prefixes(PAGE))
        for name, counted in self._tallies():
            added = self._added(name, counted)
            if any(added):
                if len(page.prefixes) + len(page.tallies) == PAGE:
                    yield page
                    page = Known()
                page.tallies[name] = Tally(added, counted.since if isinstance(counted, Curve) else 0.0)
        yield page

    def learn(self, known: Known) -> None:
        """What is new there."""
        for prefix in known.prefixes:
            self._met(prefix)
        for name, tally in known.tallies.items():
            kind, _, which = name.partition(" ")
            if len(tally.counts) == _COUNTS.get(kind):
                self._heard(name, self._counted(kind, which, tally.since), tally)

    def _prefixes(self, most: int) -> list[Prefix]:
        """Those of which something has changed."""
        nodes, touched = self._writes.forest.nodes, self._writes.forest.touched
        found: list[Prefix] = []
        for digest in list(islice(touched, most)):
            del touched[digest]
            node = nodes[digest]
            node.told = node.seen
            found.append(Prefix(digest, node.seen, node.turn, node.ready, node.until, node.ttl, node.probe))
        return found

    def _met(self, prefix: Prefix) -> None:
        """A prefix that somebody else has sent."""
        forest, odds = self._writes.forest, self._writes.odds
        node = forest.nodes.get(prefix.digest)
        if node is None:
            node = forest.nodes[prefix.digest] = Node(prefix.seen)
        bill = self._presumed.pop(prefix.digest, None)
        if node.watch is not None and node.watch.since < prefix.seen:
            bill = node.watch.bill if odds.end(node.watch, prefix.seen) else None
            node.watch = None
            if bill is not None and len(self._presumed) < _MOST_PRESUMED:
                self._presumed[prefix.digest] = bill
        if bill is not None and node.ready < prefix.ready <= node.until:
            odds.record(bill).count(0.0, -1.0)  # it was gone before its time, or written anew
            self._presumed.pop(prefix.digest, None)
        if node.seen > prefix.seen:
            forest.touched[prefix.digest] = None  # somebody there may wait for just that
        node.seen, node.turn = max(node.seen, prefix.seen), max(node.turn, prefix.turn)
        node.told = -math.inf
        if (prefix.ready, prefix.until) > (node.ready, node.until):
            node.ready, node.until, node.ttl, node.probe = prefix.ready, prefix.until, prefix.ttl, prefix.probe

    def _tallies(self) -> list[tuple[str, _Counted]]:
        """All of which something may have been counted."""
        odds = self._writes.odds
        found: list[tuple[str, _Counted]] = [(f"{_CURVE} {name}", odds.curves[name]) for name in odds.touched]
        odds.touched.clear()
        found += [(f"{_BILL} {bill.hex()}", guard) for bill, guard in self._writes.guards.items()]
        found += [(f"{_RECORD} {bill.hex()}", record) for bill, record in odds.records.items()]
        return found

    def _kept(self, name: str) -> _Counted | None:
        kind, _, which = name.partition(" ")
        if kind == _CURVE:
            return self._writes.odds.curves.get(which)
        bill = bytes.fromhex(which)
        return self._writes.guards.get(bill) if kind == _BILL else self._writes.odds.records.get(bill)

    def _counted(self, kind: str, which: str, since: float) -> _Counted:
        if kind == _CURVE:
            curve = self._writes.odds.curve(which, since)
            curve.since = min(curve.since, since)
            return curve
        bill = bytes.fromhex(which)
        return self._writes.guard(bill) if kind == _BILL else self._writes.odds.record(bill)

    def _of(self, name: str, counted: _Counted) -> _Told:
        told = self._told.get(name)
        if told is None or told.of is not counted:
            nothing = (0.0,) * len(_counts(counted))
            told = self._told[name] = _Told(counted, nothing, nothing)
            if len(self._told) > _MOST_TOLD:
                self._told = {name: told for name, told in self._told.items() if self._kept(name) is told.of}
        return told

    def _added(self, name: str, counted: _Counted) -> tuple[float, ...]:
        """What was counted here since it was told; it is told now."""
        told, counts = self._of(name, counted), _counts(counted)
        if counts == told.here:
            return ()
        added = tuple(map(sub, counts, told.here))
        told.here, told.there = counts, tuple(map(add, told.there, added))
        return added

    def _heard(self, name: str, counted: _Counted, tally: Tally) -> None:
        """What others have added. Where they have begun anew, all of it may be what is known here."""
        told = self._of(name, counted)
        if tally.counts[0] >= told.there[0]:
            more = tuple(map(sub, tally.counts, told.there))
            _add(counted, more)
            told.here = tuple(map(add, told.here, more))
        told.there = tally.counts


def _counts(counted: _Counted) -> tuple[float, ...]:
    if isinstance(counted, Curve):
        return (*counted.reached, *counted.ended)
    if isinstance(counted, Guard):
        return counted.sent, counted.won, counted.probes
    return counted.writes, counted.foretold, counted.came


def _add(counted: _Counted, more: tuple[float, ...]) -> None:
    if isinstance(counted, Curve):
        counted.reached = [here + there for here, there in zip(counted.reached, more, strict=False)]
        counted.ended = [here + there for here, there in zip(counted.ended, more[len(AGES) :], strict=True)]
    elif isinstance(counted, Guard):
        counted.sent += more[0]
        counted.won += more[1]
        counted.probes += more[2]
    else:
        counted.add(*more)
