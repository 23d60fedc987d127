"""The calls of tools, in bodies of every wire format."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.values.segments import at_path
from penstock.values.toolcalls import ToolCall, answered, tool_calls

CHAT: dict[str, Any] = {
    "messages": [
        {"role": "user", "content": "What time is it?"},
        {
            "role": "assistant",
            "tool_calls": [{"id": "a", "function": {"name": "clock", "arguments": '{"in": "Oslo"}'}}],
        },
        {"role": "tool", "tool_call_id": "a", "content": "nine"},
    ]
}
MESSAGES: dict[str, Any] = {
    "messages": [
        {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "clock", "input": {"in": "Oslo"}}]},
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text", "text": "nine"}]}],
        },
    ]
}
RESPONSES: dict[str, Any] = {
    "input": [
        {"type": "function_call", "call_id": "a", "name": "clock", "arguments": '{"in": "Oslo"}'},
        {"type": "function_call_output", "call_id": "a", "output": "nine"},
    ]
}


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (CHAT, ("messages", 2, "content")),
        (MESSAGES, ("messages", 1, "content", 0, "content", 0, "text")),
        (RESPONSES, ("input", 1, "output")),
    ],
)
def test_a_result_is_brought_to_its_call(body: dict[str, Any], path: tuple[str | int, ...]) -> None:
    assert at_path(body, path) == "nine"
    (call,) = tool_calls(body)
    assert call == answered(body, path)
    assert call.id == "a"
    assert call.name == "clock"
    assert call.arguments.replace(" ", "") == '{"in":"Oslo"}'


def test_other_shapes_tell_nothing() -> None:
    assert list(tool_calls({"messages": [{"role": "user", "content": "Hello."}, "no message"], "input": "text"})) == []
    assert answered({"messages": [{"role": "user", "content": "Hello."}]}, ("messages", 0, "content")) is None
    made = {"input": [{"type": "local_shell_call", "call_id": "s", "action": {"command": ["ls"]}}]}
    assert list(tool_calls(made)) == [ToolCall("s", "", '{"command":["ls"]}')]


def test_an_id_that_is_used_again_names_the_last_call_before_the_result() -> None:
    twice = {"input": [*RESPONSES["input"], {**RESPONSES["input"][0], "name": "later"}, RESPONSES["input"][1]]}
    first, second = answered(twice, ("input", 1, "output")), answered(twice, ("input", 3, "output"))
    assert first is not None
    assert second is not None
    assert (first.name, second.name) == ("clock", "later")
