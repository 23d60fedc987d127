"""Contexts: what a session knows, kept for its next run. The state is loaded at once, each text when it is wanted."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

__all__ = ["Contexts", "MemoryContexts", "Missing"]


class Missing(LookupError):
    """A text is not there: its session was forgotten, or the file failed."""


class Contexts(Protocol):
    """Keeps a state, and texts by their digest, for each session. No session sees another's."""

    async def save(
        self, session: str, state: bytes, texts: Mapping[bytes, str], dropped: Collection[bytes], now: float
    ) -> bool:
        """Keep a state in place of the last one, add texts, let go of others: all or nothing.

        False when that cannot be done: then nothing of it is kept.
        """
        ...

    async def load(self, session: str) -> bytes | None:
        """The state that was saved last."""
        ...

    def text(self, session: str, digest: bytes) -> str:
        """A text of a session, read at once. Raises `Missing`."""
        ...

    async def forget(self, before: float) -> int:
        """Let go of the sessions that were last saved before then; how many."""
        ...

    async def close(self) -> None:
        """Give back files and connections."""
        ...


class MemoryContexts:
    """`Contexts` of one process."""

    def __init__(self) -> None:
        self._states: dict[str, tuple[float, bytes]] = {}
        self._texts: dict[str, dict[bytes, str]] = {}

    async def save(
        self, session: str, state: bytes, texts: Mapping[bytes, str], dropped: Collection[bytes], now: float
    ) -> bool:
        """See `Contexts`."""
        kept = self._texts.setdefault(session, {})
        for digest in dropped:
            kept.pop(digest, None)
        kept.update(texts)
        self._states[session] = (now, state)
        return True

    async def load(self, session: str) -> bytes | None:
        """See `Contexts`."""
        return self._states[session][1] if session in self._states else None

    def text(self, session: str, digest: bytes) -> str:
        """See `Contexts`."""
        try:
            return self._texts[session][digest]
        except KeyError:
            raise Missing("the text is not in the store") from None

    async def forget(self, before: float) -> int:
        """See `Contexts`."""
        old = [session for session, (saved, _) in self._states.items() if saved < before]
        for session in old:
            del self._states[session], self._texts[session]
        return len(old)

    async def close(self) -> None:
        """Nothing to give back."""
