"""Scripted answers as OpenAI's chat completions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import msgspec

from penstock.testing.plan import Count, Plan, Question, ToolCall, pieces
from penstock.values import Usage

__all__ = ["body", "events"]


def _usage(used: Usage) -> dict[str, Any]:
    written = used.cache_write_5m + used.cache_write_1h
    return {
        "prompt_tokens": used.prompt,
        "completion_tokens": used.completion,
        "total_tokens": used.prompt + used.completion,
        "prompt_tokens_details": {
            "cached_tokens": used.cache_read,
            **({"cache_write_tokens": written} if written else {}),
        },
        "completion_tokens_details": {"reasoning_tokens": used.reasoning},
    }


def _frame(question: Question, kind: str) -> dict[str, Any]:
    number = f"chatcmpl-{question.number}"
    return {"id": number, "object": kind, "created": 1_800_000_000, "model": question.model}


def _tool(tool: ToolCall) -> dict[str, Any]:
    return {"id": tool.id, "type": "function", "function": {"name": tool.name, "arguments": tool.arguments}}


def _finish(plan: Plan) -> str:
    return plan.finish or ("tool_calls" if plan.tools else "stop")


def body(question: Question, plan: Plan, count: Count) -> dict[str, Any]:
    """The whole completion."""
    message: dict[str, Any] = {"role": "assistant", "content": question.text(plan) or None}
    if plan.thinking:
        message["reasoning_content"] = plan.thinking
    if plan.tools:
        message["tool_calls"] = [_tool(tool) for tool in plan.tools]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _finish(plan)}
    answer = {**_frame(question, "chat.completion"), "choices": [choice]}
    if plan.usage is not None:
        answer["usage"] = _usage(question.usage(plan, count))
    return answer


def events(question: Question, plan: Plan, count: Count) -> Iterator[bytes]:
    """The completion as a stream, with its usage where that was asked for."""
    frame = _frame(question, "chat.completion.chunk")

    def event(delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return b"data: " + msgspec.json.encode({**frame, "choices": [choice]}) + b"\n\n"

    yield event({"role": "assistant", "content": ""})
    for piece in pieces(plan.thinking, plan.piece):
        yield event({"reasoning_content": piece})
    for piece in pieces(question.text(plan), plan.piece):
        yield event({"content": piece})
    for index, tool in enumerate(plan.tools):
        yield event({"tool_calls": [{"index": index, **_tool(msgspec.structs.replace(tool, arguments=""))}]})
        for piece in pieces(tool.arguments, plan.piece):
            yield event({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
    yield event({}, _finish(plan))
    options = question.body.get("stream_options")
    wanted = isinstance(options, dict) and cast("dict[str, Any]", options).get("include_usage")
    if plan.usage is not None and wanted:
        usage = _usage(question.usage(plan, count))
        yield b"data: " + msgspec.json.encode({**frame, "choices": [], "usage": usage}) + b"\n\n"
    yield b"data: [DONE]\n\n"
