"""An upstream on this machine: real sockets, the wire formats of OpenAI and Anthropic, every way to misbehave."""

from __future__ import annotations

import asyncio
import ssl
import zlib
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from penstock.clock import Clock, SystemClock
from penstock.testing.answers import body, events
from penstock.testing.caching import Cached, SimulatedCache
from penstock.testing.connection import Connection, Request
from penstock.testing.plan import Plan, Question, quarter, split
from penstock.values import Usage

__all__ = ["Exchange", "Script", "Upstream"]


class Exchange(msgspec.Struct, eq=False):
    """One request that came, and what became of it."""

    number: int
    method: str
    path: str
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes
    """The very bytes."""
    question: Question
    status: int = 0
    """The status that was answered; 0 while none was."""
    sent: int = 0
    """Bytes of the answer's body that were written."""
    share: float = 0.0
    """How much of the answer was written, 0 to 1."""
    done: bool = False
    """It has ended, one way or another."""
    gone: bool = False
    """The client went away before the end."""
    usage: Usage | None = None
    bill: int = 0
    """Nano-dollars."""
    query: str = ""
    """What follows the question mark of the address."""
    cached: Cached | None = None
    """What a simulated prompt cache made of it."""


Script: TypeAlias = str | Plan | Sequence[str | Plan] | Callable[[Exchange], str | Plan | None] | None
"""Answers: one for all, one after the other, or made for each request; None echoes the prompt.

A count of tokens takes its status, headers, bytes and manners from a script for all or for each, and no turn in a list.
"""

_DIALECTS = {
    "/chat/completions": "openai",
    "/responses": "responses",
    "/embeddings": "embeddings",
    "/messages": "anthropic",
    "/messages/count_tokens": "count_tokens",
}
"""The wire format that is spoken at a path, by how it ends."""


