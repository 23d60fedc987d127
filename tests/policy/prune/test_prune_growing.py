"""Conversations as they grow: bytes that stay, accounts that never fall below zero."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.evals.histories import chained, grown, pruned, requests
from penstock.meter import count
from penstock.policy.prune.cuts import Entry, Shorten
from penstock.policy.prune.levels import LEVELS
from penstock.policy.prune.memory import Decision, Memory, State, follow
from penstock.policy.prune.steps import Account, Prices
from penstock.testing.histories import Shape, broken, history, invalid, long_history

Json = dict[str, Any]


def shorten(words: str, tokens: int) -> str:
    """Head and tail."""
    return words if len(words) <= 2 * tokens + 9 else f"{words[:tokens]}\n[...]\n{words[-tokens:]}"


def sends(memory: Memory, messages: list[Json], level: str = "medium", **fields: Any) -> Decision:
    found = follow(messages, LEVELS[level], memory, count=count, shorten=shorten, **{"prices": Prices(), **fields})
    assert found is not None
    return found


@settings(deadline=None, max_examples=12)
@given(
    seed=st.integers(0, 10_000),
    shape=st.sampled_from(["openai", "anthropic"]),
    level=st.sampled_from(list(LEVELS)),
    minimum=st.sampled_from([0, 1_024, 4_096]),
    gaps=st.floats(0, 0.3),
    entry=st.sampled_from([Entry(), Entry(repeats=False), Entry(over=0, repeats=False)]),
)
def test_no_conversation_is_ever_dearer(
    seed: int, shape: Shape, level: str, minimum: int, gaps: float, entry: Entry
) -> None:
    chance = random.Random(seed)
    messages = chained(history(seed + at, shape).messages for at in range(2))
    cold = [number for number in range(len(messages)) if chance.random() < gaps]
    prices = Prices(minimum=minimum)
    bill = grown(messages, LEVELS[level], count=count, shorten=shorten, prices=prices, entry=entry, cold=cold)
    assert bill.lowest >= -1e-6
    assert bill.cost <= bill.without + 1e-6


@pytest.mark.parametrize("shape", ["openai", "anthropic"])
def test_between_two_steps_the_bytes_stay(shape: Shape) -> None:
    memory = Memory()
    messages = long_history(3, shape, characters=200_000, said=25).messages
    last: Decision | None = None
    steps = sent = 0
    for request in requests(messages):
        now = sends(memory, list(request))
        memory.keep(now)
        assert invalid(now.messages, shape) == []
        assert broken(request, now.messages) == []
        if last is not None and not now.step.taken:
            assert now.messages[: len(last.messages)] == last.messages
        steps += now.step.taken
        assert sends(memory, list(request)).messages == now.messages
        last, sent = now, sent + 1
    assert 2 < steps < sent / 4


def test_a_long_conversation_costs_less_than_sixty_percent() -> None:
    messages = long_history(5, "openai", characters=300_000, said=30).messages
    bill = grown(messages, LEVELS["medium"], count=count, shorten=shorten)
    assert bill.relative <= 0.6
    assert bill.lowest >= 0
    assert bill.steps


def agent(rounds: int, words: int = 300) -> list[Json]:
    found: list[Json] = [{"role": "user", "content": "Mend it, but never touch a.py."}]
    for at in range(rounds):
        call = {"id": f"c{at}", "type": "function", "function": {"name": "f", "arguments": f"{at}"}}
        found += [
            {"role": "assistant", "content": f"Look at {at}.", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": f"c{at}", "content": f"{at} " + "word " * words},
        ]
    return found


def test_a_conversation_that_was_never_seen_is_cut_at_once() -> None:
    found = sends(Memory(), agent(60))
    assert found.step.taken
    assert found.step.sent.after < 5_000
    assert found.parent == b""


def test_unless_the_provider_has_it_all_the_same() -> None:
    messages = agent(20)
    assert sends(Memory(), messages, "light").step.taken
    warm = sends(Memory(), messages, "light", warm=6_000)
    assert not warm.step.taken
    assert warm.step.account.won == pytest.approx(0)


def test_marks_that_move_and_texts_in_lists_are_the_same_conversation() -> None:
    memory = Memory()
    marked: list[Json] = [
        {"role": "user", "content": [{"type": "text", "text": "Go.", "cache_control": {"type": "ephemeral"}}]}
    ]
    memory.keep(sends(memory, marked))
    pictured = {"role": "user", "content": [{"type": "text", "text": "x"}, {"type": "image", "source": {}}]}
    following = [{"role": "user", "content": "Go."}, {"role": "assistant", "content": "Yes."}, pictured]
    assert sends(memory, following).parent == sends(memory, marked).key


def test_another_salt_is_another_conversation() -> None:
    memory = Memory()
    first = sends(memory, agent(1), salt=b"one")
    memory.keep(first)
    assert sends(memory, agent(2), salt=b"one").parent == first.key
    assert sends(memory, agent(2), salt=b"two").parent == b""


def test_a_branch_spends_nothing_that_the_other_won() -> None:
    memory = Memory()
    start = agent(60)
    first = sends(memory, start)
    memory.keep(first)
    assert first.state.account.won > 0
    one, two = ([*start, {"role": "assistant", "content": said}, start[0]] for said in ("a", "b"))
    memory.keep(sends(memory, one))
    other = sends(memory, two)
    assert other.parent == first.key
    # What this very request saves is its own; what was won before is gone.
    assert 0 < other.state.account.won < 0.1 * first.step.sent.before
    memory.keep(other)
    assert len(memory) == 3


def test_the_same_request_again_changes_no_account() -> None:
    memory = Memory()
    first = sends(memory, agent(60))
    memory.keep(first)
    again = sends(memory, agent(60), warm=0)
    assert again.messages == first.messages
    assert again.state == first.state
    memory.keep(again)
    assert memory.find([again.key]) == (1, first.state)


def test_the_oldest_are_forgotten() -> None:
    memory = Memory(most=2)
    keys = []
    for at in range(3):
        decision = sends(memory, [{"role": "user", "content": str(at)}])
        memory.keep(decision)
        keys.append(decision.key)
    assert memory.find(keys[:1]) == (0, State())
    assert memory.find(keys) == (3, State(account=Account(turns=1), sent=4, without=4))


def test_what_is_not_understood_is_left_alone() -> None:
    prices = Prices()
    keep: Shorten = shorten
    for messages in ([], [{"role": "robot"}]):
        assert follow(messages, LEVELS["light"], Memory(), count=count, shorten=keep, prices=prices) is None
    assert grown([{"role": "robot"}], LEVELS["light"], count=count, shorten=keep).relative == 1.0


def test_rows_of_an_evaluation() -> None:
    session = agent(80)
    rows: list[Json] = [{"messages": list(request)} for request in requests(session)]
    odd = {"messages": [{"role": "robot"}]}
    found = list(pruned([*rows, odd], LEVELS["medium"], count=count, shorten=shorten))
    assert found[-1] == odd
    assert found[0] == rows[0]
    kept = sum(len(after["messages"]) > len(before["messages"]) for before, after in pairwise(found))
    assert kept > 70, "most requests go on from the one before"
    alone = next(pruned([rows[-1]], LEVELS["medium"], count=count, shorten=shorten))
    assert len(alone["messages"]) <= 13


def test_requests_of_a_recorded_history() -> None:
    roles = ["user", "assistant", "assistant", "user", "assistant"]
    talk = [{"role": role, "content": "x"} for role in roles]
    assert [len(request) for request in requests(talk)] == [1, 4]
    assert list(requests([])) == []
    assert list(requests(talk[1:2])) == []
    system = {"role": "system", "content": "s"}
    assert chained([[system, *talk], [system, *talk]]) == [system, *talk, *talk]
