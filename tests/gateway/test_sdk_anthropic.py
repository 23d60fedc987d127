"""Anthropic's SDK through the gateway: messages with thinking, tools and pictures, and counts of tokens."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import anthropic
import msgspec
import pytest
from gatehouse import MESSAGES, Gatehouse
from sdks import ASK, PICTURE, anthropic_client, through

from penstock.testing import Exchange, Plan, ToolCall
from penstock.values import Usage

GOLDEN = Path(__file__).parents[1] / "golden"
USAGE = Usage(input=12, cache_read=100, output=5)
CALLS = (ToolCall("weather", '{"city":"Köln","days":3}', "toolu_a"), ToolCall("weather", "{}", "toolu_b"))
TOOL: Any = {"name": "weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}


def golden(name: str) -> Any:
    """A script that gives a recorded answer in the form that is asked for."""

    def answer(exchange: Exchange) -> Plan:
        if exchange.question.stream:
            return Plan(body=(GOLDEN / f"{name}.sse").read_bytes(), content_type="text/event-stream", split=37)
        return Plan(body=(GOLDEN / f"{name}.json").read_bytes())

    return answer


async def said(client: anthropic.AsyncAnthropic, *, stream: bool, **asked: Any) -> Any:
    if not stream:
        return await client.messages.create(**asked)
    async with client.messages.stream(**asked) as events:
        return await events.get_final_message()


def test_messages_say_the_same_in_every_way() -> None:
    async def check(gate: Gatehouse) -> None:
        asked: Any = {**ASK, "extra_headers": {"x-penstock-off": "reuse"}}
        async with anthropic_client(gate) as client:
            whole = await client.messages.create(**asked)
            events = [event async for event in await client.messages.create(**asked, stream=True)]
            async with client.messages.stream(**asked) as stream:
                text = [piece async for piece in stream.text_stream]
                final = await stream.get_final_message()
        assert whole.content[0].to_dict() == final.content[0].to_dict() | {"type": "text", "text": "Because it is."}
        assert text == ["Beca", "use ", "it i", "s."]
        assert [event.type for event in events] == [
            "message_start",
            "content_block_start",
            *["content_block_delta"] * 4,
            "content_block_stop",
            "message_delta",
            "message_stop",
        ]
        for each in (whole, final):
            assert (each.usage.input_tokens, each.usage.cache_read_input_tokens, each.usage.output_tokens) == (
                12,
                100,
                5,
            )
        assert len(gate.up.exchanges) == 3

    through(Plan("Because it is.", usage=USAGE, piece=4), check)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("name", ["anthropic_thinking", "anthropic_server_tools", "anthropic_tools"])
def test_blocks_that_are_sent_back_arrive_as_they_were_given(name: str, stream: bool) -> None:
    async def check(gate: Gatehouse) -> None:
        given = msgspec.json.decode((GOLDEN / f"{name}.json").read_bytes())["content"]
        async with anthropic_client(gate) as client, anthropic_client(gate, straight=True) as straight:
            answer = await said(client, stream=stream, **ASK)
            turn = {**ASK, "messages": [*MESSAGES, {"role": "assistant", "content": answer.content}, *MESSAGES]}
            for each in (client, straight):
                await said(each, stream=stream, **turn)
        first, behind, directly = gate.up.exchanges
        assert first.question.body["messages"] == MESSAGES
        assert behind.body == directly.body
        assert [
            {key: value for key, value in block.items() if value is not None}
            for block in behind.question.body["messages"][1]["content"]
        ] == given

    through(golden(name), check)


@pytest.mark.parametrize("stream", [True, False])
def test_parallel_tools_and_the_turn_after_them(stream: bool) -> None:
    async def check(gate: Gatehouse) -> None:
        asked: Any = {**ASK, "tools": [TOOL]}
        async with anthropic_client(gate) as client, anthropic_client(gate, straight=True) as straight:
            answer = await said(client, stream=stream, **asked)
            assert [block.type for block in answer.content] == ["thinking", "text", "tool_use", "tool_use"]
            assert answer.content[0].signature == "c2lnbmVk"
            calls = answer.content[2:]
            assert [(call.id, call.input) for call in calls] == [
                ("toolu_a", {"city": "Köln", "days": 3}),
                ("toolu_b", {}),
            ]
            results = [{"type": "tool_result", "tool_use_id": call.id, "content": "sun"} for call in calls]
            turn = [{"role": "assistant", "content": answer.content}, {"role": "user", "content": results}]
            for each in (client, straight):
                await said(each, stream=stream, **{**asked, "messages": [*MESSAGES, *turn]})
        _, behind, directly = gate.up.exchanges
        assert behind.body == directly.body

    through(Plan("Let me look.", thinking="Two towns, then.", tools=CALLS, usage=USAGE, piece=3), check)


def test_pictures_arrive_as_they_were_sent() -> None:
    async def check(gate: Gatehouse) -> None:
        source = {"type": "base64", "media_type": "image/png", "data": PICTURE}
        parts = [{"type": "image", "source": source}, {"type": "text", "text": "What is this?"}]
        asked: Any = {**ASK, "messages": [{"role": "user", "content": parts}]}
        async with anthropic_client(gate) as client, anthropic_client(gate, straight=True) as straight:
            for each in (client, straight):
                await each.messages.create(**asked)
        behind, directly = gate.up.exchanges
        assert behind.body == directly.body
        assert PICTURE.encode() in behind.body

    through("A dot.", check)


def test_raw_answers_tell_ids_and_costs() -> None:
    async def check(gate: Gatehouse) -> None:
        async with anthropic_client(gate) as client:
            whole = await client.messages.with_raw_response.create(**ASK)
            assert whole.request_id == whole.headers["x-penstock-id"] == (await whole.parse())._request_id
            assert whole.headers["x-penstock-source"] == "anthropic"
            assert whole.headers["x-penstock-cost"] == "$0.000122"
            async with client.messages.stream(**ASK) as events:
                assert events.response.headers["x-penstock-source"] == "reuse"
                assert events.request_id == events.response.headers["x-penstock-id"] != whole.request_id
            counted = await client.messages.with_raw_response.count_tokens(model="mine", messages=MESSAGES)
            assert counted.headers["x-penstock-cost"] == "$0.00"
            assert (await counted.parse()).input_tokens == 1

    through(Plan("Because.", usage=USAGE), check)


def test_the_sync_client_asks_in_every_way_too() -> None:
    def ask(url: str) -> None:
        with anthropic.Anthropic(base_url=url, api_key="sk-own") as client:
            assert client.messages.create(**ASK).stop_reason == "end_turn"
            with client.messages.stream(**ASK) as events:
                assert events.get_final_text() == "Because."
            assert client.messages.count_tokens(model="mine", messages=MESSAGES).input_tokens == 1
            assert [model.id for model in client.models.list()]

    through("Because.", lambda gate: asyncio.to_thread(ask, gate.url))
