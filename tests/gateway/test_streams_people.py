"""What people ran into with the streams of other gateways: each case holds live, and from the store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anthropic
import msgspec
import openai
import pytest
from gatehouse import Gatehouse
from sdks import ASKED, final, sdk, through

from penstock.providers.sse import split
from penstock.testing import Plan, ToolCall
from penstock.values import Usage

GOLDEN = Path(__file__).parents[1] / "golden"
GENERATING = pytest.mark.parametrize("wire", ["openai", "responses", "anthropic"])
RAISED = (openai.APIError, anthropic.APIError)
EVENTS = "text/event-stream"
CALLS = (ToolCall("weather", '{"city":"Köln"}', "call_a"), ToolCall("weather", '{"city":"Oslo"}', "call_b"))
FULL = Plan("A text of more than five characters.", thinking="Reasoning of more than five.", tools=CALLS,
            usage=Usage(input=9, output=30))  # fmt: skip


async def streamed(gate: Gatehouse, wire: str) -> list[dict[str, Any]]:
    """The data of each event that an SDK gets."""
    async with sdk(gate, wire) as at, at.with_streaming_response.create(**ASKED[wire], stream=True) as begun:
        said = b"".join([chunk async for chunk in begun.iter_bytes()])
    return [msgspec.json.decode(event.data) for event in split(said) if event.data != b"[DONE]"]


def test_the_first_delta_is_not_lost_where_it_comes_with_the_role() -> None:
    frame = 'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[%s]%s}\n\n'
    body = frame % ('{"index":0,"delta":{"role":"assistant","content":"First"}}', "")
    body += frame % ('{"index":0,"delta":{"content":" last"},"finish_reason":"stop"}', "")
    body += frame % ("", ',"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}') + "data: [DONE]\n\n"

    async def check(gate: Gatehouse) -> None:
        for _ in range(2):
            assert (await final(gate, "openai", stream=True)).choices[0].message.content == "First last"
        assert (await final(gate, "openai", stream=False)).choices[0].message.content == "First last"
        assert len(gate.up.exchanges) == 1

    through(Plan(body=body.encode(), content_type=EVENTS), check)


def test_the_first_delta_is_not_lost_where_a_block_begins_with_text() -> None:
    raw = (GOLDEN / "anthropic_text.sse").read_bytes()
    begun = raw.replace(
        b'"content_block": {"type": "text", "text": ""}', b'"content_block": {"type":"text","text":"So: "}'
    )

    async def check(gate: Gatehouse) -> None:
        for stream in (True, True, False):
            said = await final(gate, "anthropic", stream=stream)
            assert said.content[0].text.startswith("So: G")
        assert len(gate.up.exchanges) == 1

    assert begun != raw
    through(Plan(body=begun, content_type=EVENTS), check)


@pytest.mark.parametrize("form", ["sse", "json"])
def test_content_blocks_keep_their_order(form: str) -> None:
    raw = (GOLDEN / f"anthropic_server_tools.{form}").read_bytes()
    order = ["server_tool_use", "web_search_tool_result", "text", "text", "text"]

    async def check(gate: Gatehouse) -> None:
        for stream in (form == "sse", True, False):
            assert [block.type for block in (await final(gate, "anthropic", stream=stream)).content] == order
        starts = [event for event in await streamed(gate, "anthropic") if event["type"] == "content_block_start"]
        assert [start["index"] for start in starts] == [0, 1, 2, 3, 4]
        assert [start["content_block"]["type"] for start in starts] == order
        assert len(gate.up.exchanges) == 1

    through(Plan(body=raw, content_type=EVENTS if form == "sse" else ""), check)


@pytest.mark.parametrize("first", [True, False], ids=["live", "made_of_a_whole_answer"])
def test_a_message_starts_once(first: bool) -> None:
    async def check(gate: Gatehouse) -> None:
        await final(gate, "anthropic", stream=first)
        for _ in range(2):
            kinds = [event["type"] for event in await streamed(gate, "anthropic")]
            assert (kinds[0], kinds.count("message_start"), kinds.count("message_stop")) == ("message_start", 1, 1)
            assert kinds.count("content_block_start") == kinds.count("content_block_stop") == 4
        assert len(gate.up.exchanges) == 1

    through(FULL, check)


@GENERATING
def test_an_error_in_mid_stream_can_be_read(wire: str) -> None:
    async def check(gate: Gatehouse) -> None:
        for _ in range(2):
            with pytest.raises(RAISED, match="overloaded in mid-stream"):
                await final(gate, wire, stream=True)
        assert len(gate.up.exchanges) == 2

    through(Plan("An answer that breaks off", error_after_event=3, piece=4), check)


@GENERATING
def test_a_cut_stream_is_no_success(wire: str) -> None:
    async def check(gate: Gatehouse) -> None:
        for asked, after in enumerate((1, 3, 5)):
            gate.up.reply = Plan("An answer that breaks off", cut_after_event=after, piece=4)
            with pytest.raises(RAISED):
                await final(gate, wire, stream=True)
            async with sdk(gate, wire) as at:
                stream = await at.create(**ASKED[wire], stream=True)
                with pytest.raises(RAISED):
                    _ = [event async for event in stream]
            assert len(gate.up.exchanges) == 2 * asked + 2  # an answer that has begun is not asked for again, nor kept

    through(None, check)


@GENERATING
def test_a_kept_answer_is_not_chopped_and_loses_neither_reasoning_nor_tools(wire: str) -> None:
    async def check(gate: Gatehouse) -> None:
        whole = await final(gate, wire, stream=False)
        again = await final(gate, wire, stream=True)
        events = msgspec.json.encode(await streamed(gate, wire)).decode()
        assert len(gate.up.exchanges) == 1
        for said in ("A text of more than five characters.", "Reasoning of more than five."):
            assert said in events  # in one piece
        if wire == "openai":
            one, two = whole.choices[0].message, again.choices[0].message
            assert one.reasoning_content == two.reasoning_content == "Reasoning of more than five."
            assert [call.function.arguments for call in two.tool_calls] == [call.arguments for call in CALLS]
        elif wire == "responses":
            assert again.output[0] == whole.output[0]
            assert again.output_text == whole.output_text
            assert [item.arguments for item in again.output[2:]] == [call.arguments for call in CALLS]
        else:
            assert [block.to_dict() for block in again.content] == [block.to_dict() for block in whole.content]
            assert [block.type for block in again.content] == ["thinking", "text", "tool_use", "tool_use"]

    through(FULL, check)


@GENERATING
def test_a_kept_stream_comes_in_the_pieces_it_came_in(wire: str) -> None:
    async def check(gate: Gatehouse) -> None:
        live, kept = [await streamed(gate, wire) for _ in range(2)]
        assert live == kept
        assert len(gate.up.exchanges) == 1

    through(msgspec.structs.replace(FULL, piece=7), check)
