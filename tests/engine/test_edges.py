"""Moments at which things can go wrong: cancelled before the first step, joined while being called off, closing."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.engine.rig import SCOPE, Rig, scripted

import penstock
from penstock.errors import BadInput, BudgetExceeded, Cancelled, DeadlineExceeded
from penstock.flow import Done, Refused
from penstock.ledger import Limits
from penstock.providers.dialects import dialect
from penstock.providers.http import HttpProvider
from penstock.stores.holds_sqlite import SqliteHolds
from penstock.testing import Exchange, FakeClock, Plan, ToolCall, Upstream
from penstock.values import Scope, Usage

USED = Usage(input=100, output=10)
COST = 100_000 + 20_000


def test_a_flight_cancelled_before_its_first_step_holds_nobody_up() -> None:
    async def main() -> None:
        async with Rig(scripted(Plan("Because.", usage=USED))) as rig:
            async with rig.engine.ask(rig.call()):
                pass
            assert isinstance(rig.outcomes[0].state, Refused)
            async with asyncio.timeout(5):
                assert (await rig.ask()).done().reply.text == "Because."

    asyncio.run(main())


def test_closing_wakes_who_had_just_begun() -> None:
    async def main() -> None:
        async with Rig(scripted(Plan(hang=True))) as rig:
            asking = asyncio.create_task(rig.ask())
            await asyncio.sleep(0)
        async with asyncio.timeout(5):
            with pytest.raises(Cancelled):
                (await asking).done()
        with pytest.raises(BadInput, match="closed"):
            await rig.ask("Later?")

    asyncio.run(main())


def test_who_comes_while_a_flight_is_called_off_asks_anew() -> None:
    async def main() -> None:
        clock = FakeClock()
        provider = scripted([Plan(hang=True), Plan("Because.", usage=USED)], clock=clock)
        async with Rig(provider, clock=clock) as rig:
            first = asyncio.create_task(rig.ask())
            await clock.settle()
            first.cancel()
            await asyncio.sleep(0)
            assert provider.in_flight == 1  # the flight is called off, and not yet down
            second = await rig.ask()
            assert second.done().reply.text == "Because."
            assert second.state.receipt.spent == COST
            assert len(provider.seen) == 2

    asyncio.run(main())


@pytest.mark.parametrize("waiting_for", ["slots", "money"])
def test_closing_sends_nothing_more(waiting_for: str) -> None:
    async def main() -> None:
        provider = scripted(Plan(hang=True))
        slots, limits = (1, None) if waiting_for == "slots" else (1000, Limits(nano=150_000))
        async with Rig(provider, slots=slots, limits=limits) as rig:
            tasks = [asyncio.create_task(rig.ask(f"Why {n}?")) for n in range(20)]
            await asyncio.sleep(0.01)
            assert len(provider.seen) == 1
        outcomes = await asyncio.gather(*tasks)
        assert len(provider.seen) == 1
        assert all(isinstance(outcome.state, Refused) for outcome in outcomes)

    asyncio.run(main())


def test_a_hit_and_a_join_never_cross_a_tenant() -> None:
    async def main() -> None:
        clock = FakeClock()
        provider = scripted(Plan("Because.", usage=USED), latency=1.0, clock=clock)
        async with Rig(provider, clock=clock) as rig:
            mine, theirs = Scope("mine", "s"), Scope("theirs", "s")
            tasks = [asyncio.create_task(rig.ask(scope=scope)) for scope in (mine, theirs, mine)]
            await clock.asleep(2)
            await clock.advance(1.0)
            sources = [(await task).done().source for task in tasks]
            assert sources == ["p", "p", "joined"]
            third = asyncio.create_task(rig.ask(scope=Scope("third", "s")))
            await clock.asleep()
            await clock.advance(1.0)
            assert (await third).done().source == "p"
            assert (await rig.ask(scope=theirs)).done().source == "reuse"
            assert len(provider.seen) == 3

    asyncio.run(main())


def test_an_answer_that_was_cut_by_its_limit_is_not_kept() -> None:
    async def main() -> None:
        async with Rig(scripted(Plan("Because", usage=USED, finish="length"))) as rig:
            await rig.ask()
            assert (await rig.ask()).done().source == "p"
            assert len(rig.provider.seen) == 2

    asyncio.run(main())


def test_a_joiner_with_more_time_outlives_the_deadline_of_the_first() -> None:
    async def main() -> None:
        clock = FakeClock()
        provider = scripted(Plan("one two three four", usage=USED, piece=4, gap=1.0), clock=clock)
        async with Rig(provider, clock=clock) as rig:
            hurried = asyncio.create_task(rig.hear(deadline=clock.monotonic() + 2.5))
            await clock.asleep()
            patient = asyncio.create_task(rig.hear())
            while not (hurried.done() and patient.done()):
                await clock.advance(1.0)
            with pytest.raises(DeadlineExceeded):
                await hurried
            assert b"[DONE]" in await patient
            assert len(provider.seen) == 1

    asyncio.run(main())


def test_cancelling_a_joiner_that_asks_for_itself_is_a_cancellation() -> None:
    async def main() -> None:
        clock = FakeClock()
        provider = scripted(Plan("Because.", usage=USED), latency=1.0, clock=clock)
        async with Rig(provider, clock=clock, limits=Limits(nano=150_000)) as rig:
            blocker = asyncio.create_task(rig.ask("Block?"))
            await clock.settle()
            first = asyncio.create_task(rig.ask())
            await clock.settle()
            other = asyncio.create_task(rig.ask(scope=Scope(SCOPE.tenant, "other")))
            await clock.settle()
            await clock.advance(1.0)
            await clock.settle()
            other.cancel()
            with pytest.raises(asyncio.CancelledError):
                await other
            await blocker
            with pytest.raises(BudgetExceeded):
                (await first).done()

    asyncio.run(main())


def test_a_whole_answer_without_usage_counts_all_that_was_generated() -> None:
    async def main() -> None:
        tool = ToolCall("weather", '{"cities": "' + "Rome and Oslo and " * 100 + '"}')
        spent = []
        for plan in (Plan("", tools=(tool,), usage=None), Plan("", tools=(tool,), usage=None, cut_after_event=8)):
            async with Rig(scripted(plan)) as rig:
                outcome = await rig.ask(stream=plan.cut_after_event is not None)
                spent.append(outcome.state.receipt.spent)
                assert outcome.state.receipt.estimated == 1
        assert spent[0] > 300 * 2000
        assert spent[0] > spent[1] > 9 * 1000

    asyncio.run(main())


def test_a_stream_without_usage_is_not_kept_for_who_may_ask_for_it() -> None:
    async def main() -> None:
        async with Rig(scripted(Plan("Because.", usage=None))) as rig:
            await rig.hear()
            assert await rig.replies.size() == 0
            assert (await rig.ask()).done().source == "p"

    asyncio.run(main())


def test_a_hosted_tool_makes_a_call_unpriced() -> None:
    async def main() -> None:
        tools = {"tools": [{"type": "web_search_20250305", "name": "web_search"}]}
        async with Rig(scripted(Plan("Because.", usage=USED))) as rig:
            receipt = (await rig.ask(body=tools)).state.receipt
            assert (receipt.unpriced, receipt.spent) == (1, 0)

    asyncio.run(main())


@pytest.mark.parametrize("body", [{"max_tokens": -1}, {"max_tokens": 5000, "max_completion_tokens": 5}])
def test_no_limit_that_a_server_may_ignore_lowers_the_hold(body: dict[str, int]) -> None:
    async def main() -> None:
        async with Rig(
            scripted(Plan("Because.", usage=Usage(input=9, output=5000))), limits=Limits(nano=200_000)
        ) as rig:
            with pytest.raises(BudgetExceeded):
                (await rig.ask(body=body)).done()
            assert rig.provider.seen == []

    asyncio.run(main())


def test_first_come_first_served() -> None:
    async def main() -> None:
        clock = FakeClock()
        provider = scripted(Plan("Because.", usage=Usage(input=9, output=0)), latency=1.0, clock=clock)
        async with Rig(provider, clock=clock, limits=Limits(nano=250_000)) as rig:
            tasks = [asyncio.create_task(rig.ask("Zero?"))]
            await clock.settle()
            tasks += [asyncio.create_task(rig.ask("Large?", body={"max_tokens": 110}))]
            await clock.settle()
            tasks += [asyncio.create_task(rig.ask("Small?", body={"max_tokens": 20}))]
            await clock.settle()
            assert len(provider.seen) == 1  # the small one would fit, and waits behind the large one
            while not all(task.done() for task in tasks):
                await clock.advance(1.0)
            asked = [call.body["messages"][0]["content"] for call in provider.seen]
            assert asked == ["Zero?", "Large?", "Small?"]
            assert all(isinstance(task.result().state, Done) for task in tasks)

    asyncio.run(main())


def test_a_shared_limit_binds_who_opened_the_scope_before_it_was_set(tmp_path: Path) -> None:
    async def main() -> None:
        async with Upstream(Plan("Because.", usage=USED)) as up:
            where = {
                "provider": "openai",
                "base_url": up.url,
                "model": "gpt-4o-mini",
                "home": tmp_path,
                "scope": "team",
            }
            async with penstock.open(**where) as early, penstock.open(**where, budget="$0.00003"):  # type: ignore[arg-type]
                await early("One?", max_tokens=20)
                with pytest.raises(penstock.BudgetExceeded):
                    await early("Two?", max_tokens=20)

    asyncio.run(main())


@pytest.mark.parametrize("seed", range(3))
def test_no_shared_budget_is_exceeded_by_what_the_upstream_bills(seed: int, tmp_path: Path) -> None:
    """The bill is the upstream's own, over a budget that lives in SQLite."""

    async def main() -> None:
        holds = await SqliteHolds.at(tmp_path / "holds.sqlite", warn=lambda _: None)
        billed = 0

        def script(call: object) -> Plan:
            nonlocal billed
            usage = Usage(input=9, output=(7 * len(provider.seen) + seed) % 50)
            billed += usage.input * 1000 + usage.output * 2000
            return Plan("Because.", usage=usage, latency=0.001)

        provider = scripted(script)
        async with Rig(provider, holds=holds, limits=Limits(nano=2_000_000)) as rig:
            outcomes = await asyncio.gather(*(rig.ask(f"Why {n}?") for n in range(100)))
            spent, held = await rig.account()
        await holds.close()
        assert held == 0
        assert spent == billed == sum(outcome.state.receipt.spent for outcome in outcomes)
        assert 1_800_000 <= spent <= 2_000_000

    asyncio.run(main())


def test_no_slot_is_held_between_tries() -> None:
    def answer(exchange: Exchange) -> Plan:
        busy = exchange.question.model == "busy"
        return Plan("busy", status=429, headers={"retry-after": "2"}) if busy else Plan("Because.", usage=USED)

    async def main() -> None:
        clock = FakeClock()
        async with Upstream(answer) as up:
            provider = HttpProvider("p", dialect("openai"), up.url, clock=clock, jitter=lambda: 1.0)
            async with Rig(provider, clock=clock, slots=1) as rig:
                waiting = asyncio.create_task(rig.ask(body={"model": "busy"}))
                await clock.asleep()
                assert (await rig.ask()).done().reply.text == "Because."
                assert not waiting.done()
                while not waiting.done():
                    await clock.advance(2.0)
                    await asyncio.sleep(0.001)
                assert isinstance(waiting.result().state, Refused)
                assert len(up.exchanges) == 4

    asyncio.run(main())
