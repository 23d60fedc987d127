"""A caller whose clock ran out asks again at once: the call that it left goes on alone for it, and for nobody else."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.engine.rig import Rig, scripted

from penstock.errors import Cancelled
from penstock.flow import Refused
from penstock.testing import FakeClock, Plan
from penstock.values import Usage

WARM: dict[str, Any] = {"temperature": 1}


async def left_alone(rig: Rig, clock: FakeClock, *, late: bool) -> None:
    """Ask, and leave before anything has come: because of one's own clock, or not."""

    async def asking() -> None:
        patience = clock.monotonic() + (0.1 if late else 60.0)
        async with rig.engine.ask(rig.call(body=WARM), patience=patience) as ticket:
            await ticket.outcome()

    task = asyncio.create_task(asking())
    await clock.settle()
    task.cancel()
    await clock.settle()


@pytest.mark.parametrize(("late", "again", "asked"), [(True, True, 1), (True, False, 2), (False, True, 2)])
def test_a_retry_takes_over_what_its_own_first_try_left(late: bool, again: bool, asked: int) -> None:
    async def main() -> None:
        clock = FakeClock()
        provider = scripted(Plan("Because.", usage=Usage(input=100, output=10), latency=1.0), clock=clock)
        async with Rig(provider, clock=clock) as rig:
            await left_alone(rig, clock, late=late)
            assert provider.in_flight == int(late)
            second = asyncio.create_task(rig.ask(body=WARM, again=again))
            await clock.settle()
            await clock.advance(1.5)
            assert (await second).done().reply.text == "Because."
            assert len(provider.seen) == asked
            await clock.advance(5.0)  # nobody waits for it any more: it is not called off after its end
            assert not rig.engine._flights
            assert sum(outcome.state.receipt.spent > 0 for outcome in rig.outcomes) == asked

    asyncio.run(main())


def test_what_nobody_comes_back_for_is_called_off() -> None:
    async def main() -> None:
        clock = FakeClock()
        provider = scripted(Plan(hang=True), clock=clock)
        async with Rig(provider, clock=clock) as rig:
            await left_alone(rig, clock, late=True)
            await clock.advance(1.9)
            assert provider.in_flight == 1
            await clock.advance(0.2)
            assert provider.in_flight == 0
            state = rig.outcomes[0].state
            assert isinstance(state, Refused)
            assert isinstance(state.error, Cancelled)

    asyncio.run(main())
