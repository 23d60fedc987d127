"""An upstream that sends very bytes, and breaks off where it is told: for what `Upstream` is too well-mannered for.

`Upstream` speaks the wire formats and makes its answers; here a script has the connection itself in its hands.
"""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from collections.abc import Callable
from typing import TypeAlias, cast

__all__ = ["LAST_CHUNK", "RawConnection", "RawScript", "RawUpstream", "chunk", "head"]

LAST_CHUNK = b"0\r\n\r\n"

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with no time to linger: closing sends RST instead of FIN."""


class RawConnection(asyncio.Protocol):
    """One connection of a client: what it asks, one request after the other, and what it is sent."""

    def __init__(self, script: RawScript, upstream: RawUpstream) -> None:
        self.request = b""
        """The head of the request that is being answered."""
        self.asked = 0
        """How many requests came on this connection."""
        self.closed = asyncio.Event()
        """Set when the client has gone, or we have closed."""
        self._script = script
        self._upstream = upstream
        self._buffer = b""
        self._transport: asyncio.Transport

    @property
    def open(self) -> bool:
        """Whether the client is still there."""
        return not self.closed.is_set()

    def send(self, data: bytes) -> None:
        """These very bytes."""
        self._transport.write(data)

    def close(self) -> None:
        """Close in good order (FIN) when what was sent has gone out."""
        self._transport.close()

    def reset(self) -> None:
        """Break off (RST); what was sent and not yet read may be lost on the way."""
        sock: socket.socket = self._transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are no subclass
        self._upstream.connections.add(self)
        self._upstream.changed()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone, or we have closed."""
        self.closed.set()
        self._upstream.connections.discard(self)
        self._upstream.changed()

    def data_received(self, data: bytes) -> None:
        """Bytes have come; the script is called for each whole request."""
        self._buffer += data
        top, end, rest = self._buffer.partition(b"\r\n\r\n")
        found = _LENGTH.search(top)
        length = int(found[1]) if found else 0
        if end and len(rest) >= length:
            self.request, self._buffer = top, rest[length:]
            self.asked += 1
            self._upstream.served += 1
            self._script(self, rest[:length])
            self._upstream.changed()


RawScript: TypeAlias = Callable[[RawConnection, bytes], None]
"""Called with the connection and the body of each request; it may answer at once, later, in part, or not at all."""


class RawUpstream:
    """A server on a free port of 127.0.0.1, as long as the ``async with`` block lasts.

    >>> import aiohttp
    >>> def script(to: RawConnection, body: bytes) -> None:
    ...     to.send(head(length=2) + b"ok")
    >>> async def ask() -> bytes:
    ...     async with RawUpstream(script) as up, aiohttp.ClientSession() as web:
    ...         return await (await web.post(up.url)).read()
    >>> asyncio.run(ask())
    b'ok'
    """

    def __init__(self, script: RawScript) -> None:
        self.script = script
        self.connections: set[RawConnection] = set()
        """Those that are open now."""
        self.served = 0
        """How many requests came."""
        self._server: asyncio.Server | None = None
        self._news = asyncio.Event()

    @property
    def url(self) -> str:
        """``http://127.0.0.1:port``, without a path."""
        assert self._server is not None, "the server runs inside its async with block"
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something has happened here: ``await up.until(lambda: up.served == 1)``."""
        while not condition():
            self._news.clear()
            await self._news.wait()

    def changed(self) -> None:
        """Something has happened: a request, a connection that came or went."""
        self._news.set()

    async def __aenter__(self) -> RawUpstream:
        def connection() -> RawConnection:
            return RawConnection(lambda to, body: self.script(to, body), self)

        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(connection, "127.0.0.1", 0, backlog=1024)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for connection in tuple(self.connections):
            connection.close()
        await self._server.wait_closed()


def head(kind: str = "application/json", *, length: int | None = None, chunked: bool = False) -> bytes:
    """A status line of 200 and headers. Neither length nor chunks: the body ends with the connection."""
    framing = "transfer-encoding: chunked\r\n" if chunked else "" if length is None else f"content-length: {length}\r\n"
    return f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\n{framing}\r\n".encode()


def chunk(data: bytes) -> bytes:
    """A chunk of a chunked body; nothing for no data, since that would be the last one."""
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""
