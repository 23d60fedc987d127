"""``penstock why`` for every kind of end that a call can have: what a person reads of it."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

import penstock
from penstock.cli import main
from penstock.errors import PenstockError
from penstock.stores.records import CallRecord, SqliteRecords
from penstock.testing import Plan, SimulatedCache, Upstream
from penstock.values import Usage

USAGE = Usage(input=900, cache_read=100, output=150, reasoning=50)


@pytest.fixture
def why(capsys: pytest.CaptureFixture[str]) -> Any:
    """What is told of a call; absent: of the last one."""

    def told(*words: str) -> str:
        assert main(["why", *words]) == 0
        return capsys.readouterr().out

    return told


def asked(plan: Plan, *prompts: str, budget: str | None = None, **options: Any) -> list[str]:
    """The ids of calls that were asked one after the other, or the error of one that has no answer."""

    async def ask() -> list[str]:
        found: list[str] = []
        async with (
            Upstream(plan) as up,
            penstock.open(provider="openai", base_url=up.url, model="gpt-5-mini", budget=budget) as lm,
        ):
            for prompt in prompts:
                try:
                    found.append((await lm(prompt, **options)).id)
                except PenstockError as error:
                    found.append(str(error))
        return found

    return asyncio.run(ask())


def steps(told: str) -> dict[str, str]:
    """The last words of each state."""
    return dict(re.findall(r"^ +[\d.]+ ms  (\w+) +(.*)$", told, re.MULTILINE))


def recorded(record: CallRecord) -> None:
    async def add() -> None:
        records = await SqliteRecords.at(penstock.config.home() / "records.sqlite", warn=pytest.fail)
        await records.add(record)
        await records.close()

    asyncio.run(add())


def test_a_call_that_was_sent(why: Any) -> None:
    (id,) = asked(Plan("At nine.", usage=USAGE), "When?")
    told = why(id)
    head, facts = told.splitlines()[0], told.splitlines()[1:4]
    assert head.startswith(f"call    {id}, ")
    assert facts == [
        "asked   gpt-5-mini of openai",
        "answer  from openai",
        "cost    $0.0006275 for 1,000 tokens in (100 read from the prompt cache) and 200 out (50 of them reasoning)",
    ]
    assert steps(told) == {
        "Lookup": "is there a stored answer? there is none (no variety was asked for)",
        "Follow": "no other call's answer is waited for",
        "Shape": "a request of 69 bytes for gpt-5-mini",
        "Send": "asked openai for gpt-5-mini",
        "Settle": "used 1,000 tokens in (100 read from the prompt cache) and 200 out (50 of them reasoning)",
        "Done": "the answer ended with 'stop'",
    }


def test_a_call_that_was_answered_before(why: Any) -> None:
    asked(Plan("At nine.", usage=USAGE), "When?", "When?")
    told = why()
    assert "answer  a stored one, which an earlier call got for the same request\n" in told
    assert "cost    $0.00; without savings it would have been $0.0006275\n" in told
    assert "saved   $0.0006275 by reuse\n" in told
    assert steps(told)["Lookup"] == "is there a stored answer? there is one (no variety was asked for)"


def test_a_call_whose_answer_was_fitted_to_the_budget(why: Any) -> None:
    asked(Plan("At nine.", usage=USAGE), "When?", budget="5c")
    told = why()
    assert "for $0.256" in told
    assert ": it does not fit the budget; a shorter answer may\n" in told
    assert steps(told)["Admit"].endswith(": it fits the budget")
    assert steps(told)["Send"].endswith("set to 16,384, since $0.05 of the budget was left")
    assert "saved" not in told.partition("\n\n")[0], "a call that was shortened saved nothing"


def test_a_call_that_the_budget_refused(why: Any) -> None:
    (error,) = asked(Plan("At nine."), "When?", budget="0.1c", max_tokens=5000)
    told = why()
    assert f"answer  none: {error}\n" in told
    assert "cost    $0.00\n" in told
    assert steps(told)["Admit"].endswith(": it does not fit the budget")
    assert steps(told)["Refused"] == "no answer (BudgetExceeded)"


def test_a_call_that_the_upstream_refused(why: Any) -> None:
    (error,) = asked(Plan("no such key", status=401), "When?")
    told = why()
    assert f"answer  none: {error}\n" in told
    assert steps(told)["Settle"] == "nothing was used, and nothing is charged"
    assert steps(told)["Refused"] == "no answer (KeyRefused)"


def test_a_call_that_asks_for_variety_and_has_no_known_price(why: Any) -> None:
    asked(Plan("At nine.", usage=Usage(input=3, output=2)), "When?", model="of-nobody", temperature=1.0)
    told = why()
    assert "cost    unknown, as the price of this model is; it took 3 tokens in and 2 out\n" in told
    assert steps(told)["Lookup"] == "no stored answer is looked for: temperature 1.0 asks for variety"


def test_a_call_that_joined_another(why: Any) -> None:
    async def ask() -> list[str]:
        async with (
            Upstream(Plan("At nine.", usage=USAGE, latency=0.3)) as up,
            penstock.open(provider="openai", base_url=up.url, model="gpt-5-mini") as lm,
            asyncio.TaskGroup() as group,
        ):
            tasks = [group.create_task(lm("When?")) for _ in range(2)]
        return sorted((reply.source, reply.id) for reply in [task.result() for task in tasks])

    (_, joined), (_, leader) = asyncio.run(ask())
    told = why(joined)
    assert "answer  shared with an earlier call, which was asking the same at that moment\n" in told
    assert steps(told)["Follow"] == f"{leader} is asking the same: its answer is waited for"


def test_a_reading_in_parts_names_its_calls(why: Any) -> None:
    parts = [
        {"state": "Part", "id": "c_1", "source": "openai", "spent_nano": 21_000},
        {"state": "Part", "id": "c_2", "source": "reuse", "spent_nano": 0},
    ]
    recorded(CallRecord(id="c_9", at=1.8e9, model="m", provider="openai", source="parts", scope=(), steps=parts))
    told = why("c_9")
    assert "answer  put together in 2 calls, since the files do not fit one\n" in told
    assert told.splitlines()[-2:] == [f"{'':14}Part    c_1 from openai, $0.000021", f"{'':14}Part    c_2 from reuse"]


def test_a_reading_that_failed_names_its_calls_and_says_why(why: Any) -> None:
    parts = [
        {"state": "Part", "id": "c_1", "source": "openai", "spent_nano": 21_000},
        {"state": "Part", "id": "c_2", "source": "refused", "spent_nano": 150},
        {"state": "Refused", "error": "Overloaded", "message": "the upstream answered 529: busy"},
    ]
    recorded(CallRecord(id="c_9", at=1.8e9, model="m", provider="openai", source="refused", scope=(), steps=parts))
    told = why("c_9")
    assert "answer  none: the upstream answered 529: busy\n" in told
    *_, part, end = told.splitlines()
    assert (part, end) == (f"{'':14}Part    c_2 no answer, $0.00000015", f"{'':14}Refused no answer (Overloaded)")


def laid_out(seen: dict[str, Any], edits: list[dict[str, Any]], cache: str, waited: float = 0.0) -> CallRecord:
    """A call whose prompt was laid out for the provider's cache."""
    usage = {"input": 7, "cache_read": 4000, "output": 2}
    states = [
        {"state": "Shape", "after_ms": 0.1, "bytes": 19_416, "model": "m", "layout": seen},
        {"state": "Send", "after_ms": 0.5, "provider": "anthropic", "model": "m", "edits": edits},
        {"state": "Settle", "after_ms": 2.0, "usage": usage, "estimated": False, "cache": cache},
    ]
    if waited:
        states[1]["waited_seconds"] = waited
    return CallRecord(id="c_9", at=1.8e9, model="m", provider="anthropic", source="anthropic", scope=(), steps=states)


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        ({"known": 0, "blocks": 3, "new_from": "system"}, "; nothing of its prompt sent before"),
        (
            {"known": 2, "blocks": 3, "new_from": "messages.1.content"},
            "; 2 of 3 parts of its prompt sent before, new from messages.1.content",
        ),
        ({"known": 3, "blocks": 3, "new_from": ""}, "; 3 of 3 parts of its prompt sent before"),
        (
            {"known": 3, "blocks": 3, "new_from": "", "volatile": ["10:00:05"]},
            "; 3 of 3 parts of its prompt sent before; its system prompt holds 10:00:05: if that changes, what follows "
            "is paid in full",
        ),
    ],
)
def test_how_much_of_a_prompt_was_sent_before(why: Any, seen: dict[str, Any], words: str) -> None:
    recorded(laid_out(seen, [], ""))
    assert steps(why())["Shape"] == f"a request of 19,416 bytes for m{words}"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (
            {"why": "the warm prefix is read", "expected_read": 4000, "to_write": 0},
            "; the prompt cache: about 4,000 tokens to read from it (it is there from an earlier call)",
        ),
        (
            {"why": "the write is expected to pay", "expected_read": 4000, "to_write": 1500},
            "; the prompt cache: about 4,000 tokens to read from it and about 1,500 tokens to write to it (the write "
            "is expected to pay)",
        ),
        ({"why": "the leader is late", "expected_read": 0}, "; the prompt cache: nothing is written (the earlier "),
        ({}, ""),
        ({"tools": "as they were first sent"}, "; its tools in the order of the first time, so that the prompt cache "),
        ({"breakpoint": "where prompts part"}, "; the prompt cache: a breakpoint where prompts part"),
        ({"busy": "more than one machine bears"}, "; system set, since many calls begin alike"),
        ({"moved": ["It is ten."]}, "; behind the rest of the system prompt: It is ten."),
    ],
)
def test_what_was_done_for_the_prompt_cache(why: Any, fields: dict[str, Any], words: str) -> None:
    edit = {"mechanism": "layout", "path": ["system"], "op": "set", **fields}
    recorded(laid_out({}, [edit], ""))
    assert steps(why())["Send"].startswith(f"asked anthropic for m{words}")
    assert words or steps(why())["Send"] == "asked anthropic for m"


