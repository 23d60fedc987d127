"""What goes through the gateway comes out as it went in: bytes, headers, errors, streams, disconnects."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import aiohttp
import msgspec
import pytest
from gatehouse import CHAT, MESSAGES, gatehouse

from penstock.testing import Plan
from penstock.values import Usage

USAGE = Usage(input=12, output=5)
ODD = (
    b'{"model" :"mine",  "messages":[{"role":"user","content":"\\u00e9 1e2"}], "x": 1.0, "big": 123456789012345678901}'
)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/chat/completions", "/v1/v1/chat/completions"])
def test_without_mechanisms_the_very_bytes_and_headers_arrive(path: str) -> None:
    async def main() -> None:
        async with gatehouse("Because.") as gate:
            sent = {
                "content-type": "application/json",
                "user-agent": "mine/1",
                "openai-organization": "org",
                "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                "x-of-tomorrow": "yes",
                "cache-control": "no-store",
                "accept": "application/json",
            }
            status, headers, _ = await gate.post(ODD, path, {**sent, "x-penstock-off": "all", "cookie": "a=b"})
            assert status == 200
            seen = gate.up.exchanges[0]
            assert seen.body == ODD
            assert {name: seen.headers[name] for name in sent} == sent
            assert not {"cookie", "x-penstock-off"} & set(seen.headers)
            assert headers["x-request-id"] == headers["request-id"] == headers["x-penstock-id"]
            assert headers["x-penstock-source"] == "openai"

    asyncio.run(main())


def test_all_off_streams_have_the_bytes_of_the_upstream() -> None:
    async def main() -> None:
        async with gatehouse(Plan("An answer in pieces.", usage=USAGE)) as gate:
            body = msgspec.json.encode({**CHAT, "stream": True})
            _, headers, through = await gate.post(body, headers={"x-penstock-off": "all"})
            async with gate.web.post(gate.up.url + "/v1/chat/completions", data=body) as direct:
                straight = await direct.read()
            assert gate.up.exchanges[0].body == body
            assert through.replace(b"chatcmpl-0", b"chatcmpl-1") == straight
            assert headers["content-type"] == "text/event-stream"

    asyncio.run(main())


def test_a_stream_comes_as_it_is_made() -> None:
    async def main() -> None:
        async with gatehouse(Plan("An answer that stops.", hang_after_event=2)) as gate:
            async with gate.web.post(gate.url + "/v1/chat/completions", json={**CHAT, "stream": True}) as response:
                first = await response.content.readuntil(b"\n\n")
                second = await response.content.readuntil(b"\n\n")
                assert b"assistant" in first
                assert b"An answer" in second
                assert "content-encoding" not in response.headers
            await gate.up.until(lambda: gate.up.disconnects == 1)

    asyncio.run(main())


def test_an_error_before_the_first_byte_keeps_status_and_body() -> None:
    async def main() -> None:
        plan = Plan("the words of the upstream", status=429, headers={"retry-after": "0", "x-ratelimit-left": "0"})
        async with gatehouse(plan) as gate:
            for stream in (True, False):
                status, headers, body = await gate.post({**CHAT, "stream": stream})
                assert status == 429
                assert msgspec.json.decode(body)["error"]["message"] == "the words of the upstream"
                assert headers["x-should-retry"] == "false"
                assert headers["x-ratelimit-left"] == "0"

    asyncio.run(main())


@pytest.mark.parametrize(
    ("path", "mark"), [("/v1/chat/completions", b'data: {"error"'), ("/v1/messages", b"event: error")]
)
def test_a_cut_stream_ends_with_an_error_event(path: str, mark: bytes) -> None:
    async def main() -> None:
        async with gatehouse(Plan("An answer that breaks off", cut_after_event=3, piece=4)) as gate:
            status, _, body = await gate.post({**CHAT, "stream": True}, path)
            assert status == 200
            assert body[body.rindex(b"\n\n", 0, -2) :].strip().startswith(mark)
            await gate.post({**CHAT, "stream": True}, path)
            assert len(gate.up.exchanges) == 2  # nothing was stored

    asyncio.run(main())


def test_clients_that_leave_leave_nothing_behind() -> None:
    async def main() -> None:
        plan = Plan("An answer in many pieces, for as long as anybody listens. " * 4, gap=0.01, piece=4, latency=0.01)
        chance = random.Random(7)
        async with gatehouse(plan, budget="$50") as gate:

            async def leave(number: int) -> None:
                asked = {**CHAT, "messages": [{"role": "user", "content": f"{number}"}], "stream": number % 4 != 0}
                answered = aiohttp.ClientTimeout(total=chance.uniform(0.001, 0.25))
                try:
                    async with gate.web.post(
                        gate.url + "/v1/chat/completions", json=asked, timeout=answered
                    ) as response:
                        await response.read()
                except (TimeoutError, aiohttp.ClientError):
                    pass

            for _ in range(4):
                await asyncio.gather(*(leave(chance.randrange(10_000)) for _ in range(50)))
            await gate.quiet()
            account = await gate.runtime.engine.admission.holds.account(("local",))
            assert account is not None
            assert account.held.nano == 0
            assert account.held.calls == 0
            assert account.spent.nano > 0
            engine: Any = gate.runtime.engine
            assert not engine._joinable
            await asyncio.sleep(0.05)
            mine = {task for task in asyncio.all_tasks() if "_listen" in str(task) or "run_asgi" in str(task)}
            assert not mine
            _, _, health = await gate.get("/health")
            assert msgspec.json.decode(health)["in_flight"] == 0

    asyncio.run(main())


def test_the_clients_own_key_goes_on_where_none_is_configured() -> None:
    async def main() -> None:
        for keyed, expected in ((True, "Bearer configured"), (False, "Bearer sk-own")):
            async with gatehouse("Because.", keyed=keyed) as gate:
                await gate.post(CHAT, headers={"authorization": "Bearer sk-own"})
                assert gate.up.exchanges[0].headers["authorization"] == expected

    asyncio.run(main())


def test_tenants_are_parted_by_key_and_by_scope() -> None:
    async def main() -> None:
        async with gatehouse("Because.") as gate:
            mine, other = {"authorization": "Bearer sk-a"}, {"authorization": "Bearer sk-b"}
            named = {"x-penstock-scope": "team"}
            for headers, asked in ((mine, 1), (mine, 1), (other, 2), ({**mine, **named}, 3), ({**other, **named}, 3)):
                await gate.post(CHAT, headers=headers)
                assert len(gate.up.exchanges) == asked

    asyncio.run(main())


def test_reuse_and_its_switches() -> None:
    async def main() -> None:
        async with gatehouse(Plan("Because.", usage=USAGE)) as gate:
            _, first, body = await gate.post(CHAT)
            _, second, again = await gate.post(CHAT)
            assert body == again
            assert (first["x-penstock-cost"], first["x-penstock-saved"]) == ("$0.000022", "$0.00")
            assert (second["x-penstock-source"], second["x-penstock-cost"]) == ("reuse", "$0.00")
            assert second["x-penstock-saved"] == "reuse=$0.000022"
            await gate.post(CHAT, headers={"cache-control": "no-cache"})
            await gate.post(CHAT, headers={"x-penstock-off": "reuse"})
            assert len(gate.up.exchanges) == 3

    asyncio.run(main())


def test_a_retry_that_asked_for_variety_leaves_a_call_alone_that_another_listens_to() -> None:
    async def main() -> None:
        warm = {**CHAT, "temperature": 1}
        async with gatehouse("Because.", latency=0.2) as gate:
            tries = [gate.post(warm, headers={"x-stainless-retry-count": str(count)}) for count in (0, 1)]
            first = asyncio.ensure_future(tries[0])
            await gate.up.until(lambda: len(gate.up.exchanges) == 1)
            second = await tries[1]
            assert (await first)[1]["x-penstock-source"] == second[1]["x-penstock-source"] == "openai"
            assert len(gate.up.exchanges) == 2  # it may be the retry of somebody else, and variety was asked for

    asyncio.run(main())


def test_models_are_listed_and_named() -> None:
    async def main() -> None:
        async with gatehouse("Because.") as gate:
            _, _, body = await gate.get("/v1/models")
            names = {model["id"] for model in msgspec.json.decode(body)["data"]}
            assert {"small", "large", "mine", "openai/mine", "mine-small"} <= names
            assert (await gate.get("/v1/models/small"))[0] == 200
            for asked, sent in (("small", "mine-small"), ("openai/other", "other"), ("other", "other")):
                status, headers, _ = await gate.post({**CHAT, "model": asked})
                assert status == 200
                assert msgspec.json.decode(gate.up.exchanges[-1].body)["model"] == sent
                assert headers["x-penstock-saved"] == "$0.00"
            status, _, body = await gate.post({**CHAT, "model": "anthropic/mine"})
            assert status == 400
            assert b"served in the anthropic format only" in body

    asyncio.run(main())


def test_what_is_not_served_is_said_in_the_clients_shape() -> None:
    async def main() -> None:
        async with gatehouse() as gate:
            status, _, body = await gate.post(CHAT, "/v1/images/generations")
            assert (status, msgspec.json.decode(body)["error"]["type"]) == (404, "not_found_error")
            status, _, body = await gate.post(CHAT, "/v1/complete", {"anthropic-version": "2023-06-01"})
            assert (status, msgspec.json.decode(body)["type"]) == (404, "error")
            status, headers, _ = await gate.get("/v1/messages")
            assert (status, headers["allow"]) == (405, "POST")

    asyncio.run(main())


def test_metrics_and_health() -> None:
    async def main() -> None:
        async with gatehouse(Plan("Because.", usage=USAGE)) as gate:
            await gate.post(CHAT)
            await gate.post(CHAT)
            await gate.post(b"{")
            _, headers, body = await gate.get("/metrics")
            lines = body.decode().splitlines()
            assert headers["content-type"].startswith("text/plain; version=0.0.4")
            assert "# TYPE penstock_requests_total counter" in lines
            assert 'penstock_requests_total{endpoint="chat/completions",status="2xx"} 2' in lines
            assert 'penstock_requests_total{endpoint="chat/completions",status="4xx"} 1' in lines
            assert "penstock_spent_nanodollars_total 22000" in lines
            assert 'penstock_saved_nanodollars{mechanism="reuse"} 22000' in lines
            assert 'penstock_calls_total{source="reuse"} 1' in lines
            status, _, body = await gate.get("/health")
            assert (status, msgspec.json.decode(body)["status"]) == (200, "ok")

    asyncio.run(main())


def test_messages_count() -> None:
    async def main() -> None:
        async with gatehouse() as gate:
            status, _, body = await gate.post({"model": "mine", "messages": MESSAGES}, "/v1/messages/count_tokens")
            assert status == 200
            assert msgspec.json.decode(body)["input_tokens"] == 1

    asyncio.run(main())
