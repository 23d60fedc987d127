"""A whole chat completion as the stream that a live call would have brought."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from penstock.providers.shape import Json, encode, entries, mapping, objects, text

__all__ = ["DONE", "framed", "replay"]

DONE = b"data: [DONE]\n\n"


def framed(value: Any) -> bytes:
    """One event with this JSON as its data."""
    return b"data: " + encode(value) + b"\n\n"


def replay(body: Json) -> list[bytes]:
    """The events of a body: per choice its role, its parts whole and its finish; then usage and the terminal event.

    Every chunk repeats the scalar fields of the body, as live ones do; larger fields come once, in the first chunk.
    """
    shared, once = _fields(body)
    usage = body.get("usage")
    unused: Json = {"usage": None} if usage is not None else {}
    events: list[bytes] = []
    for choice in objects(body.get("choices")):
        for part in _parts(choice):
            events.append(framed({**shared, **once, "choices": [part], **unused}))
            once = {}
    if usage is not None:
        events.append(framed({**shared, "choices": [], "usage": usage}))
    return [*events, DONE]


def _fields(body: Json) -> tuple[Json, Json]:
    shared: Json = {"id": body["id"]} if "id" in body else {}
    shared["object"] = "chat.completion.chunk"
    once: Json = {}
    for key, value in body.items():
        if key not in {"id", "object", "choices", "usage"}:
            (once if isinstance(value, dict | list) else shared)[key] = value
    return shared, once


def _parts(choice: Json) -> Iterator[Json]:
    """The chunks of one choice."""
    index = choice.get("index", 0)
    message = mapping(choice.get("message"))
    logprobs: Json = {"logprobs": choice["logprobs"]} if "logprobs" in choice else {}
    quiet: Json = dict.fromkeys(logprobs)
    said = {key: value for key, value in message.items() if value and key != "role"}
    start = {"role": message.get("role", "assistant"), "content": None if message.get("content") is None else ""}
    empty = {key: value for key, value in message.items() if not value and key != "content"}
    yield {"index": index, "delta": {**start, **empty}, **quiet, "finish_reason": None}
    for key in sorted(said, key=_turn):
        spoken = logprobs if key == "content" else quiet
        yield {"index": index, "delta": {key: _indexed(key, said[key])}, **spoken, "finish_reason": None}
    rest = {k: v for k, v in choice.items() if k not in {"index", "message", "finish_reason", "logprobs"}}
    last = quiet if "content" in said else logprobs
    yield {"index": index, "delta": {}, **last, "finish_reason": text(choice.get("finish_reason")) or "stop", **rest}


def _turn(key: str) -> int:
    """Live, the reasoning comes before the answer and the answer before the calls."""
    if key.startswith("reasoning"):
        return 0
    return 1 if key in {"content", "refusal"} else 2


def _indexed(key: str, value: Any) -> Any:
    if key != "tool_calls":
        return value
    return [{"index": place, **mapping(call)} for place, call in enumerate(entries(value))]
