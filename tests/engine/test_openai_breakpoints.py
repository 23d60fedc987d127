"""Breakpoints for models that read up to them alone, through the real flow, over a cache with OpenAI's rules."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from tests.engine.rig import SCOPE
from tests.engine.test_prefixes import CONTEXT, cost, finished, rig, used

from penstock.prefixes import Prefixes
from penstock.testing import FakeClock
from penstock.values import Call, Usage


def of_gpt(number: int, *, context: str = CONTEXT) -> Call:
    """One of a fan-out, for a model that reads up to breakpoints alone."""
    parts = [{"type": "text", "text": text} for text in (context, f"What of clause {number}?")]
    raw = msgspec.json.encode({"model": "gpt-5.6", "messages": [{"role": "user", "content": parts}]})
    return Call.parse(raw, dialect="openai", provider="p", origin="script", scope=SCOPE)


def test_a_fan_out_is_read_where_a_breakpoint_stands_before_the_question() -> None:
    async def main(place: str) -> float:
        clock = FakeClock()
        async with rig(clock, "openai", "openai") as at:
            at.engine.prefixes = Prefixes(clock, places={"p": place})
            calls = [of_gpt(number) for number in range(10)]
            outcomes = await finished(clock, [asyncio.create_task(at.engine.run(call)) for call in calls])
            assert [outcome.state.receipt.saved.get("layout", 0) for outcome in outcomes] == [0] * 10
            return cost([used(outcome) for outcome in outcomes])

    assert asyncio.run(main("off")) == 1.25  # what the provider does by itself
    assert asyncio.run(main("https://elsewhere.example/v1")) == 1.25  # who knows what that takes
    assert asyncio.run(main("openai")) < 0.25


def test_breakpoints_cost_a_conversation_nothing() -> None:
    async def main(place: str) -> tuple[float, list[Usage]]:
        clock = FakeClock()
        async with rig(clock, "openai", "openai") as at:
            at.engine.prefixes = Prefixes(clock, places={"p": place})
            usages: list[Usage] = []
            messages: list[dict[str, Any]] = [{"role": "system", "content": CONTEXT}]
            for number in range(8):
                messages.append({"role": "user", "content": f"What of clause {number}? " * 40})
                raw = msgspec.json.encode({"model": "gpt-5.6", "messages": messages})
                call = Call.parse(raw, dialect="openai", provider="p", origin="script", scope=SCOPE)
                usages += [used(each) for each in await finished(clock, [asyncio.create_task(at.engine.run(call))])]
                messages.append({"role": "assistant", "content": "It owes days. " * 40})
            return cost(usages), usages

    plain, _ = asyncio.run(main("off"))
    marked, usages = asyncio.run(main("openai"))
    assert marked <= plain
    assert usages[0].cache_read == 0
    assert all(usage.cache_read for usage in usages[1:])


@pytest.mark.parametrize(
    "messages",
    [
        [{"role": "system", "content": CONTEXT}],
        [{"role": "user", "content": "Hello."}, {"role": "developer", "content": CONTEXT}],
    ],
)
def test_a_prompt_that_ends_with_its_system_text_is_answered(messages: list[dict[str, Any]]) -> None:
    async def main() -> None:
        clock = FakeClock()
        async with rig(clock, "openai", "openai") as at:
            at.engine.prefixes = Prefixes(clock, places={"p": "openai"})
            raw = msgspec.json.encode({"model": "gpt-5.6", "messages": messages})
            call = Call.parse(raw, dialect="openai", provider="p", origin="script", scope=SCOPE)
            (outcome,) = await finished(clock, [asyncio.create_task(at.engine.run(call))])
            assert used(outcome).prompt > 4000
            assert not at.engine.prefixes.memory.leaders._writing

    asyncio.run(main())


def test_a_tail_that_changes_each_turn_costs_no_more_with_breakpoints() -> None:
    async def main(place: str) -> float:
        clock = FakeClock()
        async with rig(clock, "openai", "openai") as at:
            at.engine.prefixes = Prefixes(clock, places={"p": place})
            usages: list[Usage] = []
            messages: list[dict[str, Any]] = [{"role": "system", "content": CONTEXT}]
            for number in range(8):
                messages.append({"role": "user", "content": f"What of clause {number}? " * 40})
                tail = {"role": "developer", "content": f"It is turn {number}. " * 300}
                raw = msgspec.json.encode({"model": "gpt-5.6", "messages": [*messages, tail]})
                call = Call.parse(raw, dialect="openai", provider="p", origin="script", scope=SCOPE)
                usages += [used(each) for each in await finished(clock, [asyncio.create_task(at.engine.run(call))])]
                messages.append({"role": "assistant", "content": "It owes days. " * 40})
            return cost(usages)

    assert asyncio.run(main("openai")) <= asyncio.run(main("off"))
