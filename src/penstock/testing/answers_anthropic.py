"""Scripted answers as Anthropic's messages, and its counts of tokens."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from penstock.testing.plan import Count, Plan, Question, pieces
from penstock.values import Usage

__all__ = ["body", "counted", "events"]


def _usage(used: Usage) -> dict[str, Any]:
    return {
        "input_tokens": used.input,
        "cache_read_input_tokens": used.cache_read,
        "cache_creation_input_tokens": used.cache_write_5m + used.cache_write_1h,
        "cache_creation": {
            "ephemeral_5m_input_tokens": used.cache_write_5m,
            "ephemeral_1h_input_tokens": used.cache_write_1h,
        },
        "output_tokens": used.completion,
    }


def _blocks(question: Question, plan: Plan) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    if plan.thinking:
        blocks.append({"type": "thinking", "thinking": plan.thinking, "signature": "c2lnbmVk"})
    if text := question.text(plan):
        blocks.append({"type": "text", "text": text})
    for tool in plan.tools:
        arguments = msgspec.json.decode(tool.arguments)
        blocks.append({"type": "tool_use", "id": tool.id, "name": tool.name, "input": arguments})
    return blocks


def body(question: Question, plan: Plan, count: Count) -> dict[str, Any]:
    """The whole message."""
    answer: dict[str, Any] = {
        "id": f"msg_{question.number}",
        "type": "message",
        "role": "assistant",
        "model": question.model,
        "content": _blocks(question, plan),
        "stop_reason": plan.finish or ("tool_use" if plan.tools else "end_turn"),
        "stop_sequence": None,
    }
    if plan.usage is not None:
        answer["usage"] = _usage(question.usage(plan, count))
    return answer


def events(question: Question, plan: Plan, count: Count) -> Iterator[bytes]:
    """The message as a stream."""

    def event(kind: str, **fields: Any) -> bytes:
        data = msgspec.json.encode({"type": kind, **fields})
        return b"event: " + kind.encode() + b"\ndata: " + data + b"\n\n"

    whole = body(question, plan, count)
    usage: dict[str, Any] | None = whole.get("usage")
    start: dict[str, Any] = {**whole, "content": [], "stop_reason": None}
    yield event("message_start", message={**start, "usage": {**usage, "output_tokens": 1}} if usage else start)
    for index, block in enumerate(whole["content"]):
        opening, deltas = _block(block, plan)
        yield event("content_block_start", index=index, content_block=opening)
        for delta in deltas:
            yield event("content_block_delta", index=index, delta=delta)
        yield event("content_block_stop", index=index)
    delta = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    if usage:
        yield event("message_delta", delta=delta, usage={"output_tokens": usage["output_tokens"]})
    else:
        yield event("message_delta", delta=delta)
    yield event("message_stop")


def counted(question: Question, plan: Plan, count: Count) -> dict[str, Any]:
    """The tokens of the prompt."""
    return {"input_tokens": count(question.prompt)}


def _block(block: dict[str, Any], plan: Plan) -> tuple[dict[str, Any], Iterator[dict[str, Any]]]:
    """A content block as it opens, and the deltas that fill it."""
    if block["type"] == "text":
        return {**block, "text": ""}, ({"type": "text_delta", "text": p} for p in pieces(block["text"], plan.piece))
    if block["type"] == "thinking":
        return {**block, "thinking": "", "signature": ""}, _thinking(block, plan)
    arguments = pieces(msgspec.json.encode(block["input"]).decode(), plan.piece)
    return {**block, "input": {}}, ({"type": "input_json_delta", "partial_json": p} for p in arguments)


def _thinking(block: dict[str, Any], plan: Plan) -> Iterator[dict[str, Any]]:
    for piece in pieces(block["thinking"], plan.piece):
        yield {"type": "thinking_delta", "thinking": piece}
    yield {"type": "signature_delta", "signature": block["signature"]}
