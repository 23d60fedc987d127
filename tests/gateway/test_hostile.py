"""Hostile and strange input: a small part, the same in every run, of what ``scripts/bench hostile`` throws."""

from __future__ import annotations

import asyncio
import json
import logging
import traceback
from pathlib import Path
from typing import Any

import openai
import pytest
from gatehouse import CHAT, Gatehouse, gatehouse
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.bench.hostile.bodies import anything
from penstock.bench.hostile.parsers import TARGETS, Target
from penstock.bench.hostile.shot import Answer, Shot, fire, request
from penstock.bench.hostile.shots import KINDS, shots
from penstock.bench.hostile.verdicts import MISHAP, Tally, verdict
from penstock.config import load
from penstock.errors import ConfigError
from penstock.providers.dialects import NAMES
from penstock.testing import Plan
from penstock.testing.upstream import Exchange

NUMBER = 70
"""Shots of each kind."""


def mishaps(exchange: Exchange) -> Plan:
    if exchange.number % 40 == 39:
        return Plan(MISHAP, status=500, headers={"x-should-retry": "false"})
    return Plan("Because.")


def address(gate: Gatehouse) -> tuple[str, int]:
    host, _, port = gate.url.removeprefix("http://").partition(":")
    return host, int(port)


async def nothing_left(gate: Gatehouse) -> None:
    """All calls have ended and nothing is set aside."""
    await gate.quiet()
    engine: Any = gate.runtime.engine
    health = json.loads((await gate.get("/health"))[2])
    assert (health["in_flight"], health["waiting"], gate.up.in_flight, len(engine._flights)) == (0, 0, 0, 0)
    assert not await engine.admission.holds._database.read(lambda it: it.execute("SELECT id FROM holds").fetchall())


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_thrown_at_it_makes_it_fail(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    tally = Tally()

    async def throw(gate: Gatehouse, drawn: list[Shot]) -> None:
        for shot in drawn:
            tally.add(shot, await fire(address(gate), shot), kind)

    async def main() -> None:
        drawn = shots(kind, NUMBER, 11)
        async with gatehouse(mishaps, shared=True) as gate:
            await asyncio.gather(*(throw(gate, drawn[start::4]) for start in range(4)))
            await nothing_left(gate)
            gate.up.reply = "Because."
            assert (await gate.post({**CHAT, "temperature": 1}))[0] == 200

    asyncio.run(main())
    assert tally.sent == NUMBER
    assert tally.findings == []
    assert tally.counts["4xx"] or tally.counts["refused, no HTTP"]
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_nothing_thrown_at_a_full_house_makes_it_fail(caplog: pytest.LogCaptureFixture) -> None:
    tally = Tally()
    post = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n"
    doubtful = (
        b"content-length: 2\r\ncontent-length: 48\r\n\r\n{}",
        b"content-length: 48\r\ncontent-length: 2\r\n\r\n{}",
        b"transfer-encoding : chunked\r\ncontent-length: 2\r\n\r\n{}",
        b"content-length: " + b"9" * 5000 + b"\r\n\r\n{}",
    )

    async def full(gate: Gatehouse) -> bool:
        return json.loads((await gate.get("/health"))[2])["waiting"] == 2

    async def main() -> None:
        async with gatehouse(Plan(hang=True), shared=True, seats=1) as gate:
            body = {**CHAT, "temperature": 1}
            held = [asyncio.create_task(gate.post({**body, "user": str(number)})) for number in range(3)]
            while not await full(gate):  # noqa: ASYNC110
                await asyncio.sleep(0)
            for kind in ("framing", "headers"):
                for shot in shots(kind, NUMBER, 11):
                    tally.add(shot, await fire(address(gate), shot), kind)
            for (
                head
            ) in doubtful:  # said by the parser, which closes: who comes behind it is not to be taken for a request
                (answer,) = await fire(address(gate), Shot((post + head,), framed=False))
                assert (answer.status, answer.headers["connection"]) == (400, "close")
            for task in held:
                task.cancel()
            await asyncio.gather(*held, return_exceptions=True)
            await nothing_left(gate)

    asyncio.run(main())
    assert tally.findings == []
    assert tally.counts["503 shed"]
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


@pytest.mark.parametrize("digits", [4290, 4297, 4300, 4301, 9000])
def test_numbers_too_long_to_be_written(digits: int, caplog: pytest.LogCaptureFixture) -> None:
    nines = b"9" * digits
    poor = {"x-penstock-budget": "5c"}

    async def main() -> None:
        async with gatehouse("Because.", shared=True) as gate:
            for field in ("max_tokens", "max_completion_tokens", "n", "temperature", "seed"):
                body = json.dumps({**CHAT, field: "?"}).encode().replace(b'"?"', nines)
                for headers in ({}, poor):
                    for path in ("/v1/chat/completions", "/v1/messages"):
                        status, _, said = await gate.post(body, path, headers)
                        assert status in {200, 400, 402}, (field, said)
            assert (await gate.post(CHAT, headers={"x-penstock-budget": nines.decode()}))[0] in {200, 400}
            await nothing_left(gate)

    asyncio.run(main())
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_the_name_of_a_model_is_not_remembered_at_any_length() -> None:
    async def main() -> None:
        async with gatehouse("Because.") as gate:
            for length, expected in ((1000, 200), (1001, 400), (1_000_000, 400)):
                for path in ("/v1/chat/completions", "/v1/messages", "/v1/embeddings"):
                    assert (await gate.post({**CHAT, "input": "Why?", "model": "m" * length}, path))[0] == expected

    asyncio.run(main())


def test_a_client_that_sends_all_before_it_reads_hears_that_it_is_too_much() -> None:
    async def main() -> None:
        body = {**CHAT, "user": "x" * 6_000_000}
        async with gatehouse("Because.", most_bytes=100_000) as gate:
            async with openai.AsyncOpenAI(base_url=gate.url + "/v1", api_key="sk-x", max_retries=0) as client:
                with pytest.raises(openai.APIStatusError) as raised:
                    await client.chat.completions.create(**body)
                assert raised.value.status_code == 413
            raw = json.dumps(body).encode()
            expecting = request("POST", "/v1/messages", [("expect", "100-continue"), ("content-length", str(len(raw)))])
            (answer,) = await fire(address(gate), Shot((expecting,)))  # told before it sends anything
            assert answer.status == 413

    asyncio.run(main())


def test_what_never_streams_says_so() -> None:
    async def main() -> None:
        async with gatehouse("Because.") as gate:
            for path in ("/v1/embeddings", "/v1/messages/count_tokens"):
                _, told, said = await gate.post({**CHAT, "input": "Why?", "stream": True}, path)
                assert told["content-type"] == "application/json"
                assert json.loads(said)

    asyncio.run(main())


# Parsers --------------------------------------------------------------------------------------------------------------


def mishap(target: Target, data: bytes) -> str:
    """The traceback of a parser that raised what is no refusal; empty: it did not."""
    try:
        target.read(data)
    except Exception:  # noqa: BLE001
        return traceback.format_exc()
    return ""


@pytest.mark.parametrize("name", TARGETS)
def test_a_parser_raises_nothing_of_its_own(name: str) -> None:
    target = TARGETS[name]()

    @settings(max_examples=40)
    @given(st.binary(max_size=300) | st.sampled_from(target.seeds), st.integers(0), st.binary(max_size=4))
    def read(data: bytes, place: int, change: bytes) -> None:
        place %= len(data) + 1
        assert mishap(target, data[:place] + change + data[place + 1 :]) == ""

    for seed in target.seeds:
        assert mishap(target, seed) == ""
    read()


@pytest.mark.parametrize("name", NAMES)
def test_events_of_any_shape_are_read(name: str) -> None:
    stream, answer = TARGETS[f"stream {name}"](), TARGETS[f"answer {name}"]()
    kinds = ("message_start", "content_block_delta", "message_delta", "response.completed", "error", "")

    @settings(max_examples=60)
    @given(st.integers(0, 255), st.lists(st.tuples(st.sampled_from(kinds), anything), max_size=4), st.booleans())
    def read(cut: int, events: list[tuple[str, Any]], ended: bool) -> None:
        said = [
            f"event: {kind}\ndata: {json.dumps({'type': kind, **value} if isinstance(value, dict) else value)}\n\n"
            for kind, value in events
        ]
        end = "data: [DONE]\n\n" if ended else ""
        assert mishap(stream, bytes([cut]) + "".join([*said, end]).encode()) == ""
        for _, value in events:
            assert mishap(answer, json.dumps(value).encode()) == ""

    read()


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 3000 + "]" * 3000,
        "max_concurrency = " + "9" * 5000,
        '[prices.mine]\ninput = "1e999999999"\noutput = 1',
    ],
)
def test_a_strange_configuration_is_refused(text: str, tmp_path: Path) -> None:
    from penstock.meter import PriceBook

    file = tmp_path / "penstock.toml"
    file.write_text(text)
    with pytest.raises(ConfigError):
        PriceBook(load(file).prices)


