"""One connection of the gateway: uvicorn's protocol on its C parser, held to limits, behind the door."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import unquote

import httptools
import msgspec
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from penstock.gateway.cycle import LEFT, Cycle
from penstock.gateway.door import Door
from penstock.gateway.upgrade import plain, wished

__all__ = ["GatewayProtocol"]

HEAD_BYTES = 64 << 10
"""The most bytes of a request line and its headers."""

HEAD_SECONDS = 30.0
"""How long a new connection, or a request that has begun, may take until its request line and headers are there."""

READ_SECONDS = 60.0
"""How long a client may leave what it is sent unread: then its seat goes to another."""


def _early(status: int, message: str) -> bytes:
    """An answer to what is not yet a request, in a shape that clients of both families read."""
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": None}
    body = msgspec.json.encode({"type": "error", "error": error})
    head = b"%bconnection: close\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    return head % (STATUS_LINE[status], len(body)) + body


_MALFORMED = _early(400, "this is no HTTP/1.1 request")
_TOO_LARGE = _early(431, f"the request line and its headers are larger than {HEAD_BYTES} bytes")


class GatewayProtocol(HttpToolsProtocol):
    """With limits on the size of a head, on how long the first one takes, and on how long an answer lies unread."""

    app: Any

    _in_head = True
    _head = 0
    _between = True
    _held: bytes | None = None
    _slow: asyncio.TimerHandle | None = None
    _door: Door | None = None
    _unread: asyncio.TimerHandle | None = None
    _idle_since = 0.0
    _answered: Cycle | None = None
    """What is being answered, or was the last time; behind it others may wait in a pipeline."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._slow = self.loop.call_later(HEAD_SECONDS, transport.close)
        self._door = getattr(self.config.app, "door", None)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head, self._head, self._between = True, -1, False

    def on_headers_complete(self) -> None:
        self._in_head = False
        if wished(self.parser):
            return
        self._begun()
        self.scope["http_version"] = version = self.parser.get_http_version()
        scope = self._scoped()
        self.cycle = cycle = Cycle(
            scope=scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=[],
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=version != "1.0" and self.parser.should_keep_alive(),
            on_response=self.on_response_complete,
        )
        scope["extensions"] = {LEFT: cycle.when_left}
        if self._answering:
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, self.app))
        else:
            self._start_asgi_task(cycle, self.app)

    def _scoped(self) -> Any:
        """What an application is told of the request."""
        url = httptools.parse_url(self.url)
        path = url.path.decode("ascii")
        self.scope["method"] = self.parser.get_method().decode("ascii")
        self.scope["path"] = unquote(path) if "%" in path else path
        self.scope["raw_path"] = url.path
        self.scope["query_string"] = url.query or b""
        return self.scope

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        self._answered = cycle
        super()._start_asgi_task(cycle, app)

    def on_message_complete(self) -> None:
        if wished(self.parser):
            return
        self._between = True
        super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        self._idle_since = self.loop.time()
        if self._held is not None:
            self._held += data
        elif not self._kept_out(data):
            self._parse(data)

    def _kept_out(self, data: bytes) -> bool:
        """Whether this begins a request that the door turns away, or lets in later."""
        if not self._between or self._door is None:
            return False
        if not self._answering and not self.flow.write_paused:
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

    @property
    def _answering(self) -> bool:
        return self._answered is not None and not self._answered.response_complete

    def _resume(self) -> None:
        data, self._held = self._held, None
        if data is not None:
            self.flow.resume_reading()
            self._parse(data)

    def _feed(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as wish:
            if wished(self.parser):
                head = plain(self.parser, self.url, self.headers)
                self.parser = httptools.HttpRequestParser(self)
                self._feed(head + data[wish.args[0] :])
        except httptools.HttpParserError:
            self._turn_away(_MALFORMED)

    def _parse(self, data: bytes) -> None:
        self._feed(data)
        if self._in_head:
            if self._slow is None:
                self._slow = self.loop.call_later(HEAD_SECONDS, self.transport.close)
            # The chunk that a head begins in may hold the body before it as well: it is not counted.
            self._head = 0 if self._head < 0 else self._head + len(data)
            if self._head > HEAD_BYTES and not self.transport.is_closing():
                self._turn_away(_TOO_LARGE)

    def _turn_away(self, answer: bytes) -> None:
        self.transport.write(answer)
        self.transport.close()

    def shutdown(self) -> None:
        """Close as soon as what has been asked is answered, what the door holds back among it."""
        self._resume()
        super().shutdown()

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

    def on_response_complete(self) -> None:
        """See `HttpToolsProtocol`. One timer a connection sees to it that it is not idle for too long."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            return
        self._idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._wait_idle(self.timeout_keep_alive)

    def _wait_idle(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self._see_idle)

    def _see_idle(self) -> None:
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if self._answering or left > 0:
            self._wait_idle(left if left > 0 else self.timeout_keep_alive)
        else:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._begun()
        self._all_read()
        self._held = None
        self._unset_keepalive_if_required()
        super().connection_lost(exc)
        if self._answered is not None:
            self._answered.left()
