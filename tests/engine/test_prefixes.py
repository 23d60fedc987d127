"""Prompts laid out for the provider's cache, through the real flow, over a cache with the provider's real rules."""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.engine.rig import SCOPE, Rig

from penstock.config import Settings
from penstock.flow import Done, Settle, Shape
from penstock.policy.layout.blocks import blocks
from penstock.policy.layout.settings import LayoutSettings
from penstock.prefixes import Prefixes
from penstock.prefixes.laid import Laid
from penstock.runtime import Runtime, build
from penstock.testing import FakeClock, Plan, ScriptedProvider, SimulatedCache
from penstock.ticket import Outcome
from penstock.values import Call, Scope, Usage

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
            assert cost(usages) <= 0.30
            seen = at.engine.prefixes.memory.seen
            assert (seen.calls, seen.missed) == (40, 0)
            assert seen.read == sum(usage.cache_read for usage in usages)
            assert 0.9 * seen.read <= seen.expected <= seen.read

    asyncio.run(main())


def test_what_the_caller_marks_goes_out_as_it_came() -> None:
    async def main() -> None:
        clock = FakeClock()
        async with rig(clock) as at, rig(clock) as untouched:
            usages = await loop(at, clock, marked=True)
            untouched.engine.prefixes = Prefixes(clock, settings=LayoutSettings(enabled=False))
            plain = await loop(untouched, clock, marked=True)
            assert [usage.cache_read for usage in usages] == [usage.cache_read for usage in plain]
            assert all(not call.edits and call.wire() is call.raw for call in at.provider.seen)
            assert cost(usages) <= 0.30

    asyncio.run(main())


@pytest.mark.parametrize("settings", [LayoutSettings(enabled=False), LayoutSettings(share=0.0)])
def test_it_can_be_switched_off(settings: LayoutSettings) -> None:
    async def main() -> None:
        clock = FakeClock()
        async with rig(clock) as at:
            at.engine.prefixes = Prefixes(clock, settings=settings)
            usages = await loop(at, clock, turns=12)
            assert cost(usages) == 1.0
            assert all(call.wire() is call.raw for call in at.provider.seen)

    asyncio.run(main())


def test_a_call_that_leaves_it_out_goes_out_as_it_came() -> None:
    async def main() -> None:
        clock = FakeClock()
        async with rig(clock) as at:
            calls = [question(f"Number {n}?", stream=False) for n in range(5)]
            calls = [msgspec.structs.replace(call, off=frozenset({"layout"})) for call in calls]
            outcomes = await finished(clock, [asyncio.create_task(at.engine.run(call)) for call in calls])
            assert cost([used(outcome) for outcome in outcomes]) == 1.0
            assert all(call.wire() is call.raw for call in at.provider.seen)

    asyncio.run(main())


@settings(max_examples=25, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(3, 12), st.booleans())
def test_every_prompt_goes_on_where_the_one_before_ended_or_the_record_says_where_not(
    chance: Random, turns: int, unsteady: bool
) -> None:
    """Tools in any order, and a system prompt that sometimes changes."""

    async def main() -> None:
        clock = FakeClock()
        async with rig(clock) as at:
            system = 0
            for number in range(turns):
                call = turn(number, seconds=f" It is step {system}.")
                body = dict(call.body)
                if chance.random() < 0.5:
                    body["tools"] = chance.sample(TOOLS, len(TOOLS))
                call = Call.parse(
                    msgspec.json.encode(body), dialect="anthropic", provider="p", origin="script", scope=SCOPE
                )
                await finished(clock, [asyncio.create_task(at.engine.run(call))])
                await clock.advance(20.0)
                system += unsteady and chance.random() < 0.3
            sent = [[block.digest for block in blocks(call.body)] for call in at.provider.seen]
            for before, after, outcome in zip(sent, sent[1:], at.outcomes[1:], strict=False):
                notes = next(state.layout for _, state in outcome.log if isinstance(state, Shape))
                assert (after[: len(before)] == before) == (notes["known"] >= len(before))
                if after[: len(before)] != before:
                    assert notes["new_from"] == "system"

    asyncio.run(main())


def test_busy_prefixes_of_openai_get_keys_and_others_stay_as_they_came() -> None:
    async def main() -> None:
        clock = FakeClock()
        async with rig(clock, "openai", "openai") as at:
            at.engine.prefixes = Prefixes(clock, places={"p": "openai"})
            for number in range(60):
                body = {
                    "model": "gpt-4o",
                    "messages": [
                        {"role": "system", "content": CONTEXT},
                        {"role": "user", "content": f"Hello {number}"},
                    ],
                }
                call = Call.parse(
                    msgspec.json.encode(body), dialect="openai", provider="p", origin="script", scope=SCOPE
                )
                (outcome,) = await finished(clock, [asyncio.create_task(at.engine.run(call))])
                assert outcome.state.receipt.saved.get("layout", 0) == 0  # what a key saves no usage shows
            keys = [call.body.get("prompt_cache_key") for call in at.provider.seen]
            assert keys[:5] == [None] * 5
            assert keys[-1] is not None

    asyncio.run(main())


def test_one_that_is_called_off_while_it_waits_for_siblings_is_none() -> None:
    async def main() -> None:
        clock = FakeClock()
        async with rig(clock) as at:
            gone = asyncio.create_task(at.engine.run(question("One?", stream=True)))
            await clock.settle()
            gone.cancel()
            await clock.settle()
            assert not at.engine.prefixes.memory.leaders._here
            (outcome,) = await finished(clock, [asyncio.create_task(at.engine.run(question("Two?", stream=True)))])
            assert cost([used(outcome)]) == 1.0  # nobody is there to read what it would write

    asyncio.run(main())


