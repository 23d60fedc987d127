"""Claude's rules in the simulator, each with figures worked out by hand. A character is a token here."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from penstock.providers.prompt_cache import rules_for
from penstock.testing.caching import PromptCache, Seen
from penstock.values import Usage
from penstock.values.caching import CacheRules

FOUND = rules_for("anthropic", "claude-opus-4-8", date(2026, 11, 20))
assert FOUND is not None
RULES: CacheRules = FOUND
FIVE, HOUR = {"type": "ephemeral"}, {"type": "ephemeral", "ttl": "1h"}

Block = dict[str, Any]


def block(letter: str, size: int = 1000, mark: Block | None = None) -> Block:
    return {"type": "text", "text": letter * size, **({"cache_control": mark} if mark else {})}


def user(*blocks: Block) -> Block:
    return {"role": "user", "content": list(blocks)}


def body(*messages: Block, **more: Any) -> Block:
    return {"model": "claude-opus-4-8", "max_tokens": 9, "messages": list(messages), **more}


def cache() -> PromptCache:
    return PromptCache(RULES, tokens=len)


def asked(of: PromptCache, prompt: Block, at: float = 0.0, key: str = "") -> Seen:
    """Ask, and let the answer begin at once."""
    seen = of.ask(prompt, at, key)
    of.began(seen, at)
    return seen


def counts(seen: Seen) -> tuple[int, dict[str, int], int]:
    assert not seen.error
    return seen.read, dict(seen.written), seen.fresh


# Marks


def test_without_a_mark_nothing_is_written_or_read() -> None:
    of, prompt = cache(), body(user(block("a", 5000)))
    marked = body(user(block("a", 5000, FIVE)))
    assert counts(asked(of, prompt)) == (0, {}, 5000)
    assert counts(asked(of, marked)) == (0, {"5m": 5000}, 0)
    assert counts(asked(of, prompt)) == (0, {}, 5000)


def test_what_stands_before_a_mark_is_written_then_read_and_the_rest_is_fresh() -> None:
    of, prompt = cache(), body(user(block("q", 7)), system=[block("s", 2000, FIVE)])
    assert counts(asked(of, prompt)) == (0, {"5m": 2000}, 7)
    assert counts(asked(of, prompt, 1.0)) == (2000, {}, 7)


def test_usage_is_reported_in_disjoint_counts() -> None:
    seen = cache().ask(body(user(block("a", 2000, HOUR), block("b", 500, FIVE), block("c", 30))), 0.0)
    assert seen.usage(RULES) == Usage(input=30, cache_write_1h=2000, cache_write_5m=500)
    assert seen.cost(RULES) == 30 + 2000 * 2.0 + 500 * 1.25
    assert Seen(read=1000, fresh=10).cost(RULES) == 110


def test_a_prefix_below_the_minimum_is_not_cached_and_no_error() -> None:
    of = cache()
    assert counts(asked(of, body(user(block("a", 1023, FIVE))))) == (0, {}, 1023)
    assert counts(asked(of, body(user(block("a", 1024, FIVE))))) == (0, {"5m": 1024}, 0)


def test_the_prefix_is_tools_then_system_then_messages_whatever_the_order_of_the_body() -> None:
    of, tool = cache(), {"name": "t", "description": "d" * 1200, "input_schema": {}, "cache_control": FIVE}
    size = len('{"name":"t","description":"","input_schema":{}}') + 1200
    one = {"messages": [user(block("q", 5))], "system": "s" * 100, "tools": [tool]}
    other = {"tools": [tool], "system": "z" * 100, "messages": [user(block("q", 5))]}
    assert counts(asked(of, one)) == (0, {"5m": size}, 105)
    assert counts(asked(of, other)) == (size, {}, 105)


def test_a_text_is_one_block_however_it_is_written_and_marks_are_no_part_of_it() -> None:
    of = cache()
    asked(of, body(user(block("a", 2000, FIVE))))
    again = body({"role": "user", "content": "a" * 2000}, user(block("b", 9, FIVE)))
    assert counts(asked(of, again)) == (2000, {"5m": 9}, 0)


def test_a_mark_inside_a_tool_result_is_one_on_the_result() -> None:
    result = {"type": "tool_result", "tool_use_id": "t", "content": [block("r", 2000, FIVE)]}
    bare = {"type": "tool_result", "tool_use_id": "t", "content": [block("r", 2000)], "cache_control": FIVE}
    of = cache()
    first = asked(of, body(user(result)))
    assert first.written["5m"] > 2000
    assert asked(of, body(user(bare))).read == first.prompt


def test_one_byte_makes_another_prefix() -> None:
    of = cache()
    asked(of, body(user(block("a", 2000, FIVE), block("b", 2000, FIVE))))
    changed = body(user(block("a", 2000, FIVE), {"type": "text", "text": "b" * 1999 + "B", "cache_control": FIVE}))
    assert counts(asked(of, changed)) == (2000, {"5m": 2000}, 0)


def test_an_entry_is_written_at_marks_alone() -> None:
    of = cache()
    asked(of, body(user(block("a", 2000), block("b", 2000, FIVE))))
    assert counts(asked(of, body(user(block("a", 2000, FIVE), block("x", 2000))))) == (0, {"5m": 2000}, 2000)


def test_marks_inside_what_was_read_cost_nothing_and_become_entries() -> None:
    of = cache()
    asked(of, body(user(block("a", 2000), block("b", 2000, FIVE))))
    both = body(user(block("a", 2000, FIVE), block("b", 2000, FIVE)))
    assert counts(asked(of, both)) == (4000, {}, 0)
    assert counts(asked(of, body(user(block("a", 2000, FIVE), block("x", 2000))))) == (2000, {}, 2000)


# The automatic mark


def test_the_automatic_mark_moves_along_with_the_conversation() -> None:
    of = cache()
    assert counts(asked(of, body(user(block("a", 2000)), cache_control=FIVE))) == (0, {"5m": 2000}, 0)
    longer = body(user(block("a", 2000)), user(block("b", 300)), cache_control=FIVE)
    assert counts(asked(of, longer)) == (2000, {"5m": 300}, 0)


def test_the_automatic_mark_skips_what_cannot_have_one() -> None:
    thought = {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm", "signature": "s"}]}
    seen = cache().ask(body(user(block("a", 2000)), thought, user(block("", 1)), cache_control=FIVE), 0.0)
    assert seen.written == {"5m": 2000}
    assert seen.fresh > 0


def test_the_automatic_mark_on_a_marked_block_is_the_same_mark() -> None:
    prompt = body(user(block("a", 2000, FIVE)), cache_control=FIVE)
    assert counts(cache().ask(prompt, 0.0)) == (0, {"5m": 2000}, 0)
    assert "another time to live" in cache().ask({**prompt, "cache_control": HOUR}, 0.0).error


def test_nothing_to_mark_is_no_error() -> None:
    assert counts(cache().ask(body(cache_control=FIVE), 0.0)) == (0, {}, 0)


# Errors


@pytest.mark.parametrize(("marks", "fine"), [(4, True), (5, False)])
def test_more_than_four_marks_are_refused(marks: int, fine: bool) -> None:
    seen = cache().ask(body(user(*(block("a", 1000, FIVE) for _ in range(marks)))), 0.0)
    assert (not seen.error) == fine
    assert fine or (seen.prompt, seen.writes, "at most 4" in seen.error) == (0, (), True)


@pytest.mark.parametrize(("marks", "fine"), [(3, True), (4, False)])
def test_the_automatic_mark_takes_one_of_the_four(marks: int, fine: bool) -> None:
    blocks = [block("a", 1000, FIVE) for _ in range(marks)]
    seen = cache().ask(body(user(*blocks, block("b", 10)), cache_control=FIVE), 0.0)
    assert (not seen.error) == fine
    seen = cache().ask(body(user(*blocks), cache_control=FIVE), 0.0)
    assert (not seen.error) == fine


@pytest.mark.parametrize(
    ("first", "second", "error"), [(HOUR, FIVE, ""), (HOUR, HOUR, ""), (FIVE, FIVE, ""), (FIVE, HOUR, "longer")]
)
def test_an_hour_stands_before_five_minutes(first: Block, second: Block, error: str) -> None:
    seen = cache().ask(body(user(block("b", 2000, second)), system=[block("a", 2000, first)]), 0.0)
    assert bool(seen.error) == bool(error)
    assert error in seen.error
    automatic = body(user(block("b", 2000)), system=[block("a", 2000, first)], cache_control=second)
    assert bool(cache().ask(automatic, 0.0).error) == bool(error)


@pytest.mark.parametrize(
    "bad", [block("a", 0, FIVE), {"type": "thinking", "thinking": "x", "signature": "s", "cache_control": FIVE}]
)
def test_some_blocks_cannot_be_marked(bad: Block) -> None:
    assert "cannot be set" in cache().ask(body(user(bad)), 0.0).error


def test_an_unknown_time_to_live_is_refused() -> None:
    assert "'2h'" in cache().ask(body(user(block("a", 2000, {"type": "ephemeral", "ttl": "2h"}))), 0.0).error
    assert "'2h'" in cache().ask(body(cache_control={"type": "ephemeral", "ttl": "2h"}), 0.0).error


# Looking back


@pytest.mark.parametrize(("added", "read"), [(0, 2000), (1, 2000), (19, 2000), (20, 0), (30, 0)])
def test_a_mark_looks_at_twenty_blocks_its_own_the_first(added: int, read: int) -> None:
    of = cache()
    asked(of, body(user(block("a", 2000, FIVE))))
    more = [block("b", 10) for _ in range(added)]
    grown = [block("a", 2000), *more]
    grown[-1] = {**grown[-1], "cache_control": FIVE}
    assert counts(asked(of, body(user(*grown)))) == (read, {"5m": 2000 + 10 * added - read} if added else {}, 0)


def test_a_mark_in_between_bridges_a_long_turn() -> None:
    of = cache()
    asked(of, body(user(block("a", 2000, FIVE))))
    more = [block("b", 10) for _ in range(30)]
    more[14] = more[29] = block("b", 10, FIVE)
    assert counts(asked(of, body(user(block("a", 2000), *more)))) == (2000, {"5m": 300}, 0)


# Time


@pytest.mark.parametrize(("ttl", "mark", "seconds"), [("5m", FIVE, 300), ("1h", HOUR, 3600)])
def test_a_prefix_is_kept_from_the_start_of_its_request(ttl: str, mark: Block, seconds: int) -> None:
    for idle, read in ((seconds - 1, 2000), (seconds, 0)):
        of, prompt = cache(), body(user(block("a", 2000, mark)))
        first = of.ask(prompt, 10.0)
        of.began(first, 70.0)  # a slow answer does not lengthen it
        assert counts(of.ask(prompt, 10.0 + idle)) == (read, {} if read else {ttl: 2000}, 0)


def test_a_read_starts_the_time_anew_for_nothing() -> None:
    of, prompt = cache(), body(user(block("a", 2000, FIVE)))
    asked(of, prompt, 0.0)
    for at in (299.0, 598.0, 897.0):
        assert counts(of.ask(prompt, at)) == (2000, {}, 0)
    assert of.ask(prompt, 1197.0).read == 0


def test_what_is_paid_for_five_minutes_never_lives_for_an_hour() -> None:
    of = cache()
    asked(of, body(user(block("a", 2000, FIVE))))
    assert counts(asked(of, body(user(block("a", 2000, HOUR))), 100.0)) == (2000, {}, 0)
    assert of.ask(body(user(block("a", 2000, HOUR))), 400.0).read == 0


# Concurrency


def test_calls_side_by_side_on_a_cold_prefix_each_pay_for_the_write() -> None:
    of, prompt = cache(), body(user(block("a", 2000, FIVE)))
    several = [of.ask(prompt, 0.0) for _ in range(10)]
    assert [seen.written for seen in several] == [{"5m": 2000}] * 10
    of.began(several[3], 2.0)
    assert of.ask(prompt, 1.9).written == {"5m": 2000}
    assert of.ask(prompt, 2.0).read == 2000


def test_a_leader_pays_once_for_all_that_follow_its_first_token() -> None:
    of = cache()
    asked(of, body(user(block("a", 8000, FIVE), block("q", 100))))
    followers = [of.ask(body(user(block("a", 8000, FIVE), block(str(n), 100))), 1.0) for n in range(9)]
    assert [counts(seen) for seen in followers] == [(8000, {}, 100)] * 9


def test_of_two_writes_side_by_side_the_longer_lived_one_counts() -> None:
    for first, second in ((HOUR, FIVE), (FIVE, HOUR)):
        of = cache()
        both = [of.ask(body(user(block("a", 2000, mark))), 0.0) for mark in (first, second)]
        assert [dict(seen.written) for seen in both] == [{m.get("ttl", "5m"): 2000} for m in (first, second)]
        for seen in both:
            of.began(seen, 1.0)
        assert of.ask(body(user(block("a", 2000, FIVE))), 3000.0).read == 2000
        assert of.ask(body(user(block("a", 2000, FIVE))), 6000.0).read == 2000


def test_an_answer_that_never_began_wrote_nothing() -> None:
    of, prompt = cache(), body(user(block("a", 2000, FIVE)))
    of.ask(prompt, 0.0)
    assert of.ask(prompt, 5.0).read == 0


def test_credentials_do_not_share() -> None:
    of, prompt = cache(), body(user(block("a", 2000, FIVE)))
    asked(of, prompt, key="one")
    assert of.ask(prompt, 1.0, "two").read == 0
    assert of.ask(prompt, 1.0, "one").read == 2000


# Invalidation


TOOL = {"name": "t", "description": "d" * 2000, "input_schema": {"type": "object"}, "cache_control": FIVE}
SIZE = len('{"name":"t","description":"","input_schema":{"type":"object"}}') + 2000
FULL = body(user(block("m", 2000, FIVE)), tools=[TOOL], system=[block("s", 2000, FIVE)], tool_choice={"type": "auto"})
SEARCH = {"type": "web_search_20250305", "name": "web_search"}
IMAGE = {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}
CITED = {"type": "document", "source": {"type": "text", "data": "x"}, "citations": {"enabled": True}}


@pytest.mark.parametrize(
    ("change", "read"),
    [
        ({}, SIZE + 4000),
        ({"max_tokens": 99, "temperature": 0.3, "metadata": {"user_id": "x"}}, SIZE + 4000),
        ({"model": "claude-sonnet-5"}, 0),
        ({"tools": [{**TOOL, "name": "u"}]}, 0),
        ({"system": [block("S", 2000, FIVE)]}, SIZE),
        ({"speed": "fast"}, SIZE),
        ({"tools": [TOOL, SEARCH]}, SIZE),
        ({"tools": [SEARCH, TOOL]}, SIZE),
        ({"messages": [user(block("m", 2000, FIVE)), user(CITED)]}, SIZE),
        ({"tool_choice": {"type": "any"}}, SIZE + 2000),
        ({"thinking": {"type": "enabled", "budget_tokens": 2000}}, SIZE + 2000),
        ({"messages": [user(block("m", 2000, FIVE)), user(IMAGE)]}, SIZE + 2000),
        ({"messages": [user(block("M", 2000, FIVE))]}, SIZE + 2000),
        ({"messages": [{**user(block("m", 2000, FIVE)), "role": "assistant"}]}, SIZE + 2000),
    ],
)
def test_a_change_loses_its_level_and_all_behind_it(change: Block, read: int) -> None:
    of = cache()
    assert asked(of, FULL).written == {"5m": SIZE + 4000}
    assert of.ask({**FULL, **change}, 1.0).read == read


def test_it_finds_again_what_comes_back() -> None:
    of = cache()
    asked(of, FULL)
    asked(of, {**FULL, "speed": "fast"}, 1.0)
    assert of.ask(FULL, 2.0).read == SIZE + 4000


def test_a_machine_that_is_full_lets_go_of_what_was_read_longest_ago() -> None:
    of = PromptCache(RULES, tokens=len, capacity=2900)
    for at, letter in enumerate("abc"):
        asked(of, body(user(block(letter, 1200, FIVE))), float(at))
    assert [asked(of, body(user(block(letter, 1200, FIVE))), 9.0).read for letter in "cba"] == [1200, 1200, 0]
