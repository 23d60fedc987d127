"""More than the gateway can bear, and an upstream that can bear nothing: counted, with time that stands still.

How fast all this is, is measured by ``scripts/bench overload``.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import anthropic
import msgspec
import openai
import pytest
from gatehouse import CHAT, MESSAGES, PRICES

from penstock.config import ProviderSettings, Settings
from penstock.gateway.serve import serving
from penstock.gateway.server import Server, bind, loop_factory
from penstock.runtime import build
from penstock.testing import FakeClock, Plan, Upstream

SEATS = 8
LINE = 2 * SEATS
SLOW = Plan("Because.", latency=10.0)
CHATS, MESSAGE = "/v1/chat/completions", "/v1/messages"

Told = tuple[int, Mapping[str, str], bytes]


class House(msgspec.Struct):
    """A gateway and its upstream on one clock."""

    clock: FakeClock
    up: Upstream
    url: str
    web: aiohttp.ClientSession

    async def post(self, number: int, path: str = CHATS, padding: int = 0, **headers: str) -> Told:
        """A call that nobody else asks."""
        asked = {**CHAT, "messages": [{"role": "user", "content": f"{number}" + " " * padding}]}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.web.post(self.url + path, data=msgspec.json.encode(asked), headers=named) as response:
            return response.status, response.headers, await response.read()

    async def health(self) -> tuple[int, int]:
        """Calls in flight, and those that wait for a seat."""
        async with self.web.get(self.url + "/health") as response:
            told = await response.json()
        return told["in_flight"], told["waiting"]

    async def crowd(self, count: int) -> list[asyncio.Task[Told]]:
        """So many calls, all of them with a seat or in the line."""
        tasks = [asyncio.create_task(self.post(number)) for number in range(count)]
        while sum(await self.health()) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        await self.up.until(lambda: len(self.up.exchanges) == min(count, SEATS))
        return tasks

    async def released(self, tasks: list[asyncio.Task[Told]]) -> list[int]:
        """Let time pass until these have their answers: the statuses."""
        while any(not task.done() for task in tasks):
            await asyncio.wait(tasks, timeout=0.01)
            await self.clock.advance(1.0)
        return [task.result()[0] for task in tasks]

    async def metric(self, name: str) -> int:
        """The value of a counter."""
        async with self.web.get(self.url + "/metrics") as response:
            lines = (await response.text()).splitlines()
        return next(int(line.rpartition(" ")[2]) for line in lines if line.startswith(name + " "))


@asynccontextmanager
async def house(reply: Any = SLOW, *, seats: int = SEATS) -> AsyncGenerator[House]:
    clock = FakeClock()
    async with Upstream(reply, clock=clock) as up:
        described = {
            name: ProviderSettings(name, up.url, models=("mine",))  # type: ignore[arg-type]
            for name in ("openai", "anthropic")
        }
        keys = dict.fromkeys(described, "configured")
        settings = Settings(providers=described, prices=PRICES, max_concurrency=1000)
        runtime = await build(settings, keys=keys, clock=clock)
        try:
            async with (
                serving(runtime, given=frozenset(keys), seats=seats) as url,
                aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as web,
            ):
                yield House(clock, up, url, web)
        finally:
            await runtime.close()


def inside(body: Callable[[House], Awaitable[None]], **options: Any) -> None:
    async def main() -> None:
        async with house(**options) as at:
            await body(at)

    asyncio.run(main())


def test_five_times_what_fits() -> None:
    async def body(at: House) -> None:
        within = await at.crowd(SEATS + LINE)
        assert await at.health() == (SEATS, LINE)
        refused = await asyncio.gather(
            *(at.post(100 + number, (CHATS, MESSAGE)[number % 2]) for number in range(5 * SEATS - SEATS - LINE))
        )
        for number, (status, headers, said) in enumerate(refused):
            error = msgspec.json.decode(said)["error"]
            assert (status, headers["retry-after"]) == (503, "1")
            assert "x-should-retry" not in headers
            assert error["type"] == ("overloaded_error" if number % 2 else "server_error")
        assert await at.health() == (SEATS, LINE)
        assert len(at.up.exchanges) == SEATS, "who waits is not known upstream, who was refused never will be"
        assert await at.metric("penstock_shed_total") == len(refused)
        assert await at.released(within) == [200] * (SEATS + LINE)
        assert len(at.up.exchanges) == SEATS + LINE
        assert await at.health() == (0, 0)
        at.up.reply = "At once."
        assert [status for status, _, _ in await asyncio.gather(*map(at.post, range(200, 200 + SEATS)))] == [200] * 8

    inside(body)


def test_who_could_not_be_answered_in_time_is_told_at_once() -> None:
    async def body(at: House) -> None:
        assert await at.released(await at.crowd(1)) == [200]  # now it is known that a call takes ten seconds
        within = [asyncio.create_task(at.post(number)) for number in range(1, 17)]
        await at.up.until(lambda: len(at.up.exchanges) == 17)
        assert (await at.post(50, x_penstock_by="10"))[0] == 503
        patient = asyncio.create_task(at.post(51, x_penstock_by="60"))
        while await at.health() != (16, 1):  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        assert len(at.up.exchanges) == 17
        assert await at.released([*within, patient]) == [200] * 17

    inside(body, seats=16)


def test_an_exhausted_budget_is_not_overload() -> None:
    async def body(at: House) -> None:
        status, headers, _ = await at.post(0, x_penstock_budget="$0.000001")
        assert (status, headers["x-should-retry"], headers.get("retry-after")) == (402, "false", None)
        within = await at.crowd(SEATS + LINE)
        assert (await at.post(50, x_penstock_budget="$0.000001"))[0] == 503, "nobody looks at a budget now"
        assert await at.metric("penstock_shed_total") == 1
        async with at.web.get(at.url + "/v1/models") as response:
            assert response.status == 200, "what needs no seat is answered"
        await at.released(within)

    inside(body)


# On the wire --------------------------------------------------------------------------------------------------------


def request(number: int, *fields: str, path: str = CHATS, chunked: bool = False) -> bytes:
    asked = msgspec.json.encode({**CHAT, "messages": [{"role": "user", "content": str(number)}]})
    body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(asked), asked) if chunked else asked
    length = "transfer-encoding: chunked" if chunked else f"content-length: {len(asked)}"
    lines = (f"POST {path} HTTP/1.1", "host: localhost", length, *fields)
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def response(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
    return int(head[9:12]), await reader.readexactly(length)


def test_a_refusal_is_the_same_however_the_request_comes_and_leaves_the_connection_whole() -> None:
    async def body(at: House) -> None:
        host, _, port = at.url.removeprefix("http://").partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        within = await at.crowd(SEATS + LINE)
        writer.write(request(1))
        status, said = await response(reader)
        assert status == 503
        whole = request(2)
        for odd in (request(3) + request(4), request(5, chunked=True), request(6, path=CHATS + "?x=1"), whole):
            for piece in (odd[:90], odd[90:]) if odd is whole else (odd,):
                writer.write(piece)
                await writer.drain()
                await at.health()  # the gateway has seen the piece
            for _ in range(2 if b"POST" in odd[1:] else 1):
                assert await response(reader) == (503, said)
        assert (await at.post(7, padding=300_000))[0] == 503
        await at.released(within)
        at.up.reply = "Because."
        writer.write(request(8))
        assert (await response(reader))[0] == 200
        writer.close()
        await writer.wait_closed()

    inside(body)


def test_a_connection_that_is_to_be_closed_is_closed_with_the_refusal() -> None:
    async def body(at: House) -> None:
        host, _, port = at.url.removeprefix("http://").partition(":")
        within = await at.crowd(SEATS + LINE)
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(request(1, "connection: close"))
        assert (await response(reader))[0] == 503
        assert await reader.read() == b""
        writer.close()
        await at.released(within)

    inside(body)


# A storm upstream ---------------------------------------------------------------------------------------------------


def test_an_outage_upstream_is_not_fed_and_ends_within_a_second() -> None:
    """The SDKs as they are by default. Offered is what the applications ask for, once each as far as they know."""
    rounds, clients = 10, 20

    async def body(at: House) -> None:
        async with (
            openai.AsyncOpenAI(base_url=f"{at.url}/v1", api_key="sk-own") as one,
            anthropic.AsyncAnthropic(base_url=at.url, api_key="sk-own") as other,
        ):
            asking: tuple[Callable[..., Awaitable[Any]], ...] = (one.chat.completions.create, other.messages.create)

            async def ask(number: int) -> int:
                asked: Any = [{**MESSAGES[0], "content": str(number)}]
                try:
                    await asking[number % 2](model="mine", max_tokens=50, messages=asked)
                except (openai.APIStatusError, anthropic.APIStatusError) as error:
                    return error.status_code
                return 200

            async def together(start: int) -> list[int]:
                tasks = [asyncio.create_task(ask(start + number)) for number in range(clients)]
                while (await asyncio.wait(tasks, timeout=0.05))[1]:
                    await at.clock.advance(0.25)  # who waits for another try need not wait for real
                return [task.result() for task in tasks]

            for number in range(rounds):
                assert await together(number * clients) == [529] * clients
                await at.clock.advance(0.5)
            assert len(at.up.exchanges) <= 1.1 * rounds * clients
            at.up.reply = "Because."
            await at.clock.advance(1.0)
            assert await asyncio.gather(ask(10_000), ask(10_001)) == [200, 200]
            assert await together(20_000) == [200] * clients

    inside(body, reply=Plan("overloaded", status=529))


def test_who_connects_does_not_wait_for_those_who_connected_before() -> None:
    """uvloop accepts one connection for each listener in one turn of its loop, and turns are long under load."""
    pytest.importorskip("uvloop")
    crowd = 64

    async def app(scope: Any, receive: Any, send: Any) -> None:
        """Nobody asks anything."""

    async def main() -> None:
        up = asyncio.Event()
        sock = bind("127.0.0.1", 0)
        server = Server(app, ready=up.set)
        serving = asyncio.create_task(server.serve([sock]))
        await up.wait()
        clients = [socket.create_connection(sock.getsockname()) for _ in range(crowd)]
        turns = 0
        while len(server.server_state.connections) < crowd:
            turns += 1
            await asyncio.sleep(0)
        assert turns <= crowd / 2
        for client in clients:
            client.close()
        server.stop()
        await serving

    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(main())
