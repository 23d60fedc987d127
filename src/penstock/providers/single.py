"""Answers that come in one piece: the endpoints that generate nothing, and so never stream."""

from __future__ import annotations

from abc import ABC, abstractmethod

from penstock.values import Delta, Reply, Usage

__all__ = ["Piece", "Single"]


class Single(ABC):
    """The part of a `Dialect` that such endpoints share: the body is its own only event."""

    @abstractmethod
    def read(self, raw: bytes) -> Reply:
        """The reply that this body is. Raises `BrokenReply` when it is none."""

    def reply(self, raw: bytes, *, streamed: bool) -> Reply:
        """A whole reply from its bytes, which are the same for a call that asked for a stream."""
        return self.read(raw)

    def assembler(self) -> Piece:
        """An assembler that waits for all of it."""
        return Piece(self)

    def events(self, reply: Reply) -> list[bytes]:
        """The body, as the only event."""
        return [reply.raw]

    def body(self, reply: Reply) -> bytes:
        """The body."""
        return reply.raw


class Piece:
    """The `Assembler` of an answer in one piece."""

    usage: Usage | None = None
    text = ""
    over = False

    def __init__(self, wire: Single) -> None:
        self._wire = wire
        self._chunks: list[bytes] = []

    def feed(self, chunk: bytes) -> list[Delta]:
        """Nothing is said before all is there."""
        self._chunks.append(chunk)
        return []

    def last(self) -> list[Delta]:
        """Nor then: there are no events."""
        return []

    def end(self) -> Reply:
        """The reply. Raises `BrokenReply` when something is missing."""
        return self._wire.read(b"".join(self._chunks))