class Upstream:
    """A server on a free port of 127.0.0.1, as long as the ``async with`` block lasts.

    >>> import aiohttp
    >>> async def ask() -> int:
    ...     async with Upstream("Hello") as up, aiohttp.ClientSession() as web:
    ...         await web.post(up.url + "/v1/chat/completions", json={"model": "m", "messages": []})
    ...         return len(up.exchanges)
    >>> asyncio.run(ask())
    1

    ``latency`` holds for plans that name none. ``key``: any other is refused. ``count`` counts tokens, ``price`` bills
    in nano-dollars what was sent, of a stream that broke off the part that went out. ``cache`` reads and writes prompts
    by a provider's rules, each credential for itself. ``keep`` bounds how many exchanges are remembered, ``most`` the
    bytes of a request. What a script raises is raised again when the block is left.
    """

    def __init__(
        self,
        reply: Script = None,
        *,
        latency: float = 0.0,
        key: str = "",
        models: Sequence[str] = ("small", "large"),
        count: Callable[[str], int] = quarter,
        price: Callable[[Exchange, Usage], int] = lambda exchange, usage: 0,
        cache: SimulatedCache | None = None,
        clock: Clock | None = None,
        tls: ssl.SSLContext | None = None,
        keep: int = 10_000,
        most: int = 64 << 20,
    ) -> None:
        self.reply = reply
        self.latency = latency
        self.exchanges: deque[Exchange] = deque(maxlen=keep)
        """The requests for an answer (not for models or token counts), oldest first."""
        self.counts: deque[Exchange] = deque(maxlen=keep)
        """The requests for a count of tokens, oldest first."""
        self.served = 0
        """How many requests of any kind came."""
        self.connections = 0
        """How many connections were ever opened."""
        self.disconnects = 0
        """How often a client went away before the end of its answer."""
        self.bill = 0
        """Nano-dollars in all."""
        self._key = key
        self._models = models
        self._count = count
        self._price = price
        self._cache = cache
        self._clock: Clock = clock or SystemClock()
        self._tls = tls
        self._most = most
        self._asked = 0
        self._open: set[Connection] = set()
        self._server: asyncio.Server | None = None
        self._closing = False
        self._news = asyncio.Event()
        self._fault: Exception | None = None

    @property
    def url(self) -> str:
        """``http://127.0.0.1:port``, without a path."""
        assert self._server is not None, "the server runs inside its async with block"
        return f"http{'s' if self._tls else ''}://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    @property
    def open_connections(self) -> int:
        """How many connections are open now."""
        return len(self._open)

    @property
    def in_flight(self) -> int:
        """How many exchanges are under way."""
        return sum(connection.busy for connection in self._open)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something has happened here: ``await up.until(lambda: up.disconnects == 1)``."""
        while not condition():
            self._news.clear()
            await self._news.wait()

    async def __aenter__(self) -> Upstream:
        def connection() -> Connection:
            return Connection(self._serve, self._changed, self._most)

        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(connection, "127.0.0.1", 0, ssl=self._tls, backlog=1024)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        assert self._server is not None
        self._closing = True
        self._server.close()
        tasks = [connection.abort() for connection in self._open]
        await asyncio.gather(*(task for task in tasks if task is not None), return_exceptions=True)
        await self._server.wait_closed()
        if self._fault is not None and kind is None:
            raise self._fault

    def _changed(self, connection: Connection) -> None:
        if connection.open:
            self.connections += 1
            self._open.add(connection)
        else:
            self._open.discard(connection)
        self._news.set()

    async def _serve(self, connection: Connection, request: Request) -> None:
        """Answer one request, whatever that means in the script, and write its bill."""
        exchange = self._begin(request)
        plan = Plan()
        self._news.set()
        try:
            plan = self._plan(exchange)
            await self._answer(connection, exchange, plan)
        except asyncio.CancelledError:
            exchange.gone = not self._closing
            self.disconnects += exchange.gone
            raise
        except Exception as error:
            self._fault = error
            raise
        finally:
            exchange.done = True
            if exchange.status == 200 and plan.body is None:
                exchange.usage = exchange.question.usage(plan, self._count, exchange.share)
                exchange.bill = self._price(exchange, exchange.usage)
                self.bill += exchange.bill
            self._news.set()

    def _begin(self, request: Request) -> Exchange:
        """The record of a request."""
        self.served += 1
        path, _, query = request.target.partition("?")
        try:
            asked = msgspec.json.decode(request.body or b"{}", type=dict[str, Any])
        except msgspec.DecodeError:
            asked = {}
        usual = "anthropic" if "anthropic-version" in request.headers else "openai"
        dialect = next((name for end, name in _DIALECTS.items() if path.endswith(end)), usual)
        question = Question(dialect, asked, self._asked)
        return Exchange(self._asked, request.method, path, request.headers, request.body, question, query=query)

    def _plan(self, exchange: Exchange) -> Plan:
        """What to answer: the script is asked for real questions only."""
        given = exchange.headers.get("x-api-key") or exchange.headers.get("authorization", "").removeprefix("Bearer ")
        if self._key and given != self._key:
            return Plan("the key is not known here", status=401)
        if exchange.method == "GET" and exchange.path.endswith("/models"):
            models = [{"id": name, "object": "model", "type": "model", "display_name": name} for name in self._models]
            return Plan(body=msgspec.json.encode({"object": "list", "data": models, "has_more": False}))
        if exchange.method != "POST" or not exchange.path.endswith(tuple(_DIALECTS)):
            return Plan(f"no such path: {exchange.method} {exchange.path}", status=404)
        if not exchange.question.body:
            return Plan("the body is not a JSON object", status=400)
        counts = exchange.question.dialect == "count_tokens"
        (self.counts if counts else self.exchanges).append(exchange)
        self._asked += not counts
        plan = self._scripted(exchange)
        plan = plan if plan.latency else msgspec.structs.replace(plan, latency=self.latency)
        if self._cache is not None:
            now = self._clock.monotonic()
            plan, exchange.cached = self._cache.answer(exchange.question, plan, self._count, key=given, at=now)
        return plan

    def _scripted(self, exchange: Exchange) -> Plan:
        reply = self.reply
        if callable(reply):
            reply = reply(exchange)
        elif isinstance(reply, Sequence) and not isinstance(reply, str):
            if exchange.question.dialect == "count_tokens":
                return Plan()
            if exchange.number >= len(reply):
                return Plan(f"the script has no answer number {exchange.number + 1}", status=400)
            reply = reply[exchange.number]
        return reply if isinstance(reply, Plan) else Plan(reply)

    async def _answer(self, connection: Connection, exchange: Exchange, plan: Plan) -> None:
        if plan.latency:
            await self._clock.sleep(plan.latency)
        if plan.hang:
            await asyncio.Event().wait()
        if plan.drop:
            return connection.close()
        if exchange.cached is not None:
            exchange.cached.began(self._clock.monotonic())
        streams = exchange.question.stream and plan.status == 200 and plan.body is None
        asked = exchange.question
        parts = events(asked, plan, self._count) if streams else [body(asked, plan, self._count)]
        parts = _packed(parts, plan.gzip)
        exchange.status = plan.status
        await connection.head(plan.status, _headers(exchange, plan, None if streams else len(parts[0])))
        if await self._write(connection, exchange, plan, parts, streams):
            if streams:
                await connection.write(b"0\r\n\r\n")
            if exchange.headers.get("connection") == "close":
                connection.close()
        else:
            connection.close()

    async def _write(
        self, connection: Connection, exchange: Exchange, plan: Plan, parts: Sequence[bytes], streams: bool
    ) -> bool:
        """Send the body as planned; whether all of it went out."""
        for number, part in enumerate(parts):
            if plan.cut_after_event == number:
                return False
            if plan.hang_after_event == number:
                await asyncio.Event().wait()
            if plan.gap and streams:
                await self._clock.sleep(plan.gap)
            for piece in split(part, plan.split):
                if plan.drip:
                    await self._clock.sleep(plan.drip)
                kept = piece if plan.cut_after is None else piece[: max(0, plan.cut_after - exchange.sent)]
                await connection.write(b"%x\r\n%b\r\n" % (len(kept), kept) if streams and kept else kept)
                exchange.sent += len(kept)
                if len(kept) < len(piece):
                    return False
            exchange.share = (number + 1) / len(parts)
        return True


def _headers(exchange: Exchange, plan: Plan, length: int | None) -> dict[str, str]:
    """Reply headers; without a length the body comes in chunks."""
    number = f"req_{exchange.number}"
    kind = plan.content_type or ("application/json" if length is not None else "text/event-stream")
    headers = {"content-type": kind, "x-request-id": number, "request-id": number}
    headers |= {"transfer-encoding": "chunked"} if length is None else {"content-length": str(length)}
    return {**headers, **({"content-encoding": "gzip"} if plan.gzip else {}), **plan.headers}


def _packed(parts: list[bytes], gzip: bool) -> list[bytes]:
    """The parts of a body, each flushed on its own if it is compressed."""
    if not gzip:
        return parts
    press = zlib.compressobj(wbits=31)
    packed = [press.compress(part) + press.flush(zlib.Z_SYNC_FLUSH) for part in parts]
    return [*packed[:-1], packed[-1] + press.flush()]
