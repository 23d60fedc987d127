"""One walk finds the text of every dialect, and never fails."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given
from tests.values.test_call import BODIES, JSON

from penstock.values import Segment, Stability, segments


def found(body: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(segment.role, segment.kind, segment.text) for segment in segments(body)]


def test_chat_completions() -> None:
    body = {
        "model": "m",
        "messages": [
            {"role": "developer", "content": "rules"},
            {
                "role": "user",
                "content": [{"type": "text", "text": "look"}, {"type": "image_url", "image_url": {"url": "u"}}],
            },
            {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}], "refusal": None},
            {"role": "tool", "tool_call_id": "1", "content": "42"},
            {"role": "user", "content": "so?"},
        ],
        "tools": [{"type": "function"}],
        "response_format": {"type": "json_schema"},
        "temperature": 0,
    }
    assert found(body) == [
        ("", "tool", '{"type":"function"}'),
        ("system", "text", "rules"),
        ("user", "text", "look"),
        ("user", "image", '{"type":"image_url","image_url":{"url":"u"}}'),
        ("assistant", "tool_call", '[{"id":"1"}]'),
        ("tool", "tool_result", "42"),
        ("tool", "other", '"1"'),
        ("user", "text", "so?"),
        ("", "other", '{"type":"json_schema"}'),
    ]
    assert [segment.stability for segment in segments(body)][-2:] == [Stability.QUERY, Stability.TOOLS]


def test_messages() -> None:
    body = {
        "system": [{"type": "text", "text": "rules", "cache_control": {"type": "ephemeral"}}],
        "messages": [
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "hm", "signature": "s"},
                    {"type": "redacted_thinking", "data": "d"},
                    {"type": "tool_use", "id": "1", "name": "n", "input": {}},
                    {"type": "text"},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "1", "content": [{"type": "text", "text": "42"}]},
                    {"type": "tool_result", "tool_use_id": "2", "content": "43"},
                    {"type": "tool_result", "tool_use_id": "3"},
                    {"type": "unheard_of"},
                    "loose",
                ],
            },
        ],
    }
    assert found(body) == [
        ("system", "text", "rules"),
        ("assistant", "thinking", "hm"),
        ("assistant", "thinking", '{"type":"redacted_thinking","data":"d"}'),
        ("assistant", "tool_call", '{"type":"tool_use","id":"1","name":"n","input":{}}'),
        ("assistant", "other", '{"type":"text"}'),
        ("user", "tool_result", "42"),
        ("user", "tool_result", "43"),
        ("user", "other", '{"type":"unheard_of"}'),
        ("user", "other", '"loose"'),
    ]
    assert segments(body)[0].path == ("system", 0, "text")


def test_other_shapes() -> None:
    assert found({"input": "hello", "instructions": "be kind"}) == [
        ("system", "text", "be kind"),
        ("user", "text", "hello"),
    ]
    assert found({"messages": ["loose"]}) == [("", "other", '"loose"')]
    assert found({"messages": [{"role": 5, "content": 7}]}) == [("", "other", "7")]
    assert found({"messages": [{"role": "user", "content": [{"type": "refusal", "refusal": "no"}]}]}) == [
        ("user", "text", "no")
    ]


def test_responses() -> None:
    image = {"type": "input_image", "image_url": "data:image/png;base64,AA=="}
    reasoning = {"type": "reasoning", "id": "r", "summary": [], "encrypted_content": "sealed"}
    call = {"type": "function_call", "call_id": "1", "name": "n", "arguments": "{}"}
    shot = {"type": "computer_screenshot", "image_url": "data:image/png;base64,AA=="}
    body = {
        "instructions": "be kind",
        "include": ["reasoning.encrypted_content"],
        "text": {"format": {"type": "text"}},
        "input": [
            {"role": "developer", "content": "rules"},
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "look"}, image]},
            reasoning,
            call,
            {"type": "function_call_output", "call_id": "1", "output": "42"},
            {"type": "function_call_output", "call_id": "2", "output": [{"type": "input_text", "text": "43"}, image]},
            {"type": "computer_call_output", "call_id": "3", "output": shot},
            {"type": "web_search_call", "id": "w"},
            {"type": "mcp_list_tools", "tools": []},
            {"type": "item_reference", "id": "m"},
            {"id": "m"},
            {
                "type": "message",
                "id": "m",
                "status": "completed",
                "phase": "final_answer",
                "role": "assistant",
                "content": [
                    {"type": "output_text", "text": "so", "annotations": []},
                    {"type": "refusal", "refusal": "no"},
                ],
            },
            {"role": "user", "content": "and?"},
        ],
    }
    assert found(body) == [
        ("system", "text", "be kind"),
        ("system", "text", "rules"),
        ("user", "text", "look"),
        ("user", "image", json(image)),
        ("assistant", "thinking", json(reasoning)),
        ("assistant", "tool_call", json(call)),
        ("tool", "tool_result", "42"),
        ("tool", "tool_result", "43"),
        ("tool", "image", json(image)),
        ("tool", "image", json(shot)),
        ("assistant", "tool_call", '{"type":"web_search_call","id":"w"}'),
        ("", "tool", '{"type":"mcp_list_tools","tools":[]}'),
        ("", "other", '{"type":"item_reference","id":"m"}'),
        ("", "other", '{"id":"m"}'),
        ("assistant", "text", "so"),
        ("assistant", "text", "no"),
        ("user", "text", "and?"),
        ("", "other", '{"format":{"type":"text"}}'),
    ]
    by_text = {segment.text: segment for segment in segments(body)}
    assert by_text["42"].path == ("input", 4, "output")
    assert by_text["43"].path == ("input", 5, "output", 0, "text")
    assert by_text["rules"].stability == Stability.SYSTEM
    assert [by_text[said].stability for said in ("so", "and?")] == [Stability.HISTORY, Stability.QUERY]


def test_texts_to_embed() -> None:
    assert found({"input": ["one", "two"]}) == [("user", "text", "one"), ("user", "text", "two")]
    assert found({"input": [1, 2, 3]}) == [("user", "other", "[1,2,3]")]
    assert found({"input": [[1, 2], [3]]}) == [("", "other", "[1,2]"), ("", "other", "[3]")]


def json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def at(body: Any, segment: Segment) -> Any:
    for step in segment.path:
        body = body[step]
    return body


@given(BODIES, JSON)
def test_any_body_is_walked_and_every_text_stands_at_its_path(body: dict[str, Any], anything: Any) -> None:
    for field in ("messages", "system", "tools", "input"):
        for segment in segments({**body, field: anything}):
            value = at({**body, field: anything}, segment)
            assert isinstance(segment.text, str)
            assert segment.kind != "text" or value == segment.text