def test_a_leader_that_fails_leaves_the_lead_to_the_next() -> None:
    async def main() -> None:
        clock = FakeClock()
        async with rig(clock) as at:
            cache, tries = at.provider, iter(range(10))
            cache.script = lambda call: Plan(status=400) if next(tries) == 0 else "It does."
            calls = [question(f"Number {n}?", stream=True) for n in range(5)]
            outcomes = await finished(clock, [asyncio.create_task(at.engine.run(call)) for call in calls])
            usages = [used(outcome) for outcome in outcomes if isinstance(outcome.state, Done)]
            assert len(usages) == 4
            assert sum(usage.cache_write_5m > 0 for usage in usages) == 1
            assert sum(usage.cache_read > 0 for usage in usages) == 3
            assert not at.engine.prefixes.memory.leaders._writing

    asyncio.run(main())


def subagent(number: int) -> Call:
    """One of several that share tools and system prompt, each with marks of its own."""
    call = turn(0, marked=True)
    mark = {"cache_control": {"type": "ephemeral"}}
    content = [{"type": "text", "text": f"Task {number}. " + CONTEXT[: 4000 + number], **mark}]
    body = {**call.body, "messages": [{"role": "user", "content": content}]}
    return Call.parse(msgspec.json.encode(body), dialect="anthropic", provider="p", origin="script", scope=SCOPE)


def test_nobody_waits_for_what_can_be_read_already() -> None:
    async def main() -> None:
        clock = FakeClock()
        async with rig(clock) as at:
            await finished(clock, [asyncio.create_task(at.engine.run(subagent(0)))])
            tasks = [asyncio.create_task(at.engine.run(subagent(n))) for n in range(1, 6)]
            await clock.settle()
            assert at.provider.in_flight == 5
            usages = [used(outcome) for outcome in await finished(clock, tasks)]
            assert min(usage.cache_read for usage in usages) > 2000
            assert at.engine.prefixes.memory.seen.followed == 0

    asyncio.run(main())


def test_a_fan_out_at_a_provider_that_caches_by_itself_follows_its_leader() -> None:
    async def main() -> None:
        clock = FakeClock()
        async with rig(clock, "openai", "openai") as at:
            calls = []
            for number in range(10):
                messages = [{"role": "system", "content": CONTEXT}, {"role": "user", "content": f"Number {number}?"}]
                raw = msgspec.json.encode({"model": "gpt-4o", "messages": messages})
                calls.append(Call.parse(raw, dialect="openai", provider="p", origin="script", scope=SCOPE))
            outcomes = await finished(clock, [asyncio.create_task(at.engine.run(call)) for call in calls])
            usages = [used(outcome) for outcome in outcomes]
            assert sum(usage.cache_read > 0 for usage in usages) == 9
            assert all(call.wire() is call.raw for call in at.provider.seen)
            assert all(outcome.state.receipt.saved.get("layout", 0) == 0 for outcome in outcomes)

    asyncio.run(main())


async def passed(at: Runtime, call: Call) -> Laid:
    """How a call was laid out that goes all the way."""
    passage = await at.engine.prefixes.lay(call, None)
    assert passage is not None
    assert await passage.turn(None) == (None, 0.0)
    passage.ended(Usage(input=4000))
    return passage.laid


def test_what_is_known_of_prefixes_outlives_a_run(tmp_path: Path) -> None:
    async def main() -> None:
        first = await build(Settings(), at=tmp_path)
        laid = await passed(first, turn(3))
        assert laid.notes["known"] == 0
        await first.close()
        second = await build(Settings(), at=tmp_path)
        assert (await passed(second, turn(4))).notes["known"] == laid.notes["blocks"]
        await second.close()

    asyncio.run(main())


def test_processes_that_run_at_once_learn_from_each_other(tmp_path: Path) -> None:
    async def main() -> None:
        one, two = await build(Settings(), at=tmp_path), await build(Settings(), at=tmp_path)
        laid = await passed(one, turn(3))
        await one.engine.prefixes.memory.exchange()
        await two.engine.prefixes.memory.exchange()
        other = await passed(two, turn(4))
        assert other.notes["known"] == laid.notes["blocks"]
        await one.close()
        await two.close()
        again = await build(Settings(), at=tmp_path)
        both = laid.decision.total + other.decision.total if laid.decision and other.decision else 0
        assert again.engine.prefixes.memory.writes.guard(laid.bill).sent == both > 0
        await again.close()

    asyncio.run(main())


def test_tenants_who_share_a_key_share_no_cache() -> None:
    async def main(*, salt: bool) -> list[bool]:
        clock = FakeClock()
        async with rig(clock, "openai", "openai") as at:
            at.engine.rules = msgspec.structs.replace(at.engine.rules, salt=b"secret" if salt else b"")
            usages: list[Usage] = []
            for tenant in ("ann", "bob", "ann"):
                messages = [{"role": "system", "content": CONTEXT}, {"role": "user", "content": f"I am {tenant}."}]
                raw = msgspec.json.encode({"model": "gpt-4o", "messages": messages})
                scope = Scope(tenant, SCOPE.session, SCOPE.run)
                call = Call.parse(raw, dialect="openai", provider="p", origin="script", scope=scope, reuse="off")
                usages += [used(each) for each in await finished(clock, [asyncio.create_task(at.engine.run(call))])]
            return [usage.cache_read > 0 for usage in usages]

    assert asyncio.run(main(salt=False)) == [False, True, True]
    assert asyncio.run(main(salt=True)) == [False, False, True]
