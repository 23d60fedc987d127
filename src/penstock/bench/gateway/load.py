"""The load: ``python -m penstock.bench.gateway.load`` reads an `Order` on its standard input and writes `Results`.

Raw sockets and a C parser: some 40 µs a call, of which a part is reading each answer to the letter.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import httptools
import msgspec
import uvloop

from penstock.bench.gateway.questions import KINDS, answer, request
from penstock.bench.gateway.wire import text_of

__all__ = ["Order", "Result", "Results", "Target", "main"]

_PATIENCE = 60.0
"""Seconds that an answer may take."""


class Target(msgspec.Struct, frozen=True):
    """Who is asked, and how."""

    url: str
    """``http://host:port``, without a path."""
    headers: dict[str, str]
    model: str


class Order(msgspec.Struct, frozen=True):
    """What to ask: ``count`` questions of each target, with numbers from ``first`` on.

    Without a rate there are always ``flight`` questions under way at each target. With one, questions begin at each
    target at moments of a Poisson process, whatever has become of those before; the targets take turns by chance.
    """

    kind: str
    targets: list[Target]
    first: int
    count: int
    same: bool = False
    """All questions have the first number."""
    after: int = 0
    """Milliseconds that the upstream takes for an answer."""
    flight: int = 32
    rate: float = 0.0
    """Questions a second, of each target."""


class Result(msgspec.Struct):
    """What came back from one target."""

    right: int = 0
    """Answers of status 200 with the very text of the question's answer."""
    wrong: int = 0
    problems: list[str] = []
    """What the first few wrong ones were."""
    seconds: list[float] = []
    """From the moment a question was due to the last byte of its answer, sorted; for an order with a rate."""


class Results(msgspec.Struct):
    """What came back, by target."""

    targets: list[Result]
    seconds: float
    """How long it all took."""


class _Connection(asyncio.Protocol):
    """One connection to a target: one question at a time."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._body: list[bytes] = []
        self._answered: asyncio.Future[tuple[int, bytes]] | None = None
        self._transport: asyncio.Transport

    def ask(self, request: bytes) -> asyncio.Future[tuple[int, bytes]]:
        """The status and the body of the answer."""
        self._answered = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._answered

    @property
    def usable(self) -> bool:
        return not self._transport.is_closing()

    def close(self) -> None:
        self._transport.close()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(ConnectionError("the connection ended before the answer"))

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            if self._answered is not None and not self._answered.done():
                self._answered.set_exception(error)
            self._transport.close()

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_result((self._parser.get_status_code(), b"".join(self._body)))
        self._body = []
        if not self._parser.should_keep_alive():
            self._transport.close()


class _Asker:
    """Asks one target, over as many connections as it takes."""

    def __init__(self, order: Order, target: Target) -> None:
        self.result = Result(problems=[], seconds=[])
        self._kind = KINDS[order.kind]
        self._free: list[_Connection] = []
        address = urlsplit(target.url)
        self._host, self._port = address.hostname or "", address.port or 80
        before, behind = request(self._kind, target.model, after=order.after)
        headers = {"host": address.netloc, "content-type": "application/json", **target.headers}
        head = f"POST {self._kind.path} HTTP/1.1\r\n" + "".join(f"{name}: {each}\r\n" for name, each in headers.items())
        head += f"content-length: {len(before) + 10 + len(behind)}\r\n\r\n"
        self._before, self._behind = head.encode() + before, behind

    async def ask(self, number: int) -> None:
        """Ask one question and judge the answer."""
        try:
            async with asyncio.timeout(_PATIENCE):
                connection = await self._connection()
                status, body = await connection.ask(b"%b%010d%b" % (self._before, number, self._behind))
        except (OSError, TimeoutError, httptools.HttpParserError) as error:
            return self._wrong(f"{type(error).__name__}: {error}")
        self._free.append(connection)
        try:
            right = status == 200 and text_of(body, stream=self._kind.stream) == "".join(answer(number))
        except ValueError:
            right = False
        if right:
            self.result.right += 1
        else:
            self._wrong(f"{status}: {body[:300].decode(errors='replace')}")

    async def ask_at(self, due: float, number: int) -> None:
        """Ask a question whose time is ``due``; what it waited here for is part of what it took."""
        await self.ask(number)
        self.result.seconds.append(time.perf_counter() - due)

    def _wrong(self, problem: str) -> None:
        self.result.wrong += 1
        if len(self.result.problems) < 3:
            self.result.problems.append(problem)

    async def _connection(self) -> _Connection:
        while self._free:
            connection = self._free.pop()
            if connection.usable:
                return connection
        _, connection = await asyncio.get_running_loop().create_connection(_Connection, self._host, self._port)
        return connection

    def close(self) -> None:
        for connection in self._free:
            connection.close()


async def _run(order: Order) -> Results:
    askers = [_Asker(order, target) for target in order.targets]
    began = time.perf_counter()
    await (_at_rate(order, askers) if order.rate else _in_flight(order, askers))
    seconds = time.perf_counter() - began
    for asker in askers:
        asker.close()
        asker.result.seconds.sort()
    return Results([asker.result for asker in askers], seconds)


def _numbers(order: Order) -> Iterator[int]:
    return iter([order.first] * order.count if order.same else range(order.first, order.first + order.count))


async def _in_flight(order: Order, askers: list[_Asker]) -> None:
    async def work(asker: _Asker, numbers: Iterator[int]) -> None:
        for number in numbers:
            await asker.ask(number)

    async with asyncio.TaskGroup() as tasks:
        for asker in askers:
            numbers = _numbers(order)
            for _ in range(order.flight):
                tasks.create_task(work(asker, numbers))


async def _at_rate(order: Order, askers: list[_Asker]) -> None:
    chance = random.Random(order.first)
    plan: list[tuple[float, int, _Asker]] = []
    for asker in askers:
        moment = 0.0
        for number in _numbers(order):
            moment += chance.expovariate(order.rate)
            plan.append((moment, number, asker))
    began = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for moment, number, asker in sorted(plan, key=lambda each: each[0]):
            due = began + moment
            if (early := due - time.perf_counter()) > 0:
                await asyncio.sleep(early)
            tasks.create_task(asker.ask_at(due, number))


def main() -> None:
    """Carry out the order."""
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        results = runner.run(_run(order))
    sys.stdout.buffer.write(msgspec.json.encode(results))


if __name__ == "__main__":
    main()
