"""Prefixes: what is known of prompts that were sent, kept from run to run and shared by processes.

Each process works on what it knows itself and exchanges news now and then, so no call waits for a file. Of two who
know of one prefix, whoever knows the later write is right; counts add up.
"""

from __future__ import annotations

from typing import Protocol

from penstock.values.prefixes import Known

__all__ = ["Registry"]


class Registry(Protocol):
    """What all processes know together."""

    async def exchange(self, mine: Known, now: float) -> Known:
        """Tell what is new here, and hear what is new there since the last time; at first, all that is known.

        ``mine``: prefixes as they are now, and what was added to tallies; at most `PAGE` of them. The answer: prefixes
        that others changed, and the sums of tallies that anyone changed, at most `PAGE` of each; whether there is
        ``more``, to be asked for before more is told.
        """
        ...

    async def close(self) -> None:
        """Give back files and connections."""
        ...