@pytest.mark.parametrize(
    ("cache", "words"),
    [
        ("hit", "; as much was read as expected"),
        ("more", "; more was read than expected"),
        ("missed: 9,000 tokens were expected to be read", "; 9,000 tokens were expected to be read from the prompt "),
        ("cold", ""),
    ],
)
def test_what_was_read_beside_what_was_expected(why: Any, cache: str, words: str) -> None:
    recorded(laid_out({}, [], cache))
    used = "used 4,007 tokens in (4,000 read from the prompt cache) and 2 out"
    assert steps(why())["Settle"].startswith(f"{used}{words}")
    assert words or steps(why())["Settle"] == used


@pytest.mark.parametrize(("seconds", "words"), [(0.007, "7 ms"), (2.34, "2.3 s")])
def test_how_long_another_call_was_waited_for(why: Any, seconds: float, words: str) -> None:
    recorded(laid_out({}, [], "", waited=seconds))
    assert steps(why())["Send"] == f"waited {words} for an earlier call that begins alike; asked anthropic for m"


def test_calls_that_share_a_prompt_are_told_without_the_words_of_the_policy(why: Any) -> None:
    async def ask() -> list[str]:
        text = "You help tenants. It is 2026-11-21 10:00:05. " + "The tenant pays on the third day. " * 600
        async with (
            Upstream("It does.", cache=SimulatedCache("anthropic")) as up,
            penstock.open(provider="anthropic", base_url=up.url, budget="$5") as lm,
        ):
            asking = (lm(f"What of clause {number}?", system=text, max_tokens=50) for number in range(4))
            return [reply.id for reply in await asyncio.gather(*asking)]

    told = "".join(why(id) for id in asyncio.run(ask()))
    assert "by layout (the provider's prompt cache)" in told
    assert "tokens to write to it (unless another call just has: several begin alike)" in told
    assert "; its system prompt holds 2026-11-21 10:00:05: " in told
    assert not re.search("siblings|marks|blocks|prefix|leader|cold|=", told.replace("sent before", ""))


