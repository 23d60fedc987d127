"""The desk alone: who is seated, who waits, who is turned away."""

from __future__ import annotations

import asyncio

import pytest

from penstock.clock import SystemClock
from penstock.errors import DeadlineExceeded
from penstock.gateway.desk import Desk, NoSeat
from penstock.testing import FakeClock


def test_the_desk_seats_queues_and_sheds() -> None:
    async def main() -> None:
        desk = Desk(SystemClock(), seats=2, most_waiting=3)
        done = asyncio.Event()
        order: list[int] = []

        async def sit(number: int) -> None:
            async with desk.seat():
                order.append(number)
                await done.wait()

        tasks = [asyncio.create_task(sit(number)) for number in range(5)]
        await asyncio.sleep(0)
        assert (desk.seated, desk.waiting) == (2, 3)
        with pytest.raises(NoSeat) as shed:
            desk.check()
        assert shed.value.headers == {"retry-after": "1"}
        tasks[2].cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert desk.waiting == 2
        done.set()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert order == [0, 1, 3, 4]
        assert (desk.seated, desk.waiting, desk.shed) == (0, 0, 1)

    asyncio.run(main())


def test_the_desk_knows_who_would_be_late() -> None:
    async def main() -> None:
        clock = SystemClock()
        desk = Desk(clock, seats=1, patience=10)
        desk.service = 5.0
        async with desk.seat():
            desk.check(clock.monotonic() + 30)
            with pytest.raises(NoSeat):
                desk.check(clock.monotonic() + 8)
            desk.service = 20.0
            with pytest.raises(NoSeat):
                desk.check()
            desk.service = 0.0
            with pytest.raises(DeadlineExceeded):
                async with desk.seat(clock.monotonic() + 0.02):
                    pass
            assert desk.waiting == 0
        desk.check(clock.monotonic() + 0.001)  # a free seat is a free seat
        assert desk.seated == 0

    asyncio.run(main())


def test_one_who_leaves_the_line_in_the_moment_it_moves_is_passed_over() -> None:
    """Cancelled, but not yet told so: the seat goes to the next one, and nothing breaks."""

    async def main() -> None:
        desk = Desk(FakeClock(), seats=1, most_waiting=2)
        await desk.sit(None)
        leaves, stays = asyncio.create_task(desk.sit(None)), asyncio.create_task(desk.sit(None))
        await asyncio.sleep(0)
        leaves.cancel()
        desk.leave(0.0)
        await stays
        with pytest.raises(asyncio.CancelledError):
            await leaves
        assert (desk.seated, desk.waiting) == (1, 0)

    asyncio.run(main())


def test_a_few_are_seated_in_one_turn_of_the_event_loop() -> None:
    """So that those who are turned away need not wait until all of a burst have begun."""

    async def main() -> None:
        desk = Desk(FakeClock(), seats=100)
        tasks = [asyncio.create_task(desk.sit(None)) for _ in range(50)]
        seated: list[int] = []
        while desk.seated < 50:
            seated.append(desk.seated)
            await asyncio.sleep(0)
        await asyncio.gather(*tasks)
        assert seated == [0, 8, 16, 24, 32, 40, 48]
        for _ in range(50):
            desk.leave(0.0)
        assert desk.seated == 0

    asyncio.run(main())


@pytest.mark.parametrize(("seats", "service", "waiting"), [(4, 0.0, 8), (4, 0.2, 20), (100, 0.2, 256), (4, 9.0, 0)])
def test_the_line_is_as_long_as_what_can_be_served_in_a_second(seats: int, service: float, waiting: int) -> None:
    """Twice the seats before anything is known about that, and never more than the memory for it."""

    async def main() -> None:
        desk = Desk(FakeClock(), seats=seats)
        desk.service = service
        tasks = [asyncio.create_task(desk.sit(None)) for _ in range(seats + 300)]
        while any(not task.done() for task in tasks[:seats]):  # noqa: ASYNC110
            await asyncio.sleep(0)
        assert (desk.seated, desk.waiting) == (seats, waiting)
        assert desk.shed == 300 - waiting
        assert desk.full()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(main())


def test_the_expected_time_follows_what_exchanges_took() -> None:
    async def main() -> None:
        clock = FakeClock()
        desk = Desk(clock, seats=1)
        async with desk.seat():
            await clock.advance(3.0)
        assert desk.service == 3.0
        for _ in range(100):
            async with desk.seat():
                await clock.advance(1.0)
        assert desk.service == pytest.approx(1.0, abs=0.02)

    asyncio.run(main())
