"""One request and its answer on a connection: uvicorn's cycle, writing what the application has made without checks.

What uvicorn does for each answer costs more than the lookup of a stored one: it searches every header for what no
header may hold, and writes head and body apart. The headers here are ours, or were read by a parser and filtered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

__all__ = ["LEFT", "SILENCE_SECONDS", "Cycle"]

LEFT = "penstock.left"
"""The extension of an ASGI scope by which an application says what to call when the client has left (see `Cycle`)."""

SILENCE_SECONDS = 30.0
"""How long a client may send nothing in the middle of its request."""


class Cycle(RequestResponseCycle):
    """Tells who has asked for it when the client leaves, so that no task has to listen for that."""

    _on_left: Callable[[], None] | None = None
    _head = b""

    def when_left(self, call: Callable[[], None] | None) -> None:
        """Have ``call`` called when the client leaves before its answer is complete; None: nothing any more."""
        self._on_left = call
        if call is not None and self.disconnected:
            call()

    def left(self) -> None:
        """The connection is lost."""
        self.disconnected = not self.response_complete
        self.message_event.set()
        if self._on_left is not None and self.disconnected:
            self._on_left()

    async def receive(self) -> Any:
        """See the ASGI specification. Raises `TimeoutError` when nothing comes for `SILENCE_SECONDS`."""
        if self.message_event.is_set():
            return await super().receive()
        async with asyncio.timeout(SILENCE_SECONDS):
            return await super().receive()

    async def send(self, message: Any) -> None:
        """See the ASGI specification. The head waits for the first part of the body, to go out with it."""
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        self.disconnected = self.disconnected or (self.transport.is_closing() and not self.response_complete)
        if self.disconnected or self.response_complete:
            return
        if not self.response_started:
            self._head = self._begun(message["status"], message["headers"])
            self.response_started, self.waiting_for_100_continue = True, False
            return
        head, self._head = self._head, b""
        body, more = message.get("body", b""), message.get("more_body", False)
        self.transport.writelines([part for part in (head, *self._framed(body, more)) if part])
        if not more:
            self._completed()

    def _begun(self, status: int, headers: list[tuple[bytes, bytes]]) -> bytes:
        lines = [STATUS_LINE[status]]
        whole = False
        for name, value in headers:
            if name == b"content-length":
                whole = True
            elif name == b"connection":
                self.keep_alive = self.keep_alive and value != b"close"
                continue
            lines += (name, b": ", value, b"\r\n")
        # To an older client the end of the connection is the end of such a body.
        self.chunked_encoding = not whole and self.scope["method"] != "HEAD" and self.scope["http_version"] == "1.1"
        if self.chunked_encoding:
            lines.append(b"transfer-encoding: chunked\r\n")
        lines.append(b"\r\n" if self.keep_alive else b"connection: close\r\n\r\n")
        return b"".join(lines)

    def _framed(self, body: bytes, more: bool) -> tuple[bytes, ...]:
        if self.scope["method"] == "HEAD":
            return ()
        if not self.chunked_encoding:
            return (body,)
        part = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
        return (part,) if more else (part, b"0\r\n\r\n")

    def _completed(self) -> None:
        self.response_complete, self._on_left = True, None
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()
