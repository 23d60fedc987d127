"""The official SDKs leave: in mid-stream, before the first byte, or because they wait no longer."""

from __future__ import annotations

import asyncio
from typing import Any

import anthropic
import openai
import pytest
from gatehouse import Gatehouse
from sdks import ASK, anthropic_client, openai_client, through

from penstock.testing import Plan

BOTH = pytest.mark.parametrize("family", ["openai", "anthropic"])
NOBODY = {"api_key": "penstock"}
"""The key of no tenant in particular."""


def asking(gate: Gatehouse, family: str, **options: Any) -> Any:
    """The client of a family, and what it asks with."""
    if family == "openai":
        client: Any = openai_client(gate, **{**NOBODY, **options})
        return client, client.chat.completions.create
    client = anthropic_client(gate, **{**NOBODY, **options})
    return client, client.messages.create


async def settled(gate: Gatehouse, *, spent: bool) -> None:
    """The upstream has seen it, nothing is under way, and nothing is held."""
    await gate.up.until(lambda: gate.up.disconnects == 1)
    await gate.quiet()
    account = await gate.runtime.engine.admission.holds.account(("local",))
    assert account is not None
    assert (account.held.nano, account.held.calls) == (0, 0)
    assert (account.spent.nano > 0) is spent


@BOTH
@pytest.mark.parametrize("how", ["close", "cancel"])
def test_leaving_in_mid_stream_reaches_the_upstream_and_gives_the_hold_back(family: str, how: str) -> None:
    async def check(gate: Gatehouse) -> None:
        client, ask = asking(gate, family)
        async with client:
            stream = await ask(**ASK, stream=True)
            await anext(stream)
            if how == "close":
                await stream.close()
            else:
                task = asyncio.create_task(anext(drained(stream)))
                await gate.up.until(lambda: gate.up.exchanges[0].share > 0)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                await stream.close()
            await settled(gate, spent=True)
            gate.up.reply = "Because."
            assert await ask(**ASK)
            assert len(gate.up.exchanges) == 2  # what was left is not kept

    through(Plan("An answer that nobody hears the end of", hang_after_event=4), check, budget="$50")


async def drained(stream: Any) -> Any:
    """Nothing, after all of a stream."""
    async for _ in stream:
        pass
    yield


@BOTH
@pytest.mark.parametrize("stream", [True, False])
def test_leaving_before_the_first_byte_reaches_the_upstream(family: str, stream: bool) -> None:
    async def check(gate: Gatehouse) -> None:
        client, ask = asking(gate, family)
        async with client:
            task = asyncio.create_task(ask(**ASK, stream=stream))
            await gate.up.until(lambda: gate.up.in_flight == 1)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await settled(gate, spent=True)

    through(Plan(hang=True), check, budget="$50")


@BOTH
def test_a_client_that_waits_no_longer_gets_its_own_timeout(family: str) -> None:
    async def check(gate: Gatehouse) -> None:
        client, ask = asking(gate, family, timeout=0.2, max_retries=0)
        late = openai.APITimeoutError if family == "openai" else anthropic.APITimeoutError
        refused = openai.InternalServerError if family == "openai" else anthropic.GatewayTimeoutError
        async with client:
            with pytest.raises((late, refused)):  # whichever clock is ahead
                await ask(**ASK)
        await settled(gate, spent=True)

    through(Plan(hang=True), check, budget="$50")


@BOTH
def test_the_retry_of_a_client_that_waited_no_longer_joins_the_call_in_flight(family: str) -> None:
    async def check(gate: Gatehouse) -> None:
        client, ask = asking(gate, family, timeout=0.3, max_retries=2)
        async with client:
            assert await ask(**ASK)
        assert len(gate.up.exchanges) == 1

    # Later than the first wait ends, sooner than the second: the SDKs pause for up to half a second between them.
    through(Plan("Because.", latency=0.7), check)
