from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.clock import Clock, SystemClock
from penstock.testing import FakeClock


@given(st.lists(st.floats(0.001, 1000), max_size=20))
def test_sleepers_wake_in_the_order_of_their_times_at_exactly_those_times(naps: list[float]) -> None:
    async def main() -> None:
        clock = FakeClock()
        woken: list[float] = []

        async def nap(seconds: float) -> None:
            await clock.sleep(seconds)
            assert clock.monotonic() == seconds
            woken.append(seconds)

        async with asyncio.TaskGroup() as group:
            for seconds in naps:
                group.create_task(nap(seconds))
            await clock.advance(2000)
        assert woken == sorted(naps)
        assert clock.monotonic() == 2000

    asyncio.run(main())


def test_who_wakes_may_sleep_again_within_one_advance() -> None:
    async def main() -> None:
        clock = FakeClock(wall=100)
        ticks: list[float] = []

        async def tick() -> None:
            while True:
                await clock.sleep(1)
                ticks.append(clock.now())

        ticker = asyncio.create_task(tick())
        await clock.advance(3.5)
        ticker.cancel()
        assert ticks == [101, 102, 103]
        await clock.settle()
        assert clock.sleeping == 0
        await clock.advance(10)  # the alarm of a cancelled sleeper rings for nobody
        assert len(ticks) == 3

    asyncio.run(main())


def test_asleep_waits_for_sleepers_and_zero_is_no_sleep() -> None:
    async def main() -> None:
        clock = FakeClock()
        await clock.sleep(0)

        async def late() -> None:
            await asyncio.sleep(0.001)
            await clock.sleep(5)

        task = asyncio.create_task(late())
        await clock.asleep()
        assert (clock.sleeping, clock.slept) == (1, [0, 5])
        await clock.advance(5)
        assert task.done()

    asyncio.run(main())


def test_a_deadline_strikes_when_its_time_is_reached_and_not_before() -> None:
    async def main() -> None:
        clock = FakeClock()
        struck: list[float] = []

        async def wait(when: float | None) -> None:
            try:
                async with clock.deadline(when):
                    await asyncio.Event().wait()
            except TimeoutError:
                struck.append(clock.monotonic())

        tasks = [asyncio.create_task(wait(when)) for when in (2.0, 1.0, None)]
        await clock.advance(0.5)
        assert struck == []
        await clock.advance(9)
        assert struck == [1, 2]
        tasks[2].cancel()
        async with clock.deadline(100):
            pass
        await clock.advance(1000)  # the deadline of a block that was left strikes nobody
        with pytest.raises(TimeoutError):
            async with clock.deadline(50):
                await asyncio.Event().wait()

    asyncio.run(main())


def test_the_system_clock_is_a_clock() -> None:
    async def main() -> None:
        clock: Clock = SystemClock()
        before, wall = clock.monotonic(), clock.now()
        await clock.sleep(-1)
        await clock.sleep(0.001)
        assert clock.monotonic() - before >= 0.0009
        assert clock.now() > 1_600_000_000
        assert abs(clock.now() - wall) < 3600
        async with clock.deadline(None):
            await asyncio.sleep(0)
        with pytest.raises(TimeoutError):
            async with clock.deadline(clock.monotonic() + 0.001):
                await asyncio.Event().wait()

    asyncio.run(main())
