"""The official SDKs, unchanged, through `LM.http_client`: in process on one side, real sockets on the other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import anthropic
import openai
import pytest

import penstock
from penstock.testing import Exchange, Plan, ToolCall, Upstream
from penstock.values import Usage

USAGE = Usage(input=12, output=5)
TOOL = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
}
ANTHROPIC_TOOL = {"name": "weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}
MESSAGES: list[Any] = [{"role": "user", "content": "Why?"}]


def with_openai(reply: Any, body: Callable[[openai.AsyncOpenAI, Upstream, penstock.LM], Awaitable[None]]) -> None:
    async def main() -> None:
        async with (
            Upstream(reply) as up,
            penstock.open(provider="openai", base_url=up.url, api_key="k") as lm,
            openai.AsyncOpenAI(http_client=lm.http_client(), api_key="unused") as client,
        ):
            await body(client, up, lm)

    asyncio.run(main())


def with_anthropic(
    reply: Any, body: Callable[[anthropic.AsyncAnthropic, Upstream, penstock.LM], Awaitable[None]]
) -> None:
    async def main() -> None:
        async with (
            Upstream(reply) as up,
            penstock.open(provider="anthropic", base_url=up.url, api_key="k") as lm,
            anthropic.AsyncAnthropic(http_client=lm.http_client(), api_key="unused") as client,
        ):
            await body(client, up, lm)

    asyncio.run(main())


def test_openai_chat_and_reuse() -> None:
    async def body(client: openai.AsyncOpenAI, up: Upstream, lm: penstock.LM) -> None:
        for _ in range(2):
            said = await client.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES)
            assert said.choices[0].message.content == "Because."
            assert said.usage is not None
            assert said.usage.prompt_tokens == 12
        assert len(up.exchanges) == 1
        assert lm.ledger.saved["reuse"] == lm.ledger.spent > 0

    with_openai(Plan("Because.", usage=USAGE), body)


@pytest.mark.parametrize("usage", [True, False])
def test_openai_stream(usage: bool) -> None:
    async def body(client: openai.AsyncOpenAI, up: Upstream, lm: penstock.LM) -> None:
        options: Any = {"stream_options": {"include_usage": True}} if usage else {}
        for _ in range(2):
            stream = await client.chat.completions.create(
                model="gpt-4o-mini", messages=MESSAGES, stream=True, **options
            )
            chunks = [chunk async for chunk in stream]
            assert (
                "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
                == "An answer in pieces."
            )
            assert [chunk.usage.completion_tokens for chunk in chunks if chunk.usage] == ([5] if usage else [])
        assert up.exchanges[0].question.body["stream_options"]["include_usage"] is True
        assert len(up.exchanges) == 1

    with_openai(Plan("An answer in pieces.", usage=USAGE, piece=4), body)


@pytest.mark.parametrize("stream", [True, False])
def test_openai_tools(stream: bool) -> None:
    async def body(client: openai.AsyncOpenAI, up: Upstream, lm: penstock.LM) -> None:
        asked: Any = {"model": "gpt-4o-mini", "messages": MESSAGES, "tools": [TOOL]}
        if stream:
            async with client.chat.completions.stream(**asked) as events:
                message = (await events.get_final_completion()).choices[0].message
        else:
            message = (await client.chat.completions.create(**asked)).choices[0].message
        assert [(c.function.name, c.function.arguments) for c in message.tool_calls or []] == [
            ("weather", '{"city": "Rome"}'),
            ("weather", '{"city": "Oslo"}'),
        ]

    tools = (ToolCall("weather", '{"city": "Rome"}', "call_1"), ToolCall("weather", '{"city": "Oslo"}', "call_2"))
    with_openai(Plan("", tools=tools, usage=USAGE), body)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (404, openai.NotFoundError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
def test_openai_errors_are_typed_and_tried_by_one_layer_only(status: int, error: type[Exception], stream: bool) -> None:
    async def body(client: openai.AsyncOpenAI, up: Upstream, lm: penstock.LM) -> None:
        with pytest.raises(error, match="the words of the upstream"):
            await client.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES, stream=stream)
        assert len(up.exchanges) == (3 if status in {429, 500} else 1)

    with_openai(Plan("the words of the upstream", status=status, headers={"retry-after-ms": "1"}), body)


def test_openai_raises_on_a_cut_stream() -> None:
    async def body(client: openai.AsyncOpenAI, up: Upstream, lm: penstock.LM) -> None:
        stream = await client.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES, stream=True)
        with pytest.raises(openai.APIError):
            async for _ in stream:
                pass

    with_openai(Plan("An answer that breaks off", cut_after_event=2), body)


def test_openai_sees_an_exhausted_budget_as_an_error_it_does_not_retry() -> None:
    async def main() -> None:
        async with (
            Upstream("Because.") as up,
            penstock.open(provider="openai", base_url=up.url, budget="$0.000001") as lm,
            openai.AsyncOpenAI(http_client=lm.http_client(), api_key="unused") as client,
        ):
            with pytest.raises(openai.APIStatusError, match="budget") as raised:
                await client.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES)
            assert raised.value.status_code == 402
            assert up.served == 0

    asyncio.run(main())


def test_leaving_an_openai_stream_reaches_the_upstream() -> None:
    async def body(client: openai.AsyncOpenAI, up: Upstream, lm: penstock.LM) -> None:
        stream = await client.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES, stream=True)
        async for _ in stream:
            break
        await stream.close()
        await up.until(lambda: up.disconnects == 1)
        assert up.disconnects == 1

    with_openai(Plan("An answer that nobody waits for", hang_after_event=2), body)


def test_anthropic_messages_and_reuse() -> None:
    async def body(client: anthropic.AsyncAnthropic, up: Upstream, lm: penstock.LM) -> None:
        for _ in range(2):
            said = await client.messages.create(model="claude-sonnet-5", max_tokens=50, messages=MESSAGES)
            assert said.content[0].text == "Because."  # type: ignore[union-attr]
            assert said.usage.output_tokens == 5
        assert len(up.exchanges) == 1

    with_anthropic(Plan("Because.", usage=USAGE), body)


def test_anthropic_stream_with_thinking_and_tools() -> None:
    async def body(client: anthropic.AsyncAnthropic, up: Upstream, lm: penstock.LM) -> None:
        for _ in range(2):
            async with client.messages.stream(
                model="claude-sonnet-5",
                max_tokens=2000,
                messages=MESSAGES,
                tools=[ANTHROPIC_TOOL],  # type: ignore[list-item]
            ) as stream:
                said = await stream.get_final_message()
            kinds = [block.type for block in said.content]
            assert kinds == ["thinking", "text", "tool_use"]
            assert said.content[0].signature  # type: ignore[union-attr]
            assert said.content[2].input == {"city": "Rome"}  # type: ignore[union-attr]
            assert said.stop_reason == "tool_use"
        assert len(up.exchanges) == 1

    plan = Plan("Let me see.", thinking="Hm.", tools=(ToolCall("weather", '{"city": "Rome"}'),), usage=USAGE)
    with_anthropic(plan, body)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, anthropic.BadRequestError),
        (401, anthropic.AuthenticationError),
        (429, anthropic.RateLimitError),
        (529, anthropic.InternalServerError),
    ],
)
def test_anthropic_errors(status: int, error: type[Exception]) -> None:
    async def body(client: anthropic.AsyncAnthropic, up: Upstream, lm: penstock.LM) -> None:
        with pytest.raises(error, match="the words of the upstream"):
            await client.messages.create(model="claude-sonnet-5", max_tokens=50, messages=MESSAGES)
        assert len(up.exchanges) == (3 if status in {429, 529} else 1)

    with_anthropic(Plan("the words of the upstream", status=status, headers={"retry-after": "0"}), body)


def test_anthropic_raises_on_a_cut_stream() -> None:
    async def body(client: anthropic.AsyncAnthropic, up: Upstream, lm: penstock.LM) -> None:
        with pytest.raises(anthropic.APIError):
            async with client.messages.stream(model="claude-sonnet-5", max_tokens=50, messages=MESSAGES) as stream:
                await stream.get_final_message()

    with_anthropic(Plan("An answer that breaks off", cut_after_event=3), body)


def test_what_is_not_served_is_said() -> None:
    async def body(client: openai.AsyncOpenAI, up: Upstream, lm: penstock.LM) -> None:
        with pytest.raises(openai.NotFoundError, match="not served here"):
            await client.images.generate(prompt="a cat", model="m")

    with_openai("Because.", body)


def test_headers_and_unknown_fields_pass_and_the_key_is_ours() -> None:
    async def body(client: anthropic.AsyncAnthropic, up: Upstream, lm: penstock.LM) -> None:
        await client.messages.create(
            model="claude-sonnet-5",
            max_tokens=50,
            messages=MESSAGES,
            extra_body={"a_field_of_tomorrow": {"x": [1]}},
            extra_headers={"anthropic-beta": "context-1m-2025-08-07", "x-penstock-off": "layout"},
        )
        seen: Exchange = up.exchanges[0]
        assert seen.question.body["a_field_of_tomorrow"] == {"x": [1]}
        assert seen.headers["anthropic-beta"] == "context-1m-2025-08-07"
        assert seen.headers["x-api-key"] == "k"
        assert not [name for name in seen.headers if name.startswith("x-penstock")]

    with_anthropic("Because.", body)
