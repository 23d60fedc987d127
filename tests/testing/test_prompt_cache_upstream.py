"""Simulated prompt caches behind the loopback upstream and the scripted provider, read by the vendors' clients."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime
from typing import Any

import anthropic
import msgspec
import openai
import pytest

from penstock.errors import PenstockError, Rejected
from penstock.meter import PriceBook, price
from penstock.providers.dialects import dialect
from penstock.providers.prompt_cache import rules_for
from penstock.testing import Exchange, FakeClock, Plan, ScriptedProvider, Upstream
from penstock.testing.caching import SimulatedCache
from penstock.values import Call, Credential, Usage

NOW = datetime(2026, 11, 20, tzinfo=UTC)
MARK: Any = {"type": "ephemeral"}
LONG = "Everything that is known about gates. " * 400
SYSTEM: Any = [{"type": "text", "text": LONG, "cache_control": MARK}]
HELLO: Any = [{"role": "user", "content": "Hello"}]


def claude(**more: Any) -> SimulatedCache:
    return SimulatedCache("anthropic", day=NOW.date(), **more)


def test_anthropics_client_sees_writes_and_reads_beside_the_input() -> None:
    async def main() -> None:
        async with (
            Upstream("Yes.", cache=claude(tokens=len)) as up,
            anthropic.AsyncAnthropic(base_url=up.url, api_key="sk-1", max_retries=0) as client,
        ):
            asks: dict[str, Any] = {"model": "claude-opus-4-8", "max_tokens": 9, "system": SYSTEM, "messages": HELLO}
            first = (await client.messages.create(**asks)).usage
            assert (first.input_tokens, first.cache_creation_input_tokens) == (5, len(LONG))
            assert first.cache_read_input_tokens == 0
            assert first.cache_creation is not None
            assert first.cache_creation.ephemeral_5m_input_tokens == len(LONG)
            async with client.messages.stream(**asks) as stream:
                second = (await stream.get_final_message()).usage
            assert (second.input_tokens, second.cache_creation_input_tokens) == (5, 0)
            assert second.cache_read_input_tokens == len(LONG)
            with pytest.raises(anthropic.BadRequestError, match="at most 4"):
                await client.messages.create(**{**asks, "system": SYSTEM * 5})
            assert [each.cached is not None for each in up.exchanges] == [True, True, False]
            async with anthropic.AsyncAnthropic(base_url=up.url, api_key="sk-2", max_retries=0) as other:
                apart = (await other.messages.create(**asks)).usage
                assert (apart.cache_read_input_tokens, apart.cache_creation_input_tokens) == (0, len(LONG))

    asyncio.run(main())


def test_openais_client_sees_reads_and_writes_inside_the_input() -> None:
    async def main() -> None:
        async with (
            Upstream("Yes.", cache=SimulatedCache("openai", tokens=len)) as up,
            openai.AsyncOpenAI(base_url=up.url + "/v1", api_key="sk-1", max_retries=0) as client,
        ):
            messages: Any = [{"role": "user", "content": LONG}]
            for model, read, written in (("gpt-5", 0, None), ("gpt-5", 15_104, None), ("gpt-5.6", 0, len(LONG))):
                usage = (await client.chat.completions.create(model=model, messages=messages)).usage
                assert usage is not None
                assert usage.prompt_tokens_details is not None
                assert usage.prompt_tokens == len(LONG)
                details = usage.prompt_tokens_details
                assert (details.cached_tokens, details.cache_write_tokens) == (read, written)
            asks: dict[str, Any] = {"model": "gpt-5.6", "input": LONG}
            for key, read, written in (("a", 0, len(LONG)), ("b", len(LONG), 0)):
                reply = await client.responses.create(**asks, instructions="Be kind.", prompt_cache_key=key)
                assert reply.usage is not None
                assert reply.usage.input_tokens == len(LONG) + len("Be kind.")
                details_of = reply.usage.input_tokens_details
                assert details_of.cached_tokens == (read and read + 8)
                assert details_of.cache_write_tokens == (written and written + 8)

    asyncio.run(main())


def call(model: str = "claude-opus-4-8", key: str = "sk-1", **more: Any) -> Call:
    body = {"model": model, "max_tokens": 9, "messages": HELLO, **more}
    raw = msgspec.json.encode(body)
    return Call.parse(raw, dialect="anthropic", provider="scripted", credential=Credential(key))


async def used(provider: ScriptedProvider, asked: Call) -> Usage:
    async with provider.send(asked) as answer:
        raw = b"".join([chunk async for chunk in answer.chunks])
    usage = dialect(asked.dialect).reply(raw, streamed=asked.stream).usage
    assert usage is not None
    return usage


def test_the_scripted_provider_reads_what_it_wrote_until_it_idles() -> None:
    async def main() -> list[Usage]:
        clock = FakeClock()
        provider = ScriptedProvider("Yes.", dialect="anthropic", cache=claude(tokens=len), clock=clock)
        seen = [await used(provider, call(system=SYSTEM))]
        for idle in (299, 299, 300):
            await clock.advance(idle)
            seen.append(await used(provider, call(system=SYSTEM)))
        seen.append(await used(provider, call(system=SYSTEM, key="sk-2")))
        return seen

    wrote, read = Usage(input=5, cache_write_5m=len(LONG), output=1), Usage(input=5, cache_read=len(LONG), output=1)
    assert asyncio.run(main()) == [wrote, read, read, wrote, wrote]


def test_the_first_token_waits_for_what_was_not_read_and_then_others_read() -> None:
    async def main() -> None:
        clock = FakeClock()
        cache = claude(tokens=len, first_token=lambda uncached: uncached / 1000)
        provider = ScriptedProvider(Plan("Yes.", latency=0.5), dialect="anthropic", cache=cache, clock=clock)
        asked = call(system=SYSTEM)
        several = [asyncio.create_task(used(provider, asked)) for _ in range(3)]
        await clock.advance(60)
        assert {usage.cache_write_5m for usage in await asyncio.gather(*several)} == {len(LONG)}
        last = asyncio.create_task(used(provider, asked))
        await clock.advance(60)
        assert (await last).cache_read == len(LONG)
        cold, warm = 0.5 + (len(LONG) + 5) / 1000, 0.505
        assert clock.slept == [cold, cold, cold, warm]

    asyncio.run(main())


def test_a_leader_pays_the_write_for_a_fan_out() -> None:
    async def main() -> list[Usage]:
        provider = ScriptedProvider("Yes.", dialect="anthropic", cache=claude(tokens=len), clock=FakeClock())
        leader = await used(provider, call(system=SYSTEM))
        return [leader, *await asyncio.gather(*(used(provider, call(system=SYSTEM)) for _ in range(9)))]

    usages = asyncio.run(main())
    assert [usage.cache_write_5m for usage in usages] == [len(LONG), *[0] * 9]
    rules = rules_for("anthropic", "claude-opus-4-8", NOW.date())
    assert rules is not None
    cost = sum(u.input + u.cache_read * rules.read + u.cache_write_5m * rules.ttl.write for u in usages)
    assert cost <= 0.25 * sum(usage.prompt for usage in usages)


def test_what_fails_or_is_said_otherwise_is_left_alone() -> None:
    async def main() -> None:
        failing = ScriptedProvider(Plan("no", status=529), dialect="anthropic", cache=claude(tokens=len))
        with pytest.raises(PenstockError):
            await used(failing, call(system=SYSTEM))
        failing.script = Plan("Yes.", usage=Usage(input=7, output=1))
        assert await used(failing, call(system=SYSTEM)) == Usage(input=7, output=1)
        failing.script = {"type": "message", "usage": {"input_tokens": 3, "output_tokens": 1}, "content": []}
        assert await used(failing, call(system=SYSTEM)) == Usage(input=3, output=1)
        failing.script = "Yes."
        assert (await used(failing, call(system=SYSTEM))).cache_read == len(LONG)
        assert (await used(failing, call("claude-2.1", system=SYSTEM))).cache_write_5m == 0
        with pytest.raises(Rejected, match="at most 4"):
            await used(failing, call(system=SYSTEM * 5))

    asyncio.run(main())


def test_a_call_that_failed_wrote_nothing() -> None:
    async def main() -> None:
        async with (
            Upstream([Plan("no", status=529), "Yes."], cache=claude(tokens=len)) as up,
            anthropic.AsyncAnthropic(base_url=up.url, api_key="sk-1", max_retries=0) as client,
        ):
            asks: dict[str, Any] = {"model": "claude-opus-4-8", "max_tokens": 9, "system": SYSTEM, "messages": HELLO}
            with pytest.raises(anthropic.InternalServerError):
                await client.messages.create(**asks)
            assert (await client.messages.create(**asks)).usage.cache_creation_input_tokens == len(LONG)

    asyncio.run(main())


def test_bills_follow_the_price_book() -> None:
    book = PriceBook()

    def billed(exchange: Exchange, usage: Usage) -> int:
        rates = book.rates(exchange.question.model, "anthropic", when=NOW)
        assert rates is not None
        return price(usage, rates)

    async def main() -> None:
        async with (
            Upstream("Yes.", cache=claude(tokens=len), price=billed, count=len) as up,
            anthropic.AsyncAnthropic(base_url=up.url, api_key="sk-1", max_retries=0) as client,
        ):
            for _ in range(2):
                await client.messages.create(
                    model="claude-opus-4-8", max_tokens=9, system=SYSTEM, messages=[*HELLO, *HELLO]
                )
            bills = [each.bill for each in up.exchanges]
            rest = 10 * 5_000 + 4 * 25_000
            assert bills == [len(LONG) * 6_250 + rest, len(LONG) * 500 + rest]
            assert up.bill == sum(bills)

    asyncio.run(main())


def test_rules_can_be_given_for_all_models() -> None:
    rules = rules_for("anthropic", "claude-opus-5", date(2026, 11, 20))
    assert rules is not None
    provider = ScriptedProvider("Yes.", dialect="anthropic", cache=SimulatedCache(rules, tokens=len))
    assert asyncio.run(used(provider, call("small", system=SYSTEM))).cache_write_5m == len(LONG)


def test_the_usual_counter_is_the_meters() -> None:
    provider = ScriptedProvider("Yes.", dialect="anthropic", cache=claude())
    usage = asyncio.run(used(provider, call(system=SYSTEM)))
    assert (usage.input, usage.cache_write_5m) == (1, 2801)
