"""OpenAI's rules in the simulator, before GPT-5.6 and from then on. A character is a token here."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec
import pytest

from penstock.providers.prompt_cache import rules_for
from penstock.testing.caching import PromptCache, Seen
from penstock.values import Usage
from penstock.values.caching import CacheRules, Ttl


def rules(model: str) -> CacheRules:
    found = rules_for("openai", model, date(2026, 11, 20))
    assert found is not None
    return found


BEFORE, AFTER = rules("gpt-5"), rules("gpt-5.6-sol")
MARK = {"mode": "explicit"}


def words(letter: str, number: int) -> str:
    """``number`` words of 8 tokens each."""
    return f" {letter * 7}" * number


def says(role: str, text: str, mark: bool = False) -> dict[str, Any]:
    part: dict[str, Any] = {"type": "text", "text": text}
    return {"role": role, "content": [{**part, "prompt_cache_breakpoint": MARK} if mark else part]}


def chat(*messages: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"model": "gpt-x", "messages": list(messages), **more}


def asked(of: PromptCache, prompt: dict[str, Any], at: float = 0.0, key: str = "") -> Seen:
    seen = of.ask(prompt, at, key)
    of.began(seen, at)
    return seen


def counts(seen: Seen) -> tuple[int, dict[str, int], int]:
    assert not seen.error
    return seen.read, dict(seen.written), seen.fresh


# Before GPT-5.6: the longest prefix, from 1024 tokens on, in steps of 128


@pytest.mark.parametrize(
    ("shared", "read"), [(0, 0), (127, 0), (128, 1024), (143, 1024), (144, 1152), (159, 1152), (160, 1280)]
)
def test_the_longest_common_prefix_is_read_in_steps(shared: int, read: int) -> None:
    of = PromptCache(BEFORE, tokens=len)
    first, second = (chat(says("user", words("a", shared) + words(end, 100))) for end in "bc")
    asked(of, first)
    assert counts(of.ask(second, 1.0)) == (read, {}, 8 * shared + 800 - read)


def test_a_short_prompt_is_not_cached() -> None:
    of, short = PromptCache(BEFORE, tokens=len), chat(says("user", words("a", 127)))
    asked(of, short)
    assert counts(of.ask(short, 1.0)) == (0, {}, 1016)


def test_writes_cost_nothing_and_reads_lie_inside_the_input() -> None:
    of, prompt = PromptCache(BEFORE, tokens=len), chat(says("user", words("a", 200)))
    assert asked(of, prompt).usage(BEFORE) == Usage(input=1600)
    seen = of.ask(prompt, 1.0)
    assert seen.usage(BEFORE) == Usage(input=64, cache_read=1536)
    assert seen.cost(BEFORE) == pytest.approx(64 + 153.6)


def test_tools_come_first_and_a_changed_one_loses_all() -> None:
    of = PromptCache(BEFORE, tokens=len)
    tools = [{"type": "function", "function": {"name": "t"}}]
    asked(of, chat(says("user", words("a", 200)), tools=tools))
    assert of.ask(chat(says("user", words("a", 200)), tools=tools), 1.0).read == 1536
    assert of.ask(chat(says("user", words("a", 200))), 1.0).read == 0
    assert of.ask(chat(says("user", words("a", 200)), tools=tools, model="gpt-y"), 1.0).read == 0


@pytest.mark.parametrize(
    ("asks", "idle", "read"),
    [({}, 299, 1536), ({}, 300, 0), ({"prompt_cache_retention": "24h"}, 86_399, 1536)],
)
def test_it_is_kept_while_it_is_used_or_for_a_day_on_request(asks: dict[str, str], idle: float, read: int) -> None:
    of, prompt = PromptCache(BEFORE, tokens=len), chat(says("user", words("a", 200)), **asks)
    asked(of, prompt)
    assert of.ask(prompt, idle).read == read


def test_a_retention_that_the_model_does_not_have_is_refused() -> None:
    older = PromptCache(rules("gpt-4o"), tokens=len)
    assert "'24h'" in older.ask(chat(says("user", "hello"), prompt_cache_retention="24h"), 0.0).error


def test_beyond_fifteen_a_minute_a_cold_machine_answers() -> None:
    of, prompt = PromptCache(BEFORE, tokens=len), chat(says("user", words("a", 200)))
    reads = [asked(of, prompt, float(second)).read for second in range(32)]
    assert reads == [0, *[1536] * 14, 0, *[1536] * 14, 0, 1536]
    assert of.ask(prompt, 120.0).read == 1536  # a minute later the first machine has room again


def test_the_key_takes_part_in_the_routing() -> None:
    of = PromptCache(BEFORE, tokens=len)
    one, other = (chat(says("user", words("a", 200)), prompt_cache_key=key) for key in ("one", "other"))
    asked(of, one)
    assert of.ask(other, 1.0).read == 0
    assert of.ask(one, 1.0).read == 1536
    for second in range(2, 15):
        asked(of, one, float(second))
    asked(of, other, 15.0)
    assert of.ask(other, 16.0).read == 1536  # its own fifteen a minute


def test_another_start_is_another_route() -> None:
    of = PromptCache(BEFORE, tokens=len)
    for second in range(15):
        asked(of, chat(says("user", words("a", 200))), float(second))
    other = chat(says("user", words("b", 200)))
    assert asked(of, other, 15.0).machine[2] == 0
    assert of.ask(other, 16.0).read == 1536
    assert of.ask(chat(says("user", words("a", 200))), 17.0).machine[2] == 1


def test_a_minute_is_sixty_seconds() -> None:
    for at, machine in ((59.9, 1), (60.0, 0)):
        of, prompt = PromptCache(BEFORE, tokens=len), chat(says("user", words("a", 200)))
        for _ in range(15):
            asked(of, prompt)
        assert of.ask(prompt, at).machine[2] == machine


def test_responses_are_read_like_chats() -> None:
    of = PromptCache(BEFORE, dialect="responses", tokens=len)
    text = {"type": "input_text", "text": words("a", 150)}
    first = {"model": "m", "instructions": words("s", 20), "input": [{"role": "user", "content": [text]}]}
    output = {"type": "function_call_output", "call_id": "c", "output": "42"}
    second = {**first, "input": [*first["input"], {"type": "function_call", "name": "f"}, output]}
    assert asked(of, first).prompt == 1360
    assert of.ask(second, 1.0).read == 1280
    assert of.ask({**first, "input": words("a", 150)}, 1.0).prompt == 1360
    assert of.ask({**first, "text": {"format": {"type": "json_schema"}}}, 1.0).read == 0


# From GPT-5.6 on: exactly at a breakpoint


def test_the_implicit_breakpoint_follows_the_newest_message() -> None:
    of = PromptCache(AFTER, tokens=len)
    system, first = says("system", "s" * 1000), says("user", "a" * 500)
    assert counts(asked(of, chat(system, first))) == (0, {"30m": 1500}, 0)
    longer = chat(system, first, says("assistant", "b" * 300), says("user", "c" * 200))
    assert counts(asked(of, longer)) == (1500, {"30m": 500}, 0)
    assert counts(asked(of, chat(system, says("user", "d" * 500)))) == (0, {"30m": 1500}, 0)


def test_a_shorter_prefix_without_a_breakpoint_is_not_found() -> None:
    of = PromptCache(AFTER, tokens=len)
    asked(of, chat(says("system", "s" * 2000), says("user", "a" * 50)))
    assert counts(of.ask(chat(says("system", "s" * 2000), says("user", "b" * 50)), 1.0)) == (0, {"30m": 2050}, 0)


def test_a_breakpoint_makes_the_shared_part_readable() -> None:
    of = PromptCache(AFTER, tokens=len)
    asked(of, chat(says("system", "s" * 2000, mark=True), says("user", "a" * 50)))
    seen = of.ask(chat(says("system", "s" * 2000, mark=True), says("user", "b" * 50)), 1.0)
    assert counts(seen) == (2000, {"30m": 50}, 0)
    assert seen.usage(AFTER) == Usage(cache_read=2000, cache_write_5m=50)
    assert seen.cost(AFTER) == 200 + 62.5


def test_in_explicit_mode_only_marks_write_and_read() -> None:
    explicit = {"prompt_cache_options": {"mode": "explicit"}}
    of = PromptCache(AFTER, tokens=len)
    assert counts(asked(of, chat(says("user", "a" * 2000), **explicit))) == (0, {}, 2000)
    marked = chat(says("system", "s" * 2000, mark=True), says("user", "a" * 50), **explicit)
    assert counts(asked(of, marked)) == (0, {"30m": 2000}, 50)
    assert counts(of.ask(marked, 1.0)) == (2000, {}, 50)
    assert of.ask(chat(says("system", "s" * 2000), says("user", "a" * 50), **explicit), 1.0).read == 0
    asked(of, chat(says("user", "b" * 2000)), 2.0)
    marked = chat(says("user", "b" * 2000), says("user", "c" * 100, mark=True), **explicit)
    assert counts(of.ask(marked, 3.0)) == (0, {"30m": 2100}, 0)


def test_an_output_of_a_tool_is_a_newest_message() -> None:
    of, result = PromptCache(AFTER, tokens=len), {"role": "tool", "tool_call_id": "c", "content": "r" * 2000}
    assert counts(asked(of, chat(says("user", "a"), result))) == (0, {"30m": 2001}, 0)
    of = PromptCache(AFTER, dialect="responses", tokens=len)
    output = {"type": "function_call_output", "call_id": "c", "output": "r" * 2000}
    assert of.ask({"input": [output]}, 0.0).written["30m"] > 2000


def test_marks_may_live_longer_than_the_breakpoint_before_them() -> None:
    longer = msgspec.structs.replace(AFTER, ttls=(*AFTER.ttls, Ttl("12h", 43_200, 2.0)))
    last = says("user", "b" * 500)
    last["content"][0]["prompt_cache_breakpoint"] = {"mode": "explicit", "ttl": "12h"}
    seen = PromptCache(longer, tokens=len).ask(chat(says("system", "a" * 2000, mark=True), last), 0.0)
    assert counts(seen) == (0, {"30m": 2000, "12h": 500}, 0)
    assert seen.usage(longer) == Usage(cache_write_5m=2000, cache_write_1h=500)


@pytest.mark.parametrize(("mode", "latest"), [("implicit", 3), ("explicit", 4)])
def test_the_latest_four_breakpoints_are_written(mode: str, latest: int) -> None:
    of = PromptCache(AFTER, tokens=len)
    marked = [says("system", str(n) * 1100, mark=True) for n in range(6)]
    options = {"prompt_cache_options": {"mode": mode}}
    asked(of, chat(*marked, says("user", "q"), **options))
    explicit = {"prompt_cache_options": {"mode": "explicit"}}
    found = [of.ask(chat(*marked[:n], **explicit), 1.0).read for n in range(1, 7)]
    assert found == [0] * (6 - latest) + [1100 * n for n in range(7 - latest, 7)]


def test_the_latest_eighty_breakpoints_are_compared() -> None:
    for more, read in ((79, 2000), (80, 0)):
        of = PromptCache(AFTER, tokens=len)
        asked(of, chat(says("user", "a" * 2000)))
        turns = [says("user", str(n)) for n in range(more)]
        assert of.ask(chat(says("user", "a" * 2000), *turns), 1.0).read == read


def test_a_prefix_has_1024_tokens_and_is_not_rounded() -> None:
    for size, read in ((1023, 0), (1024, 1024), (1100, 1100)):
        of, prompt = PromptCache(AFTER, tokens=len), chat(says("user", "a" * size))
        asked(of, prompt)
        assert of.ask(prompt, 1.0).read == read


@pytest.mark.parametrize(("idle", "read"), [(1799, 2000), (1800, 0)])
def test_it_is_kept_for_half_an_hour(idle: float, read: int) -> None:
    of, prompt = PromptCache(AFTER, tokens=len), chat(says("user", "a" * 2000))
    asked(of, prompt)
    assert of.ask({**prompt, "prompt_cache_retention": "24h"}, idle).read == read


def test_a_time_to_live_without_a_price_is_refused() -> None:
    asks = chat(says("user", "a"), prompt_cache_options={"ttl": "12h"})
    assert "'12h'" in PromptCache(AFTER, tokens=len).ask(asks, 0.0).error
    fine = chat(says("user", "a"), prompt_cache_options={"ttl": "30m"})
    assert not PromptCache(AFTER, tokens=len).ask(fine, 0.0).error


def test_no_overflow_is_known_there() -> None:
    of, prompt = PromptCache(AFTER, tokens=len), chat(says("user", "a" * 2000))
    assert [asked(of, prompt, 0.1 * n).read for n in range(40)] == [0, *[2000] * 39]
