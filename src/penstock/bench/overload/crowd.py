"""Clients that do not wait for one another: requests go out when they are due, whatever became of those before."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterable
from typing import NamedTuple, cast

__all__ = ["Answer", "Crowd"]

TIMEOUT = 10.0
"""Seconds after which a client has no use for an answer any more."""

MOST = 2000
"""Connections at once; a request beyond that waits for one, as it does in the pool of a client."""

_HEAD = (
    "POST /v1/chat/completions HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n"
    "accept: application/json\r\naccept-encoding: gzip, deflate\r\nauthorization: Bearer sk-bench\r\n"
    "user-agent: AsyncOpenAI/Python\r\nx-stainless-lang: python\r\nx-stainless-retry-count: 0\r\n"
    "x-stainless-read-timeout: 600\r\n"
    "content-length: {length}\r\n\r\n"
)
_BODY = (
    '{{"model":"gpt-4o-mini","max_tokens":100,"messages":[{{"role":"system","content":"{rules}"}},'
    '{{"role":"user","content":"Why is the sky blue on day 000000000?"}}]}}'
)
_RULES = "You answer briefly, and you say so when you do not know. " * 24
_TOGETHER = 16
"""How many requests that are overdue go out before answers are looked at."""


class Answer(NamedTuple):
    """What became of one request."""

    due: float
    """When it should have gone out, in seconds since the first one."""
    lag: float
    """How much later it did."""
    seconds: float
    """From then to the last byte of the answer."""
    status: int
    """Of HTTP; 0 when the connection was lost, or nothing came in time."""

    @property
    def ended(self) -> float:
        """When that was, in seconds since the first request was due."""
        return self.due + self.lag + self.seconds

    @property
    def served(self) -> bool:
        """Whether the client got what it wanted."""
        return self.status == 200 and self.seconds <= TIMEOUT


class Crowd:
    """As many connections to one gateway as are needed. Each request is another one, of 1.5 kB."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        body = _BODY.format(rules=_RULES)
        head = _HEAD.format(host=f"{host}:{port}", length=len(body))
        before, after = (head + body).split("000000000")
        self._parts = before.encode(), after.encode()
        self._number = 0
        self._idle: list[_Line] = []
        self._lines: set[_Line] = set()
        self._opening: set[asyncio.Task[None]] = set()
        self._answers: list[Answer] = []
        self._queued: deque[tuple[bytes, float]] = deque()
        self._began = 0.0
        self._keeping = False

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._lines)

    async def offer(self, moments: Iterable[float]) -> list[Answer]:
        """Send one request at each of these moments; what became of them, when each has its answer or gave up."""
        self._began = time.perf_counter()
        for number, due in enumerate(moments):
            early = due - (time.perf_counter() - self._began)
            if early > 0 or number % _TOGETHER == 0:
                await asyncio.sleep(max(0.0, early))
            self._send(due)
        return await self._collected()

    async def keep(self, in_flight: int, seconds: float) -> list[Answer]:
        """Keep so many requests under way for so long: each answer sets off the next request."""
        self._began = time.perf_counter()
        self._keeping = True
        for _ in range(in_flight):
            self._send(time.perf_counter() - self._began)
        await asyncio.sleep(seconds)
        self._keeping = False
        return await self._collected()

    async def _collected(self) -> list[Answer]:
        until = time.perf_counter() + TIMEOUT
        while self._busy() and time.perf_counter() < until:  # noqa: ASYNC110  nothing is late for being looked at late
            await asyncio.sleep(0.01)
        for _, due in self._queued:
            self.answered(Answer(due, TIMEOUT, 0.0, 0))
        self._queued.clear()
        for line in self._lines.difference(self._idle):
            line.give_up()
        await asyncio.sleep(0)
        answers, self._answers = self._answers, []
        return answers

    def _busy(self) -> bool:
        return bool(self._queued or self._opening or len(self._idle) < len(self._lines))

    def close(self) -> None:
        """Hang up."""
        for line in self._lines:
            line.give_up()

    def _send(self, due: float) -> None:
        self._number += 1
        before, after = self._parts
        request = b"%b%09d%b" % (before, self._number, after)
        if self._idle:
            self._idle.pop().ask(request, due, self._began)
        elif len(self._lines) + len(self._opening) >= MOST:
            self._queued.append((request, due))
        else:
            task = asyncio.create_task(self._connect(request, due))
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    async def _connect(self, request: bytes, due: float) -> None:
        loop = asyncio.get_running_loop()
        try:
            _, line = await loop.create_connection(lambda: _Line(self), self._host, self._port)
        except OSError:
            self.answered(Answer(due, time.perf_counter() - self._began - due, 0.0, 0))
            return
        self._lines.add(line)
        line.ask(request, due, self._began)

    def answered(self, answer: Answer) -> None:
        """One request has ended."""
        self._answers.append(answer)

    def free(self, line: _Line) -> None:
        """A connection can take the next request."""
        if self._queued:
            line.ask(*self._queued.popleft(), self._began)
            return
        self._idle.append(line)
        if self._keeping:
            self._send(time.perf_counter() - self._began)

    def gone(self, line: _Line) -> None:
        """A connection is closed."""
        self._lines.discard(line)
        if line in self._idle:
            self._idle.remove(line)


class _Line(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self, crowd: Crowd) -> None:
        self._crowd = crowd
        self._transport: asyncio.Transport
        self._asked: tuple[float, float] | None = None
        self._sent = 0.0
        self._heard = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one without being called so

    def ask(self, request: bytes, due: float, began: float) -> None:
        """Send a request."""
        self._sent = time.perf_counter()
        self._asked = (due, self._sent - began - due)
        self._transport.write(request)

    def give_up(self) -> None:
        """Close without waiting any longer."""
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        heard = self._heard + data if self._heard else data
        if whole(heard):
            self._heard = b""
            self._end(int(heard[9:12]))
            self._crowd.free(self)
        else:
            self._heard = heard

    def connection_lost(self, exc: Exception | None) -> None:
        self._crowd.gone(self)
        self._end(0)

    def _end(self, status: int) -> None:
        if self._asked is not None:
            self._crowd.answered(Answer(*self._asked, time.perf_counter() - self._sent, status))
            self._asked = None


def whole(message: bytes) -> bool:
    """Whether all of an HTTP message with a ``content-length`` is there."""
    end = message.find(b"\r\n\r\n")
    if end < 0:
        return False
    head = message[:end].lower()
    at = head.find(b"\r\ncontent-length:")
    length = int(head[at + 17 :].partition(b"\r\n")[0]) if at >= 0 else 0
    return len(message) >= end + 4 + length
