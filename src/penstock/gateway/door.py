"""The door of the gateway: who is turned away before anything is read, and how many come in at once.

Under overload most of what a server does is to say no. Said after a request was parsed and given a task, it takes a
tenth of what an answer takes: at a few times the load that the gateway can bear, the noes alone fill the processor.
So a call that has come in one piece is turned away by its first line, with bytes made beforehand.

A burst is let in a few at a time, so that whoever comes behind it hears a no before all of it has been parsed.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from penstock.gateway.desk import Desk, NoSeat
from penstock.gateway.endpoints import ENDPOINTS
from penstock.gateway.exchange import Response, refused
from penstock.gateway.metrics import Metrics
from penstock.providers.dialects import dialect
from penstock.providers.port import Dialect

__all__ = ["Door", "turned_away"]

_AT_ONCE = 8
"""How many come in within one turn of the event loop. Each takes about a tenth of a millisecond to the desk."""

_UNUSUAL = (b"transfer-encoding", b"close", b"expect", b"upgrade")
"""What may make a request one for the parser; a word of it elsewhere in the head costs a little time."""


def turned_away(wire: Dialect) -> Response:
    """What a client is told for whom there is no seat: like an overloaded upstream, but it is the gateway that is."""
    response = refused(NoSeat(), wire)
    response.status = 503
    del response.headers["x-should-retry"]
    return response


class Door:
    """Stands between the connections and their parsers."""

    def __init__(self, desk: Desk, metrics: Metrics) -> None:
        self._desk = desk
        self._metrics = metrics
        self._entered = 0
        self._outside: deque[Callable[[], None]] = deque()
        self._answers = {
            b"POST /v1/%b HTTP/1.1" % each.name.encode(): (each.name, _bytes(turned_away(dialect(each.dialect))))
            for each in ENDPOINTS
            if each.dialect
        }

    def refusal(self, data: bytes) -> bytes | None:
        """The whole answer to ``data`` if that is one whole call and there is no seat for it; None: it may come in."""
        if not self._desk.full(self._entered + len(self._outside)):
            return None
        found = self._answers.get(data[: data.find(b"\r\n")])
        if found is None or not _whole(data):
            return None
        name, answer = found
        self._desk.shed += 1
        self._metrics.count("shed")
        self._metrics.request(name, 503)
        return answer

    def enter(self, later: Callable[[], None]) -> bool:
        """Whether a request may be parsed now; if not, ``later`` is called when it may."""
        if self._outside or self._entered >= _AT_ONCE:
            self._outside.append(later)
            return False
        self._count()
        return True

    def _count(self) -> None:
        """One has come in. It reaches the desk, if at all, before the next turn of the event loop begins."""
        if not self._entered:
            asyncio.get_running_loop().call_soon(self._next_turn)
        self._entered += 1

    def _next_turn(self) -> None:
        self._entered = 0
        for _ in range(min(_AT_ONCE, len(self._outside))):
            self._count()
            self._outside.popleft()()


def _whole(data: bytes) -> bool:
    """Whether this is exactly one request, of a plain kind."""
    end = data.find(b"\r\n\r\n")
    head = data[:end].lower()
    at = head.find(b"\r\ncontent-length:")
    if end < 0 or at < 0 or head.count(b"content-length") > 1 or any(field in head for field in _UNUSUAL):
        return False
    length = head[at + 17 :].partition(b"\r\n")[0].strip()
    return length.isdigit() and len(length) < 20 and len(data) == end + 4 + int(length)


def _bytes(response: Response) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in response.headers.items())
    head = f"HTTP/1.1 {response.status} Service Unavailable\r\n{lines}content-length: {len(response.body)}\r\n\r\n"
    return head.encode("latin-1") + response.body
