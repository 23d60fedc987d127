"""What holds for the official SDKs of both families at the gateway: where it is, what is spent, what an outage gets."""

from __future__ import annotations

import asyncio

import anthropic
import openai
import pytest
from gatehouse import Gatehouse
from sdks import ASK, anthropic_client, openai_client, through

from penstock.testing import Plan


def test_a_base_url_with_v1_works_for_anthropic_too() -> None:
    async def check(gate: Gatehouse) -> None:
        async with anthropic.AsyncAnthropic(base_url=f"{gate.url}/v1", api_key="sk-own") as client:
            assert (await client.messages.create(**ASK)).stop_reason == "end_turn"

    through("Because.", check)


def test_an_exhausted_budget_is_402_and_not_tried_again() -> None:
    async def check(gate: Gatehouse) -> None:
        async with openai_client(gate) as client:
            with pytest.raises(openai.APIStatusError, match="budget") as raised:
                await client.chat.completions.create(**ASK, extra_headers={"x-penstock-budget": "$0.000001"})
            assert raised.value.status_code == 402
        assert gate.up.served == 0
        _, _, metrics = await gate.get("/metrics")
        assert b'penstock_requests_total{endpoint="chat/completions",status="4xx"} 1' in metrics

    through("Because.", check)


def test_an_outage_is_not_fed() -> None:
    """While the upstream answers 529 to all, clients that retry put no more load on it than they offered."""

    async def check(gate: Gatehouse) -> None:
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

    through(Plan("overloaded", status=529), check)
