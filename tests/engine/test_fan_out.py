"""Calls that come at once with one prefix: who starts when, what each of them pays, and what is left when they go."""

from __future__ import annotations

import asyncio
from datetime import date
from typing import Any

import msgspec
import pytest
from tests.engine.rig import SCOPE, Rig
from tests.engine.test_prefixes import CONTEXT, MODEL, cost, finished, question, turn, used

from penstock.errors import DeadlineExceeded, Overloaded, Unreachable
from penstock.flow import Done, Failed, Refused, Send, Settle
from penstock.flow.rules import Fallback
from penstock.ledger import Limits
from penstock.policy.layout.guard import ALLOWANCE, VOUCHED
from penstock.prefixes import Prefixes
from penstock.providers.prompt_cache import rules_for
from penstock.testing import FakeClock, Plan, ScriptedProvider, SimulatedCache
from penstock.ticket import Outcome
from penstock.values import Call, Usage


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


def written(at: Rig) -> int:
    """How many calls went out with a mark."""
    return sum(b"cache_control" in call.wire() for call in at.provider.seen)


def test_followers_whose_leader_tells_nothing_write_no_more_than_the_account_bears() -> None:
    async def main() -> None:
        clock = FakeClock()
        async with rig(clock, first_token=60.0) as at:
            tasks = [asked(at, question(f"Number {n}?", stream=False)) for n in range(40)]
            await clock.advance(6.0)
            assert len(at.provider.seen) == 40
            (guard,) = at.engine.prefixes.memory.writes.guards.values()
            assert 2 <= written(at) < 20
            assert 20_000 < guard.held <= VOUCHED
            reasons = [edit.evidence["why"] for call in at.provider.seen for edit in call.edits]
            assert set(reasons) == {"other calls wait to read it"}
            await finished(clock, tasks)
            assert guard.held == 0

    asyncio.run(main())


@pytest.mark.parametrize("billed", [True, False])
def test_a_write_that_was_called_off_is_paid_if_it_had_gone_out(billed: bool) -> None:
    async def main() -> None:
        clock = FakeClock()
        async with rig(clock, limits=Limits(nano=10**12)) as at:
            tasks = [asked(at, question(f"Number {n}?", stream=False)) for n in range(2)]
            await clock.advance(0.5)
            gone = tasks[0 if billed else 1]
            gone.cancel()
            await clock.settle()
            (outcome,) = at.outcomes
            (guard,) = at.engine.prefixes.memory.writes.guards.values()
            spent, _ = await at.account()
            assert spent == outcome.state.receipt.spent
            if billed:
                usage = next(state.usage for _, state in outcome.log if isinstance(state, Settle))
                assert usage is not None
                assert usage.cache_write_5m > 0.9 * usage.prompt
                assert guard.won < -0.24 * guard.sent
                assert outcome.state.receipt.estimated
                assert outcome.state.receipt.saved["layout"] < 0
            else:
                assert (spent, guard.won) == (0, 0)
            await finished(clock, [task for task in tasks if task is not gone])
            assert guard.held == 0

    asyncio.run(main())


def test_a_write_without_a_usage_is_paid_and_can_be_read() -> None:
    async def main() -> None:
        clock = FakeClock()
        provider = ScriptedProvider(
            Plan("It does.", usage=None, latency=1.0), name="p", dialect="anthropic", clock=clock
        )
        async with Rig(provider, clock=clock) as at:
            outcomes = await finished(clock, [asked(at, question(f"Number {n}?", stream=False)) for n in range(3)])
            (guard,) = at.engine.prefixes.memory.writes.guards.values()
            assert guard.held == 0
            assert guard.won < -1000
            wrote = [used(outcome).cache_write_5m > 0 for outcome in outcomes]
            assert sorted(wrote) == [False, False, True]
            laid = await at.engine.prefixes.lay(question("Number 4?", stream=False), None)
            assert laid is not None
            assert laid.laid.decision is not None
            assert laid.laid.decision.reads
            laid.ended()

    asyncio.run(main())


def test_a_write_for_an_hour_is_estimated_at_its_own_price() -> None:
    call = question("Number 1?", stream=False)
    rules = Rig(ScriptedProvider(name="p", dialect="anthropic")).engine.rules
    sent = Send(call, None, "", 0.0, writes=0.5)
    for lasting, field in ((False, "cache_write_5m"), (True, "cache_write_1h")):
        settled = msgspec.structs.replace(sent, lasting=lasting).next(Failed(Unreachable("gone"), billed=True), rules)
        assert settled.usage is not None
        assert getattr(settled.usage, field) == round(settled.usage.prompt / 2) > 0


def forgetful(clock: FakeClock) -> Rig:
    """A provider that charges for each write and never reads: as where a proxy sends each call to another machine."""
    rules = rules_for("anthropic", MODEL, date.max)
    assert rules is not None
    ttls = tuple(msgspec.structs.replace(ttl, seconds=0) for ttl in rules.ttls)
    cache = SimulatedCache(msgspec.structs.replace(rules, ttls=ttls), first_token=lambda uncached: 1.0)
    return Rig(ScriptedProvider("It does.", name="p", dialect="anthropic", cache=cache, clock=clock), clock=clock)


def test_fan_outs_that_read_nothing_are_written_for_until_that_is_known() -> None:
    async def main() -> None:
        clock = FakeClock()
        async with forgetful(clock) as at:
            usages: list[Usage] = []
            for number in range(12):
                calls = [question(f"{each}?", stream=True, context=f"{number} {CONTEXT}") for each in range(5)]
                usages += [used(outcome) for outcome in await finished(clock, [asked(at, call) for call in calls])]
                await clock.advance(20.0)
            lost = (cost(usages) - 1) * sum(usage.prompt for usage in usages)
            assert VOUCHED < lost < 1.7 * VOUCHED  # the last that is borne, and what its siblings find out at once
            assert not any(usage.cache_write_5m for usage in usages[-15:])

    asyncio.run(main())


def test_a_provider_that_never_reads_is_written_to_by_probes_alone() -> None:
    async def main() -> None:
        clock = FakeClock()
        async with forgetful(clock) as at:
            usages: list[Usage] = []
            for number in range(60):
                call = turn(number % 15, seconds=f" Session {number // 15}.")
                usages += [used(outcome) for outcome in await finished(clock, [asked(at, call)])]
                await clock.advance(20.0)
            assert not sum(usage.cache_read for usage in usages)
            writes = at.engine.prefixes.memory.writes
            lost = (cost(usages) - 1) * sum(usage.prompt for usage in usages)
            assert 0 < lost < 1.1 * ALLOWANCE
            assert not any(record.realised for record in writes.odds.records.values())

    asyncio.run(main())
