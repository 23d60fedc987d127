"""Histories brought down to a level: valid, with every promise kept, whatever they hold."""

from __future__ import annotations

import time
import timeit
from typing import Any

import pytest

from penstock.meter import count
from penstock.policy.prune.cuts import Cut, Entry, Pruned, cut_to
from penstock.policy.prune.levels import LEVELS, prune
from penstock.policy.prune.turns import conversation, said
from penstock.testing.histories import Shape, broken, history, invalid, long_history
from penstock.values import Call

Json = dict[str, Any]


def shorten(words: str, tokens: int) -> str:
    """Head and tail: a stand-in for a compressor, in about ``tokens`` tokens, the same when it is done twice."""
    return words if len(words) <= 2 * tokens + 9 else f"{words[:tokens]}\n[...]\n{words[-tokens:]}"


def pruned(messages: list[Json], level: str = "medium", target: int | None = None, **fields: Any) -> Pruned:
    found = prune(messages, LEVELS[level], count=count, shorten=shorten, target=target, **fields)
    assert found is not None
    return found


def text_of(messages: list[Json]) -> str:
    return "\n".join(said(message) for message in messages)


@pytest.mark.parametrize("shape", ["openai", "anthropic"])
@pytest.mark.parametrize("level", list(LEVELS))
@pytest.mark.parametrize("target", [None, 1_000])
def test_random_histories_stay_valid(shape: Shape, level: str, target: int | None) -> None:
    for seed in range(30):
        before = history(seed, shape)
        after = pruned(before.messages, level, target)
        assert invalid(after.messages, shape) == [], seed
        assert broken(before.messages, after.messages) == [], seed
        told = text_of(after.messages)
        assert [rule for rule in before.constraints if rule not in told] == [], seed
        assert sum(after.tokens) == after.after <= after.before
        assert pruned(after.messages, level, target).messages == after.messages, seed


@pytest.mark.parametrize("shape", ["openai", "anthropic"])
def test_half_a_million_tokens_to_ten_thousand(shape: Shape) -> None:
    before = long_history(7, shape, characters=1_400_000)
    pruned(before.messages, "aggressive")  # counts each text once; they are remembered
    seconds = min(
        timeit.repeat(lambda: pruned(before.messages, "aggressive"), timer=time.process_time, number=1, repeat=3)
    )
    assert seconds < 0.5
    after = pruned(before.messages, "aggressive")
    assert after.before > 450_000
    assert after.after <= 10_000
    assert after.fits
    assert broken(before.messages, after.messages) == []
    told = text_of(after.messages)
    assert [rule for rule in before.constraints if rule not in told] == []


def talk(turns: int, *, words: str = "word ") -> list[Json]:
    found: list[Json] = []
    for turn in range(turns):
        found += [
            {"role": "user", "content": f"Question {turn}, and only that."},
            {
                "role": "assistant",
                "content": f"Now I look. The cause of {turn} was found in file{turn}.py. " + words * 40,
            },
        ]
    return [*found, {"role": "user", "content": "And now?"}]


def test_levels_keep_the_last_messages() -> None:
    messages = talk(40)
    for level, kept in (("light", 20), ("medium", 10), ("aggressive", 3)):
        after = pruned(messages, level)
        assert after.messages[-kept:] == messages[-kept:]
        assert after.dropped == len(messages) - kept
        assert len(after.messages) <= kept + 2


def test_light_tells_what_the_user_said_and_medium_what_was_done() -> None:
    light, medium = (pruned(talk(40), level).messages[0]["content"] for level in ("light", "medium"))
    assert "Question 3, and only that." in light
    assert "What was done:" not in light
    assert "The cause of 34 was found in file34.py." in medium
    assert "Now I look." not in medium


def test_a_short_history_stays_as_it_is() -> None:
    messages = talk(3)
    after = pruned(messages)
    assert not after.changed
    assert after.edits() == ()
    assert all(a is b for a, b in zip(messages, after.messages, strict=True))


def test_what_costs_more_than_it_saves_is_left_alone() -> None:
    messages = [{"role": role, "content": "Only 1."} for _ in range(3) for role in ("user", "assistant")]
    assert pruned(messages, "aggressive").messages == messages


def test_edits_make_the_body() -> None:
    messages = talk(40)
    after = pruned(messages)
    call = Call.parse(b'{"model": "m", "messages": []}', dialect="openai", provider="p").edited(*after.edits())
    assert call.body["messages"] == after.messages
    (edit,) = after.edits()
    assert edit.undo.input_tokens == after.before - after.after > 0
    assert edit.evidence == {"dropped": after.dropped, "masked": 0, "shortened": 0}


def rounds(number: int, output: str, *, thinks: bool = False) -> list[Json]:
    found: list[Json] = [{"role": "user", "content": "Mend the parser, but never touch db/schema.sql."}]
    for at in range(number):
        thinking = [{"type": "thinking", "thinking": f"hm {at}", "signature": "c2ln"}] if thinks else []
        use = {"type": "tool_use", "id": f"t{at}", "name": "read", "input": {"at": at}}
        found += [
            {"role": "assistant", "content": [*thinking, use]},
            {
                "role": "user",
                "content": [{"type": "tool_result", "tool_use_id": f"t{at}", "content": f"{at} {output}"}],
            },
        ]
    return found


def test_thinking_of_the_turn_in_progress_stays_and_its_old_results_go() -> None:
    messages = rounds(30, "word " * 300, thinks=True)
    after = pruned(messages, "medium")
    assert len(after.messages) == len(messages)
    assert after.masked == 25
    assert after.messages[0] is messages[0]
    assert after.messages[2]["content"][0]["content"] == "[output left out: 302 tokens]"
    assert [message for message in after.messages if message["role"] == "assistant"] == messages[1::2]


