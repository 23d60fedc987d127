"""Prefixes that are read once more before they expire, where somebody is likely to come back."""

from __future__ import annotations

import asyncio

from tests.engine.test_prefixes import CONTEXT, cost, finished, question, rig, turn, used

from penstock.flow import Settle
from penstock.policy.layout.settings import LayoutSettings
from penstock.prefixes import Prefixes
from penstock.prefixes.warming import Warming
from penstock.testing import FakeClock
from penstock.values import Usage


async def pauses(*, keep_warm: bool, pause: float) -> tuple[list[Usage], list[Usage]]:
    """What an agent uses that waits for its human after eight turns, and what was read for its own sake."""
    clock = FakeClock()
    async with rig(clock) as at:
        at.engine.prefixes = Prefixes(clock, settings=LayoutSettings(keep_warm=keep_warm))
        at.engine._warming = Warming(clock, at.engine.prefixes.memory.writes, at.engine.run) if keep_warm else None
        usages = []
        for number in range(72):
            (outcome,) = await finished(clock, [asyncio.create_task(at.engine.run(turn(number)))])
            usages.append(used(outcome))
            for _ in range(20 if number % 8 != 7 else int(pause)):
                await clock.advance(1.0)
        own = [outcome for outcome in at.outcomes if outcome.state.call.charged_to == "layout"]
        assert all(outcome.state.call.max_tokens == 1 for outcome in own)
        assert all(outcome.state.receipt.asked == 0 for outcome in own)
        assert all(outcome.state.receipt.saved["layout"] == -outcome.state.receipt.spent for outcome in own)
        return usages, [used(outcome) for outcome in own]


def test_who_comes_back_after_the_time_to_live_finds_the_prefix_warm() -> None:
    async def main() -> None:
        cold, none = await pauses(keep_warm=False, pause=400.0)
        warm, own = await pauses(keep_warm=True, pause=400.0)
        assert not none
        assert 1 <= len(own) <= 8
        assert all(usage.cache_read >= 0.95 * usage.prompt for usage in own)
        total = sum(usage.prompt for usage in warm)
        assert cost(warm) + cost(own) * sum(usage.prompt for usage in own) / total < cost(cold)

    asyncio.run(main())


def test_nothing_is_kept_for_who_never_comes_back() -> None:
    async def main() -> None:
        clock = FakeClock()
        async with rig(clock) as at:
            at.engine.prefixes = Prefixes(clock, settings=LayoutSettings(keep_warm=True))
            at.engine._warming = Warming(clock, at.engine.prefixes.memory.writes, at.engine.run)
            calls = [question(f"Number {n}?", stream=False) for n in range(10)]
            await finished(clock, [asyncio.create_task(at.engine.run(call)) for call in calls])
            for _ in range(40):
                await clock.advance(30.0)
            assert len(at.provider.seen) == 10

    asyncio.run(main())


def test_closing_sees_to_nothing_more() -> None:
    async def main() -> None:
        clock = FakeClock()
        async with rig(clock) as at:
            at.engine.prefixes = Prefixes(clock, settings=LayoutSettings(keep_warm=True))
            at.engine._warming = Warming(clock, at.engine.prefixes.memory.writes, at.engine.run)
            calls = [question(f"Number {n}?", stream=False, context=CONTEXT) for n in range(3)]
            await finished(clock, [asyncio.create_task(at.engine.run(call)) for call in calls])
            assert at.engine._warming._seen_to
        assert not at.engine._warming._seen_to
        assert all(isinstance(outcome.log[-2][1], Settle) for outcome in at.outcomes)

    asyncio.run(main())
