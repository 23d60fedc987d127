"""Calls that come at once with one prefix: who starts when, what each of them pays, and what is left when they go."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from tests.engine.rig import SCOPE, Rig
from tests.engine.test_prefixes import cost, finished, question, turn, used

from penstock.errors import DeadlineExceeded, Overloaded
from penstock.flow import Done, Refused
from penstock.flow.rules import Fallback
from penstock.ledger import Limits
from penstock.prefixes import Prefixes
from penstock.testing import FakeClock, Plan, ScriptedProvider, SimulatedCache
from penstock.ticket import Outcome
from penstock.values import Call


def rig(clock: FakeClock, *, first_token: float = 1.0, **fields: Any) -> Rig:
    """A provider whose answers begin after ``first_token`` seconds, whatever they read."""
    cache = SimulatedCache("anthropic", first_token=lambda uncached: first_token)
    return Rig(
        ScriptedProvider("It does.", name="p", dialect="anthropic", cache=cache, clock=clock), clock=clock, **fields
    )


def asked(at: Rig, call: Call) -> asyncio.Task[Outcome]:
    return asyncio.create_task(at.engine.run(call))


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("number", [2, 3, 10, 40])
def test_all_others_start_when_the_first_has_begun_to_be_answered(number: int, stream: bool) -> None:
    async def main() -> None:
        clock = FakeClock()
        async with rig(clock) as at:
            tasks = [asked(at, question(f"Number {n}?", stream=stream)) for n in range(number)]
            await clock.advance(0.5)
            assert len(at.provider.seen) == 1
            await clock.advance(0.6)
            assert len(at.provider.seen) == number
            usages = [used(outcome) for outcome in await finished(clock, tasks)]
            assert sum(usage.cache_write_5m > 0 for usage in usages) == 1
            assert sum(usage.cache_read > 0 for usage in usages) == number - 1
            assert at.engine.prefixes.memory.seen.followed == number - 1

    asyncio.run(main())


def test_one_that_comes_while_the_first_is_under_way_follows_it() -> None:
    async def main() -> None:
        clock = FakeClock()
        async with rig(clock) as at:
            tasks = [asked(at, question(f"Number {n}?", stream=True)) for n in range(2)]
            await clock.advance(0.5)
            tasks.append(asked(at, question("And number 7?", stream=True)))
            usages = [used(outcome) for outcome in await finished(clock, tasks)]
            assert [usage.cache_read > 0 for usage in usages] == [False, True, True]

    asyncio.run(main())


def test_one_alone_pays_for_no_write_on_the_word_of_another_that_has_gone_out() -> None:
    async def main() -> None:
        clock = FakeClock()
        async with rig(clock) as at:
            first = asked(at, question("One?", stream=True))
            await clock.advance(0.5)
            second = asked(at, question("Two?", stream=True))
            usages = [used(outcome) for outcome in await finished(clock, [first, second])]
            assert cost(usages) == 1.0

    asyncio.run(main())


def test_followers_that_leave_leave_nothing_held() -> None:
    async def main() -> None:
        clock = FakeClock()
        async with rig(clock, limits=Limits(nano=10**12)) as at:
            tasks = [asked(at, question(f"Number {n}?", stream=True)) for n in range(5)]
            await clock.advance(0.5)
            assert len(at.provider.seen) == 1
            for task in tasks[1:]:
                task.cancel()
            await clock.settle()
            await finished(clock, tasks[:1])
            _, held = await at.account()
            assert held == 0
            assert not at.engine._flights
            assert not at.engine.prefixes.memory.leaders._here
            assert not at.engine.prefixes.memory.leaders._writing

    asyncio.run(main())


def test_a_leader_that_leaves_hands_the_lead_on() -> None:
    async def main() -> None:
        clock = FakeClock()
        async with rig(clock) as at:
            tasks = [asked(at, question(f"Number {n}?", stream=True)) for n in range(4)]
            await clock.advance(0.5)
            tasks[0].cancel()
            await clock.settle()
            usages = [used(outcome) for outcome in await finished(clock, tasks[1:])]
            assert sum(usage.cache_write_5m > 0 for usage in usages) == 1
            assert sum(usage.cache_read > 0 for usage in usages) == 2

    asyncio.run(main())


def test_nobody_waits_for_a_leader_past_its_own_deadline() -> None:
    async def main() -> None:
        clock = FakeClock()
        async with rig(clock, first_token=4.5) as at:
            late = clock.monotonic() + 4.0
            first = asked(at, question("One?", stream=True))
            calls = [msgspec.structs.replace(question(f"{n}?", stream=True), deadline=late) for n in range(2, 5)]
            others = [asked(at, call) for call in calls]
            for _ in range(200):
                await clock.advance(0.05)
            assert len(at.provider.seen) == 4
            assert isinstance((await first).state, Done)
            for task in others:
                state = (await asyncio.gather(task, return_exceptions=True))[0]
                assert isinstance(state, DeadlineExceeded) or isinstance(getattr(state, "state", None), Refused | Done)

    asyncio.run(main())


def test_one_whose_leader_is_late_writes_nothing_and_reads_what_is_warm() -> None:
    async def main() -> None:
        clock = FakeClock()
        async with rig(clock, first_token=0.5) as at:
            for number in range(20):
                await finished(clock, [asked(at, turn(number))])
                await clock.advance(10.0)
            warm = used(at.outcomes[-1])
            assert warm.cache_read > 5000
            at.provider.script = lambda call: Plan("It does.", latency=60.0 if call.stream else 0.0)
            streamed = Call.parse(
                msgspec.json.encode({**turn(20).body, "stream": True}),
                dialect="anthropic",
                provider="p",
                origin="script",
                scope=SCOPE,
            )
            slow = asked(at, streamed)
            await clock.advance(0.2)
            samples = [msgspec.structs.replace(turn(20), reuse="off") for _ in range(3)]
            outcomes = await finished(clock, [asked(at, call) for call in samples])
            for outcome in outcomes:
                assert used(outcome).cache_read >= warm.cache_read
                assert used(outcome).cache_write_5m == 0
            slow.cancel()

    asyncio.run(main())


def test_a_call_that_fails_leaves_a_warm_prefix_warm() -> None:
    async def main() -> None:
        clock = FakeClock()
        async with rig(clock) as at:
            for number in range(12):
                await finished(clock, [asked(at, turn(number))])
            before = used(at.outcomes[-1]).cache_read
            at.provider.script = Plan(status=529)
            failed = await finished(clock, [asked(at, turn(12))])
            assert isinstance(failed[0].state, Refused)
            at.provider.script = "It does."
            (outcome,) = await finished(clock, [asked(at, turn(12))])
            assert used(outcome).cache_read > before

    asyncio.run(main())


def test_who_stands_in_for_a_provider_gets_the_request_as_it_came() -> None:
    async def main() -> None:
        clock = FakeClock()
        async with rig(clock) as at:
            spare = ScriptedProvider("It does.", name="q", dialect="anthropic", clock=clock)
            at.engine.providers = {**at.engine.providers, "q": spare}
            at.engine.rules = msgspec.structs.replace(at.engine.rules, fallbacks={"p": Fallback("q", "elsewhere")})
            at.engine.prefixes = Prefixes(clock, places={"p": "anthropic", "q": "off"})
            at.provider.script = Overloaded("busy", status=529)
            outcomes = await finished(clock, [asked(at, question(f"{n}?", stream=False)) for n in range(3)])
            assert all(isinstance(outcome.state, Done) for outcome in outcomes)
            assert len(spare.seen) == 3
            assert not any(b"cache_control" in call.wire() for call in spare.seen)
            assert all(not outcome.state.receipt.saved.get("layout") for outcome in outcomes)

    asyncio.run(main())


def test_a_provider_that_reports_no_usage_is_followed_as_well() -> None:
    async def main() -> None:
        clock = FakeClock()
        provider = ScriptedProvider(
            Plan("It does.", usage=None, latency=1.0), name="p", dialect="anthropic", clock=clock
        )
        async with Rig(provider, clock=clock) as at:
            tasks = [asked(at, question(f"Number {n}?", stream=False)) for n in range(10)]
            await clock.advance(0.5)
            assert len(provider.seen) == 1
            await clock.advance(0.6)
            assert len(provider.seen) == 10
            await finished(clock, tasks)

    asyncio.run(main())
