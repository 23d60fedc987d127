"""What a load test plays on: an upstream in this process, and the gateway as a process of its own."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import msgspec

from penstock.bench.overload.crowd import whole

__all__ = ["Gateway", "Upstream", "gateway"]

_CHAT = (
    b'{"id":"chatcmpl-1","object":"chat.completion","created":0,"model":"gpt-4o-mini","choices":[{"index":0,"message":'
    b'{"role":"assistant","content":"Because."},"finish_reason":"stop"}],"usage":{"prompt_tokens":12,'
    b'"completion_tokens":2,"total_tokens":14}}'
)
_MESSAGE = (
    b'{"id":"msg_1","type":"message","role":"assistant","model":"claude","content":[{"type":"text","text":"Because."}],'
    b'"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":12,"output_tokens":2}}'
)
_BUSY = b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}'


class Upstream:
    """Answers both wire formats after ``latency`` seconds; while ``failing`` it answers 529 to everything, at once."""

    def __init__(self, latency: float = 0.0) -> None:
        self.latency = latency
        self.failing = False
        self.came: list[float] = []
        """When each request came, on the clock of the event loop."""
        self.in_flight = 0
        self.most_in_flight = 0

    @asynccontextmanager
    async def listening(self) -> AsyncGenerator[str]:
        """Its base URL, without ``/v1``, while the context lasts."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _Answering(self), "127.0.0.1", 0, backlog=1024)
        try:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        finally:
            server.close()


class _Answering(asyncio.Protocol):
    """One connection."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._transport: asyncio.Transport
        self._heard = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one without being called so

    def data_received(self, data: bytes) -> None:
        self._heard += data
        if not whole(self._heard):
            return
        body = _MESSAGE if self._heard.startswith(b"POST /v1/messages") else _CHAT
        self._heard = b""
        up, loop = self._upstream, asyncio.get_running_loop()
        up.came.append(loop.time())
        up.in_flight += 1
        up.most_in_flight = max(up.most_in_flight, up.in_flight)
        if up.failing:
            self._answer(529, _BUSY)
        elif up.latency:
            loop.call_later(up.latency, self._answer, 200, body)
        else:
            self._answer(200, body)

    def _answer(self, status: int, body: bytes) -> None:
        self._upstream.in_flight -= 1
        head = b"HTTP/1.1 %d -\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % (status, len(body))
        if not self._transport.is_closing():
            self._transport.write(head + body)


class Gateway(msgspec.Struct, frozen=True):
    """A gateway that runs."""

    url: str
    pid: int

    @property
    def place(self) -> tuple[str, int]:
        """Its host and port."""
        parts = urlsplit(self.url)
        return parts.hostname or "", parts.port or 0

    def cpu_seconds(self) -> float:
        """The processor time it has used so far; 0 where the system does not tell."""
        try:
            fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(") ")[2].split()
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@asynccontextmanager
async def gateway(upstream: str, *, seats: int) -> AsyncGenerator[Gateway]:
    """``penstock serve`` in front of an upstream, with a home folder of its own."""
    with tempfile.TemporaryDirectory() as home:
        own = {name: value for name, value in os.environ.items() if not name.startswith("PENSTOCK_")}
        own |= {"PENSTOCK_HOME": home, "PENSTOCK_OPENAI_BASE_URL": f"{upstream}/v1"}
        own |= {"PENSTOCK_ANTHROPIC_BASE_URL": upstream}
        command = [sys.executable, "-m", "penstock", "serve", "--port", "0", "--json"]
        process = await asyncio.create_subprocess_exec(
            *command, "--max-concurrency", str(seats), env=own, cwd=home, stdout=asyncio.subprocess.PIPE
        )
        try:
            assert process.stdout is not None
            told = msgspec.json.decode(await process.stdout.readline())
            yield Gateway(told["url"], process.pid)
        finally:
            process.terminate()
            await process.wait()
