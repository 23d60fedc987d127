"""One walk finds the text of every dialect, and never fails."""

from __future__ import annotations

from typing import Any

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
