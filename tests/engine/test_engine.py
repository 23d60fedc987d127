"""The driver: what it asks of its parts, and what comes of it."""

from __future__ import annotations

import asyncio

import pytest
from tests.engine.rig import Rig, scripted

from penstock.errors import BrokenReply, BudgetExceeded, Cancelled, DeadlineExceeded, Overloaded, ProviderError
from penstock.flow import Done, Refused
from penstock.ledger import Limits
from penstock.testing import FakeClock, Plan
from penstock.values import Edit, Undo, Usage

USED = Usage(input=100, output=10)
COST = 100_000 + 20_000


def test_a_call_is_answered_once_and_then_from_the_store() -> None:
    async def main() -> None:
        async with Rig(scripted(Plan("Because.", usage=USED))) as rig:
            first = (await rig.ask()).done()
            second = (await rig.ask()).done()
            assert first.reply.text == second.reply.text == "Because."
            assert (first.source, second.source) == ("p", "reuse")
            assert (first.receipt.spent, second.receipt.spent) == (COST, 0)
            assert second.receipt.saved == {"reuse": COST}
            assert len(rig.provider.seen) == 1
            assert (await rig.ask(fresh=True)).done().source == "p"
            assert (await rig.ask(off=frozenset({"reuse"}))).done().source == "p"
            assert len(rig.provider.seen) == 3

    asyncio.run(main())


@pytest.mark.parametrize("dialect", ["openai", "anthropic"])
def test_a_stored_stream_is_replayed_byte_for_byte(dialect: str) -> None:
    async def main() -> None:
        async with Rig(scripted(Plan("A longer answer, in pieces.", usage=USED), dialect=dialect)) as rig:
            live = await rig.hear()
            assert await rig.hear() == live
            assert (await rig.ask()).done().reply.text == "A longer answer, in pieces."
            assert len(rig.provider.seen) == 1

    asyncio.run(main())


@pytest.mark.parametrize("dialect", ["openai", "anthropic"])
def test_a_reply_that_did_not_stream_is_replayed_as_a_stream(dialect: str) -> None:
    async def main() -> None:
        async with Rig(scripted(Plan("Whole.", usage=USED), dialect=dialect)) as rig:
            await rig.ask()
            assert b"Whole." in await rig.hear()
            assert len(rig.provider.seen) == 1

    asyncio.run(main())


def test_identical_calls_in_flight_are_one_call() -> None:
    async def main() -> None:
        clock = FakeClock()
        async with Rig(scripted(Plan("Because.", usage=USED), latency=1.0, clock=clock), clock=clock) as rig:
            calls = [asyncio.create_task(rig.ask()) for _ in range(50)]
            streams = [asyncio.create_task(rig.hear()) for _ in range(50)]
            await clock.asleep()
            await clock.advance(1.0)
            outcomes = await asyncio.gather(*calls)
            heard = await asyncio.gather(*streams)
            assert len(rig.provider.seen) == 1
            assert sum(outcome.done().receipt.spent for outcome in outcomes) == COST
            assert all(b"Because." in stream for stream in heard)
            assert sum(outcome.state.receipt.saved.get("reuse", 0) for outcome in rig.outcomes) == 99 * COST

    asyncio.run(main())


def test_a_joiner_hears_what_has_come_and_goes_on_live() -> None:
    async def main() -> None:
        clock = FakeClock()
        plan = Plan("one two three four", usage=USED, piece=4, gap=1.0)
        async with Rig(scripted(plan, clock=clock), clock=clock) as rig:
            first = asyncio.create_task(rig.hear())
            for _ in range(3):
                await clock.asleep()
                await clock.advance(1.0)
            second = asyncio.create_task(rig.hear())
            while not (first.done() and second.done()):
                await clock.advance(1.0)
            assert await first == await second
            assert len(rig.provider.seen) == 1

    asyncio.run(main())


def test_the_flight_goes_on_for_who_joined_when_the_first_leaves() -> None:
    async def main() -> None:
        clock = FakeClock()
        async with Rig(scripted(Plan("Because.", usage=USED), latency=5.0, clock=clock), clock=clock) as rig:
            first = asyncio.create_task(rig.ask())
            await clock.asleep()
            second = asyncio.create_task(rig.ask())
            await clock.settle()
            first.cancel()
            await clock.settle()
            await clock.advance(5.0)
            joined = (await second).done()
            assert (joined.source, joined.receipt.spent) == ("joined", 0)
            assert rig.provider.cancelled == 0
            paid = {outcome.id: outcome.state.receipt.spent for outcome in rig.outcomes}
            assert paid == {"c1": COST, "c2": 0}

    asyncio.run(main())


def test_when_all_have_left_the_upstream_notices_and_the_hold_is_settled() -> None:
    async def main() -> None:
        clock = FakeClock()
        provider = scripted(Plan("Because.", usage=USED), latency=5.0, clock=clock)
        async with Rig(provider, clock=clock, limits=Limits(nano=10**9)) as rig:
            asking = asyncio.create_task(rig.ask())
            await clock.asleep()
            assert (await rig.account())[1] > 0
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            assert provider.cancelled == 1
            spent, held = await rig.account()
            assert held == 0
            (outcome,) = rig.outcomes
            assert isinstance(outcome.state, Refused)
            assert isinstance(outcome.state.error, Cancelled)
            assert outcome.state.receipt.spent == spent > 0
            assert outcome.state.receipt.estimated == 1

    asyncio.run(main())


