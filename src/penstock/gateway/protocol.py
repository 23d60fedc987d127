"""One connection of the gateway: uvicorn's protocol on its C parser, held to limits, behind the door."""

from __future__ import annotations

import asyncio
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from penstock.gateway.door import Door

__all__ = ["GatewayProtocol"]

HEAD_BYTES = 64 << 10
"""The most bytes of a request line and its headers."""

HEAD_SECONDS = 30.0
"""How long a new connection, or a request that has begun, may take until its request line and headers are there."""

READ_SECONDS = 60.0
"""How long a client may leave what it is sent unread: then its seat goes to another."""

_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class GatewayProtocol(HttpToolsProtocol):
    """With limits on the size of a head, on how long the first one takes, and on how long an answer lies unread."""

    _in_head = True
    _head = 0
    _between = True
    _held: bytes | None = None
    _slow: asyncio.TimerHandle | None = None
    _door: Door | None = None
    _unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._slow = self.loop.call_later(HEAD_SECONDS, transport.close)
        self._door = getattr(self.config.app, "door", None)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head, self._head, self._between = True, -1, False

    def on_headers_complete(self) -> None:
        self._in_head = False
        if self._wishes():
            return
        self._begun()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        if self._wishes():
            return
        self._between = True
        super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        if self._held is not None:
            self._held += data
        elif not self._kept_out(data):
            self._parse(data)

    def _kept_out(self, data: bytes) -> bool:
        """Whether this begins a request that the door turns away, or lets in later."""
        if not self._between or self._door is None:
            return False
        if not self._answering() and not self.flow.write_paused:
            answer = self._door.refusal(data)
            if answer is not None:
                self._begun()
                self.transport.write(answer)
                self.on_response_complete()
                return True
        if self._door.enter(self._resume):
            return False
        self._held = data
        self.flow.pause_reading()
        return True

    def _answering(self) -> bool:
        cycle: Any = self.cycle  # None before the first request, whatever its type says
        return cycle is not None and not cycle.response_complete

    def _resume(self) -> None:
        data, self._held = self._held, None
        if data is not None:
            self.flow.resume_reading()
            self._parse(data)

    def _wishes(self) -> bool:
        """Whether the request asks for another protocol, as the JDK's client does for HTTP/2 in its first request."""
        return bool(self.parser.should_upgrade()) and self.parser.get_method() != b"CONNECT"

    def _without_wish(self, rest: bytes) -> bytes:
        """The same request without it, which a server may ignore (RFC 9110, section 7.8); the parser drops its body."""
        head = [b"%b %b HTTP/1.1" % (self.parser.get_method(), self.url)]
        head += [b"%b: %b" % header for header in self.headers if header[0] not in {b"connection", b"upgrade"}]
        self.parser = httptools.HttpRequestParser(self)
        return b"\r\n".join([*head, b"", b""]) + rest

    def _feed(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as wish:
            if self._wishes():
                self._feed(self._without_wish(data[wish.args[0] :]))
        except httptools.HttpParserError:
            self.send_400_response("this is no HTTP/1.1 request")

    def _parse(self, data: bytes) -> None:
        self._feed(data)
        if self._in_head:
            if self._slow is None:
                self._slow = self.loop.call_later(HEAD_SECONDS, self.transport.close)
            # The chunk that a head begins in may hold the body before it as well: it is not counted.
            self._head = 0 if self._head < 0 else self._head + len(data)
            if self._head > HEAD_BYTES and not self.transport.is_closing():
                self.transport.write(_TOO_LARGE)
                self.transport.close()

    def _begun(self) -> None:
        """The head of a request is there."""
        if self._slow is not None:
            self._slow.cancel()
            self._slow = None

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread = self.loop.call_later(READ_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        self._all_read()
        super().resume_writing()

    def _all_read(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def connection_lost(self, exc: Exception | None) -> None:
        self._begun()
        self._all_read()
        self._held = None
        super().connection_lost(exc)
