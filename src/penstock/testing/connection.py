"""HTTP/1.1 on one socket, as far as the clients of model APIs use it: requests one by one, bodies with a length."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from http import HTTPStatus
from typing import Any, TypeAlias, cast

import msgspec

__all__ = ["Connection", "Request", "Serve"]

_HEAD_BYTES = 1 << 16


class Request(msgspec.Struct, frozen=True):
    """A request that has come in whole."""

    method: str
    target: str
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes


class Connection(asyncio.Protocol):
    """Reads requests and has each one served by a task, which is cancelled when the client goes away."""

    def __init__(self, serve: Serve, changed: Callable[[Connection], None], most: int) -> None:
        self._serve = serve
        self._changed = changed
        self._most = most
        self._buffer = bytearray()
        self._task: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport
        self._writable = asyncio.Event()
        self._writable.set()
        self.open = False

    @property
    def busy(self) -> bool:
        """Whether a request is being served."""
        return self._task is not None

    async def write(self, data: bytes) -> None:
        """Send, waiting while the client reads too slowly."""
        self._transport.write(data)
        await self._writable.wait()

    async def head(self, status: int, headers: Mapping[str, str]) -> None:
        """Send a status line and headers."""
        await self.write(_head(status, headers))

    def close(self) -> None:
        """Close when what was written has gone out."""
        self._transport.close()

    def abort(self) -> asyncio.Task[None] | None:
        """Close at once. Returns the task that still winds up, if there is one."""
        task = self._task
        if task is not None:
            task.cancel()
        self._transport.abort()
        return task

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one that does not say so
        self.open = True
        self._changed(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone, or we have closed."""
        self.open = False
        self._writable.set()
        if self._task is not None:
            self._task.cancel()
        self._changed(self)

    def pause_writing(self) -> None:
        """The client reads too slowly."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """It has caught up."""
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""
        self._buffer += data
        if self._task is None:
            self._next()

    def _next(self) -> None:
        """Serve the next request, if all of it has come."""
        if not self._buffer[:1].isalpha() and self._buffer:
            return self._refuse(400)  # a TLS handshake, most likely
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return self._refuse(431) if len(self._buffer) > _HEAD_BYTES else None
        first, _, rest = self._buffer[:end].decode("latin-1").partition("\r\n")
        fields = (line.partition(":") for line in rest.split("\r\n") if line)
        headers = {name.strip().lower(): value.strip() for name, _, value in fields}
        length = headers.get("content-length", "0")
        if "transfer-encoding" in headers or not length.isdigit():
            return self._refuse(411)
        if int(length) > self._most:
            return self._refuse(413)
        stop = end + 4 + int(length)
        if len(self._buffer) < stop:
            return None
        method, _, target = first.rpartition(" ")[0].partition(" ")
        request = Request(method, target, headers, bytes(self._buffer[end + 4 : stop]))
        del self._buffer[:stop]
        self._task = asyncio.get_running_loop().create_task(self._run(request))
        self._task.add_done_callback(lambda task: task.cancelled() or task.exception())
        return None

    async def _run(self, request: Request) -> None:
        try:
            await self._serve(self, request)
        except BaseException:
            self._transport.abort()  # nobody is left to answer
            raise
        finally:
            self._task = None
        if self.open and not self._transport.is_closing():
            self._next()

    def _refuse(self, status: int) -> None:
        self._transport.write(_head(status, {"content-length": "0", "connection": "close"}))
        self._transport.close()


Serve: TypeAlias = Callable[[Connection, Request], Coroutine[Any, Any, None]]


def _head(status: int, headers: Mapping[str, str]) -> bytes:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Unknown"
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status} {phrase}\r\n{lines}\r\n".encode("latin-1")
