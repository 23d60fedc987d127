"""The official SDKs, sync and async, through the gateway: unchanged but for their base URL."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import anthropic
import openai
import pytest
from gatehouse import MESSAGES, Gatehouse, gatehouse

from penstock.testing import Plan, ToolCall
from penstock.values import Usage

USAGE = Usage(input=12, output=5)
ASK: dict[str, Any] = {"model": "mine", "messages": MESSAGES, "max_tokens": 50}


def both(reply: Any, body: Callable[[Gatehouse], Any], **options: Any) -> None:
    async def main() -> None:
        async with gatehouse(reply, **options) as gate:
            await body(gate)

    asyncio.run(main())


def openai_client(gate: Gatehouse, **options: Any) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=f"{gate.url}/v1", api_key="sk-own", **options)


def anthropic_client(gate: Gatehouse, **options: Any) -> anthropic.AsyncAnthropic:
    return anthropic.AsyncAnthropic(base_url=gate.url, api_key="sk-own", **options)


def test_openai_async() -> None:
    async def body(gate: Gatehouse) -> None:
        async with openai_client(gate) as client:
            said = await client.chat.completions.create(**ASK)
            assert said.choices[0].message.content == "Because it is."
            assert said._request_id
            stream = await client.chat.completions.create(**{**ASK, "max_tokens": 51}, stream=True)
            text = [chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices]
            assert "".join(text) == "Because it is."
            raw = await client.chat.completions.with_raw_response.create(**ASK)
            assert raw.headers["x-penstock-source"] == "reuse"
            assert len([model async for model in await client.models.list()]) >= 3

    both(Plan("Because it is.", usage=USAGE, piece=4), body)


def test_anthropic_async_with_thinking_and_tools() -> None:
    async def body(gate: Gatehouse) -> None:
        async with anthropic_client(gate) as client:
            for stream in (True, False, True):
                if stream:
                    async with client.messages.stream(**ASK) as events:
                        said = await events.get_final_message()
                else:
                    said = await client.messages.create(**ASK)
                assert [block.type for block in said.content] == ["thinking", "text", "tool_use"]
                assert said.usage.output_tokens == 5
            assert len(gate.up.exchanges) == 1
            counted = await client.messages.count_tokens(model="mine", messages=MESSAGES)
            assert counted.input_tokens == 1
            assert [model.id async for model in client.models.list()]

    plan = Plan("Let me see.", thinking="Hm.", tools=(ToolCall("weather", '{"city": "Rome"}'),), usage=USAGE)
    both(plan, body)


def test_a_base_url_with_v1_works_for_anthropic_too() -> None:
    async def body(gate: Gatehouse) -> None:
        async with anthropic.AsyncAnthropic(base_url=f"{gate.url}/v1", api_key="sk-own") as client:
            assert (await client.messages.create(**ASK)).stop_reason == "end_turn"

    both("Because.", body)


def test_the_sync_clients() -> None:
    def ask(url: str) -> None:
        with openai.OpenAI(base_url=f"{url}/v1", api_key="sk-own") as client:
            assert client.chat.completions.create(**ASK).choices[0].message.content == "Because."
            with client.chat.completions.create(**ASK, stream=True) as stream:
                assert "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices) == "Because."
        with anthropic.Anthropic(base_url=url, api_key="sk-own") as client, client.messages.stream(**ASK) as events:
            assert events.get_final_text() == "Because."

    both(Plan("Because.", usage=USAGE), lambda gate: asyncio.to_thread(ask, gate.url))


@pytest.mark.parametrize(
    ("status", "kind", "other"),
    [
        (400, openai.BadRequestError, anthropic.BadRequestError),
        (401, openai.AuthenticationError, anthropic.AuthenticationError),
        (403, openai.PermissionDeniedError, anthropic.PermissionDeniedError),
        (404, openai.NotFoundError, anthropic.NotFoundError),
        (409, openai.ConflictError, anthropic.ConflictError),
        (422, openai.UnprocessableEntityError, anthropic.UnprocessableEntityError),
        (429, openai.RateLimitError, anthropic.RateLimitError),
        (500, openai.InternalServerError, anthropic.InternalServerError),
        (529, openai.InternalServerError, anthropic.InternalServerError),
    ],
)
def test_errors_are_typed_and_tried_by_one_layer_only(
    status: int, kind: type[Exception], other: type[Exception]
) -> None:
    tries = 3 if status in {409, 429, 500, 529} else 1

    async def body(gate: Gatehouse) -> None:
        async with openai_client(gate) as client:
            with pytest.raises(kind, match="the words of the upstream"):
                await client.chat.completions.create(**ASK)
        assert len(gate.up.exchanges) == tries
        async with anthropic_client(gate) as client:
            with pytest.raises(other, match="the words of the upstream"):
                await client.messages.create(**ASK)
        assert len(gate.up.exchanges) == 2 * tries

    both(Plan("the words of the upstream", status=status, headers={"retry-after": "0"}), body)


def test_a_cut_stream_raises_in_both() -> None:
    async def body(gate: Gatehouse) -> None:
        async with openai_client(gate) as client:
            with pytest.raises(openai.APIError):
                async for _ in await client.chat.completions.create(**ASK, stream=True):
                    pass
        async with anthropic_client(gate) as client:
            with pytest.raises(anthropic.APIError):
                async with client.messages.stream(**ASK) as events:
                    await events.get_final_message()

    both(Plan("An answer that breaks off", cut_after_event=3, piece=4), body)


def test_an_exhausted_budget_is_402_and_not_tried_again() -> None:
    async def body(gate: Gatehouse) -> None:
        async with openai_client(gate) as client:
            with pytest.raises(openai.APIStatusError, match="budget") as raised:
                await client.chat.completions.create(**ASK, extra_headers={"x-penstock-budget": "$0.000001"})
            assert raised.value.status_code == 402
        assert gate.up.served == 0
        _, _, metrics = await gate.get("/metrics")
        assert b'penstock_requests_total{endpoint="chat/completions",status="4xx"} 1' in metrics

    both("Because.", body)


def test_an_outage_is_not_fed() -> None:
    """While the upstream answers 529 to all, clients that retry put no more load on it than they offered."""

    async def body(gate: Gatehouse) -> None:
        offered = 300
        async with openai_client(gate) as client, anthropic_client(gate) as other:

            async def ask(number: int) -> None:
                asked = {**ASK, "messages": [{"role": "user", "content": str(number)}]}
                with pytest.raises((openai.InternalServerError, anthropic.InternalServerError)) as raised:
                    await (other.messages.create(**asked) if number % 2 else client.chat.completions.create(**asked))
                assert raised.value.status_code == 529  # type: ignore[attr-defined]

            for start in range(0, offered, 30):
                await asyncio.gather(*(ask(number) for number in range(start, start + 30)))
        assert len(gate.up.exchanges) <= 1.1 * offered

    both(Plan("overloaded", status=529), body)