# The judge ------------------------------------------------------------------------------------------------------------


def test_verdicts() -> None:
    shot = Shot((b"",))
    openai = b'{"error":{"message":"no","type":"t","param":null,"code":null}}'
    anthropic = b'{"type":"error","error":{"type":"t","message":"no"}}'
    for body in (openai, anthropic):
        assert verdict(Answer(400, body=body), shot) == "4xx"
        assert verdict(Answer(500, body=body), shot) == "5xx of our own"
        assert verdict(Answer(504, body=body), shot) == "5xx of our own"
        assert verdict(Answer(504, body=body), Shot((b"",), timed=True)) == "504 as asked"
        assert verdict(Answer(500, body=body.replace(b"no", MISHAP.encode())), shot) == "5xx of the upstream"
        assert verdict(Answer(503, body=body), shot) == "5xx of our own"
        assert verdict(Answer(503, body=body.replace(b"no", b"the gateway is at its limit")), shot) == "503 shed"
    for body in (b"no", b"{}", b'{"error":"no"}', b'{"error":{"message":"no","type":"t"}}'):
        assert verdict(Answer(404, body=body), shot) == "4xx in no shape"
        assert verdict(Answer(404, body=body), Shot((b"",), headless=True)) == "4xx"
        assert verdict(Answer(404, body=body), Shot((b"",), framed=False)) == "refused, no HTTP"
    assert verdict(Answer(0), shot) == "dropped"
    assert verdict(Answer(0), Shot((b"",), framed=False)) == "dropped, no HTTP"
    assert verdict(Answer(-1), Shot((b"",), framed=False)) == "silence"
    assert verdict(Answer(200), shot) == "2xx"


def test_a_request_is_written_as_it_is_given() -> None:
    assert (
        request("GET", "/é", [("X-A", b"\xff"), ("host", "h")]) == b"GET /\xe9 HTTP/1.1\r\nX-A: \xff\r\nhost: h\r\n\r\n"
    )
    assert request("POST", "/", (), b"ab").endswith(b"\r\nhost: localhost\r\ncontent-length: 2\r\n\r\nab")
    assert b"content-length: 7\r\n" in request("POST", "/", [("content-length", "7")], b"ab")
