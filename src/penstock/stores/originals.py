"""Originals: the texts that were compressed, each by the name that stands in its marker."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

__all__ = ["MEMORY_BYTES", "MemoryOriginals", "Originals"]

MEMORY_BYTES = 64 << 20
"""What the texts in memory may take by default."""


class Originals(Protocol):
    """Keeps texts within a limit of bytes; those that were not asked for the longest time go first.

    A name is made of the text, so a text under a name never changes.
    """

    @property
    def restored(self) -> int:
        """How often a text was asked for and found, by all who share them, when this one last looked."""
        ...

    async def put(self, texts: Mapping[str, str], now: float) -> None:
        """Keep texts by name. Returns when they can be found."""
        ...

    async def get(self, name: str, now: float) -> str | None:
        """The text of this name, as it was; None: it is not here (any more)."""
        ...

    async def close(self) -> None:
        """Give back files and connections."""
        ...


class MemoryOriginals:
    """`Originals` of one process."""

    def __init__(self, max_bytes: int = MEMORY_BYTES) -> None:
        self.restored = 0
        self._max_bytes = max_bytes
        self._texts: dict[str, bytes] = {}
        self._bytes = 0

    async def put(self, texts: Mapping[str, str], now: float) -> None:
        """See `Originals`."""
        for name, text in texts.items():
            before = self._texts.pop(name, b"")
            after = self._texts[name] = text.encode("utf-8", "surrogatepass")
            self._bytes += len(after) - len(before)
        while self._bytes > self._max_bytes:
            self._bytes -= len(self._texts.pop(next(iter(self._texts))))

    async def get(self, name: str, now: float) -> str | None:
        """See `Originals`."""
        found = self._texts.pop(name, None)
        if found is None:
            return None
        self._texts[name] = found
        self.restored += 1
        return found.decode("utf-8", "surrogatepass")

    async def close(self) -> None:
        """Nothing to give back."""
