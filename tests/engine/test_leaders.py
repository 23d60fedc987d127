"""Leader first: who goes ahead, who follows, and how long."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.prefixes.leaders import Leaders
from penstock.testing import FakeClock

LONG, LONGER, OTHER = b"long", b"longer", b"other"


def test_who_shares_a_prefix_waits_until_it_can_be_read() -> None:
    async def main() -> None:
        clock = FakeClock()
        leaders = Leaders(clock)
        lead = leaders.lead([LONG], "m")
        following = asyncio.create_task(leaders.follow([LONGER, LONG], "m"))
        elsewhere = asyncio.create_task(leaders.follow([OTHER], "m"))
        await clock.settle()
        assert (following.done(), elsewhere.done()) == (False, True)
        lead.begun(clock.monotonic())
        followed = await following
        assert (followed.waited, followed.late, followed.readable) == (True, False, {LONG})
        assert not (await leaders.follow([LONG], "m")).waited

    asyncio.run(main())


def test_a_leader_that_fails_is_followed_by_the_next_one() -> None:
    async def main() -> None:
        clock = FakeClock()
        leaders = Leaders(clock)
        order: list[str] = []

        async def call(name: str) -> None:
            assert not (await leaders.follow([LONG], "m")).late
            order.append(name)
            lead = leaders.lead([LONG], "m")
            await clock.sleep(1.0)
            if name == "second":
                lead.begun(clock.monotonic())
            lead.over(answered=False)

        first = leaders.lead([LONG], "m")
        tasks = [asyncio.create_task(call(name)) for name in ("second", "third")]
        await clock.settle()
        assert not order
        first.over(answered=False)
        await clock.settle()
        assert order == ["second"]
        await clock.advance(1.0)
        assert order == ["second", "third"]
        await clock.advance(1.0)
        await asyncio.gather(*tasks)

    asyncio.run(main())


def test_nobody_waits_longer_than_an_answer_usually_takes_to_begin() -> None:
    async def main() -> None:
        clock = FakeClock()
        leaders = Leaders(clock)
        leaders.lead([LONG], "m")
        first = asyncio.create_task(leaders.follow([LONG], "m"))
        await clock.advance(4.9)
        assert not first.done()
        await clock.advance(0.2)
        assert (await first).late  # nothing was known: 5 s
        quick = leaders.lead([OTHER], "m")
        await clock.advance(0.5)
        quick.begun(clock.monotonic())
        second = asyncio.create_task(leaders.follow([LONG], "m"))
        await clock.advance(1.4)
        assert not second.done()
        await clock.advance(0.2)
        assert (await second).late  # three times the half second that it took
        assert leaders.siblings(LONG) == 0

    asyncio.run(main())


def test_nobody_waits_past_its_own_deadline() -> None:
    async def main() -> None:
        clock = FakeClock()
        leaders = Leaders(clock)
        leaders.lead([LONG], "m")
        waiting = asyncio.create_task(leaders.follow([LONG], "m", deadline=clock.monotonic() + 1.0))
        await clock.advance(1.1)
        assert (await waiting).late

    asyncio.run(main())


def test_siblings_are_counted_while_they_are_here() -> None:
    leaders = Leaders(FakeClock())
    with leaders.here([LONG, LONGER]):
        with leaders.here([LONG]):
            assert (leaders.siblings(LONG), leaders.siblings(LONGER)) == (2, 1)
        assert leaders.siblings(LONG) == 1
    assert leaders.siblings(LONG) == 0


def test_a_leader_that_answers_in_one_piece_is_taken_to_have_begun() -> None:
    async def main() -> None:
        clock = FakeClock()
        leaders = Leaders(clock)
        leaders.lead([LONG], "m", tells=False)
        waiting = asyncio.create_task(leaders.follow([LONG], "m"))
        await clock.advance(5.1)
        assert not (await waiting).late

    asyncio.run(main())


@pytest.mark.parametrize("begins", [True, False])
def test_a_lead_ends_once(begins: bool) -> None:
    leaders = Leaders(FakeClock())
    lead = leaders.lead([LONG], "m")
    if begins:
        lead.begun(1.0)
    lead.over(answered=False)
    again = leaders.lead([LONG], "m")
    lead.over(answered=False)
    assert again.writes == [LONG]
    assert not again.news.is_set()


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 3), st.sets(st.sampled_from("abc"), min_size=1), st.booleans()), max_size=12))
def test_nobody_is_forgotten(calls: list[tuple[float, set[str], bool]]) -> None:
    async def main() -> None:
        clock = FakeClock()
        leaders = Leaders(clock)

        async def call(start: float, prefixes: set[str], begins: bool) -> None:
            await clock.sleep(start)
            own = [prefix.encode() for prefix in sorted(prefixes)]
            with leaders.here(own):
                await leaders.follow(own, "m")
                lead = leaders.lead(own, "m")
                await clock.sleep(1.0)
                if begins:
                    lead.begun(clock.monotonic())
                lead.over(answered=False)

        tasks = [asyncio.create_task(call(*each)) for each in calls]
        for _ in range(30):
            await clock.advance(3.0)
        assert all(task.done() for task in tasks)
        await asyncio.gather(*tasks)
        assert not leaders._here
        assert not leaders._writing

    asyncio.run(main())
