"""Prompts laid out for the provider's cache, through the real flow, over a cache with the provider's real rules."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from tests.engine.rig import SCOPE, Rig

from penstock.flow import Done, Settle
from penstock.testing import FakeClock, ScriptedProvider, SimulatedCache
from penstock.ticket import Outcome
from penstock.values import Call, Usage

MODEL = "claude-sonnet-4-5"
CONTEXT = " ".join(f"Clause {number}: the party of part {number} owes {number * 7} days." for number in range(500))
TOOLS = [
    {
        "name": f"tool_{number}",
        "description": f"Does the thing number {number} to a file, and says what came of it. " * 6,
        "input_schema": {"type": "object", "properties": {"path": {"type": "string"}}},
    }
    for number in range(20)
]


def rig(clock: FakeClock, provider: str = "anthropic", dialect: str = "anthropic") -> Rig:
    cache = SimulatedCache(provider, first_token=lambda uncached: 0.2 + uncached / 5000)
    return Rig(ScriptedProvider("It does.", name="p", dialect=dialect, cache=cache, clock=clock), clock=clock)


async def finished(clock: FakeClock, tasks: list[asyncio.Task[Outcome]]) -> list[Outcome]:
    while not all(task.done() for task in tasks):
        await clock.advance(0.05)
    return [task.result() for task in tasks]


def used(outcome: Outcome) -> Usage:
    assert isinstance(outcome.state, Done)
    usage = next(state.usage for _, state in outcome.log if isinstance(state, Settle))
    assert usage is not None
    return usage


def cost(usages: list[Usage]) -> float:
    """Of the input, where uncached input costs 1."""
    spent = sum(u.input + 0.1 * u.cache_read + 1.25 * u.cache_write_5m + 2 * u.cache_write_1h for u in usages)
    return spent / sum(u.prompt for u in usages)


def question(text: str, *, stream: bool, context: str = CONTEXT) -> Call:
    body = {
        "model": MODEL,
        "max_tokens": 100,
        "stream": stream,
        "system": "You answer questions about a contract.",
        "messages": [{"role": "user", "content": [{"type": "text", "text": context}, {"type": "text", "text": text}]}],
    }
    return Call.parse(msgspec.json.encode(body), dialect="anthropic", provider="p", origin="script", scope=SCOPE)


@pytest.mark.parametrize("stream", [True, False])
def test_a_fan_out_writes_its_shared_prefix_once(stream: bool) -> None:
    async def main() -> None:
        clock = FakeClock()
        async with rig(clock) as at:
            calls = [question(f"Which clause is number {number}?", stream=stream) for number in range(10)]
            outcomes = await finished(clock, [asyncio.create_task(at.engine.run(call)) for call in calls])
            usages = [used(outcome) for outcome in outcomes]
            assert sum(usage.cache_write_5m > 0 for usage in usages) == 1
            assert sum(usage.cache_read for usage in usages) >= 0.85 * sum(usage.prompt for usage in usages)
            assert cost(usages) <= 0.25
            receipts = [outcome.state.receipt for outcome in outcomes]
            assert sum(receipt.saved["layout"] for receipt in receipts) > 0
            assert all(receipt.asked - receipt.spent == receipt.saved["layout"] for receipt in receipts)
            assert min(receipt.saved["layout"] for receipt in receipts) < 0  # the leader pays the premium

    asyncio.run(main())


def turn(number: int, *, marked: bool = False, seconds: str = "") -> Call:
    """The request of an agent in its turn ``number``, from 0: what was said, called and found before stands in it."""
    messages: list[Any] = [{"role": "user", "content": "Make the tests pass."}]
    for past in range(number):
        use = {"type": "tool_use", "id": f"t{past}", "name": "tool_1", "input": {"path": f"src/file_{past}.py"}}
        found = f"line {past}: " + " ".join(f"value_{past}_{word}" for word in range(100))
        result = {"type": "tool_result", "tool_use_id": f"t{past}", "content": found}
        messages += [{"role": "assistant", "content": [use]}, {"role": "user", "content": [result]}]
    system: Any = f"You are a careful engineer.{seconds}"
    if marked:
        mark = {"cache_control": {"type": "ephemeral"}}
        system = [{"type": "text", "text": system, **mark}]
        last = messages[-1]
        content = last["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        messages[-1] = {**last, "content": [{**blocks[0], **mark}]}
    body = {"model": MODEL, "max_tokens": 100, "tools": TOOLS, "system": system, "messages": messages}
    return Call.parse(msgspec.json.encode(body), dialect="anthropic", provider="p", origin="script", scope=SCOPE)


async def loop(at: Rig, clock: FakeClock, *, turns: int = 40, pause: float = 20.0, **how: Any) -> list[Usage]:
    usages = []
    for number in range(turns):
        (outcome,) = await finished(clock, [asyncio.create_task(at.engine.run(turn(number, **how)))])
        usages.append(used(outcome))
        await clock.advance(pause)
    return usages


def test_an_agents_loop_reads_what_it_said_before() -> None:
    async def main() -> None:
        clock = FakeClock()
        async with rig(clock) as at:
            usages = await loop(at, clock)
            print([(u.prompt, u.cache_read, u.cache_write_5m, u.cache_write_1h) for u in usages])
            print(cost(usages))
            assert cost(usages) <= 0.30

    asyncio.run(main())
