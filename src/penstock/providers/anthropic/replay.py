"""A whole message as the stream that a live call would have brought."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from penstock.providers.shape import Json, count, encode, entries, mapping, text

__all__ = ["framed", "replay"]

_LATE_USAGE = (
    "input_tokens",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
    "output_tokens",
    "output_tokens_details",
    "server_tool_use",
    "iterations",
    "fallback_credit",
)
"""What a ``message_delta`` reports of the usage; the rest is known when the message starts."""

_LATE = ("stop_reason", "stop_sequence", "stop_details", "container")
"""Fields of a message that are null at its start and come in the delta that ends it."""

_LATE_EVENT = ("context_management", "input_transformations")
"""Fields that come beside that delta."""


def framed(payload: Json) -> bytes:
    """One event, named after its type. The official clients skip events without a name."""
    return b"event: " + str(payload["type"]).encode() + b"\ndata: " + encode(payload) + b"\n\n"


def replay(message: Json) -> list[bytes]:
    """The events of a message: its start, each block with its deltas whole, its end and usage."""
    events = [framed({"type": "message_start", "message": _start(message)})]
    for index, block in enumerate(entries(message.get("content"))):
        start, deltas = _taken_apart(block)
        events.append(framed({"type": "content_block_start", "index": index, "content_block": start}))
        events += [framed({"type": "content_block_delta", "index": index, "delta": delta}) for delta in deltas]
        events.append(framed({"type": "content_block_stop", "index": index}))
    return [*events, framed(_end(message)), framed({"type": "message_stop"})]


def _start(message: Json) -> Json:
    """The message before anything of it is said: no content, no end, hardly any output."""
    start: Json = {**message, "content": [], **{name: None for name in (*_LATE, *_LATE_EVENT) if name in message}}
    usage = mapping(message.get("usage"))
    if "output_tokens" in usage:
        start["usage"] = {**usage, "output_tokens": min(1, count(usage["output_tokens"]) or 0)}
    return start


def _end(message: Json) -> Json:
    delta = {name: message[name] for name in _LATE if name in message}
    delta["stop_reason"] = text(message.get("stop_reason")) or "end_turn"
    beside = {name: message[name] for name in _LATE_EVENT if message.get(name) is not None}
    usage = mapping(message.get("usage"))
    reported = {name: usage[name] for name in _LATE_USAGE if usage.get(name) is not None}
    return {"type": "message_delta", "delta": delta, **({"usage": reported} if usage else {}), **beside}


def _taken_apart(block: Any) -> tuple[Any, list[Json]]:
    """A block as it starts, and the deltas that complete it. Blocks that live calls bring whole stay whole."""
    fields = mapping(block)
    kind = text(fields.get("type"))
    if kind == "text":
        return {**fields, "text": "", **_uncited(fields)}, [*_citations(fields), *_grown(fields, "text", "text_delta")]
    if kind == "thinking":
        signed = {"signature": ""} if "signature" in fields else {}
        deltas = [*_grown(fields, "thinking", "thinking_delta"), *_grown(fields, "signature", "signature_delta")]
        return {**fields, "thinking": "", **signed}, deltas
    if kind.endswith("tool_use") and isinstance(fields.get("input"), dict):
        written = encode(fields["input"]).decode() if fields["input"] else ""
        return {**fields, "input": {}}, [{"type": "input_json_delta", "partial_json": written}]
    return block, []


def _grown(fields: Json, name: str, kind: str) -> Iterator[Json]:
    if fields.get(name):
        yield {"type": kind, name: fields[name]}


def _uncited(fields: Json) -> Json:
    return {"citations": []} if isinstance(fields.get("citations"), list) else {}


def _citations(fields: Json) -> Iterator[Json]:
    for citation in entries(fields.get("citations")):
        yield {"type": "citations_delta", "citation": citation}
