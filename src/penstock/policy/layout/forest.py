"""What is known of prefixes: which were sent, when, and which a provider's cache holds until when.

A radix tree, kept flat: the digest of a block covers all blocks before it, so that a digest names a whole prefix and a
dictionary finds the longest known one in as many steps as it has blocks. Whatever is sent touches its prefixes from the
longest to the shortest; what was touched longest ago is forgotten first, so leaves go before what they grow on.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence

import msgspec

from penstock.policy.layout.odds import Watch

__all__ = ["Forest", "Node", "warm_upto"]

MOST_NODES = 100_000
"""About 30 MB, and half an hour of 40,000 tokens a second in blocks of 512."""

FORGOTTEN_AFTER = 2 * 3600.0
"""Seconds after which a prefix is no longer of use: twice the longest time to live."""

TOLD_EACH = 300.0
"""Seconds after which others are told again that a prefix is still sent here, if they have not sent it meanwhile."""


class Node(msgspec.Struct):
    """One prefix."""

    seen: float
    """When it was last sent."""
    turn: int = 0
    """Of a prefix that was a whole prompt: which turn of its conversation that was, from 1; else 0."""
    ready: float = 0.0
    """From when a write of it can be read."""
    until: float = -1.0
    """Until when the cache holds it; before ``ready``: it was never written."""
    ttl: float = 0.0
    """Its time to live in seconds."""
    probe: bool = False
    """Whether it was written to find out."""
    watch: Watch | None = None
    told: float = -math.inf
    """When it was last sent, as the others know it from here; before all times: the next time is news to them."""

    def written(self, now: float, ttl: float, *, refreshes: bool = True) -> None:
        """Somebody else's write of it, or read that ``refreshes``, can be read from ``now`` on, for ``ttl`` seconds."""
        if self.warm(now) and not refreshes:
            return
        self.ready = self.ready if self.warm(now) else now
        self.until, self.ttl = max(self.until, now + ttl), max(self.ttl, ttl)

    def warm(self, now: float) -> bool:
        """Whether a request that begins now can read it: written by one that began earlier, and not expired."""
        return self.ready < now <= self.until


class Forest:
    """The prefixes of all families, `MOST_NODES` of them at the most."""

    def __init__(self, most: int = MOST_NODES) -> None:
        self.nodes: OrderedDict[bytes, Node] = OrderedDict()
        self.touched: dict[bytes, None] = {}
        """Those of which something has changed since the others were told; whoever tells them clears it."""
        self._most = most

    def changing(self, digest: bytes) -> Node | None:
        """The node of a prefix, to be changed; None: it is forgotten."""
        node = self.nodes.get(digest)
        if node is not None:
            self.touched[digest] = None
        return node

    def known(self, digests: Sequence[bytes]) -> list[Node]:
        """The nodes of the longest prefix that was sent before, from the root."""
        path: list[Node] = []
        for digest in digests:
            node = self.nodes.get(digest)
            if node is None:
                break
            path.append(node)
        return path

    def send(self, digests: Sequence[bytes], now: float) -> list[Node]:
        """Note that a prompt is sent; its nodes, from the root."""
        path: list[Node] = []
        for digest in reversed(digests):
            node = self.nodes.get(digest)
            if node is None:
                node = self.nodes[digest] = Node(now)
            else:
                self.nodes.move_to_end(digest)
                node.seen = now
            path.append(node)
            if now - node.told > TOLD_EACH or digest == digests[-1]:
                self.touched[digest] = None
        while self.nodes:
            oldest = next(iter(self.nodes.values()))
            if len(self.nodes) <= self._most and now - oldest.seen <= FORGOTTEN_AFTER:
                break
            self.touched.pop(self.nodes.popitem(last=False)[0], None)
        path.reverse()
        return path


def warm_upto(path: Sequence[Node], now: float) -> int:
    """How many of the nodes of a prompt, from the root, the longest prefix has that can be read."""
    return next((at for at in range(len(path), 0, -1) if path[at - 1].warm(now)), 0)
