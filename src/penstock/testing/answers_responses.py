"""Scripted answers as OpenAI's responses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from penstock.testing.plan import Count, Plan, Question, pieces
from penstock.values import Usage

__all__ = ["body", "events"]

_CREATED = 1_800_000_000


def body(question: Question, plan: Plan, count: Count) -> dict[str, Any]:
    """The whole response. A ``finish`` of the plan is the reason why it is incomplete."""
    asked = question.body
    whole = plan.finish in {"", "completed"}
    return {
        "id": f"resp_{question.number}",
        "object": "response",
        "created_at": _CREATED,
        "status": "completed" if whole else "incomplete",
        "background": False,
        "completed_at": _CREATED + 1 if whole else None,
        "error": None,
        "incomplete_details": None if whole else {"reason": plan.finish},
        "instructions": asked.get("instructions"),
        "max_output_tokens": asked.get("max_output_tokens"),
        "model": question.model,
        "output": _items(question, plan),
        "parallel_tool_calls": asked.get("parallel_tool_calls", True),
        "previous_response_id": asked.get("previous_response_id"),
        "store": asked.get("store", True),
        "temperature": asked.get("temperature", 1.0),
        "text": asked.get("text", {"format": {"type": "text"}}),
        "tool_choice": asked.get("tool_choice", "auto"),
        "tools": asked.get("tools", []),
        "top_p": asked.get("top_p", 1.0),
        "truncation": "disabled",
        "usage": None if plan.usage is None else _usage(question.usage(plan, count)),
        "metadata": asked.get("metadata", {}),
    }


def events(question: Question, plan: Plan, count: Count) -> Iterator[bytes]:
    """The response as a stream, each event with its number."""
    whole = body(question, plan, count)
    for number, event in enumerate(_told(whole, plan.piece)):
        data = msgspec.json.encode({"type": event["type"], "sequence_number": number, **event})
        yield b"event: " + event["type"].encode() + b"\ndata: " + data + b"\n\n"


def _usage(used: Usage) -> dict[str, Any]:
    return {
        "input_tokens": used.prompt,
        "input_tokens_details": {
            "cached_tokens": used.cache_read,
            "cache_write_tokens": used.cache_write_5m + used.cache_write_1h,
            "cache_write_tokens_details": {
                "ttl_30m_tokens": used.cache_write_5m,
                "ttl_12h_tokens": used.cache_write_1h,
            },
        },
        "output_tokens": used.completion,
        "output_tokens_details": {"reasoning_tokens": used.reasoning},
        "total_tokens": used.prompt + used.completion,
    }


def _items(question: Question, plan: Plan) -> list[dict[str, Any]]:
    """The output: what was thought, what was said, and the calls of tools."""
    items: list[dict[str, Any]] = []
    if plan.thinking:
        summary = [{"type": "summary_text", "text": plan.thinking}]
        items.append({"id": f"rs_{question.number}", "type": "reasoning", "summary": summary})
    if text := question.text(plan):
        part: dict[str, Any] = {"type": "output_text", "annotations": [], "logprobs": [], "text": text}
        said = {"status": "completed", "role": "assistant", "content": [part]}
        items.append({"id": f"msg_{question.number}", "type": "message", **said})
    for index, tool in enumerate(plan.tools):
        called = {"status": "completed", "arguments": tool.arguments, "call_id": tool.id, "name": tool.name}
        items.append({"id": f"fc_{question.number}_{index}", "type": "function_call", **called})
    return items


def _told(whole: dict[str, Any], size: int) -> Iterator[dict[str, Any]]:
    start = {**whole, "status": "in_progress", "completed_at": None, "incomplete_details": None, "usage": None}
    for kind in ("created", "in_progress"):
        yield {"type": f"response.{kind}", "response": {**start, "output": []}}
    for index, item in enumerate(whole["output"]):
        empty: dict[str, Any] = {"status": "in_progress"} if "status" in item else {}
        field = {"reasoning": "summary", "message": "content"}.get(item["type"], "arguments")
        empty[field] = "" if field == "arguments" else []
        yield {"type": "response.output_item.added", "output_index": index, "item": {**item, **empty}}
        yield from _grown(item, {"item_id": item["id"], "output_index": index}, size)
        yield {"type": "response.output_item.done", "output_index": index, "item": item}
    yield {"type": f"response.{whole['status']}", "response": whole}


def _grown(item: dict[str, Any], place: dict[str, Any], size: int) -> Iterator[dict[str, Any]]:
    """What lies between the beginning and the end of an item."""
    match item["type"]:
        case "reasoning":
            part, place = item["summary"][0], {**place, "summary_index": 0}
            yield {"type": "response.reasoning_summary_part.added", **place, "part": {**part, "text": ""}}
            yield from _text("response.reasoning_summary_text", place, "text", part["text"], size)
            yield {"type": "response.reasoning_summary_part.done", **place, "part": part}
        case "message":
            part, place = item["content"][0], {**place, "content_index": 0}
            yield {"type": "response.content_part.added", **place, "part": {**part, "text": ""}}
            yield from _text("response.output_text", {**place, "logprobs": []}, "text", part["text"], size)
            yield {"type": "response.content_part.done", **place, "part": part}
        case _:
            yield from _text("response.function_call_arguments", place, "arguments", item["arguments"], size)


def _text(kind: str, place: dict[str, Any], field: str, said: str, size: int) -> Iterator[dict[str, Any]]:
    for piece in pieces(said, size):
        yield {"type": f"{kind}.delta", **place, "delta": piece}
    yield {"type": f"{kind}.done", **place, field: said}
