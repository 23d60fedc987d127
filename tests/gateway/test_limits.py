"""What the gateway bears, and what it turns away: sizes, depths, silences, budgets, deadlines."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import random
import zlib
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from gatehouse import CHAT, gatehouse

from penstock.errors import BadInput, Rejected
from penstock.gateway import body as bodies
from penstock.gateway import cycle
from penstock.gateway.endpoints import ENDPOINTS
from penstock.gateway.terms import MECHANISMS, Terms, terms
from penstock.testing import FakeClock, Plan

RAW = msgspec.json.encode(CHAT)


def test_packed_bodies_are_unpacked_within_limits() -> None:
    async def main() -> None:
        async with gatehouse("Because.", most_bytes=100_000) as gate:
            deflated = zlib.compress(RAW)
            for coding, packed in (
                ("gzip", gzip.compress(RAW)),
                ("deflate", deflated),
                ("deflate", deflated[2:-4]),
                ("identity", RAW),
            ):
                status, _, _ = await gate.post(packed, headers={"content-encoding": coding, "x-penstock-off": "all"})
                assert status == 200
                assert gate.up.exchanges[-1].body == RAW
                assert "content-encoding" not in gate.up.exchanges[-1].headers
            bomb = gzip.compress(bytes(50_000_000))
            assert (await gate.post(bomb, headers={"content-encoding": "gzip"}))[0] == 413
            assert (await gate.post(RAW, headers={"content-encoding": "br"}))[0] == 415
            for broken in (RAW, gzip.compress(RAW)[:-9], gzip.compress(RAW) + b"more"):
                assert (await gate.post(broken, headers={"content-encoding": "gzip"}))[0] == 400

    asyncio.run(main())


def test_too_large_too_deep_and_no_json() -> None:
    async def main() -> None:
        async with gatehouse("Because.", most_bytes=100_000) as gate:
            assert (await gate.post(b'{"x": "' + b"x" * 200_000 + b'"}'))[0] == 413

            async def dripped() -> Any:
                for _ in range(20):
                    yield b" " * 10_000

            async with gate.web.post(gate.url + "/v1/chat/completions", data=dripped()) as response:
                assert response.status == 413
            for depth in (300, 900, 985, 1_000, 20_000):
                deep = b'{"model":"mine","messages":' + b"[" * depth + b"]" * depth + b"}"
                status, _, said = await gate.post(deep)
                assert (status, depth) in {(200, 300), (200, 900), (200, 985), (400, 985), (400, 1_000), (400, 20_000)}
                if status == 400:
                    assert msgspec.json.decode(said)["error"]["type"] == "invalid_request_error"
            for wrong in (b"", b"[]", b"{", b"\xff", b'{"a":1}{}'):
                assert (await gate.post(wrong))[0] == 400
            assert (await gate.post(RAW))[0] == 200

    asyncio.run(main())


def anything(chance: random.Random, depth: int = 0) -> Any:
    """Any JSON, more often than not with the fields that calls have."""
    kind = chance.randrange(9 if depth < 4 else 6)
    if kind < 6:
        return (None, True, -(10**25), 0.5, "x\u0000\ud7ff", "user")[kind]
    if kind == 6:
        return [anything(chance, depth + 1) for _ in range(chance.randrange(4))]
    names = (
        "model",
        "messages",
        "role",
        "content",
        "stream",
        "max_tokens",
        "n",
        "tools",
        "type",
        "text",
        "input",
        "",
        "é",
    )
    return {chance.choice(names): anything(chance, depth + 1) for _ in range(chance.randrange(6))}


def test_no_request_makes_the_gateway_fail() -> None:
    async def main() -> None:
        chance = random.Random(11)
        paths = [each.name for each in ENDPOINTS if each.dialect]
        odd = ["", "0", "-1", "1e400", "NaN", "all", "é", "$1", "2020-01-01T00:00:00Z", "x" * 300]
        names = ["x-penstock-off", "x-penstock-budget", "x-penstock-by", "x-penstock-scope", "cache-control"]
        names += ["x-stainless-read-timeout", "x-stainless-retry-count", "content-encoding", "authorization"]
        async with gatehouse("Because.") as gate:
            for number in range(600):
                body = msgspec.json.encode(anything(chance))
                if number % 7 == 0:
                    body = body[: chance.randrange(len(body) + 1)]
                headers = {name: chance.choice(odd) for name in chance.sample(names, 2)} if number % 3 == 0 else {}
                status, _, said = await gate.post(body, "/v1/" + chance.choice(paths), headers)
                assert status < 500 or status in {502, 504}, (status, body, headers, said)
                if status == 502:  # the stand-in for an upstream has no such endpoint, or read the body otherwise
                    assert gate.up.served
            assert (await gate.get("/health"))[0] == 200

    asyncio.run(main())


def test_heads_are_limited() -> None:
    async def main() -> None:
        async with gatehouse("Because.") as gate:
            host, _, port = gate.url.removeprefix("http://").partition(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(b"GET /health HTTP/1.1\r\nhost: localhost\r\n")
            told = b""
            with contextlib.suppress(ConnectionError):  # a reset may overtake the words
                async with asyncio.timeout(20):
                    for number in range(400):
                        writer.write(b"x-%d: " % number + b"y" * 1010 + b"\r\n")
                        await writer.drain()
                        await asyncio.sleep(0)
                    told = await reader.readline()
            assert told in {b"", b"HTTP/1.1 431 Request Header Fields Too Large\r\n"}
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
            assert (await gate.get("/health", {"x-large": "y" * 30_000}))[0] == 200

    asyncio.run(main())


def test_a_client_that_stops_in_the_middle_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cycle, "SILENCE_SECONDS", 0.05)

    async def main() -> None:
        async with gatehouse("Because.") as gate:
            host, _, port = gate.url.removeprefix("http://").partition(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(b"POST /v1/messages HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{")
            assert (await reader.readline()).startswith(b"HTTP/1.1 408")
            assert b'"type":"error"' in await reader.read()
            writer.close()

    asyncio.run(main())


def test_a_budget_of_one_request() -> None:
    async def main() -> None:
        async with gatehouse("Because.") as gate:
            status, headers, said = await gate.post(CHAT, headers={"x-penstock-budget": "$0.000001"})
            assert (status, headers["x-should-retry"]) == (402, "false")
            told = msgspec.json.decode(said)["error"]
            assert told["code"] == "budget_exceeded"
            assert "and the budget of this call has $0.000001 left" in told["message"]
            assert not gate.up.exchanges
            assert (await gate.post(CHAT, headers={"x-penstock-budget": "$1"}))[0] == 200
            assert (await gate.post(CHAT, headers={"x-penstock-budget": "$0.000001"}))[0] == 200  # a reply is there
            assert (await gate.post(CHAT, headers={"x-penstock-budget": "much"}))[0] == 400
            admission: Any = gate.runtime.engine.admission
            assert not [path for path in admission._applying if len(path) > 1]

    asyncio.run(main())


def test_a_mechanism_that_does_not_exist_cannot_be_left_out() -> None:
    async def main() -> None:
        async with gatehouse("Because.") as gate:
            status, _, said = await gate.post(CHAT, headers={"x-penstock-off": "reuse, layuot"})
            assert status == 400
            told = msgspec.json.decode(said)["error"]
            assert told["type"] == "invalid_request_error"
            assert "'layuot'" in told["message"]
            assert "known are reuse, layout, compress, prune, route, bundle, defer, and all" in told["message"]
            assert not gate.up.exchanges
            assert (await gate.post(CHAT, headers={"x-penstock-off": "prune,defer"}))[0] == 200  # not built, yet known

    asyncio.run(main())


def test_the_budget_of_the_configuration_is_each_tenants() -> None:
    async def main() -> None:
        async with gatehouse("Because.", budget="$0.00013") as gate:
            key = {"authorization": "Bearer sk-a"}
            answers = [
                await gate.post({**CHAT, "n": 1, "user": str(n), "temperature": 1}, headers=key) for n in range(9)
            ]
            statuses = [status for status, _, _ in answers]
            assert statuses[0] == 200
            assert statuses[-1] == 402
            assert (await gate.post(CHAT, headers={"authorization": "Bearer sk-b"}))[0] == 200

    asyncio.run(main())


def test_deadlines() -> None:
    async def main() -> None:
        async with gatehouse(Plan("Because.", latency=20), keyed=True) as gate:
            for headers in ({"x-penstock-by": "0.05"}, {"x-stainless-read-timeout": "0.05"}):
                for stream in (True, False):
                    status, told, _ = await gate.post({**CHAT, "stream": stream}, headers=headers)
                    assert (status, told["x-should-retry"]) == (504, "false")
            await gate.up.until(lambda: gate.up.disconnects == 4)

    asyncio.run(main())


def test_a_read_timeout_bounds_the_beginning_of_a_stream_not_its_length() -> None:
    async def main() -> None:
        async with gatehouse(Plan("An answer in many pieces.", gap=0.03, piece=2)) as gate:
            status, _, said = await gate.post({**CHAT, "stream": True}, headers={"x-stainless-read-timeout": "0.2"})
            assert status == 200
            assert said.endswith(b"data: [DONE]\n\n")

    asyncio.run(main())


def test_terms() -> None:
    clock = FakeClock()
    moment = datetime.fromtimestamp(clock.now(), UTC) + timedelta(seconds=90)
    for by in (
        "90",
        moment.isoformat(),
        moment.isoformat().replace("+00:00", "Z"),
        moment.replace(tzinfo=None).isoformat(),
    ):
        assert terms({"x-penstock-by": by}, clock).deadline == pytest.approx(clock.monotonic() + 90)
    for wrong in ("soon", "nan", "inf", "2026-13-01"):
        with pytest.raises(BadInput, match="x-penstock-by"):
            terms({"x-penstock-by": wrong}, clock)
    assert terms({"x-stainless-read-timeout": "NOT_GIVEN", "x-penstock-off": " layout, ,reuse"}, clock) == Terms(
        off=frozenset({"layout", "reuse"})
    )
    for word in ("all", *MECHANISMS):
        assert terms({"x-penstock-off": word}, clock).off == {word}
    for wrong in ("reuse,layuot", "ALL", "everything"):
        with pytest.raises(BadInput, match=r"'(layuot|ALL|everything)', .* are reuse, layout, .*, and all\)"):
            terms({"x-penstock-off": wrong}, clock)
    with pytest.raises(BadInput, match="scope"):
        terms({"x-penstock-scope": "x" * 201}, clock)


def test_unpack_never_unpacks_more_than_it_may() -> None:
    with pytest.raises(Rejected):
        bodies.unpack(gzip.compress(bytes(2000)), "gzip", most=1999)
    assert bodies.unpack(gzip.compress(bytes(2000)), "gzip", most=2000) == bytes(2000)


def test_a_few_bytes_do_not_unpack_to_megabytes() -> None:
    with pytest.raises(Rejected, match="larger"):
        bodies.unpack(gzip.compress(b" " * (8 << 20)), "gzip", most=bodies.MOST_BYTES)
    text = msgspec.json.encode([{"line": number, "text": "as it is"} for number in range(50_000)])
    assert bodies.unpack(gzip.compress(text), "gzip", most=bodies.MOST_BYTES) == text
