"""The rules of the two wire formats, and the generator whose histories keep them."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from penstock.testing.histories import History, Shape, broken, history, invalid, long_history

Json = dict[str, Any]

USE: Json = {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "read", "input": {}}]}
RESULT: Json = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": "x"}]}
ASK: Json = {"role": "user", "content": "Go."}
SAY: Json = {"role": "assistant", "content": "Done."}
THINKING: Json = {"type": "thinking", "thinking": "hm", "signature": "c2ln"}
CALL: Json = {"id": "a", "type": "function", "function": {"name": "read", "arguments": "{}"}}
CALLS: Json = {"role": "assistant", "content": None, "tool_calls": [CALL]}
TOLD: Json = {"role": "tool", "tool_call_id": "a", "content": "x"}
SEARCH: Json = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
FOUND: Json = {"type": "web_search_tool_result", "tool_use_id": "s", "content": []}


@pytest.mark.parametrize("shape", ["openai", "anthropic"])
def test_random_histories_are_valid_and_the_same_each_time(shape: Shape) -> None:
    for seed in range(60):
        found = history(seed, shape)
        assert invalid(found.messages, shape) == []
        assert found == history(seed, shape)


@pytest.mark.parametrize("shape", ["openai", "anthropic"])
def test_long_histories(shape: Shape) -> None:
    found: History = long_history(1, shape, characters=60_000, said=10)
    assert invalid(found.messages, shape) == []
    assert 20_000 < len(str(found.messages)) < 300_000
    assert found.constraints


def assistant(*blocks: Json) -> Json:
    return {"role": "assistant", "content": list(blocks)}


@pytest.mark.parametrize(
    ("messages", "told"),
    [
        ([], "there is no message"),
        ([SAY], "0: the first message is not the user's"),
        ([ASK, ASK], "1: the user twice in a row"),
        ([{"role": "robot", "content": "x"}], "0: there is no role 'robot'"),
        ([{"role": "user", "content": " "}], "0: empty content"),
        ([{"role": "user", "content": []}], "0: empty content"),
        ([{"role": "user", "content": [{"type": "text", "text": ""}]}], "0: a text without a word"),
        ([ASK, {"role": "assistant", "content": "So "}], "1: the answer that was begun ends in white space"),
        ([ASK, USE, ASK], "1: the call 'a' has no result in the next message"),
        ([ASK, USE], "1: the call 'a' has no result in the next message"),
        ([RESULT, SAY], "0: a result of 'a', no call of the message before"),
        ([ASK, USE, {"role": "user", "content": RESULT["content"] * 2}], "1: an id twice"),
        ([ASK, USE, {"role": "user", "content": [{"type": "text", "text": "x"}, *RESULT["content"]]}],
         "2: results stand behind something else"),
        ([{"role": "user", "content": USE["content"]}, SAY], "0: a block 'tool_use' of the user"),
        ([ASK, assistant(THINKING)], "1: it ends in thinking"),
        ([ASK, assistant({**THINKING, "signature": ""}, *USE["content"]), RESULT], "1: thinking without its signature"),
        ([ASK, assistant({"type": "redacted_thinking"}, *USE["content"]), RESULT],
         "1: redacted thinking without its data"),
        ([ASK, USE, {"role": "user", "content": [{**RESULT["content"][0], "content": [{"type": "text", "text": ""}]}]}],
         "2: an empty text in a result"),
        ([ASK, assistant(FOUND, {"type": "text", "text": "x"})], "1: a result of 's' without its call"),
        ([ASK, assistant(SEARCH, {"type": "text", "text": "x"}), ASK, assistant(FOUND)],
         "3: a result of 's' without its call"),
        ([ASK, USE, RESULT, assistant(THINKING, {"type": "text", "text": "x"})],
         "1: the turn in progress thinks, but does not begin with it"),
    ],
)  # fmt: skip
def test_rules_of_anthropic(messages: list[Json], told: str) -> None:
    assert told in invalid(messages, "anthropic")


@pytest.mark.parametrize(
    ("messages", "told"),
    [
        ([TOLD], "0: a result of 'a' without its call"),
        ([ASK, CALLS, ASK], "2: before it a went without a result"),
        ([ASK, CALLS], "2: before it a went without a result"),
        ([ASK, CALLS, TOLD, TOLD], "3: a result of 'a' without its call"),
        ([ASK, {**CALLS, "tool_calls": [CALL, CALL]}, TOLD], "1: an id twice"),
        ([{"role": "robot", "content": "x"}], "0: there is no role 'robot'"),
        ([{"role": "user", "content": ""}], "0: empty content"),
        ([ASK, {"role": "assistant", "content": None}], "1: empty content"),
        ([ASK, {**CALLS, "tool_calls": []}], "1: an empty list of calls, or calls of another than the assistant"),
        ([ASK, {**CALLS, "tool_calls": [{**CALL, "function": {"name": "read"}}]}, TOLD],
         "1: a call without id, name or arguments"),
        ([ASK, {"role": "function", "name": "f", "content": "x"}], "1: a result of the function 'f' without its call"),
        ([ASK, {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": ""}}, ASK],
         "2: before it the function 'f' went without a result"),
    ],
)  # fmt: skip
def test_rules_of_openai(messages: list[Json], told: str) -> None:
    assert told in invalid(messages, "openai")


def test_the_shape_is_seen() -> None:
    assert invalid([ASK, CALLS, TOLD]) == []
    assert invalid([{"role": "system", "content": "x"}, ASK, ASK]) == []
    assert invalid([ASK, USE, RESULT]) == []
    assert invalid([{"role": "function", "name": "f", "content": "x"}]) != []


def changed(messages: list[Json], at: int, **fields: Any) -> list[Json]:
    found = copy.deepcopy(messages)
    found[at] |= fields
    return found


def test_promises_of_pruning() -> None:
    thinks = assistant(THINKING, SEARCH, FOUND, *USE["content"])
    whole = [{"role": "system", "content": "s"}, ASK, SAY, {"role": "user", "content": "Again."}, thinks, RESULT]
    assert broken(whole, whole) == []
    assert broken(whole, [whole[0], *whole[3:]]) == []
    assert broken(whole, whole[1:]) == ["the system's messages changed"]
    assert "the last request is not there word for word" in broken(whole, changed(whole, 3, content="again"))
    assert "the last message changed its role" in broken(whole, [*whole, SAY])
    other = [{**USE["content"][0], "input": {"x": 1}}]
    assert "calls: changed, invented, or in another order" in broken(whole, changed(whole, 4, content=other))
    assert "the turn in progress lost thinking" in broken(whole, changed(whole, 4, content=USE["content"]))
    half = changed(whole, 4, content=[THINKING, SEARCH, *USE["content"]])
    assert broken(whole, half) == ["the provider's tools: a message lost a part"]
    reasoned = [ASK, {**CALLS, "reasoning_content": "hm"}, TOLD]
    assert "the turn in progress lost thinking" in broken(reasoned, [ASK, CALLS, TOLD])
