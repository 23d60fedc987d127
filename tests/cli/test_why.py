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
from penstock.testing import Plan, Upstream
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
        "Follow": "nothing to share: the call goes its own way",
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


def test_changes_of_a_request_and_states_to_come_are_told_too(why: Any) -> None:
    edits = [
        {"mechanism": "alias", "path": ["model"], "op": "set", "asked": "small"},
        {"mechanism": "fallback", "path": ["model"], "op": "set", "asked": "big"},
        {"mechanism": "prune", "path": ["messages", 3], "op": "drop", "tokens": 900},
    ]
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
    assert "saved   $0.00000025 by prune\nsaved   -$0.00000005 by compress, which cost more than it saved\n" in told
    assert "; the client called it 'small'; in place of big; prune: drop messages.3 tokens=900\n" in told
    assert "the upstream answered 503; spare is asked instead\n" in told
    assert "used 7 tokens in (2 written to the prompt cache) and 1 out, as an estimate, since the provider" in told
    assert steps(told)["Ponder"] == "how=long"


def test_the_json_is_for_programs(why: Any, home: Path) -> None:
    (id,) = asked(Plan("At nine.", usage=USAGE), "When?")
    told = json.loads(why(id, "--json"))
    assert (told["id"], told["spent_nano"], told["spent"]) == (id, 627_500, "$0.0006275")
    assert told["steps"][0].keys() == {"state", "after_ms", "key", "reads", "why"}
