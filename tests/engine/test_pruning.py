"""Histories pruned in steps, through the real flow, over a cache with the provider's real rules."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from tests.engine.rig import SCOPE, Rig
from tests.engine.test_prefixes import cost, finished, used

from penstock.errors import ConfigError
from penstock.flow import Done
from penstock.policy.compress.compressed import shortened
from penstock.policy.compress.entry import entering
from penstock.policy.compress.markers import name_of, names_in
from penstock.policy.compress.settings import CompressSettings
from penstock.policy.prune.growing import Pruning
from penstock.policy.prune.settings import PruneSettings
from penstock.testing import FakeClock, ScriptedProvider, SimulatedCache
from penstock.testing.validity import invalid
from penstock.values import Call, Usage

MARK = {"cache_control": {"type": "ephemeral"}}


def turn(turns: int, *, marked: bool = True) -> Call:
    """The request of an agent that has called its tool so many times, marked at its end."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": "Never touch gate.py. Why does the gate not open?"}]
    for number in range(turns):
        output = "".join(f"{number}:{line} the gate said {line * number % 97}\n" for line in range(160))
        messages += [
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "id": f"t{number}", "name": "listen", "input": {"part": number}}],
            },
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": f"t{number}", "content": output}]},
        ]
    last = messages[-1]
    if marked and turns:
        messages[-1] = {**last, "content": [{**last["content"][0], **MARK}]}
    body = {"model": "claude-sonnet-4-5", "max_tokens": 50, "system": "You mend gates.", "messages": messages}
    return Call.parse(msgspec.json.encode(body), dialect="anthropic", provider="p", origin="script", scope=SCOPE)


def session(level: str, turns: int = 60) -> tuple[list[Usage], list[Call], dict[str, int]]:
    """What was used of a session that grows, what was sent, and what each mechanism saved."""

    async def main() -> tuple[list[Usage], list[Call], dict[str, int]]:
        clock = FakeClock()
        provider = ScriptedProvider(
            "Soon.", name="p", dialect="anthropic", cache=SimulatedCache("anthropic"), clock=clock
        )
        policy = Pruning(PruneSettings(level), lambda text, tokens: text[: 4 * tokens])
        policies = () if level == "off" else (("prune", policy),)
        async with Rig(provider, clock=clock, policies=policies) as at:
            usages: list[Usage] = []
            saved: dict[str, int] = {}
            for number in range(1, turns):
                (outcome,) = await finished(clock, [asyncio.create_task(at.engine.run(turn(number)))])
                assert isinstance(outcome.state, Done)
                usages.append(used(outcome))
                for name, amount in outcome.state.receipt.saved.items():
                    saved[name] = saved.get(name, 0) + int(amount)
                await clock.advance(20.0)
            return usages, list(provider.seen), saved

    return asyncio.run(main())


def spent(usages: list[Usage]) -> float:
    return cost(usages) * sum(usage.prompt for usage in usages)


def test_a_long_session_is_billed_less_and_stays_a_history() -> None:
    whole, _, _ = session("off", 120)
    pruned, seen, saved = session("medium", 120)
    assert spent(pruned) < 0.6 * spent(whole)
    assert saved["prune"] > 0
    for call in seen:
        assert invalid(call.body["messages"]) == []
        said = [message["content"] for message in call.body["messages"] if message["role"] == "user"]
        assert "Never touch gate.py. Why does the gate not open?" in said


@pytest.mark.parametrize("turns", [3, 8, 15, 25, 40])
def test_wherever_a_session_ends_it_has_not_cost_more(turns: int) -> None:
    whole, _, _ = session("off", turns)
    pruned, _, _ = session("medium", turns)
    assert spent(pruned) <= spent(whole) * 1.0001


def test_short_histories_other_formats_and_a_share_of_none_stay_whole() -> None:
    policy = Pruning(PruneSettings("aggressive"), lambda text, tokens: text[: 4 * tokens])
    assert policy(turn(1)) == []
    assert policy(msgspec.structs.replace(turn(60), dialect="responses")) == []
    assert Pruning(PruneSettings("aggressive", share=0.0), lambda text, tokens: text)(turn(60)) == []
    assert Pruning(PruneSettings("aggressive"), lambda text, tokens: text[: 4 * tokens])(turn(60))
    broken = turn(60)
    broken.body["messages"][1]["role"] = "nobody"
    assert policy(broken) == []


@pytest.mark.parametrize("settings", [PruneSettings("most"), PruneSettings("light", share=1.5)])
def test_what_cannot_be_meant_is_said(settings: PruneSettings) -> None:
    with pytest.raises(ConfigError):
        settings.checked()
    assert PruneSettings("light").checked()


def test_outputs_are_shortened_and_histories_pruned_of_the_same_calls() -> None:
    async def main() -> None:
        clock = FakeClock()
        provider = ScriptedProvider(
            "Soon.", name="p", dialect="anthropic", cache=SimulatedCache("anthropic"), clock=clock
        )
        settings = CompressSettings(above_tokens=800, target_tokens=780)
        policies = (
            ("compress", lambda call: entering(call, settings)),
            ("prune", Pruning(PruneSettings("aggressive"), shortened)),
        )
        async with Rig(provider, clock=clock, policies=policies) as at:
            kept = 0
            for number in range(1, 100):
                task = asyncio.create_task(at.engine.run(turn(number)))
                while not task.done():
                    await asyncio.wait([task], timeout=0.01)
                    await clock.advance(0.05)
                assert isinstance(task.result().state, Done)
                sent = provider.seen[-1]
                assert invalid(sent.body["messages"]) == []
                for name in names_in(msgspec.json.encode(sent.body["messages"]).decode()):
                    original = await at.engine.originals.get(name, clock.now())
                    assert original is not None
                    kept += 1
                    assert name_of(original, SCOPE.tenant) == name
            made = [{edit.mechanism for edit in call.edits} for call in provider.seen]
            assert any(each >= {"compress", "prune"} for each in made)
            assert kept > 10

    asyncio.run(main())


def test_no_more_is_claimed_than_the_session_cost_less() -> None:
    for level in ("medium", "aggressive"):
        whole, _, _ = session("off", 100)
        pruned, _, saved = session(level, 100)
        truth = (spent(whole) - spent(pruned)) * 3000  # nano-dollars for a token of input
        assert saved["prune"] <= 1.05 * truth + 1_000_000
