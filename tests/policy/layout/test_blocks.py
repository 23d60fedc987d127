"""Prompts as blocks: what is the same prefix, and where a mark may stand."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.policy.layout.blocks import blocks
from penstock.values.caching import UNMARKABLE

TOOL: dict[str, Any] = {"name": "read", "description": "Reads a file.", "input_schema": {"type": "object"}}
BODY: dict[str, Any] = {
    "model": "claude-opus-4-8",
    "max_tokens": 100,
    "tools": [TOOL],
    "system": "You help.",
    "messages": [
        {"role": "user", "content": "Why?"},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm", "signature": "s"}]},
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "x"}]}],
        },
    ],
}

IMAGE: dict[str, Any] = {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}
RESULT: dict[str, Any] = {"type": "tool_result", "tool_use_id": "t"}


def cited(enabled: bool) -> dict[str, Any]:
    source = {"type": "text", "media_type": "text/plain", "data": "x"}
    return {"type": "document", "source": source, "citations": {"enabled": enabled}}


def digests(body: dict[str, Any]) -> list[bytes]:
    return [block.digest for block in blocks(body)]


def shared(one: dict[str, Any], other: dict[str, Any]) -> int:
    """How many blocks two prompts share from their beginning."""
    count = 0
    for mine, yours in zip(digests(one), digests(other), strict=False):
        if mine != yours:
            break
        count += 1
    return count


def test_blocks_stand_in_the_order_of_the_prefix() -> None:
    found = blocks(BODY)
    assert [block.path for block in found] == [
        ("tools", 0),
        ("system",),
        ("messages", 0, "content"),
        ("messages", 1, "content", 0),
        ("messages", 2, "content", 0),
    ]
    assert [block.level for block in found] == ["tools", "system", "messages", "messages", "messages"]
    assert [block.markable for block in found] == [True, True, True, False, True]
    assert not any(block.marked for block in found)
    assert len(set(digests(BODY))) == 5


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        ({"model": "claude-opus-5"}, 0),
        ({"tools": [{**TOOL, "description": "Reads one file."}]}, 0),
        ({"system": "You help much."}, 1),
        ({"tool_choice": {"type": "any"}}, 2),
        ({"thinking": {"type": "enabled", "budget_tokens": 2000}}, 2),
        ({"speed": "fast"}, 1),
        ({"response_format": {"type": "json_object"}}, 1),
        ({"text": {"format": {"type": "json_object"}}}, 1),
        ({"messages": [*BODY["messages"], {"role": "user", "content": [IMAGE]}]}, 2),
        ({"messages": [*BODY["messages"], {"role": "user", "content": [{**RESULT, "content": [IMAGE]}]}]}, 2),
        ({"messages": [*BODY["messages"], {"role": "user", "content": [cited(True)]}]}, 1),
        ({"messages": [*BODY["messages"], {"role": "user", "content": [cited(False)]}]}, 5),
        ({"max_tokens": 5, "temperature": 0.5, "stream": True, "metadata": {"user_id": "u"}}, 5),
        ({"messages": [*BODY["messages"], {"role": "assistant", "content": "Because."}]}, 5),
    ],
)
def test_a_change_loses_what_stands_behind_it(change: dict[str, Any], kept: int) -> None:
    assert shared(BODY, {**BODY, **change}) == kept


def test_a_mark_is_no_part_of_the_prompt_and_is_seen() -> None:
    mark = {"type": "ephemeral"}
    body = copy.deepcopy(BODY)
    body["tools"][0]["cache_control"] = mark
    body["system"] = [{"type": "text", "text": "You help.", "cache_control": {**mark, "ttl": "1h"}}]
    body["messages"][2]["content"][0]["content"][0]["cache_control"] = mark
    assert digests(body) == digests(BODY)
    assert [block.marked for block in blocks(body)] == [True, True, False, False, True]


def test_the_formats_of_openai() -> None:
    chat = {
        "model": "gpt-5.6",
        "messages": [
            {"role": "developer", "content": "You help."},
            {"role": "assistant", "content": None, "tool_calls": [{"id": "c", "function": {"name": "f"}}]},
            {"role": "tool", "tool_call_id": "c", "content": [{"type": "text", "text": "x"}]},
        ],
    }
    found = blocks(chat)
    assert [(block.path, block.level, block.markable) for block in found] == [
        (("messages", 0, "content"), "system", True),
        (("messages", 1), "messages", False),
        (("messages", 2, "content", 0), "messages", True),
        (("messages", 2), "messages", False),
    ]
    responses = {"model": "gpt-5.6", "instructions": "You help.", "input": "Why?"}
    assert [block.path for block in blocks(responses)] == [("instructions",), ("input",)]


anything = st.recursive(
    st.none() | st.booleans() | st.integers(0, 9) | st.text("ab", max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["role", "content", "type", "text", "tools", "cache_control"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["model", "tools", "system", "messages", "input", "instructions"]), anything))
def test_a_body_of_any_shape_has_blocks(body: dict[str, Any]) -> None:
    found = blocks(body)
    assert all(len(block.digest) == 16 and block.tokens >= 0 for block in found)
    assert [block.digest for block in blocks(copy.deepcopy(body))] == [block.digest for block in found]


turns = st.lists(st.tuples(st.sampled_from(["user", "assistant"]), st.text("ab", min_size=1, max_size=5)), max_size=8)


@given(turns, turns)
def test_what_is_appended_leaves_the_prefix_as_it_is(first: list[tuple[str, str]], more: list[tuple[str, str]]) -> None:
    one = {**BODY, "messages": [{"role": role, "content": text} for role, text in first]}
    longer = {**BODY, "messages": [{"role": role, "content": text} for role, text in first + more]}
    assert shared(one, longer) == len(blocks(one))


def test_images_and_documents_count_as_one_not_by_their_bytes() -> None:
    data = {"type": "base64", "media_type": "image/png", "data": "A" * 400_000}
    content = [{"type": "image", "source": data}, {"type": "text", "text": "What is it?"}]
    image, text = blocks({"model": "m", "messages": [{"role": "user", "content": content}]})
    assert image.opaque
    assert image.tokens < 5000
    assert not text.opaque


def test_a_mark_anywhere_in_a_block_is_one() -> None:
    part = {"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}
    document = {"type": "document", "source": {"type": "content", "content": [part]}}
    (found,) = blocks({"model": "m", "messages": [{"role": "user", "content": [document]}]})
    assert found.marked
    (quoted,) = blocks({"model": "m", "messages": [{"role": "user", "content": '{"cache_control": 1}'}]})
    assert not quoted.marked


def test_no_mark_is_none() -> None:
    def asked(**none: None) -> dict[str, Any]:
        part = {"type": "text", "text": "x", **none}
        document = {"type": "document", "source": {"type": "content", "content": [part]}}
        return {"model": "m", "messages": [{"role": "user", "content": [part, document]}]}

    assert blocks(asked(cache_control=None)) == blocks(asked())


def test_what_a_caller_calls_like_a_mark_is_none_and_part_of_the_prompt() -> None:
    def asked(kind: str) -> dict[str, Any]:
        schema = {"type": "object", "properties": {"cache_control": {"type": kind}}}
        use = {"type": "tool_use", "id": "t", "name": "read", "input": {"cache_control": kind}}
        called = {"type": "function", "function": {"name": "f", "parameters": schema}}
        tools = [{**TOOL, "input_schema": schema}, called]
        return {"model": "m", "tools": tools, "messages": [{"role": "assistant", "content": [use]}]}

    assert not any(block.marked for block in blocks(asked("string")))
    changed = asked("string")
    for path in (("tools", 0), ("tools", 1), ("messages", 0)):
        other = asked("string")
        other[path[0]][path[1]] = asked("number")[path[0]][path[1]]
        assert digests(other)[-1] != digests(changed)[-1]


def test_a_tool_that_is_loaded_later_may_not_be_marked() -> None:
    (tool,) = blocks({"model": "m", "tools": [{**TOOL, "defer_loading": True}]})
    assert not tool.markable


@pytest.mark.parametrize("kind", sorted(UNMARKABLE))
def test_some_blocks_may_not_be_marked(kind: str) -> None:
    (block,) = blocks({"model": "m", "messages": [{"role": "assistant", "content": [{"type": kind}]}]})
    assert not block.markable
