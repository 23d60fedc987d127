"""The upstream: ``python -m penstock.bench.gateway.upstream --port N``. Some 20 µs an answer, 200 µs a stream.

Each event of a stream is written on its own, in a turn of the loop of its own. ``GET /stats`` tells what was asked.
"""

from __future__ import annotations

import argparse
import asyncio
from collections import deque

import httptools
import msgspec
import uvloop

from penstock.bench.gateway.questions import wish
from penstock.bench.gateway.wire import NUMBER, events, whole

__all__ = ["main"]


class _Options(msgspec.Struct):
    include_usage: bool = False


class _Asked(msgspec.Struct):
    """As much of a request as matters here."""

    model: str
    stream: bool = False
    stream_options: _Options | None = None


class _Counts:
    """What was asked so far."""

    asked = 0
    """Questions."""
    left = 0
    """Connections that ended before their answer did."""


_decode = msgspec.json.Decoder(_Asked).decode


class _Connection(asyncio.Protocol):
    """One connection: requests are answered one after the other, in their order."""

    def __init__(self, counts: _Counts) -> None:
        self._counts = counts
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._path = b""
        self._body: list[bytes] = []
        self._waiting: deque[tuple[bytes, bytes]] = deque()
        self._busy = False
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self._counts.left += self._busy

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.close()

    # What the parser finds --------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        self._path = b""
        self._body = []

    def on_url(self, url: bytes) -> None:
        self._path += url

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        self._waiting.append((self._path, b"".join(self._body)))
        if not self._busy:
            self._next()

    # What is answered -------------------------------------------------------------------------------------------------

    def _next(self) -> None:
        self._busy = False
        if not self._waiting or self._transport.is_closing():
            return
        path, body = self._waiting.popleft()
        wished = wish(body)
        if wished is None:
            status = b"200 OK" if path == b"/stats" else b"404 Not Found"
            return self._whole(msgspec.json.encode({"asked": self._counts.asked, "left": self._counts.left}), status)
        self._busy = True
        self._counts.asked += 1
        if wished.after:
            self._loop.call_later(wished.after, self._answer, path, body, wished.number, wished.every)
        else:
            self._answer(path, body, wished.number, wished.every)

    def _answer(self, path: bytes, body: bytes, number: int, every: float) -> None:
        asked = _decode(body)
        family = "anthropic" if path.endswith(b"/messages") else "openai"
        told = b"%010d" % number
        if not asked.stream:
            return self._whole(whole(family, asked.model).replace(NUMBER, told))
        counted = asked.stream_options is not None and asked.stream_options.include_usage
        parts = deque(each.replace(NUMBER, told) for each in events(family, asked.model, counted))
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        self._transport.write(head + _chunk(parts.popleft()))
        self._later(parts, every)

    def _whole(self, body: bytes, status: bytes = b"200 OK") -> None:
        head = b"HTTP/1.1 %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % (status, len(body))
        self._transport.write(head + body)
        self._next()

    def _later(self, parts: deque[bytes], every: float) -> None:
        if every:
            self._loop.call_later(every, self._event, parts, every)
        else:
            self._loop.call_soon(self._event, parts, every)

    def _event(self, parts: deque[bytes], every: float) -> None:
        if self._transport.is_closing():
            return
        part = _chunk(parts.popleft())
        if parts:
            self._transport.write(part)
            self._later(parts, every)
        else:
            self._transport.write(part + b"0\r\n\r\n")
            self._next()


def _chunk(part: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(part), part)


async def _serve(port: int) -> None:
    counts = _Counts()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(counts), "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


def main() -> None:
    """Serve until a signal ends the process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(parser.parse_args().port))


if __name__ == "__main__":
    main()
