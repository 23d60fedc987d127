"""The library, as its users call it."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

import penstock
from penstock.testing import Plan, SimulatedCache, Upstream
from penstock.values import Usage

USAGE = Usage(input=100, output=10)
CONTEXT = " ".join(f"Train {number} leaves at {number % 24}:{number % 60:02}." for number in range(1000))


def opened(up: Upstream, **options: object):  # type: ignore[no-untyped-def]
    return penstock.open(**{"provider": "openai", "base_url": up.url, "model": "gpt-4o-mini", **options})  # type: ignore[arg-type]


def test_a_reply_has_text_cost_and_a_receipt_that_adds_up() -> None:
    async def main() -> None:
        async with Upstream(Plan("Because.", usage=USAGE)) as up, opened(up, budget="$2.00") as lm:
            reply = await lm("Why?", context="The sky is blue.", system="Be brief.", max_tokens=20)
            assert reply.text == str(reply) == "Because."
            assert reply.cost == 100 * 150 + 10 * 600
            assert reply.saved == {}
            assert reply.receipt.asked == reply.receipt.spent + sum(reply.receipt.saved.values())
            again = await lm("Why?", context="The sky is blue.", system="Be brief.", max_tokens=20)
            assert (again.source, again.cost, again.saved["reuse"]) == ("reuse", 0, reply.cost)
            assert (lm.ledger.asked, lm.ledger.spent) == (2 * int(reply.cost or 0), reply.cost)
            sent = up.exchanges[0].question.body
            assert sent["messages"][-1]["content"] == "The sky is blue.\n\nWhy?"
            assert sent["max_tokens"] == 20

    asyncio.run(main())


def test_a_conversation_goes_on_after_a_reply() -> None:
    async def main() -> None:
        async with Upstream() as up, opened(up) as lm:
            first = await lm("One?")
            pieces = [piece async for piece in lm.stream("Two?", after=first)]
            assert "".join(pieces)
            contents = [message["content"] for message in up.exchanges[-1].question.body["messages"]]
            assert contents == ["One?", first.text, "Two?"]

    asyncio.run(main())


def test_processes_of_one_scope_share_a_budget_and_sessions_without_one_do_not() -> None:
    async def main() -> None:
        async with Upstream(Plan("Because.", usage=USAGE)) as up:
            async with opened(up, budget="$0.00003", scope="team") as lm:
                await lm("One?", max_tokens=20)
            async with opened(up, budget="$0.00003", scope="team") as lm:
                with pytest.raises(penstock.BudgetExceeded):
                    await lm("Two?", max_tokens=20)
            async with opened(up, scope="team") as lm:
                with pytest.raises(penstock.BudgetExceeded, match="the budget of scope 'team' has"):
                    await lm("Three?", max_tokens=20)
            async with opened(up, budget="$0.00003") as lm:
                await lm("Two?", max_tokens=20)
                with pytest.raises(penstock.BudgetExceeded, match="the budget of this session has"):
                    await lm("Three?", max_tokens=20)
            assert len(up.exchanges) == 2

    asyncio.run(main())


def test_an_unknown_price_is_unpriced_and_a_money_budget_refuses_it() -> None:
    async def main() -> None:
        async with Upstream(Plan("Because.", usage=USAGE)) as up:
            async with opened(up, model="unheard-of") as lm:
                reply = await lm("Why?")
                assert reply.cost is None
                assert reply.receipt.unpriced == 1
            async with opened(up, model="unheard-of", budget="$1") as lm:
                with pytest.raises(penstock.Unpriced, match="prices"):
                    await lm("Why else?")
            limits = penstock.Limits(nano=10**9, allow_unpriced=True)
            async with opened(up, model="unheard-of", budget=limits) as lm:
                assert (await lm("Why else?")).cost is None

    asyncio.run(main())


def test_fit_sends_what_the_budget_allows() -> None:
    async def main() -> None:
        async with Upstream(Plan("Because.", usage=USAGE)) as up:
            async with opened(up, budget="$0.001", fit=False) as lm:
                with pytest.raises(penstock.BudgetExceeded, match=r"set max_tokens to at most 1,\d{3}"):
                    await lm("Why?")
            async with opened(up, budget="$0.001") as lm:
                await lm("Why?")
                await asyncio.gather(lm("Why not?"), lm("Why else?"))
            assert 1024 < up.exchanges[0].question.body["max_tokens"] < 1667
            assert len(up.exchanges) == 3
            async with opened(up, provider="anthropic", model="claude-sonnet-5", budget="$0.03") as lm:
                await lm("Why?")
            assert up.exchanges[-1].question.body["max_tokens"] < 4096

    asyncio.run(main())


def test_a_timeout_is_the_deadline_of_the_call() -> None:
    async def main() -> None:
        async with Upstream(Plan("Because.", hang=True)) as up, opened(up) as lm:
            with pytest.raises(penstock.DeadlineExceeded):
                await lm("Why?", timeout=0.05)
            await up.until(lambda: up.disconnects == 1)

    asyncio.run(main())


def test_replies_and_what_was_learned_outlive_the_process() -> None:
    async def main() -> None:
        async with Upstream(Plan("Because.", usage=Usage(input=900, output=10))) as up:
            async with opened(up, budget="$1") as lm:
                await lm("The quick brown fox jumps over the lazy dog. " * 50, max_tokens=10)
                learned = lm.runtime.engine.rules.factors
            async with opened(up) as lm:
                assert lm.runtime.engine.rules.factors == learned
                assert learned.learned
                assert (await lm("The quick brown fox jumps over the lazy dog. " * 50, max_tokens=10)).source == "reuse"

    asyncio.run(main())


def test_files_that_fit_go_into_one_call_and_others_into_parts(tmp_path: Path) -> None:
    for number in range(6):
        (tmp_path / f"part{number}.txt").write_text(f"The code word of room {number} is w{number}.\n" * 400)

    def answer(exchange) -> Plan:  # type: ignore[no-untyped-def]
        prompt = exchange.question.body["messages"][-1]["content"]
        return Plan(
            "Combined, see part0.txt:7." if "Notes from part" in prompt else "part0.txt:7 says w0.", usage=USAGE
        )

    async def main() -> None:
        async with Upstream(answer) as up, opened(up, budget="$1") as lm:
            reply = await lm("What is the code word of room 0?", files=[tmp_path / "part0.txt"])
            assert len(up.exchanges) == 1
            assert "7\tThe code word" in up.exchanges[0].question.body["messages"][-1]["content"]
            assert reply.cost == 21_000
            settings = lm.runtime.settings
            small = settings.providers["openai"].__class__("openai", up.url, large="gpt-4o-mini", context_window=16_000)
            lm.runtime.settings = settings.__class__(provider="openai", providers={"openai": small})
            reply = await lm("What is the code word of room 0?", files=[tmp_path])
            asked = len(up.exchanges) - 1
            assert asked > 3
            assert reply.text == "Combined, see part0.txt:7."
            assert reply.cost == asked * 21_000
            assert lm.ledger.spent == (asked + 1) * 21_000

    asyncio.run(main())


@pytest.mark.parametrize("question", ["", "  \n"])
def test_an_empty_question_is_bad_input(question: str) -> None:
    async def main() -> None:
        async with penstock.open(provider="embedded") as lm:
            with pytest.raises(penstock.BadInput, match="empty"):
                await lm(question)

    asyncio.run(main())


def test_bad_options_say_how_to_mend_them() -> None:
    async def main(**options: object) -> None:
        async with penstock.open(**options):  # type: ignore[arg-type]
            pass

    for options, words in [
        ({"budget": "-1"}, "write it like"),
        ({"provider": "nobody"}, "described are: openai, anthropic, embedded"),
        ({"max_concurrency": 0}, "at least 1"),
        ({"config": "no.toml"}, "no configuration file"),
        ({"provider": "openai", "base_url": "not a url"}, "not an address"),
    ]:
        with pytest.raises(penstock.BadInput, match=words):
            asyncio.run(main(**options))


def test_without_async_it_is_the_same(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("The train is late.\n\nThe bus is not.\n")
    with penstock.open_sync(provider="embedded") as lm:
        assert "train is late" in lm("Which train is late?", files=[tmp_path]).text
        assert "late" in "".join(lm.stream("Which one is late?", context="The train is late."))
        assert lm.ledger.spent == 0
        with pytest.raises(penstock.BadInput):
            lm("")
    assert not [thread for thread in threading.enumerate() if thread.name == "penstock"]


def test_the_public_names_are_lazy_and_complete() -> None:
    assert "open" in dir(penstock)
    for name in dir(penstock):
        assert getattr(penstock, name)
    with pytest.raises(AttributeError, match="no attribute 'close'"):
        penstock.close  # noqa: B018


@pytest.mark.parametrize("budget", [0.0001, 0, "0.0001"])
def test_a_budget_that_is_a_number_binds_as_one_that_is_written(budget: float | str) -> None:
    async def main() -> None:
        async with Upstream(Plan("Because.", usage=USAGE)) as up, opened(up, budget=budget) as lm:
            with pytest.raises(penstock.BudgetExceeded):
                await lm("Why?", max_tokens=2000)
            assert not up.exchanges

    asyncio.run(main())


@pytest.mark.parametrize(
    ("provider", "model"), [("anthropic", "claude-sonnet-4-5"), ("openai", "gpt-5.6"), ("openai", "gpt-4o")]
)
def test_a_context_is_written_before_the_first_call_comes(tmp_path: Path, provider: str, model: str) -> None:
    (tmp_path / "penstock.toml").write_text(f'[providers.{provider}]\nprompt_cache = "{provider}"\n')

    async def main() -> None:
        async with Upstream("Nine.", cache=SimulatedCache(provider)) as up:
            options = {"provider": provider, "base_url": up.url, "model": model, "home": tmp_path}
            async with penstock.open(config=tmp_path / "penstock.toml", **options) as lm:  # type: ignore[arg-type]
                told = await lm.prewarm(CONTEXT)
                assert int(told.receipt.saved["layout"]) == -int(told.receipt.spent) < 0
                for question in ("When does it leave?", "And where?"):
                    reply = await lm(question, context=CONTEXT)
                    assert reply.usage is not None
                    assert reply.usage.cache_read > 0.9 * reply.usage.prompt
                with pytest.raises(penstock.BadInput, match="nothing of this context would be cached"):
                    await lm.prewarm("A few words.")
                assert len(up.exchanges) == 3

    asyncio.run(main())
