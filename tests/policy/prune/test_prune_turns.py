"""Messages in groups that are kept or dropped as a whole."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.policy.prune.turns import Conversation, calls, conversation, said

Json = dict[str, Any]

ASK: Json = {"role": "user", "content": "Go."}
SAY: Json = {"role": "assistant", "content": "Done."}


def use(*ids: str, **fields: Any) -> Json:
    return {"role": "assistant", "content": [{"type": "tool_use", "id": id_, "name": "f", "input": {}} for id_ in ids]}


def result(*ids: str) -> Json:
    return {"role": "user", "content": [{"type": "tool_result", "tool_use_id": id_, "content": "x"} for id_ in ids]}


def call(*ids: str) -> Json:
    made = [{"id": id_, "type": "function", "function": {"name": "f", "arguments": "{}"}} for id_ in ids]
    return {"role": "assistant", "tool_calls": made}


def tool(id_: str) -> Json:
    return {"role": "tool", "tool_call_id": id_, "content": "x"}


def read(*messages: Json) -> Conversation:
    found = conversation(messages, len)
    assert found is not None
    return found


def spans(*messages: Json) -> list[tuple[int, int]]:
    return [(group.start, group.end) for group in read(*messages).groups]


def test_calls_and_their_results() -> None:
    assert spans(ASK, use("a", "b"), result("b", "a"), SAY) == [(0, 1), (1, 3), (3, 4)]
    assert spans(ASK, call("a", "b"), tool("b"), tool("a"), SAY) == [(0, 1), (1, 4), (4, 5)]
    legacy = {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}}
    assert spans(ASK, legacy, {"role": "function", "name": "f", "content": "x"}) == [(0, 1), (1, 3)]


def test_ids_that_come_again_belong_to_the_latest_call() -> None:
    assert spans(ASK, call("a"), tool("a"), call("a"), tool("a")) == [(0, 1), (1, 3), (3, 5)]


def test_tools_of_the_provider_reach_over_messages() -> None:
    search = {"type": "server_tool_use", "id": "s", "name": "code", "input": {}}
    found = {"type": "code_execution_tool_result", "tool_use_id": "s", "content": []}
    asks = {"role": "assistant", "content": [search, *use("a")["content"]]}
    assert spans(ASK, asks, result("a"), {"role": "assistant", "content": [found]}, ASK) == [(0, 1), (1, 4), (4, 5)]
    both = {"role": "assistant", "content": [search, found]}
    assert spans(ASK, both, ASK) == [(0, 1), (1, 2), (2, 3)]


def test_an_answer_in_two_messages_is_one() -> None:
    assert spans(ASK, SAY, SAY, ASK) == [(0, 1), (1, 3), (3, 4)]


def test_a_call_at_the_end_may_be_open() -> None:
    assert spans(ASK, use("a")) == [(0, 1), (1, 2)]


@pytest.mark.parametrize(
    "messages",
    [
        [ASK, use("a"), ASK, SAY],
        [ASK, result("a")],
        [ASK, call("a"), call("b"), tool("b")],
        [ASK, tool("a")],
        [ASK, {"role": "robot"}],
        [{"role": "assistant", "content": [{"type": "web_search_tool_result", "tool_use_id": "s"}]}],
        ["hello"],
    ],
)
def test_what_no_provider_would_take_is_not_read(messages: list[Any]) -> None:
    assert conversation(messages, len) is None


def test_who_has_to_take_turns() -> None:
    assert read(ASK, SAY).alternates
    assert read(ASK, use("a"), result("a")).alternates
    assert not read({"role": "system", "content": "x"}, ASK).alternates
    assert not read(ASK, call("a"), tool("a")).alternates
    assert read({"role": "system", "content": "x"}, ASK, use("a"), result("a")).alternates


def test_requests_and_the_turn_in_progress() -> None:
    log = {"role": "user", "content": "total 8\n-rw-r--r-- 1 a a 12 x.py\n$ "}
    whole = read(ASK, SAY, {"role": "user", "content": "Look again."}, SAY, log, SAY)
    assert whole.requests(6) == {2, 4}
    assert whole.requests(2) == {0}
    assert whole.requests(0) == set()
    assert whole.in_progress(6) == 5
    assert whole.in_progress(0) == 0
    assert whole.observed(4)
    assert not read(log).observed(0)
    assert read(use("a"), result("a")).requests(2) == set()


def test_attachments_are_said() -> None:
    picture = {"type": "image", "source": {"type": "url", "url": "https://example.org/x.png"}}
    whole = read(
        {"role": "user", "content": [picture]}, {"role": "user", "content": [picture, {"type": "text", "text": "x"}]}
    )
    assert [each.said for each in whole.read] == ["(an attachment)", "x"]
    assert whole.tokens[0] > 1_000
    assert whole.total == sum(whole.tokens)


def test_thinking_is_seen() -> None:
    thought = {
        "role": "assistant",
        "content": [{"type": "redacted_thinking", "data": "x"}, {"type": "text", "text": "x"}],
    }
    whole = read(ASK, thought, {**SAY, "reasoning_content": "hm"}, SAY)
    assert [each.thinks for each in whole.read] == [False, True, True, False]


def test_words_and_calls_of_a_message() -> None:
    assert said({"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}) == "a\n\nb"
    assert said({"role": "assistant"}) == ""
    assert list(calls(call("a"))) == [("a", "f {}")]
    assert list(calls(use("b"))) == [("b", "f {}")]
