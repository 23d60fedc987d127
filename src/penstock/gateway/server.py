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
import sys
from collections.abc import Callable, Generator
from typing import Any

import uvicorn

from penstock.errors import BadInput
from penstock.gateway.protocol import GatewayProtocol

__all__ = ["DRAIN_SECONDS", "Server", "address", "bind", "is_loopback", "loop_factory"]

_log = logging.getLogger("penstock")

DRAIN_SECONDS = 30
"""How long a stopping server lets the exchanges under way go on."""

KEEP_ALIVE_SECONDS = 75
"""How long an idle connection is kept: longer than the pools of the usual clients, so that they close first."""

_CLOSING_SECONDS = 0.1
"""How long uvicorn lets those connections close that nobody is being answered on, before it looks at the others."""

_LISTENERS = 16
"""How many connections are accepted in one turn of uvloop's loop."""


class Server(uvicorn.Server):
    """Serves an ASGI application on a bound socket until `stop`; ``ready`` is called when it answers."""

    def __init__(self, app: Any, *, ready: Callable[[], None] = lambda: None, drain: int = DRAIN_SECONDS) -> None:
        config = uvicorn.Config(
            app,
            http=GatewayProtocol,
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            log_level=logging.ERROR,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
        )
        super().__init__(config)
        self._drain = drain
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """See `uvicorn.Server`."""
        await super().startup([copy for each in sockets or () for copy in _listeners(each)])
        self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """See `uvicorn.Server`. What is broken off at the end says so, and is booked, before anything is closed."""
        try:
            async with asyncio.timeout(self._drain + _CLOSING_SECONDS):
                await super().shutdown(sockets)
        except TimeoutError:
            self.force_exit = True
            if late := len(self.server_state.tasks):
                _log.warning("requests that did not end within %d s (drain) are broken off: %d", self._drain, late)
        if self.force_exit:
            for task in self.server_state.tasks:
                task.cancel()
        await asyncio.gather(*self.server_state.tasks, return_exceptions=True)

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
        for number in (signal.SIGTERM, signal.SIGINT):
            if sys.platform == "win32":  # whose loops hear no signals
                signal.signal(number, self._on_signal)
            else:
                asyncio.get_running_loop().add_signal_handler(number, self.stop)


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


def _listeners(sock: socket.socket) -> list[socket.socket]:
    """What to listen with on a bound socket. uvloop accepts one connection for each of these in one turn of its loop.

    With a single one a gateway whose turns are long, because it is busy, lets those who connect wait for seconds.
    """
    several = type(asyncio.get_running_loop()).__module__.startswith("uvloop")
    return [sock.dup() for _ in range(_LISTENERS)] if several else [sock]


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
