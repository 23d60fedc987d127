"""The circuit breaker around a provider and its retries."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from penstock.clock import SystemClock
from penstock.errors import Overloaded, Rejected, Unreachable
from penstock.providers.breaker import Breaker
from penstock.providers.dialects import dialect
from penstock.providers.http import HttpProvider
from penstock.providers.retry import RetryPolicy
from penstock.testing import FakeClock, Plan, ScriptedProvider, Upstream
from penstock.values import Call

RAW = msgspec.json.encode({"model": "m", "max_tokens": 50, "messages": [{"role": "user", "content": "Why?"}]})


def call() -> Call:
    return Call.parse(RAW, dialect="openai", provider="p", origin="o")


async def ask(breaker: Breaker) -> int:
    async with breaker.send(call()) as answer:
        return len([chunk async for chunk in answer.chunks])


def reached(up: Upstream, clock: FakeClock, **options: Any) -> HttpProvider:
    return HttpProvider("p", dialect("openai"), up.url, "k", clock=clock, jitter=lambda: 1.0, **options)


def test_it_opens_rests_probes_and_closes() -> None:
    async def main() -> None:
        clock = FakeClock()
        well = False
        asked = 0

        def reply(_: Any) -> Plan:
            nonlocal asked
            asked += 1
            return Plan("Because.") if well else Plan("overloaded", status=529)

        breaker = Breaker(ScriptedProvider(reply, name="p"), clock, failures=3, rest=1.0)
        for tries in (1, 2, 3, 3, 3):
            with pytest.raises(Overloaded) as raised:
                await ask(breaker)
            assert (asked, raised.value.status) == (tries, 529)
        assert breaker.open
        assert "left alone" in str(raised.value)
        await clock.advance(1.0)
        for _ in range(3):
            with pytest.raises(Overloaded):
                await ask(breaker)
        assert (asked, breaker.opened) == (4, 1)
        await clock.advance(1.0)
        well = True
        assert await ask(breaker) == 1
        assert not breaker.open
        assert await ask(breaker) == 1

    asyncio.run(main())


@pytest.mark.parametrize(
    ("statuses", "apart"), [([529, 529, 400, 529, 529, 429, 529, 529], 0), ([500, 500, 500, 500, 500], 11)]
)
def test_refusals_and_old_failures_do_not_open_it(statuses: Sequence[int], apart: float) -> None:
    async def main() -> None:
        clock = FakeClock()
        script = [Plan("no", status=status) for status in statuses]
        breaker = Breaker(ScriptedProvider(script, name="p"), clock, failures=3, window=10)
        for _ in statuses:
            with pytest.raises((Overloaded, Rejected)):
                await ask(breaker)
            await clock.advance(apart)
        assert not breaker.open

    asyncio.run(main())


def test_a_slow_probe_holds_up_nobody() -> None:
    async def main() -> None:
        async with Upstream([Plan(status=500), Plan(hang=True), Plan("Because.")]) as up:
            clock = FakeClock()
            inner = reached(up, clock, policy=RetryPolicy(tries=1))
            breaker = Breaker(inner, clock, failures=1, rest=1.0)
            with pytest.raises(Overloaded):
                await ask(breaker)
            await clock.advance(1.0)
            probe = asyncio.create_task(ask(breaker))
            await up.until(lambda: len(up.exchanges) == 2)
            with pytest.raises(Overloaded, match="left alone"):
                await ask(breaker)
            await clock.advance(1.0)
            assert await ask(breaker) >= 1
            assert not breaker.open
            probe.cancel()
            await asyncio.gather(probe, return_exceptions=True)
            await breaker.close()

    asyncio.run(main())


def test_retries_that_were_due_while_it_is_open_are_not_made() -> None:
    """Neither those of the calls that opened it, nor that of a probe, however many tries their policy would allow."""

    async def main() -> None:
        async with Upstream(Plan("overloaded", status=529)) as up:
            clock = FakeClock()
            breaker = Breaker(reached(up, clock), clock, failures=2, rest=5.0)
            asking = [asyncio.create_task(ask(breaker)) for _ in range(12)]
            await up.until(lambda: len(up.exchanges) == 12)
            while not breaker.open:  # noqa: ASYNC110  ten of them sleep, two had to give up, as the purse of retries is empty
                await asyncio.sleep(0)
            await clock.advance(0.5)
            ended = await asyncio.gather(*asking, return_exceptions=True)
            assert all(isinstance(each, Overloaded) and each.status == 529 for each in ended)
            assert len(up.exchanges) == 12
            for probes in (1, 2, 3):
                await clock.advance(5.0)
                with pytest.raises(Overloaded):
                    await ask(breaker)
                assert len(up.exchanges) == 12 + probes
            up.reply = "Because."
            await clock.advance(5.0)
            assert await ask(breaker) >= 1
            await breaker.close()

    asyncio.run(main())


def test_calls_that_wait_for_a_slot_do_not_go_out_after_it_has_opened() -> None:
    """The upstream bears 32 at once by default: those behind them learn from their failure."""

    async def main() -> None:
        async with Upstream(Plan("overloaded", status=529)) as up:
            clock = SystemClock()
            inner = HttpProvider("p", dialect("openai"), up.url, "k", policy=RetryPolicy(tries=1))
            breaker = Breaker(inner, clock, rest=60.0)
            ended = await asyncio.gather(*(ask(breaker) for _ in range(300)), return_exceptions=True)
            assert all(isinstance(each, Overloaded) and each.status == 529 for each in ended)
            assert 5 <= len(up.exchanges) <= 64
            await breaker.close()

    asyncio.run(main())


def test_what_was_lost_is_billed_while_it_is_open() -> None:
    """A probe whose connection breaks may have been worked on: its bill is told, whatever the breaker thinks of it."""

    async def main() -> None:
        async with Upstream([Plan(status=500), Plan(drop=True)]) as up:
            clock = FakeClock()
            breaker = Breaker(reached(up, clock, policy=RetryPolicy(tries=1)), clock, failures=1, rest=1.0)
            with pytest.raises(Overloaded):
                await ask(breaker)
            await clock.advance(1.0)
            told: list[bool] = []
            with pytest.raises(Unreachable, match="closed the connection"):
                async with breaker.send(call(), told.append):
                    pass
            assert told == [True, True]
            with pytest.raises(Unreachable, match="left alone"):
                async with breaker.send(call(), told.append):
                    pass
            assert told == [True, True]
            await breaker.close()

    asyncio.run(main())
