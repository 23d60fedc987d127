"""What a write policy tells other processes, and what it hears from them.

What it learned stands in counts that add up, and in prefixes of which the latest write counts.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import msgspec

from penstock.policy.layout.forest import Node
from penstock.policy.layout.odds import AGES, Curve, Watch
from penstock.policy.layout.writes import Writes
from penstock.values.prefixes import Known, Prefix, Tally

__all__ = ["Notebook"]

_CURVE = "odds "
_BILL = "bill "
_COUNTS_OF_A_BILL = 5

_encode = msgspec.msgpack.Encoder().encode
_life = msgspec.msgpack.Decoder(Watch).decode


class Notebook:
    """Keeps what was told apart from what is new."""

    def __init__(self, writes: Writes) -> None:
        self._writes = writes
        self._told: dict[str, Tally] = {}
        """Each tally as the others have it."""

    def news(self) -> Known:
        """What is new here since the last time."""
        nodes, touched = self._writes.forest.nodes, self._writes.forest.touched
        prefixes = [_plain(digest, nodes[digest]) for digest in touched]
        touched.clear()
        tallies: dict[str, Tally] = {}
        now: dict[str, Tally] = {}
        for name, tally in self._tallies():
            told = self._told.get(name)
            if told is None or told.counts != tally.counts:
                tallies[name] = Tally(_less(tally, told), tally.since)
            now[name] = tally
        self._told = now
        return Known(prefixes, tallies)

    def learn(self, known: Known, now: float) -> None:
        """What is new there, heard at ``now``."""
        lives = [life for prefix in known.prefixes if (life := self._met(prefix))]
        self._writes.odds.resume(lives, now)
        for name, tally in known.tallies.items():
            if name.startswith(_CURVE) and len(tally.counts) == 2 * len(AGES):
                self._curve(name, tally)
            elif name.startswith(_BILL) and len(tally.counts) == _COUNTS_OF_A_BILL:
                self._bill(name, tally)

    def _tallies(self) -> Iterator[tuple[str, Tally]]:
        for name, curve in self._writes.odds.curves.items():
            yield _CURVE + name, Tally((*curve.reached, *curve.ended), curve.since)
        for bill, guard in self._writes.guards.items():
            record = self._writes.odds.record(bill)
            counts = (guard.sent, guard.won, guard.probes, record.expected, record.realised)
            yield _BILL + bill.hex(), Tally(counts)

    def _met(self, prefix: Prefix) -> Watch | None:
        """A prefix that somebody else has sent; the life of it that is to be taken up."""
        nodes, odds = self._writes.forest.nodes, self._writes.odds
        node = nodes.get(prefix.digest)
        if node is None:
            node = nodes[prefix.digest] = Node(prefix.seen)
        if node.watch is not None and node.watch.since < prefix.seen:
            odds.end(node.watch, prefix.seen)
            node.watch = None
        node.seen = max(node.seen, prefix.seen)
        node.sent, node.turn = max(node.sent, prefix.sent), max(node.turn, prefix.turn)
        if (prefix.ready, prefix.until) > (node.ready, node.until):
            node.ready, node.until, node.ttl, node.probe = prefix.ready, prefix.until, prefix.ttl, prefix.probe
        if prefix.life and node.watch is None:
            with contextlib.suppress(msgspec.DecodeError):  # of another version
                node.watch = _life(prefix.life)
                return node.watch
        return None

    def _more(self, name: str, tally: Tally) -> tuple[float, ...]:
        """What others have added to it."""
        told = self._told.get(name)
        self._told[name] = tally
        return _less(tally, told)

    def _curve(self, name: str, tally: Tally) -> None:
        curves = self._writes.odds.curves
        own = name.removeprefix(_CURVE)
        curve = curves.get(own)
        if curve is None:
            curve = curves[own] = Curve(tally.since)
        more = self._more(name, tally)
        curve.since = min(curve.since, tally.since)
        curve.reached = [here + there for here, there in zip(curve.reached, more, strict=False)]
        curve.ended = [here + there for here, there in zip(curve.ended, more[len(AGES) :], strict=False)]

    def _bill(self, name: str, tally: Tally) -> None:
        bill = bytes.fromhex(name.removeprefix(_BILL))
        guard, record = self._writes.guard(bill), self._writes.odds.record(bill)
        sent, won, probes, expected, realised = self._more(name, tally)
        guard.sent += sent
        guard.won += won
        guard.probes += probes
        record.expected += expected
        record.realised += realised


def _plain(digest: bytes, node: Node) -> Prefix:
    life = _encode(node.watch) if node.watch is not None and node.watch.open else b""
    return Prefix(digest, node.seen, node.sent, node.turn, node.ready, node.until, node.ttl, node.probe, life)


def _less(tally: Tally, told: Tally | None) -> tuple[float, ...]:
    if told is None:
        return tally.counts
    return tuple(now - before for now, before in zip(tally.counts, told.counts, strict=True))
