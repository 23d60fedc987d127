"""Replies: the answers that may be given again, by tenant and key. What a hit means is said by `policy.reuse`."""

from __future__ import annotations

import sys
from collections import OrderedDict
from typing import Protocol

import msgspec

from penstock.values import Reply

__all__ = ["MEMORY_BYTES", "MemoryReplies", "Replies", "Stored", "TieredReplies", "TimedReplies"]

MEMORY_BYTES = 16 << 20
"""What the replies in memory may take by default."""

_ENTRY_BYTES = 900
"""What an entry takes besides its body and text: reply, usage, key, links (measured: 850 to 890 on CPython 3.11)."""


class Replies(Protocol):
    """Keeps replies until they expire or room is needed for newer ones. Times are seconds on the wall clock.

    The tenant is part of the place where a reply lies: no key of one tenant ever finds a reply of another.
    """

    async def get(self, tenant: str, key: bytes, now: float) -> Reply | None:
        """The reply stored there, unless it has expired."""
        ...

    async def put(self, tenant: str, key: bytes, reply: Reply, expires: float, now: float) -> None:
        """Store a reply over whatever is there. One that would take most of the room is not stored."""
        ...

    async def forget(self, tenant: str, key: bytes) -> None:
        """Remove one reply, if it is there."""
        ...

    async def clear(self, tenant: str | None = None) -> None:
        """Remove the replies of one tenant, or of all."""
        ...

    async def size(self) -> int:
        """The bytes that the replies take where they are kept, overhead included."""
        ...

    async def close(self) -> None:
        """Write what is not written, give back files and connections."""
        ...


class Stored(msgspec.Struct, frozen=True):
    """A reply, and when it expires."""

    reply: Reply
    expires: float


class TimedReplies(Replies, Protocol):
    """Replies that can stand behind others: a hit tells how much longer it is good."""

    async def find(self, tenant: str, key: bytes, now: float) -> Stored | None:
        """Like ``get``, with the time of expiry."""
        ...


class MemoryReplies:
    """`Replies` in this process: the least recently used go when ``max_bytes`` or ``max_entries`` is reached."""

    def __init__(self, max_bytes: int = MEMORY_BYTES, max_entries: int = 100_000) -> None:
        self._max_bytes = max_bytes
        self._max_entries = max_entries
        self._entries: OrderedDict[tuple[str, bytes], Stored] = OrderedDict()
        self._bytes = 0

    async def get(self, tenant: str, key: bytes, now: float) -> Reply | None:
        """See `Replies`."""
        place = (tenant, key)
        stored = self._entries.get(place)
        if stored is None:
            return None
        if stored.expires <= now:
            self._remove(place)
            return None
        self._entries.move_to_end(place)
        return stored.reply

    async def put(self, tenant: str, key: bytes, reply: Reply, expires: float, now: float) -> None:
        """See `Replies`."""
        place = (tenant, key)
        if place in self._entries:
            self._remove(place)
        taken = _taken(reply)
        if taken > self._max_bytes // 2 or expires <= now:
            return
        self._entries[place] = Stored(reply, expires)
        self._bytes += taken
        while self._bytes > self._max_bytes or len(self._entries) > self._max_entries:
            self._remove(next(iter(self._entries)))

    async def forget(self, tenant: str, key: bytes) -> None:
        """See `Replies`."""
        if (tenant, key) in self._entries:
            self._remove((tenant, key))

    async def clear(self, tenant: str | None = None) -> None:
        """See `Replies`."""
        for place in [place for place in self._entries if tenant is None or place[0] == tenant]:
            self._remove(place)

    async def size(self) -> int:
        """See `Replies`."""
        return self._bytes

    async def close(self) -> None:
        """Let go of everything."""
        await self.clear()

    def _remove(self, place: tuple[str, bytes]) -> None:
        self._bytes -= _taken(self._entries.pop(place).reply)


class TieredReplies:
    """Few replies close by, in front of many further away. Both hold what is stored from now on.

    A reply that another process forgets or refreshes further away may be served from close by until it expires.
    """

    def __init__(self, near: Replies, far: TimedReplies) -> None:
        self._near = near
        self._far = far

    async def get(self, tenant: str, key: bytes, now: float) -> Reply | None:
        """See `Replies`."""
        reply = await self._near.get(tenant, key, now)
        if reply is not None:
            return reply
        stored = await self._far.find(tenant, key, now)
        if stored is None:
            return None
        await self._near.put(tenant, key, stored.reply, stored.expires, now)
        return stored.reply

    async def put(self, tenant: str, key: bytes, reply: Reply, expires: float, now: float) -> None:
        """See `Replies`."""
        await self._near.put(tenant, key, reply, expires, now)
        await self._far.put(tenant, key, reply, expires, now)

    async def forget(self, tenant: str, key: bytes) -> None:
        """See `Replies`."""
        await self._near.forget(tenant, key)
        await self._far.forget(tenant, key)

    async def clear(self, tenant: str | None = None) -> None:
        """See `Replies`."""
        await self._near.clear(tenant)
        await self._far.clear(tenant)

    async def size(self) -> int:
        """The bytes further away: what is close by is there as well."""
        return await self._far.size()

    async def close(self) -> None:
        """See `Replies`."""
        await self._near.close()
        await self._far.close()


def _taken(reply: Reply) -> int:
    return sys.getsizeof(reply.raw) + sys.getsizeof(reply.text) + _ENTRY_BYTES
