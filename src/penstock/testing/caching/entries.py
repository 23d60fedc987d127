"""What one machine keeps of the prefixes it has computed, and for how long."""

from __future__ import annotations

from collections import deque

import msgspec

__all__ = ["Entries", "Entry", "Machines"]


class Entry(msgspec.Struct):
    """A prefix that is kept."""

    since: float
    """Readable from then on."""
    until: float
    ttl: float
    """Seconds."""
    size: int = 0
    """Tokens that are kept for it alone."""


class Entries:
    """Prefixes by their digest. With a ``capacity`` in tokens, the least recently used ones go first."""

    def __init__(self, capacity: int | None = None) -> None:
        self.passed: set[bytes] = set()
        """Every prefix that ever passed by here: what is common to two prompts is found by it."""
        self._kept: dict[bytes, Entry] = {}
        self._capacity = capacity
        self._size = 0

    def alive(self, digest: bytes, at: float) -> Entry | None:
        """The prefix, if it can be read at a time."""
        entry = self._kept.get(digest)
        return entry if entry is not None and entry.since <= at < entry.until else None

    def write(self, digest: bytes, entry: Entry) -> None:
        """Keep a prefix. One that is still there is kept for the longer of both times."""
        there = self.alive(digest, entry.since)
        if there is not None:
            there.until, there.ttl = max(there.until, entry.until), max(there.ttl, entry.ttl)
            self._use(digest)
            return
        old = self._kept.pop(digest, None)
        self._size += entry.size - (old.size if old else 0)
        self._kept[digest] = entry
        while self._capacity is not None and self._size > self._capacity:
            self._size -= self._kept.pop(next(iter(self._kept))).size

    def read(self, digest: bytes, at: float, refresh: bool) -> float:
        """A prefix is read: it is used, and where the rules say so its time starts anew. Gives its time to live."""
        entry = self._kept[digest]
        if refresh:
            entry.until = max(entry.until, at + entry.ttl)
        self._use(digest)
        return entry.ttl

    def _use(self, digest: bytes) -> None:
        """Let it be the last to go."""
        self._kept[digest] = self._kept.pop(digest)


class Machines:
    """Which machine answers a request: the next one when those before it had all they take in a minute."""

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._asked: dict[bytes, deque[float]] = {}

    def choose(self, route: bytes, at: float) -> int:
        """The number of the machine for one more request of this route: 0 unless it overflows."""
        if not self._per_minute:
            return 0
        times = self._asked.setdefault(route, deque())
        while times and times[0] <= at - 60:
            times.popleft()
        times.append(at)
        return (len(times) - 1) // self._per_minute
