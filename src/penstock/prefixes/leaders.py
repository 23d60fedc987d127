"""Leader first: of calls that share a cold prefix one goes ahead, and the others follow when they can read it.

A provider can read a prefix again once the answer to the call that wrote it begins. Sent all at once, N calls with one
prefix compute it N times, and pay for that N times. So while a call that will write a prefix is under way and has not
begun to be answered, others that would read it wait; not longer than that usually takes.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Generator, Sequence

import msgspec

from penstock.clock import Clock

__all__ = ["Followed", "Lead", "Leaders"]

_UNMEASURED_SECONDS = 5.0
"""How long the others wait for a leader as long as nothing is known about how soon such answers begin."""

_PATIENCE = 3.0
"""How many times the usual they wait: a leader that takes longer than that is stuck, and they may be answered first."""

_RECENT = 0.2
"""How much the newest gap weighs in the usual one."""


_MOST_KINDS = 1024


class Followed(msgspec.Struct, frozen=True):
    """What came of waiting for a leader."""

    waited: bool
    late: bool
    """It takes too long; what the leader writes cannot be read yet."""
    readable: frozenset[bytes]
    """Prefixes that leaders have written meanwhile."""


class Leaders:
    """The calls that are about to be sent or under way, by the prefixes of their prompts."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._here: dict[bytes, int] = {}
        self._writing: dict[bytes, Lead] = {}
        self._gaps: dict[str, float] = {}

    @contextlib.contextmanager
    def here(self, prefixes: Sequence[bytes]) -> Generator[None]:
        """Count a call with these prefixes among those that are here."""
        for prefix in prefixes:
            self._here[prefix] = self._here.get(prefix, 0) + 1
        try:
            yield
        finally:
            for prefix in prefixes:
                left = self._here[prefix] - 1
                if left:
                    self._here[prefix] = left
                else:
                    del self._here[prefix]

    def siblings(self, prefix: bytes) -> int:
        """How many calls are here with this prefix."""
        return self._here.get(prefix, 0)

    def writing(self, prefix: bytes) -> bool:
        """Whether a call is under way that will write this prefix, and has not begun to be answered."""
        return prefix in self._writing

    async def follow(self, reads: Sequence[bytes], kind: str, deadline: float | None = None) -> Followed:
        """Wait as long as someone is writing one of these prefixes, which is until its answer begins.

        Not longer than that usually takes for calls of this ``kind``, nor so long that an answer could not begin by
        ``deadline`` (monotonic, seconds). A leader whose answer comes whole does not tell when that begins, and is
        taken to have begun by the end of the wait.
        """
        usual = self._gaps.get(kind)
        now = self._clock.monotonic()
        until = now + (_UNMEASURED_SECONDS if usual is None else _PATIENCE * usual)
        if deadline is not None:  # as long as nothing is known, half of the time is for the answer itself
            until = min(until, deadline - ((deadline - now) / 2 if usual is None else usual))
        readable: set[bytes] = set()
        lead = self._writer(reads)
        waited = lead is not None
        try:
            async with self._clock.deadline(until):
                while lead is not None:
                    await lead.news.wait()
                    readable.update(lead.writes if lead.readable else ())
                    lead = self._writer(reads)
        except TimeoutError:
            late = any(lead.tells for prefix in reads if (lead := self._writing.get(prefix)))
            return Followed(waited, late, frozenset(readable))
        return Followed(waited, False, frozenset(readable))

    def _writer(self, reads: Sequence[bytes]) -> Lead | None:
        return next((self._writing[prefix] for prefix in reads if prefix in self._writing), None)

    def lead(self, writes: Sequence[bytes], kind: str, *, tells: bool = True) -> Lead:
        """Go ahead with these prefixes. Say when the answer has begun, or that there will be none.

        ``tells``: whether that is seen, because it comes as a stream.
        """
        new = [prefix for prefix in dict.fromkeys(writes) if prefix not in self._writing]
        lead = Lead(self._over, new, kind, self._clock.monotonic(), tells=tells)
        for prefix in lead.writes:
            self._writing[prefix] = lead
        return lead

    def _over(self, lead: Lead, gap: float | None) -> None:
        for prefix in lead.writes:
            del self._writing[prefix]
        if gap is not None:
            usual = self._gaps.get(lead.kind, gap)
            if len(self._gaps) >= _MOST_KINDS:
                self._gaps.clear()
            self._gaps[lead.kind] = usual + _RECENT * (gap - usual)


class Lead:
    """One call that goes ahead."""

    def __init__(
        self,
        ended: Callable[[Lead, float | None], None],
        writes: Sequence[bytes],
        kind: str,
        since: float,
        *,
        tells: bool,
    ) -> None:
        self.writes = writes
        self.kind = kind
        self.readable = False
        """Whether its prefixes can be read."""
        self.tells = tells
        self.news = asyncio.Event()
        """Set when its prefixes can be read, or will not be."""
        self._ended = ended
        self.since = since

    def begun(self, now: float) -> None:
        """Its answer has begun at ``now`` (monotonic, seconds)."""
        self.readable = True
        self._end(now - self.since)

    def over(self, *, answered: bool) -> None:
        """It has ended; if it was ``answered``, what it wrote can be read."""
        self.readable = self.readable or answered
        self._end(None)

    def _end(self, gap: float | None) -> None:
        if not self.news.is_set():
            self._ended(self, gap)
            self.news.set()
