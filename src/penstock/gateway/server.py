"""The socket side: uvicorn with its C parser, held to limits, and stopped in good order."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import logging
import os
import signal
import socket
from collections.abc import Callable, Generator
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from penstock.errors import BadInput

__all__ = ["DRAIN_SECONDS", "Server", "address", "bind", "is_loopback", "loop_factory"]

DRAIN_SECONDS = 30
"""How long a stopping server lets the exchanges under way go on."""

HEAD_BYTES = 64 << 10
"""The most bytes of a request line and its headers."""

HEAD_SECONDS = 30.0
"""How long a new connection may take until its first request line and headers are there."""

KEEP_ALIVE_SECONDS = 75
"""How long an idle connection is kept: longer than the pools of the usual clients, so that they close first."""

_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class _Protocol(HttpToolsProtocol):
    """The parser with a limit on the size of a head, and on how long the first one takes."""

    _in_head = True
    _head = 0
    _first: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._first = self.loop.call_later(HEAD_SECONDS, transport.close)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head, self._head = True, -1

    def on_headers_complete(self) -> None:
        self._in_head = False
        if self._first is not None:
            self._first.cancel()
            self._first = None
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._in_head:
            # The chunk that a head begins in may hold the body before it as well: it is not counted.
            self._head = 0 if self._head < 0 else self._head + len(data)
            if self._head > HEAD_BYTES and not self.transport.is_closing():
                self.transport.write(_TOO_LARGE)
                self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._first is not None:
            self._first.cancel()
        super().connection_lost(exc)


class Server(uvicorn.Server):
    """Serves an ASGI application on a bound socket until `stop`; ``ready`` is called when it answers."""

    def __init__(self, app: Any, *, ready: Callable[[], None] = lambda: None, drain: int = DRAIN_SECONDS) -> None:
        config = uvicorn.Config(
            app,
            http=_Protocol,
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            log_level=logging.ERROR,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=drain,
        )
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """See `uvicorn.Server`."""
        await super().startup(sockets)
        self._ready()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Signals are for who runs the server: uvicorn would raise them once more after a clean end."""
        yield

    def stop(self) -> None:
        """Accept no more, let what is under way go on; a second time: break it off."""
        self.force_exit = self.should_exit
        self.should_exit = True

    def _on_signal(self, number: int, frame: object) -> None:
        self.stop()

    def stop_on_signals(self) -> None:
        """SIGTERM and SIGINT mean `stop`, as long as the loop runs."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            try:
                loop.add_signal_handler(number, self.stop)
            except NotImplementedError:  # Windows
                signal.signal(number, self._on_signal)


def bind(host: str, port: int) -> socket.socket:
    """A listening socket. Raises `BadInput` when the address cannot be had."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except (OSError, OverflowError):
        raise BadInput(f"{host}:{port} is no address of this machine", mend="use --host 127.0.0.1") from None
    # The protocol is named, because asyncio turns off Nagle's algorithm only for a socket that says it is TCP.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(2048)
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            raise BadInput(f"port {port} of {host} is taken", mend="stop who has it, or use another --port") from None
        raise BadInput(
            f"cannot listen on {host}:{port}: {error.strerror}", mend="use another --host or --port"
        ) from None
    sock.setblocking(False)
    return sock


def address(sock: socket.socket) -> str:
    """The base URL of a server that listens there."""
    host, port = sock.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def is_loopback(host: str) -> bool:
    """Whether an address to listen on is reached from this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """The fastest event loop there is for this platform."""
    try:
        import uvloop
    except ImportError:  # Windows
        return asyncio.new_event_loop
    return uvloop.new_event_loop