def test_rounds_without_thinking_go_with_their_results() -> None:
    messages = rounds(30, "word " * 300)
    after = pruned(messages, "medium")
    assert after.dropped == 50
    assert after.messages[2] is messages[0]
    assert invalid(after.messages) == []


def test_a_target_that_cannot_be_met_is_said() -> None:
    messages = [*talk(3), {"role": "assistant", "content": "So"}, {"role": "user", "content": "Only this. " * 500}]
    after = pruned(messages, "aggressive", 100)
    assert not after.fits
    assert after.messages[-1] is messages[-1]


def test_the_newest_results_are_shortened_last() -> None:
    messages = rounds(4, "word " * 4_000)
    after = pruned(messages, "light", 1_500)
    assert after.fits
    assert invalid(after.messages) == []
    assert after.messages[-1]["content"][0]["content"].startswith("3 word word")


def test_explanations_are_shortened_before_they_go() -> None:
    messages = talk(6, words="some words about it, and more of them. ")
    blocks = [
        {"type": "text", "text": "Long words. " * 500},
        {"type": "text", "text": "Cited. " * 900, "citations": [{}]},
    ]
    messages[3]["content"] = blocks
    messages[5]["content"] = [{"type": "text", "text": "Short."}]
    messages[7]["content"] = None
    whole = conversation(messages, count)
    assert whole is not None
    cut = Cut(len(messages), 0, 0, short=len(messages), room=100)
    after = cut_to(whole, cut, count, shorten)
    assert after.shortened == 4
    assert count(after.messages[3]["content"][0]["text"]) < 120
    assert after.messages[3]["content"][1] is blocks[1]
    assert after.messages[5] is messages[5]
    assert after.messages[-1] is messages[-1]


def openai_rounds(*outputs: str, same: bool = False) -> list[Json]:
    found: list[Json] = [{"role": "user", "content": "Go."}]
    for at, output in enumerate(outputs):
        arguments = "{}" if same else f'{{"at": {at}}}'
        call = {"id": f"c{at}", "type": "function", "function": {"name": "read", "arguments": arguments}}
        found += [
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": f"c{at}", "content": output},
        ]
    return found


def test_a_result_that_stands_above_is_told_by_pointing_there() -> None:
    long = "word " * 300
    messages = openai_rounds(long, "other", long)
    after = pruned(messages, "light")
    assert after.messages[2] is messages[2]
    assert after.messages[6]["content"] == "[the same 301 tokens as the output of c0 above]"
    assert pruned(messages, "light", entry=Entry(repeats=False)).messages == messages


def test_a_result_that_was_asked_for_again_is_left_out_where_it_is_older() -> None:
    once, again, failed = ("line one " * 300, "line two " * 300, "no such file")
    after = pruned(openai_rounds(once, again, same=True), "light")
    assert after.messages[2]["content"] == "[output left out: 601 tokens]"
    assert after.messages[4]["content"] == again
    assert pruned(openai_rounds(once, failed, same=True), "light").masked == 0


def test_large_results_are_shortened_as_they_come_in() -> None:
    messages = openai_rounds("word " * 6_000)
    after = pruned(messages, "light")
    assert after.shortened == 1
    assert after.after < 2_100
    assert not pruned(messages, "light", entry=Entry(over=0)).changed
    assert not pruned(messages, "light", entry=Entry(least=4_096)).changed
    keeps = prune(messages, LEVELS["light"], count=count, shorten=lambda words, tokens: words)
    empty = prune(messages, LEVELS["light"], count=count, shorten=lambda words, tokens: " ")
    assert keeps is not None
    assert empty is not None
    assert not keeps.changed
    assert not empty.changed


def test_what_tools_wrote_in_the_users_name_goes_as_results_do() -> None:
    log = "\n".join(f"{at:04d} [db] conn={at} ok;" for at in range(60)) + "\n$ "
    messages: list[Json] = [{"role": "user", "content": "Find the slow query."}]
    for at in range(8):
        messages += [{"role": "assistant", "content": f"cat log{at}"}, {"role": "user", "content": f"{at}\n{log}"}]
    whole = conversation(messages, count)
    assert whole is not None
    after = cut_to(whole, Cut(len(messages), 0, 9), count, shorten)
    assert after.masked == 4
    assert after.messages[0] is messages[0]
    assert str(after.messages[2]["content"]).startswith("[output left out:")
    short = cut_to(whole, Cut(len(messages), 0, 0, short=len(messages), room=100), count, shorten)
    assert short.shortened == 7
    assert short.messages[-1] is messages[-1]


def test_results_with_pictures_are_left_out_but_not_shortened() -> None:
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "eA=="}}
    messages = rounds(8, "x")
    for message in messages[2::2]:
        message["content"][0]["content"] = [{"type": "text", "text": "see"}, picture]
    assert pruned(messages, "light").messages == messages
    after = pruned(messages, "light", 5_000)
    assert after.masked
    assert invalid(after.messages) == []


def test_systems_messages_in_between_stay() -> None:
    messages: list[Json] = [{"role": "system", "content": "Be kind."}, *talk(20)]
    messages.insert(9, {"role": "developer", "content": "The user is back."})
    after = pruned(messages, "aggressive")
    assert [each["content"] for each in after.messages if each["role"] != "user"][:2] == [
        "Be kind.",
        "The user is back.",
    ]
    assert broken(messages, after.messages) == []


def test_what_is_not_understood_is_left_alone() -> None:
    assert prune([{"role": "robot", "content": "x"}], LEVELS["light"], count=count, shorten=shorten) is None
    nothing = prune([], LEVELS["light"], count=count, shorten=shorten)
    assert nothing is not None
    assert nothing.messages == []
