"""A whole response as the stream that a live call would have brought."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from penstock.providers.shape import Json, encode, entries, mapping, text

__all__ = ["replay"]

_LATE = ("usage", "incomplete_details", "completed_at")
"""Fields of a response that are null until it has ended."""

_GROWN = {
    "function_call": ("arguments", "response.function_call_arguments"),
    "custom_tool_call": ("input", "response.custom_tool_call_input"),
    "mcp_call": ("arguments", "response.mcp_call_arguments"),
}
"""Items of which one field grows, and the events by which it does."""

_PARTS = {
    "output_text": ("text", "response.output_text"),
    "refusal": ("refusal", "response.refusal"),
    "reasoning_text": ("text", "response.reasoning_text"),
}
"""The same of the parts of a message, or of a reasoning item."""


def replay(response: Json) -> list[bytes]:
    """The events of a response: its start, each item with its deltas whole, and the whole response at the end."""
    status = response.get("status")
    start: Json = {
        **response,
        "status": "in_progress",
        "output": [],
        **{name: None for name in _LATE if name in response},
    }
    told: list[Json] = [{"type": f"response.{kind}", "response": start} for kind in ("created", "in_progress")]
    for index, item in enumerate(entries(response.get("output"))):
        told += _item(index, item)
    last = "incomplete" if status == "incomplete" else "completed"
    told.append({"type": f"response.{last}", "response": response})
    return [_framed(number, event) for number, event in enumerate(told)]


def _framed(number: int, event: Json) -> bytes:
    data = encode({**event, "sequence_number": number})
    return b"event: " + str(event["type"]).encode() + b"\ndata: " + data + b"\n\n"


def _item(index: int, item: Any) -> Iterator[Json]:
    fields = mapping(item)
    kind = text(fields.get("type"))
    place: Json = {"item_id": text(fields.get("id")), "output_index": index}
    if fields:
        yield {"type": "response.output_item.added", "output_index": index, "item": _begun(fields, kind)}
    if kind in _GROWN:
        field, events = _GROWN[kind]
        yield from _grown(events, place, field, fields.get(field))
    elif kind == "reasoning":
        for number, part in enumerate(entries(fields.get("summary"))):
            yield from _summary({**place, "summary_index": number}, part)
    if kind in {"message", "reasoning"}:
        for number, part in enumerate(entries(fields.get("content"))):
            yield from _part({**place, "content_index": number}, part)
    if fields:
        yield {"type": "response.output_item.done", "output_index": index, "item": item}


def _begun(item: Json, kind: str) -> Json:
    """An item before anything of it is said. What live calls bring whole stays whole."""
    begun = {**item, "status": "in_progress"} if "status" in item else dict(item)
    grown = {_GROWN[kind][0]} if kind in _GROWN else {"content", "summary"}
    for field in grown & begun.keys():
        if isinstance(begun[field], str | list):
            begun[field] = "" if kind in _GROWN else []
    return begun


def _grown(events: str, place: Json, field: str, said: Any) -> Iterator[Json]:
    """The text of one field: as a delta, and as done."""
    if isinstance(said, str):
        if said:
            yield {"type": f"{events}.delta", **place, "delta": said}
        yield {"type": f"{events}.done", **place, field: said}


def _summary(place: Json, part: Any) -> Iterator[Json]:
    fields = mapping(part)
    if isinstance(fields.get("text"), str):
        yield {"type": "response.reasoning_summary_part.added", **place, "part": {**fields, "text": ""}}
        yield from _grown("response.reasoning_summary_text", place, "text", fields["text"])
        yield {"type": "response.reasoning_summary_part.done", **place, "part": part}


def _part(place: Json, part: Any) -> Iterator[Json]:
    """A part of a message or of a reasoning item; its annotations come between its text and the end of it."""
    fields = mapping(part)
    if not fields:
        return
    kind = text(fields.get("type"))
    field, events = _PARTS.get(kind, ("", ""))
    empty: Json = {field: ""} if isinstance(fields.get(field), str) else {}
    beside: Json = {}
    if kind == "output_text":
        empty |= {name: [] for name in ("annotations", "logprobs") if isinstance(fields.get(name), list)}
        beside = {"logprobs": entries(fields.get("logprobs"))}
    yield {"type": "response.content_part.added", **place, "part": {**fields, **empty}}
    grown = list(_grown(events, {**place, **beside}, field, fields.get(field)))
    yield from grown[:-1]
    if kind == "output_text":
        for number, annotation in enumerate(entries(fields.get("annotations"))):
            event = "response.output_text.annotation.added"
            yield {"type": event, **place, "annotation_index": number, "annotation": annotation}
    yield from grown[-1:]
    yield {"type": "response.content_part.done", **place, "part": part}
