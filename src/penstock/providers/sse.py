"""Server-sent events, split out of bytes that arrive in any pieces.

The rules are those of the WHATWG HTML standard, section 9.2.6 (https://html.spec.whatwg.org/multipage/server-sent-events.html):
a line ends with LF, CRLF or CR, an empty line ends an event, a line that begins with a colon is a comment, several
``data`` lines are joined with LF. On top of that nothing is lost: every event keeps the bytes it was made of.
"""

from __future__ import annotations

import re

import msgspec

from penstock.errors import BrokenReply

__all__ = ["LIMIT", "Event", "Splitter", "recorded", "split"]

LIMIT = 64 * 1024 * 1024
"""The most bytes that one event may have, so that a stream without an end cannot fill the memory."""

_BOM = b"\xef\xbb\xbf"

_ENDED = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r(?=[\s\S]))")
"""The end of an event. The atomic groups keep CRLF one line end; a CR at the very end may yet become a CRLF."""

_USUAL = re.compile(rb"(?:event: (.*+)\n)?+data: (.*+)\n\n")
"""An event as nearly all are: a ``data`` line alone or after an ``event`` line. For bytes without CR."""

_LONGEST_END = 3
"""Bytes of an unfinished event that may belong to its end: CR LF CR, waiting for LF."""


class Event(msgspec.Struct, frozen=True):
    """One event. A comment is an event without a name and without data."""

    name: str
    """What its ``event`` line says; empty when it has none."""
    data: bytes
    """Its ``data`` lines, joined with LF; empty when it has none."""
    raw: bytes
    """The bytes it came as, with the empty line that ends it."""


class Splitter:
    r"""Cuts a stream into events. Joined together, the ``raw`` of all events and ``rest`` are the bytes fed.

    >>> splitter = Splitter()
    >>> splitter.feed(b"data: on")
    []
    >>> splitter.feed(b"e\n\ndata: tw")
    [Event(name='', data=b'one', raw=b'data: one\n\n')]
    >>> splitter.rest
    b'data: tw'
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._held: list[bytes] = []
        self._size = 0
        self._end = b""
        self._begun = False

    @property
    def rest(self) -> bytes:
        """The bytes after the last whole event."""
        return b"".join(self._held)

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that this chunk completes. Raises `BrokenReply` when one grows beyond the limit."""
        if self._held:
            if not _ends(self._end + chunk):
                self._hold(chunk)
                return []
            chunk = self._take() + chunk
        if b"\r" in chunk or not (self._begun or chunk[:1] != _BOM[:1]):
            events, end = self._cut_carefully(chunk)
        else:
            events, end = _cut(chunk)
            self._begun = self._begun or end > 0
        if end < len(chunk):
            self._hold(chunk[end:])
        return events

    def flush(self) -> Event | None:
        """What is left, as an event: some servers leave out the last empty line. None when nothing is left."""
        rest = self._take()
        return _event(rest, rest if self._begun else rest.removeprefix(_BOM)) if rest.strip() else None

    def _cut_carefully(self, chunk: bytes) -> tuple[list[Event], int]:
        """The same as `_cut`, for all line ends, and for the mark that may stand before the first event."""
        events: list[Event] = []
        start = 0
        for match in _ENDED.finditer(chunk):
            raw = chunk[start : match.end()]
            events.append(_event(raw, raw if self._begun else raw.removeprefix(_BOM)))
            self._begun = True
            start = match.end()
        return events, start

    def _hold(self, piece: bytes) -> None:
        self._held.append(piece)
        self._size += len(piece)
        self._end = (self._end + piece[-_LONGEST_END:])[-_LONGEST_END:]
        if self._size > self._limit:
            raise BrokenReply(f"an event of the stream is larger than {self._limit} bytes")

    def _take(self) -> bytes:
        rest = self.rest
        self._held.clear()
        self._size = 0
        self._end = b""
        return rest


def split(raw: bytes) -> list[Event]:
    """The events of a whole stream, an unended last one among them."""
    splitter = Splitter(limit=len(raw))
    events = splitter.feed(raw)
    last = splitter.flush()
    return events if last is None else [*events, last]


def recorded(raw: bytes) -> list[bytes]:
    """The bytes of each event of a whole stream; an unended last one is ended."""
    events = [event.raw for event in split(raw)]
    if events and not raw.endswith((b"\n\n", b"\r\n\r\n", b"\r\r")):
        events[-1] += b"\n\n"
    return events


def _ends(data: bytes) -> bool:
    return b"\n\n" in data if b"\r" not in data else _ENDED.search(data) is not None


def _cut(chunk: bytes) -> tuple[list[Event], int]:
    """The events of bytes without CR, and where they end."""
    events: list[Event] = []
    start = 0
    while start < len(chunk):
        if usual := _USUAL.match(chunk, start):
            name, data = usual.groups()
            events.append(Event(name.decode(errors="replace") if name else "", data, usual.group()))
            start = usual.end()
            continue
        end = chunk.find(b"\n\n", start) + 2
        if end < 2:
            break
        raw = chunk[start:end]
        events.append(_event(raw, raw))
        start = end
    return events, start


def _event(raw: bytes, block: bytes) -> Event:
    """The event that these lines make."""
    name = b""
    data: list[bytes] = []
    for line in block.splitlines():
        if line.startswith(b"data:"):
            data.append(line[6:] if line.startswith(b" ", 5) else line[5:])
        elif line.startswith(b"event:"):
            name = line[7:] if line.startswith(b" ", 6) else line[6:]
        elif line == b"data":
            data.append(b"")
    return Event(name.decode(errors="replace"), data[0] if len(data) == 1 else b"\n".join(data), raw)
