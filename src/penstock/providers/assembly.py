"""What the assemblers of all dialects have in common: splitting, keeping the bytes, and refusing a cut stream."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

from penstock.errors import BrokenReply
from penstock.providers.failure import broken
from penstock.providers.shape import Json, parse
from penstock.providers.sse import Event, Splitter, split
from penstock.values import Delta, Reply, Usage

__all__ = ["Assembly"]


class Assembly(ABC):
    """The frame of an `Assembler`; a dialect says what one event means.

    Reading stays light, for it is paid for every token: an event is decoded once, and only the visible text, the
    finish and the usage are kept. The JSON body that the events amount to is folded from the bytes on demand.

    The deltas before a fault are handed out; the fault is raised by the next call. So what is seen of a stream does
    not depend on how it was cut into chunks.
    """

    def __init__(self) -> None:
        self._splitter = Splitter()
        self._chunks: list[bytes] = []
        self._fault: BrokenReply | None = None

    def feed(self, chunk: bytes) -> list[Delta]:
        """The events completed by this chunk."""
        if self._fault is not None:
            raise self._fault
        self._chunks.append(chunk)
        deltas: list[Delta] = []
        try:
            for event in self._splitter.feed(chunk):
                deltas.append(Delta(event.raw, self._read(event)))  # noqa: PERF401 - those before a fault are kept
        except BrokenReply as fault:
            self._fault = fault
            if not deltas:
                raise
        return deltas

    @property
    def over(self) -> bool:
        """Whether all is said: the terminal event came, or a fault. What comes after it is of no interest."""
        return self._fault is not None or self._ended

    def last(self) -> list[Delta]:
        """The terminal event, ended, of a body that is over and lacks only its last empty line."""
        if self.over or (event := self._splitter.flush()) is None:
            return []
        added = self._close(event)
        return [Delta(event.raw.rstrip(b"\r\n") + b"\n\n", added)] if self._ended else []

    def end(self) -> Reply:
        """The whole reply. An answer whose last event lacks only its empty line is whole."""
        self.last()
        if self._fault is not None:
            raise self._fault
        if not self._ended:
            raise self._cut()
        return self._reply(self._raw)

    @property
    @abstractmethod
    def usage(self) -> Usage | None:
        """What the provider has reported so far."""

    @property
    def text(self) -> str:
        """All that was generated so far, as far as it can be read."""
        return "".join(piece for event in split(self._raw) for piece in self._generated(event))

    @property
    def _raw(self) -> bytes:
        if len(self._chunks) > 1:
            self._chunks = [b"".join(self._chunks)]
        return self._chunks[0] if self._chunks else b""

    @property
    @abstractmethod
    def _ended(self) -> bool:
        """Whether the terminal event came, and all that has to come before it."""

    @abstractmethod
    def _read(self, event: Event) -> str:
        """Takes one event in; the visible text it adds."""

    @abstractmethod
    def _generated(self, event: Event) -> Iterator[str]:
        """Every piece of generated text in one event, visible or not. Never raises."""

    @abstractmethod
    def _reply(self, raw: bytes) -> Reply:
        """The reply of a stream that has ended."""

    def _close(self, last: Event) -> str:
        try:
            return self._read(last)
        except BrokenReply as fault:
            self._fault = fault if _object(last.data) else self._cut()
            self._fault.event = b""  # it is not whole
            raise self._fault from None

    def _cut(self) -> BrokenReply:
        """Why this is no whole stream: a page, an error or an answer in one piece came instead, or it was cut."""
        raw = self._raw
        start = raw[:200].lstrip()
        if start.startswith(b"<"):
            return BrokenReply("the answer is a web page, not a stream of events", body=raw, mend="check the base URL")
        if start.startswith(b"{"):
            body = _object(raw)
            unasked = BrokenReply("the answer is no stream of events", body=raw)
            return broken(body, raw) if body.get("error") else unasked
        return BrokenReply("the stream stopped before its end", mend="try again")


def _object(raw: bytes) -> Json:
    try:
        return parse(raw)
    except BrokenReply:
        return {}
