"""The server that other tests lean on, seen by the vendors' own clients and by a bare socket."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import anthropic
import openai
import pytest

from penstock.testing import Exchange, FakeClock, Plan, ToolCall, Upstream
from penstock.testing.plan import quarter
from penstock.values import Usage

WEATHER = ToolCall("weather", '{"city":"Oslo"}')
PLAN = Plan("It is sunny.", thinking="Hm.", tools=(WEATHER,), usage=Usage(20, 30, output=9))
HELLO: Any = [{"role": "user", "content": "Hello"}]


def test_openais_client_reads_both_forms() -> None:
    async def main() -> None:
        async with (
            Upstream(PLAN, key="sk-1") as up,
            openai.AsyncOpenAI(base_url=up.url + "/v1", api_key="sk-1", max_retries=0) as client,
        ):
            reply = await client.chat.completions.create(model="m", messages=HELLO)
            message = reply.choices[0].message
            assert message.content == "It is sunny."
            assert message.tool_calls is not None
            assert message.tool_calls[0].model_dump()["function"] == {"name": "weather", "arguments": '{"city":"Oslo"}'}
            assert reply.usage is not None
            assert (reply.usage.prompt_tokens, reply.usage.completion_tokens) == (50, 9)
            text, arguments, usage = "", "", None
            stream = await client.chat.completions.create(
                model="m", messages=HELLO, stream=True, stream_options={"include_usage": True}
            )
            async for chunk in stream:
                usage = chunk.usage or usage
                for choice in chunk.choices:
                    text += choice.delta.content or ""
                    for tool in choice.delta.tool_calls or []:
                        arguments += (tool.function and tool.function.arguments) or ""
            assert (text, arguments) == ("It is sunny.", '{"city":"Oslo"}')
            assert usage is not None
            assert usage.prompt_tokens == 50
            assert [model.id async for model in client.models.list()] == ["small", "large"]
            assert len(up.exchanges) == 2

    asyncio.run(main())


def test_anthropics_client_reads_both_forms() -> None:
    async def main() -> None:
        async with (
            Upstream(PLAN, key="sk-1") as up,
            anthropic.AsyncAnthropic(base_url=up.url, api_key="sk-1", max_retries=0) as client,
        ):
            reply = await client.messages.create(model="m", max_tokens=9, messages=HELLO)
            async with client.messages.stream(model="m", max_tokens=9, messages=HELLO) as stream:
                streamed = await stream.get_final_message()
            for each in (reply, streamed):
                assert [block.type for block in each.content] == ["thinking", "text", "tool_use"]
                assert each.content[2].to_dict()["input"] == {"city": "Oslo"}
                assert each.stop_reason == "tool_use"
                assert (each.usage.input_tokens, each.usage.cache_read_input_tokens) == (20, 30)
                assert each.usage.output_tokens == 9
            counted = await client.messages.count_tokens(model="m", messages=HELLO)
            assert counted.input_tokens == quarter("Hello")
            assert len(up.exchanges) == 2

    asyncio.run(main())


def test_errors_are_worded_as_the_vendors_do() -> None:
    async def main() -> None:
        async with (
            Upstream(Plan("slower", status=429, headers={"retry-after": "1"}), key="sk-1") as up,
            openai.AsyncOpenAI(base_url=up.url + "/v1", api_key="sk-1", max_retries=0) as one,
            anthropic.AsyncAnthropic(base_url=up.url, api_key="sk-1", max_retries=0) as two,
            openai.AsyncOpenAI(base_url=up.url + "/v1", api_key="sk-2", max_retries=0) as stranger,
        ):
            with pytest.raises(openai.RateLimitError, match="slower"):
                await one.chat.completions.create(model="m", messages=HELLO)
            with pytest.raises(anthropic.RateLimitError, match="slower") as told:
                await two.messages.create(model="m", max_tokens=9, messages=HELLO)
            assert told.value.response.headers["retry-after"] == "1"
            with pytest.raises(openai.AuthenticationError):
                await stranger.chat.completions.create(model="m", messages=HELLO)

    asyncio.run(main())


def test_it_remembers_the_very_bytes_and_bills_what_went_out() -> None:
    async def main() -> None:
        def price(_: Exchange, usage: Usage) -> int:
            return usage.prompt + 1000 * usage.completion

        clock = FakeClock()
        body = b'{"model":"m" , "stream":true,"messages":[{"role":"user","content":"12345678"}]}'
        plan = Plan("x" * 40, piece=4, gap=1)
        async with Upstream(plan, price=price, clock=clock, keep=2) as up, aiohttp.ClientSession() as web:
            task = asyncio.create_task(web.post(up.url + "/any/v1/chat/completions?x=1", data=body))
            await clock.asleep()
            await clock.advance(100)
            async with await task as response:
                assert (await response.read()).endswith(b"data: [DONE]\n\n")
            exchange = up.exchanges[0]
            assert (exchange.method, exchange.path, exchange.body) == ("POST", "/any/v1/chat/completions", body)
            assert exchange.usage == Usage(input=2, output=10)
            assert (up.bill, exchange.bill, exchange.done, exchange.gone) == (10_002, 10_002, True, False)

            async with web.post(up.url + "/v1/chat/completions", data=body) as response:
                await clock.asleep()
                await clock.advance(6)
                await response.content.readany()
                response.close()
            await up.until(lambda: up.disconnects == 1)
            assert up.exchanges[1].gone
            assert 2 <= up.exchanges[1].bill < 10_002
            assert up.bill == 10_002 + up.exchanges[1].bill
            up.reply = Plan(status=500)
            async with web.post(up.url + "/v1/chat/completions", data=body) as response:
                assert response.status == 500
            assert up.exchanges[-1].bill == 0
            assert (len(up.exchanges), up.served) == (2, 3)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("request_bytes", "answer"),
    [
        (b"\x16\x03\x01\x02\x00\x01", b"HTTP/1.1 400 "),
        (b"POST /v1/messages HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n", b"HTTP/1.1 411 "),
        (b"POST /v1/messages HTTP/1.1\r\ncontent-length: x\r\n\r\n", b"HTTP/1.1 411 "),
        (b"POST /v1/messages HTTP/1.1\r\ncontent-length: 9999\r\n\r\n", b"HTTP/1.1 413 "),
        (b"POST /v1/messages HTTP/1.1\r\n" + b"x: y\r\n" * 20_000, b"HTTP/1.1 431 "),
        (b"GET /nowhere HTTP/1.1\r\nconnection: close\r\n\r\n", b"HTTP/1.1 404 "),
        (b"POST /v1/messages HTTP/1.1\r\ncontent-length: 2\r\nconnection: close\r\n\r\n[]", b"HTTP/1.1 400 "),
        (b"POST /v1/messages HTTP/1.1\r\ncontent-length: 1\r\nconnection: close\r\n\r\n{", b"HTTP/1.1 400 "),
    ],
)
def test_what_it_cannot_serve_it_refuses(request_bytes: bytes, answer: bytes) -> None:
    async def main() -> None:
        async with Upstream(most=100) as up:
            port = int(up.url.rpartition(":")[2])
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request_bytes)
            assert (await reader.read()).startswith(answer)
            writer.close()
            await up.until(lambda: up.open_connections == 0)
            assert not up.exchanges

    asyncio.run(main())


def test_requests_sent_ahead_are_answered_in_order_and_in_pieces() -> None:
    async def main() -> None:
        one = b'POST /v1/messages HTTP/1.1\r\ncontent-length: 13\r\n\r\n{"model":"a"}'
        two = one.replace(b'"a"', b'"b"').replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n")
        async with Upstream() as up:
            reader, writer = await asyncio.open_connection("127.0.0.1", int(up.url.rpartition(":")[2]))
            for start in range(0, len(one + two), 11):
                writer.write((one + two)[start : start + 11])
                await asyncio.sleep(0)
            raw = await reader.read()
            assert raw.index(b'"model":"a"') < raw.index(b'"model":"b"')
            assert up.connections == 1
            writer.close()

    asyncio.run(main())


def test_leaving_ends_what_is_still_under_way() -> None:
    async def main() -> None:
        async with aiohttp.ClientSession() as web:
            async with Upstream(Plan(hang=True)) as up:
                task = asyncio.create_task(web.post(up.url + "/v1/messages", data=b'{"model":"m"}'))
                await up.until(lambda: up.in_flight == 1)
            with pytest.raises(aiohttp.ClientError):
                await task
            assert (up.in_flight, up.open_connections, up.disconnects) == (0, 0, 0)

    asyncio.run(main())


def test_a_script_that_is_used_up_says_so() -> None:
    async def main() -> None:
        async with Upstream(["only one"]) as up, aiohttp.ClientSession() as web:
            for status, said in ((200, "only one"), (400, "the script has no answer number 2")):
                async with web.post(up.url + "/v1/messages", data=b'{"model":"m"}') as response:
                    assert (response.status, said in await response.text()) == (status, True)

    asyncio.run(main())


def test_a_script_that_fails_ends_the_connection_and_is_heard_of() -> None:
    async def main() -> None:
        def script(exchange: Exchange) -> str:
            raise AssertionError(f"the model was {exchange.question.model}")

        async with Upstream(script) as up, aiohttp.ClientSession() as web:
            with pytest.raises(aiohttp.ClientError):
                await web.post(up.url + "/v1/messages", data=b'{"model":"m"}')

    with pytest.raises(AssertionError, match="the model was m"):
        asyncio.run(main())


def test_a_slow_reader_is_waited_for() -> None:
    async def main() -> None:
        async with Upstream(Plan("x" * (8 << 20), piece=1 << 16)) as up:
            _, writer = await asyncio.open_connection("127.0.0.1", int(up.url.rpartition(":")[2]), limit=1)
            body = b'{"stream":true}'
            writer.write(b"POST /v1/messages HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
            await up.until(lambda: bool(up.exchanges) and up.exchanges[0].sent > 0)
            await asyncio.sleep(0.2)
            assert up.exchanges[0].share < 1
            writer.close()
            await up.until(lambda: up.disconnects == 1)

    asyncio.run(main())
