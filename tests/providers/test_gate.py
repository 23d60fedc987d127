from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.errors import DeadlineExceeded
from penstock.providers.gate import Gate, Gates
from penstock.testing import FakeClock


async def hold(gate: Gate, order: list[int], number: int, release: asyncio.Event) -> None:
    async with gate.slot():
        order.append(number)
        await release.wait()


def test_first_come_first_served() -> None:
    async def main() -> None:
        gate, order, release = Gate.fixed(2, FakeClock()), list[int](), asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for number in range(6):
                group.create_task(hold(gate, order, number, release))
            await asyncio.sleep(0)
            assert (order, gate.in_flight, gate.waiting) == ([0, 1], 2, 4)
            release.set()
        assert order == list(range(6))
        assert (gate.in_flight, gate.waiting) == (0, 0)

    asyncio.run(main())


def test_the_deadline_passes_while_waiting() -> None:
    async def main() -> None:
        clock = FakeClock()
        gate = Gate.fixed(1, clock)
        await gate.acquire(deadline=5)
        waiting = asyncio.create_task(gate.acquire(deadline=2))
        await clock.advance(1.9)
        assert not waiting.done()
        await clock.advance(0.2)
        with pytest.raises(DeadlineExceeded, match="free slot"):
            await waiting
        assert gate.waiting == 0
        with pytest.raises(DeadlineExceeded):
            await gate.acquire(deadline=1)
        gate.release()
        with pytest.raises(DeadlineExceeded):
            await gate.acquire(deadline=1)
        assert gate.in_flight == 0

    asyncio.run(main())


def test_a_turn_that_comes_in_the_moment_of_a_cancellation_is_passed_on() -> None:
    async def main() -> None:
        gate = Gate.fixed(1, FakeClock())
        await gate.acquire()
        first, second = (asyncio.create_task(gate.acquire()) for _ in range(2))
        await asyncio.sleep(0)
        gate.release()
        first.cancel()
        await asyncio.wait([first, second])
        assert first.cancelled()
        assert not second.cancelled()
        assert (gate.in_flight, gate.waiting) == (1, 0)

    asyncio.run(main())


def test_a_waiter_that_was_cancelled_a_moment_ago_is_passed_over() -> None:
    async def main() -> None:
        gate = Gate.fixed(1, FakeClock())
        await gate.acquire()
        first, second = (asyncio.create_task(gate.acquire()) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        gate.release()
        await asyncio.wait([first, second])
        assert first.cancelled()
        assert not second.cancelled()
        assert (gate.in_flight, gate.waiting) == (1, 0)

    asyncio.run(main())


@settings(max_examples=40)
@given(seed=st.integers(0, 2**32), limit=st.integers(1, 6), adapting=st.booleans())
def test_never_more_than_the_limit_and_no_slot_is_lost(seed: int, limit: int, adapting: bool) -> None:
    dice = random.Random(seed)

    async def main() -> None:
        clock = FakeClock()
        gate = Gate(clock, start=limit, most=8) if adapting else Gate.fixed(limit, clock)
        inside = 0

        async def exchange() -> None:
            nonlocal inside
            async with gate.slot(None if dice.random() < 0.7 else clock.monotonic() + dice.randint(0, 3)):
                inside += 1
                assert inside <= gate.in_flight <= (8 if adapting else limit)
                try:
                    for _ in range(dice.randint(0, 3)):
                        await (clock.sleep(dice.random()) if dice.random() < 0.5 else asyncio.sleep(0))
                    (gate.accepted if dice.random() < 0.8 else gate.throttled)()
                finally:
                    inside -= 1

        tasks: list[asyncio.Task[None]] = []
        for _ in range(60):
            tasks.append(asyncio.create_task(exchange()))
            if dice.random() < 0.5:
                dice.choice(tasks).cancel()
            for _ in range(dice.randint(0, 2)):
                await asyncio.sleep(0)
        await clock.advance(100)
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(each, asyncio.CancelledError | DeadlineExceeded | None) for each in results)
        assert (gate.in_flight, gate.waiting) == (0, 0)
        assert 1 <= gate.limit <= 8
        for _ in range(gate.limit):
            await asyncio.wait_for(gate.acquire(), 5)

    asyncio.run(main())


def test_a_limits_worth_of_successes_makes_room_for_one_more_and_wakes_who_waits() -> None:
    async def main() -> None:
        gate = Gate(FakeClock(), start=4, most=5)
        for _ in range(4):
            await gate.acquire()
        fifth = asyncio.create_task(gate.acquire())
        for _ in range(3):
            gate.accepted()
        assert gate.limit == 4
        gate.accepted()
        assert gate.limit == 5
        await fifth
        for _ in range(100):
            gate.accepted()
        assert gate.limit == 5, "never above the most"

    asyncio.run(main())


def test_successes_far_below_the_limit_prove_nothing() -> None:
    async def main() -> None:
        gate = Gate(FakeClock())
        await gate.acquire()
        for _ in range(1000):
            gate.accepted()
        assert gate.limit == 32

    asyncio.run(main())


def test_a_burst_of_refusals_shrinks_once_a_second_and_never_below_one() -> None:
    async def main() -> None:
        clock = FakeClock()
        gate = Gate(clock)
        for _ in range(10):
            gate.throttled()
        assert gate.limit == 22  # 32 * 0.7
        limits: list[int] = []
        for _ in range(12):
            await clock.advance(1)
            gate.throttled()
            limits.append(gate.limit)
        assert limits == [15, 10, 7, 5, 3, 2, 1, 1, 1, 1, 1, 1]
        await gate.acquire()
        gate.accepted()
        assert gate.limit == 2, "it recovers"

    asyncio.run(main())


def test_after_an_outage_what_was_borne_before_is_found_again_fast() -> None:
    async def main() -> None:
        clock = FakeClock()
        gate = Gate(clock, start=100)
        for _ in range(20):
            gate.throttled()
            await clock.advance(1.0)
        assert gate.limit == 1
        rounds = 0
        while gate.limit < 70:
            rounds += 1
            taken = gate.limit
            for _ in range(taken):
                await gate.acquire()
            for _ in range(taken):
                gate.accepted()
            for _ in range(taken):
                gate.release()
        assert rounds <= 7  # doubled each time
        await gate.acquire()
        grown = gate.limit
        for _ in range(grown):
            gate.accepted()
        assert gate.limit <= grown + 1  # and beyond that slowly again

    asyncio.run(main())


def test_a_fixed_gate_stays() -> None:
    gate = Gate.fixed(3, FakeClock())
    gate.throttled()
    gate.accepted()
    assert gate.limit == 3


def test_one_gate_for_each_provider_and_model_and_a_bounded_number() -> None:
    async def main() -> None:
        gates = Gates(FakeClock(), start=2)
        busy = gates.of("p", "busy")
        assert gates.of("p", "busy") is busy
        assert len({id(gates.of(p, m)) for p in "ab" for m in "ab"}) == 4
        await busy.acquire()
        idle = gates.of("p", "idle")
        for number in range(3000):
            gates.of("p", f"model {number}")
            assert gates.of("p", "busy") is busy, "in use, it is not forgotten"
        assert gates.of("p", "idle") is not idle, "idle, it is"

    asyncio.run(main())
