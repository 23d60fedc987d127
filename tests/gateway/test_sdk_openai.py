"""OpenAI's SDK through the gateway: chat, responses, embeddings, in every way it asks."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import openai
import pytest
from gatehouse import MESSAGES, Gatehouse
from sdks import ASK, PICTURE, openai_client, through

from penstock.testing import Plan, ToolCall
from penstock.values import Usage

USAGE = Usage(input=12, output=5, reasoning=2)
CALLS = (ToolCall("weather", '{"city": "Köln", "days": 3}', "call_a"), ToolCall("weather", "{}", "call_b"))
CALLED = [("call_a", "weather", '{"city": "Köln", "days": 3}'), ("call_b", "weather", "{}")]
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}
TOOL: Any = {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}
RESPONSES_TOOL: Any = {"type": "function", "name": "weather", "parameters": SCHEMA, "strict": False}
PICTURE_URL = f"data:image/png;base64,{PICTURE}"


def test_chat_says_the_same_in_every_way() -> None:
    async def check(gate: Gatehouse) -> None:
        asked: Any = {**ASK, "extra_headers": {"x-penstock-off": "reuse"}}
        async with openai_client(gate) as client:
            whole = await client.chat.completions.create(**asked)
            assert whole.choices[0].message.content == "Because it is."
            chunks = [chunk async for chunk in await client.chat.completions.create(**asked, stream=True)]
            text = [chunk.choices[0].delta.content for chunk in chunks]
            assert text == ["", "Beca", "use ", "it i", "s.", None]  # the first delta is there, and none is cut anew
            options: Any = {"include_usage": True}
            async with client.chat.completions.stream(**asked, stream_options=options) as events:
                final = await events.get_final_completion()
            assert (final.choices[0].message.content, final.choices[0].finish_reason) == ("Because it is.", "stop")
            assert final.usage == whole.usage
        assert len(gate.up.exchanges) == 3

    through(Plan("Because it is.", usage=USAGE, piece=4), check)


@pytest.mark.parametrize("stream", [True, False])
def test_parallel_tools_of_chat_and_the_turn_after_them(stream: bool) -> None:
    async def check(gate: Gatehouse) -> None:
        asked: Any = {"model": "mine", "tools": [TOOL], "messages": MESSAGES}
        async with openai_client(gate) as client, openai_client(gate, straight=True) as straight:
            if stream:
                async with client.chat.completions.stream(**asked) as events:
                    message: Any = (await events.get_final_completion()).choices[0].message
            else:
                message = (await client.chat.completions.create(**asked)).choices[0].message
            assert [(call.id, call.function.name, call.function.arguments) for call in message.tool_calls] == CALLED
            assert message.reasoning_content == "Two towns, then."
            results = [{"role": "tool", "tool_call_id": call.id, "content": "sun"} for call in message.tool_calls]
            turn = {**asked, "messages": [*MESSAGES, message.to_dict(), *results]}
            await client.chat.completions.create(**turn)
            await straight.chat.completions.create(**turn)
        *_, behind, directly = gate.up.exchanges
        assert behind.body == directly.body

    through(Plan("", thinking="Two towns, then.", tools=CALLS, usage=USAGE, piece=3), check)


def test_responses_say_the_same_in_every_way() -> None:
    async def check(gate: Gatehouse) -> None:
        asked: Any = {"model": "mine", "input": "Why?", "tools": [RESPONSES_TOOL]}
        asked["extra_headers"] = {"x-penstock-off": "reuse"}
        async with openai_client(gate) as client:
            whole = await client.responses.create(**asked)
            events = [event async for event in await client.responses.create(**asked, stream=True)]
            async with client.responses.stream(**asked) as stream:
                final = await stream.get_final_response()
        assert [event.sequence_number for event in events] == list(range(len(events)))
        last: Any = events[-1]
        for each in (whole, last.response, final):
            assert [item.type for item in each.output] == ["reasoning", "message", "function_call", "function_call"]
            assert each.output[0].summary[0].text == "Two towns, then."
            assert each.output_text == "Let me look."
            assert [(item.call_id, item.name, item.arguments) for item in each.output[2:]] == CALLED
            assert (each.usage.input_tokens, each.usage.output_tokens) == (12, 7)
        arguments = [event.delta for event in events if event.type == "response.function_call_arguments.delta"]
        assert "".join(arguments) == "".join(call.arguments for call in CALLS)
        assert len(gate.up.exchanges) == 3

    through(Plan("Let me look.", thinking="Two towns, then.", tools=CALLS, usage=USAGE, piece=5), check)


def test_the_turn_after_a_response_arrives_as_it_was_sent() -> None:
    async def check(gate: Gatehouse) -> None:
        async with openai_client(gate) as client, openai_client(gate, straight=True) as straight:
            said = await client.responses.create(model="mine", input="Why?", tools=[RESPONSES_TOOL])
            results = [{"type": "function_call_output", "call_id": name, "output": "sun"} for name, *_ in CALLED]
            turn: Any = {"model": "mine", "input": [*(item.to_dict() for item in said.output), *results]}
            await client.responses.create(**turn)
            await straight.responses.create(**turn)
        _, behind, directly = gate.up.exchanges
        assert behind.body == directly.body

    through(Plan("Let me look.", thinking="Two towns, then.", tools=CALLS), check)


def test_pictures_arrive_as_they_were_sent() -> None:
    async def check(gate: Gatehouse) -> None:
        parts = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": PICTURE_URL}}]
        chat: Any = {"model": "mine", "messages": [{"role": "user", "content": parts}]}
        items = [
            {"type": "input_text", "text": "This?"},
            {"type": "input_image", "detail": "low", "image_url": PICTURE_URL},
        ]
        response: Any = {"model": "mine", "input": [{"role": "user", "content": items}]}
        async with openai_client(gate) as client, openai_client(gate, straight=True) as straight:
            for each in (client, straight):
                await each.chat.completions.create(**chat)
                await each.responses.create(**response)
        one, two, *directly = [exchange.body for exchange in gate.up.exchanges]
        assert [one, two] == directly
        assert PICTURE_URL.encode() in one
        assert PICTURE_URL.encode() in two

    through("A dot.", check)


def test_embeddings_in_both_forms() -> None:
    async def check(gate: Gatehouse) -> None:
        async with openai_client(gate) as client:
            asked: Any = {"model": "mine", "input": ["one", "two"]}
            numbers = await client.embeddings.create(**asked, encoding_format="float")
            packed = await client.embeddings.create(**asked)
            assert [item.embedding for item in numbers.data] == [item.embedding for item in packed.data]
            again = await client.embeddings.with_raw_response.create(**asked)
            assert again.headers["x-penstock-source"] == "reuse"
            assert again.parse().data == packed.data
        assert [json.loads(exchange.body)["encoding_format"] for exchange in gate.up.exchanges] == ["float", "base64"]

    through(None, check)


def test_raw_answers_tell_ids_and_costs() -> None:
    async def check(gate: Gatehouse) -> None:
        async with openai_client(gate) as client:
            whole = await client.chat.completions.with_raw_response.create(**ASK)
            assert whole.request_id == whole.headers["x-penstock-id"] == whole.parse()._request_id
            assert (whole.headers["x-penstock-cost"], whole.headers["x-penstock-source"]) == ("$0.000026", "openai")
            async with client.chat.completions.with_streaming_response.create(**ASK, stream=True) as begun:
                assert begun.headers["x-penstock-source"] == "reuse"
                assert begun.request_id != whole.request_id
            told = await client.responses.with_raw_response.create(model="mine", input="Why?")
            assert told.parse()._request_id == told.headers["x-penstock-id"]

    through(Plan("Because.", usage=USAGE), check)


def test_the_sync_client_asks_in_every_way_too() -> None:
    def ask(url: str) -> None:
        with openai.OpenAI(base_url=f"{url}/v1", api_key="sk-own") as client:
            assert client.chat.completions.create(**ASK).choices[0].message.content == "Because."
            with client.chat.completions.stream(**ASK) as events:
                assert events.get_final_completion().choices[0].message.content == "Because."
            with client.responses.stream(model="mine", input="Why?") as responses:
                assert responses.get_final_response().output_text == "Because."
            assert client.embeddings.create(model="mine", input="Why?").data[0].embedding
            assert {model.id for model in client.models.list()} >= {"small", "large"}

    through("Because.", lambda gate: asyncio.to_thread(ask, gate.url))