def test_changes_of_a_request_and_states_to_come_are_told_too(why: Any) -> None:
    edits = [
        {"mechanism": "alias", "path": ["model"], "op": "set", "asked": "small"},
        {"mechanism": "fallback", "path": ["model"], "op": "set", "asked": "big"},
        {"mechanism": "ponder", "path": ["messages", 3], "op": "drop", "tokens": 900},
        {
            "mechanism": "prune", "path": ["messages"], "op": "set", "level": "medium", "step": True,
            "tokens_before": 90000, "tokens_after": 30000,
        },
        {"mechanism": "salt", "path": ["system"], "op": "set", "salt": "of the tenant"},
        {
            "mechanism": "compress", "path": ["messages", 5, "content"], "op": "set", "original": "5f0c1d2e3a4b",
            "kind": "log", "tokens_before": 20000, "tokens_after": 1990,
        },
    ]  # fmt: skip
    saved = {"prune": 250, "compress": -50}
    states = [
        {"state": "Send", "after_ms": 0.5, "provider": "spare", "model": "m", "edits": edits},
        {"state": "Settle", "after_ms": 1.0, "failed": "the upstream answered 503", "next": "spare"},
        {
            "state": "Settle",
            "after_ms": 2.0,
            "usage": {"input": 5, "cache_write_1h": 2, "output": 1},
            "estimated": True,
        },
        {"state": "Ponder", "after_ms": 3.0, "how": "long"},
    ]
    call = CallRecord(id="c_9", at=1.8e9, model="m", provider="spare", source="spare", scope=())
    recorded(msgspec.structs.replace(call, asked=300, spent=100, saved=saved, steps=states))
    told = why("c_9")
    assert "cost    $0.0000001; without savings it would have been $0.0000003\n" in told
    assert "saved   $0.00000025 by prune (shorter histories)\nsaved   -$0.00000005 by compress (shorter tool " in told
    assert (
        "; the client called it 'small'; in place of big; ponder: drop messages.3 tokens=900; its history cut" in told
    )
    assert " cut now (medium): 90,000 tokens became 30,000; a short text before" in told
    assert "; what a tool wrote (log): 20,000 tokens became 1,990 (penstock restore 5f0c1d2e3a4b)\n" in told
    assert "the upstream answered 503; spare is asked instead\n" in told
    assert "used 7 tokens in (2 written to the prompt cache) and 1 out, as an estimate, since the provider" in told
    assert steps(told)["Ponder"] == "how=long"


def test_the_json_is_for_programs(why: Any, home: Path) -> None:
    (id,) = asked(Plan("At nine.", usage=USAGE), "When?")
    told = json.loads(why(id, "--json"))
    assert (told["id"], told["spent_nano"], told["spent"]) == (id, 627_500, "$0.0006275")
    assert told["steps"][0].keys() == {"state", "after_ms", "key", "reads", "why"}
