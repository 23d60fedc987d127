"""What goes over one connection: several requests at once, what is no request, wishes for other protocols."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import msgspec
import pytest
from gatehouse import CHAT, Gatehouse, gatehouse

from penstock.gateway import server
from penstock.gateway.cycle import LEFT, Cycle
from penstock.testing import Plan


async def connection(gate: Gatehouse) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, _, port = gate.url.removeprefix("http://").partition(":")
    return await asyncio.open_connection(host, int(port))


def request(text: str, **headers: str) -> bytes:
    body = msgspec.json.encode({**CHAT, "messages": [{"role": "user", "content": text}]})
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n{lines}content-length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def response(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], Any]:
    """Status, headers and the JSON of the next response of a connection."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in head[1:] if line)
    return int(head[0].split()[1]), headers, json.loads(await reader.readexactly(int(headers["content-length"])))


def test_requests_sent_together_are_answered_in_their_order() -> None:
    async def main() -> None:
        async with gatehouse(lambda exchange: Plan(exchange.question.body["messages"][0]["content"])) as gate:
            reader, writer = await connection(gate)
            writer.write(b"".join(request(f"number {number}") for number in range(20)))
            for number in range(20):
                status, headers, body = await response(reader)
                assert status == 200
                assert body["choices"][0]["message"]["content"] == f"number {number}"
                assert "connection" not in headers
            writer.close()

    asyncio.run(main())


def test_who_leaves_with_a_second_request_waiting_calls_off_the_first() -> None:
    async def main() -> None:
        async with gatehouse(Plan(hang=True)) as gate:
            _, writer = await connection(gate)
            writer.write(request("one") + request("two"))
            await gate.up.until(lambda: gate.up.in_flight == 1)
            writer.transport.abort()
            await gate.quiet()
            assert len(gate.up.exchanges) == 1
            assert b"\npenstock_disconnects_total 1\n" in (await gate.get("/metrics"))[2]

    asyncio.run(main())


def test_a_connection_is_closed_after_the_answer_to_who_wants_that() -> None:
    async def main() -> None:
        async with gatehouse("Because.") as gate:
            reader, writer = await connection(gate)
            writer.write(request("why", connection="close"))
            _, headers, _ = await response(reader)
            assert headers["connection"] == "close"
            assert await reader.read() == b""
            writer.close()

    asyncio.run(main())


def test_an_idle_connection_is_closed_and_a_busy_one_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "KEEP_ALIVE_SECONDS", 0.05)

    async def main() -> None:
        async with gatehouse(Plan("Because.", latency=0.3)) as gate:
            reader, writer = await connection(gate)
            for text in ("one", "two"):
                writer.write(request(text))  # takes six times as long as a connection may be idle
                assert (await response(reader))[0] == 200
            assert await reader.read() == b""
            writer.close()

    asyncio.run(main())


def test_a_body_that_never_comes_keeps_no_connection_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "KEEP_ALIVE_SECONDS", 0.05)

    async def main() -> None:
        async with gatehouse("Because.") as gate:
            reader, writer = await connection(gate)
            writer.write(b"POST /nope HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n")
            assert (await response(reader))[0] == 404
            async with asyncio.timeout(20):
                assert await reader.read() == b""
            writer.close()

    asyncio.run(main())


def test_a_stream_to_an_older_client_ends_with_its_connection() -> None:
    async def main() -> None:
        async with gatehouse("Because.") as gate:
            reader, writer = await connection(gate)
            body = msgspec.json.encode({**CHAT, "stream": True})
            head = b"POST /v1/chat/completions HTTP/1.0\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n"
            writer.write(head % len(body) + body)
            told = (await reader.readuntil(b"\r\n\r\n")).lower()
            assert b"transfer-encoding" not in told
            assert b"\r\nconnection: close\r\n" in told
            assert (await reader.read()).endswith(b"data: [DONE]\n\n")
            writer.close()

    asyncio.run(main())


def test_the_head_of_an_answer_alone_is_told_on_request() -> None:
    async def main() -> None:
        async with gatehouse("Because.") as gate:
            reader, writer = await connection(gate)
            writer.write(b"HEAD /health HTTP/1.1\r\nhost: localhost\r\n\r\n" + request("why"))
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 OK\r\n")
            assert b"content-length: " in head
            assert (await response(reader))[0] == 200  # and nothing lies between the two
            writer.close()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("data", "status"), [(b"\r\nno request\r\n\r\n", 400), (b"GET / HTTP/1.1\r\nx: " + b"y" * (1 << 16), 431)]
)
def test_what_is_no_request_is_answered_in_a_shape_that_clients_read(data: bytes, status: int) -> None:
    async def main() -> None:
        async with gatehouse("Because.") as gate:
            reader, writer = await connection(gate)
            writer.write(data[:16])
            assert (await gate.get("/health"))[0] == 200  # by now it has been read, and the rest comes by itself
            writer.write(data[16:])
            told, headers, body = await response(reader)
            assert (told, headers["content-type"], headers["connection"]) == (status, "application/json", "close")
            assert body["type"] == "error"
            assert body["error"]["type"] == "invalid_request_error"
            assert body["error"]["message"]
            writer.close()

    asyncio.run(main())


def test_a_web_socket_is_declined_so_that_a_client_asks_plainly() -> None:
    async def main() -> None:
        async with gatehouse("Because.") as gate:
            wish = {"connection": "Upgrade", "upgrade": "websocket", "sec-websocket-version": "13"}
            status, headers, body = await gate.get("/v1/responses", {**wish, "sec-websocket-key": "AAAA"})
            assert (status, headers["allow"]) == (426, "POST")
            assert "WebSocket" in json.loads(body)["error"]["message"]

    asyncio.run(main())


def test_an_application_hears_that_the_client_left_also_when_it_asks_late() -> None:
    async def main() -> None:
        scope: dict[str, Any] = {"method": "POST", "extensions": {}}
        cycle = Cycle(
            scope,  # type: ignore[arg-type]
            **dict.fromkeys(("transport", "flow", "logger", "access_logger"), None),  # type: ignore[arg-type]
            access_log=False,
            default_headers=[],
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=True,
            on_response=lambda: None,
        )
        scope["extensions"][LEFT] = cycle.when_left
        cycle.left()
        heard: list[int] = []
        cycle.when_left(lambda: heard.append(1))
        assert heard == [1]
        assert (await cycle.receive())["type"] == "http.disconnect"

    asyncio.run(main())
