"""What is known of the prefixes of prompts, as plain data: it is kept from run to run, and told to other processes."""

from __future__ import annotations

import msgspec

__all__ = ["PAGE", "Known", "Prefix", "Tally"]

PAGE = 250
"""Rows that are told at once, and heard at once: nothing else goes on in a process meanwhile."""


class Prefix(msgspec.Struct, array_like=True):
    """One prefix. Times are seconds on the wall clock."""

    digest: bytes
    """Of whose it is, and all of its bytes."""
    seen: float
    """When it was last sent."""
    turn: int = 0
    """Of a prefix that was a whole prompt: which turn of its conversation that was, from 1; else 0."""
    ready: float = 0.0
    """From when a write of it can be read: whoever knows the latest one knows best until when it is there."""
    until: float = -1.0
    """Until when the cache holds it; before ``ready``: it is not there."""
    ttl: float = 0.0
    """Its time to live in seconds."""
    probe: bool = False
    """Whether it was written to find out."""


class Tally(msgspec.Struct, array_like=True):
    """Counts that several processes add to."""

    counts: tuple[float, ...]
    """The first of them never falls, so that who sees it lower knows that the others have begun anew."""
    since: float = 0.0
    """From when on they were counted."""


class Known(msgspec.Struct):
    """What one process has to tell the others, or they have to tell it: a page of it."""

    prefixes: list[Prefix] = []
    tallies: dict[str, Tally] = {}
    """On the way to the others: what was added since the last time. On the way back: the sums."""
    more: bool = False
    """On the way back: whether there is more to hear."""
