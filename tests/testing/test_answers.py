"""What the vendors' own clients make of scripted responses, embeddings and counts of tokens."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import anthropic
import msgspec
import openai
import pytest

from penstock.providers.dialects import NAMES, dialect
from penstock.testing import Plan, ScriptedProvider, ToolCall, Upstream
from penstock.testing.answers import body, events
from penstock.testing.plan import Question, quarter
from penstock.values import Call, Usage

TOOLS = (ToolCall("weather", '{"city":"Oslo"}', "call_1"), ToolCall("weather", '{"city":"Köln"}', "call_2"))
PLAN = Plan("It is sunny.", thinking="Hm, well.", tools=TOOLS, usage=Usage(20, 30, output=9, reasoning=4), piece=5)


def with_openai(reply: Any, check: Callable[[openai.AsyncOpenAI, Upstream], Awaitable[None]]) -> None:
    async def main() -> None:
        async with (
            Upstream(reply) as up,
            openai.AsyncOpenAI(base_url=up.url + "/v1", api_key="sk-1", max_retries=0) as client,
        ):
            await check(client, up)

    asyncio.run(main())


def test_responses_whole_and_streamed_say_the_same() -> None:
    async def check(client: openai.AsyncOpenAI, up: Upstream) -> None:
        whole = await client.responses.create(model="m", input="Hello")
        async with client.responses.stream(model="m", input="Hello") as stream:
            kinds = [event.type async for event in stream]
            streamed = await stream.get_final_response()
        for each in (whole, streamed):
            assert [item.type for item in each.output] == ["reasoning", "message", "function_call", "function_call"]
            assert each.output_text == "It is sunny."
            assert [(item.call_id, item.arguments) for item in each.output if item.type == "function_call"] == [
                ("call_1", '{"city":"Oslo"}'),
                ("call_2", '{"city":"Köln"}'),
            ]
            assert each.status == "completed"
            assert each.usage is not None
            assert (each.usage.input_tokens, each.usage.output_tokens) == (50, 13)
            assert each.usage.input_tokens_details.cached_tokens == 30
            assert each.usage.output_tokens_details.reasoning_tokens == 4
        assert (kinds[0], kinds[-1]) == ("response.created", "response.completed")
        assert kinds.count("response.output_text.delta") == 3
        assert kinds.count("response.reasoning_summary_text.delta") == 2
        assert [exchange.usage for exchange in up.exchanges] == [PLAN.usage, PLAN.usage]

    with_openai(PLAN, check)


def test_a_response_may_be_incomplete_and_without_usage() -> None:
    async def check(client: openai.AsyncOpenAI, up: Upstream) -> None:
        whole = await client.responses.create(model="m", input="Hello", instructions="Be brief.")
        async with client.responses.stream(model="m", input="Hello") as stream:
            await stream.until_done()
            last = [event async for event in stream]
        assert last == []
        assert (whole.status, whole.usage) == ("incomplete", None)
        assert whole.incomplete_details is not None
        assert whole.incomplete_details.reason == "max_output_tokens"
        assert up.exchanges[0].question.prompt == "Be brief.\nHello"

    with_openai(Plan("Once upon a", finish="max_output_tokens", usage=None), check)


def test_an_error_event_among_responses_has_their_own_shape() -> None:
    async def check(client: openai.AsyncOpenAI, up: Upstream) -> None:
        stream = await client.responses.create(model="m", input="Hello", stream=True)
        last = [event async for event in stream][-1]
        assert last.type == "error"
        assert (last.code, last.sequence_number) == ("server_is_overloaded", 2)

    with_openai(Plan("Never said", error_after_event=2), check)


def test_embeddings_are_the_same_in_both_forms() -> None:
    async def check(client: openai.AsyncOpenAI, up: Upstream) -> None:
        asked = ["one", "two", "one"]
        unpacked = await client.embeddings.create(model="m", input=asked, encoding_format="float")
        unsaid = await client.embeddings.create(model="m", input=asked)  # asks for base64 and unpacks it
        assert up.exchanges[1].question.body["encoding_format"] == "base64"
        vectors = [item.embedding for item in unpacked.data]
        assert vectors == [item.embedding for item in unsaid.data]
        assert vectors[0] == vectors[2] != vectors[1]
        assert all(-1 <= number < 1 for number in vectors[0])
        assert (unpacked.usage.prompt_tokens, unpacked.model) == (quarter("one\ntwo\none"), "m")
        short = await client.embeddings.create(model="m", input=[[1, 2], [3]], dimensions=3)
        assert [len(item.embedding) for item in short.data] == [3, 3]
        assert len((await client.embeddings.create(model="m", input=[1, 2])).data) == 1
        raw = await client.embeddings.with_raw_response.create(model="m", input="one", encoding_format="base64")
        assert isinstance(raw.http_response.json()["data"][0]["embedding"], str)
        assert up.exchanges[0].usage == Usage(input=quarter("one\ntwo\none"))

    with_openai(None, check)


@pytest.mark.parametrize("path", ["responses", "embeddings"])
def test_errors_are_worded_as_openai_does(path: str) -> None:
    async def check(client: openai.AsyncOpenAI, up: Upstream) -> None:
        with pytest.raises(openai.RateLimitError, match="slower"):
            await (
                client.responses.create(model="m", input="Hello")
                if path == "responses"
                else client.embeddings.create(model="m", input="Hello")
            )
        assert up.exchanges[0].path == f"/v1/{path}"

    with_openai(Plan("slower", status=429), check)


def test_counts_follow_a_script_for_all_but_take_no_turn_in_a_list() -> None:
    async def main() -> None:
        messages: Any = [{"role": "user", "content": "Hello"}]
        async with (
            Upstream(["only one"]) as up,
            anthropic.AsyncAnthropic(base_url=up.url, api_key="k", max_retries=0) as client,
        ):
            assert (await client.messages.count_tokens(model="m", messages=messages)).input_tokens == 2
            assert (await client.messages.create(model="m", max_tokens=9, messages=messages)).stop_reason == "end_turn"
            assert (len(up.exchanges), len(up.counts), up.counts[0].usage) == (1, 1, Usage())
            up.reply = Plan("slower", status=429)
            with pytest.raises(anthropic.RateLimitError, match="slower"):
                await client.messages.count_tokens(model="m", messages=messages)

    asyncio.run(main())


def test_the_query_is_remembered() -> None:
    async def main() -> None:
        async with Upstream() as up, aiohttp.ClientSession() as web:
            async with web.post(up.url + "/v1/messages?beta=true&x=%20", data=b'{"model":"m"}') as response:
                assert response.status == 200
            assert (up.exchanges[0].path, up.exchanges[0].query) == ("/v1/messages", "beta=true&x=%20")

    asyncio.run(main())


@pytest.mark.parametrize("name", NAMES)
def test_every_answer_can_be_read_by_the_codecs(name: str) -> None:
    asked = {"model": "m", "stream": True, "messages": [], "input": "Hello", "stream_options": {"include_usage": True}}
    question = Question(name, asked)
    wire = dialect(name)
    whole = wire.reply(body(question, PLAN), streamed=False)
    assert wire.reply(whole.raw, streamed=False).text == ("It is sunny." if question.generates else "")
    if question.stream:
        streamed = wire.reply(b"".join(events(question, PLAN)), streamed=True)
        assert (streamed.text, streamed.finish, streamed.model) == (whole.text, whole.finish, whole.model)
        assert msgspec.json.decode(wire.body(streamed)).keys() == msgspec.json.decode(whole.raw).keys()

    async def main() -> bytes:
        call = Call.parse(msgspec.json.encode(asked), dialect=name, provider="scripted")
        async with ScriptedProvider(PLAN, dialect=name).send(call) as answer:
            return b"".join([chunk async for chunk in answer.chunks])

    assert wire.reply(asyncio.run(main()), streamed=question.stream).text == whole.text