def test_a_deadline_ends_the_wait_and_the_call() -> None:
    async def main() -> None:
        clock = FakeClock()
        provider = scripted("Because.", latency=60.0, clock=clock)
        async with Rig(provider, clock=clock) as rig:
            asking = asyncio.create_task(rig.ask(deadline=clock.monotonic() + 2.0))
            await clock.asleep()
            await clock.advance(2.0)
            with pytest.raises(DeadlineExceeded, match="allow more time"):
                await asking
            assert provider.cancelled == 1
            assert isinstance(rig.outcomes[0].state.error, DeadlineExceeded)  # type: ignore[union-attr]

    asyncio.run(main())


@pytest.mark.parametrize(
    "cut", [Plan("An answer that breaks off", cut_after_event=2), Plan("An answer", error_after_event=2)]
)
@pytest.mark.parametrize("dialect", ["openai", "anthropic"])
def test_a_cut_stream_is_an_error_and_is_never_stored(cut: Plan, dialect: str) -> None:
    async def main() -> None:
        async with Rig(scripted([cut, Plan("Whole.", usage=USED)], dialect=dialect), limits=Limits(nano=10**9)) as rig:
            async with rig.engine.ask(rig.call(stream=True)) as ticket:
                events = ticket.events()
                assert (await anext(events)).raw
                with pytest.raises(BrokenReply):
                    await anext(event async for event in events if b"never" in event.raw)
            assert rig.outcomes[0].state.receipt.estimated == 1
            assert (await rig.account())[1] == 0
            assert await rig.replies.size() == 0
            assert b"Whole." in await rig.hear()

    asyncio.run(main())


def test_a_refusal_of_the_upstream_costs_nothing() -> None:
    async def main() -> None:
        async with Rig(scripted(Plan("busy", status=529)), limits=Limits(nano=10**9)) as rig:
            outcome = await rig.ask()
            assert isinstance(outcome.state, Refused)
            assert isinstance(outcome.state.error, Overloaded)
            assert await rig.account() == (0, 0)
            with pytest.raises(Overloaded):
                await rig.hear()

    asyncio.run(main())


def test_a_provider_that_crashes_is_settled_too() -> None:
    async def main() -> None:
        async with Rig(scripted(ZeroDivisionError("a bug")), limits=Limits(nano=10**9)) as rig:
            with pytest.raises(ProviderError, match="ZeroDivisionError: a bug"):
                (await rig.ask()).done()
            assert (await rig.account())[1] == 0

    asyncio.run(main())


def test_what_does_not_fit_is_refused_before_anything_is_sent() -> None:
    async def main() -> None:
        async with Rig(scripted("Because."), limits=Limits(nano=1000)) as rig:
            with pytest.raises(BudgetExceeded):
                (await rig.ask()).done()
            with pytest.raises(BudgetExceeded):
                await rig.hear()
            assert rig.provider.seen == []

    asyncio.run(main())


def test_what_may_fit_later_waits_its_turn() -> None:
    async def main() -> None:
        clock = FakeClock()
        provider = scripted(Plan("Because.", usage=USED), latency=1.0, clock=clock)
        async with Rig(provider, clock=clock, limits=Limits(calls=6, nano=2 * COST + 90_000)) as rig:
            tasks = [asyncio.create_task(rig.ask(f"Why {n}?")) for n in range(3)]
            await clock.asleep(2)
            assert len(provider.seen) == 2
            await clock.advance(1.0)
            await clock.settle()
            outcomes = await asyncio.gather(*tasks)
            assert [isinstance(outcome.state, Done) for outcome in outcomes] == [True, True, False]
            assert (await rig.account()) == (2 * COST, 0)

    asyncio.run(main())


def test_slots_are_held_only_around_the_wire() -> None:
    async def main() -> None:
        clock = FakeClock()
        provider = scripted("Because.", latency=1.0, clock=clock)
        async with Rig(provider, clock=clock, slots=3) as rig:
            tasks = [asyncio.create_task(rig.ask(f"Why {n}?")) for n in range(10)]
            while not all(task.done() for task in tasks):
                await clock.advance(1.0)
            assert provider.most_in_flight == 3

    asyncio.run(main())


def test_edits_reach_the_wire_and_the_receipt() -> None:
    def shorten(call: object) -> list[Edit]:
        return [Edit("compress", ("messages", 0, "content"), "set", "W?", Undo(input_tokens=1000))]

    async def main() -> None:
        async with Rig(scripted(Plan("Because.", usage=USED)), policies=(("compress", shorten),)) as rig:
            done = (await rig.ask()).done()
            assert b'"W?"' in rig.provider.seen[0].wire()
            assert done.receipt.saved == {"compress": 1_000_000}
            assert (await rig.ask()).done().source == "reuse"
            off = (await rig.ask(off=frozenset({"all"}))).done()
            assert off.call.wire() == off.call.raw == rig.provider.seen[1].raw

    asyncio.run(main())


def test_closing_calls_off_what_is_under_way() -> None:
    async def main() -> None:
        clock = FakeClock()
        provider = scripted("Because.", latency=60.0, clock=clock)
        async with Rig(provider, clock=clock, limits=Limits(nano=10**9)) as rig:
            asking = asyncio.create_task(rig.ask())
            await clock.asleep()
        with pytest.raises(Cancelled):
            (await asking).done()
        assert provider.closed
        assert (await rig.account())[1] == 0

    asyncio.run(main())


def test_a_server_that_does_not_stream_though_asked_to_is_understood() -> None:
    raw = (
        b'{"id":"1","object":"chat.completion","created":0,"model":"mine","choices":[{"index":0,"message":'
        b'{"role":"assistant","content":"Whole."},"finish_reason":"stop"}]}'
    )

    async def main() -> None:
        async with Rig(scripted(Plan(body=raw, headers={"content-type": "application/json"}))) as rig:
            assert b"Whole." in await rig.hear()

    asyncio.run(main())
