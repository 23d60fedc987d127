"""Answers in the formats of OpenAI and Anthropic: how the upstream writes them, how the load reads them."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgspec

from penstock.bench.gateway.questions import DELTAS, answer

__all__ = ["NUMBER", "events", "text_of", "whole"]

NUMBER = b"4242424242"
"""What stands in made answers for the number of the question."""

_PIECES = answer(int(NUMBER))
_CHUNK = {"id": "chatcmpl-bench", "object": "chat.completion.chunk", "created": 1_760_000_000}


@lru_cache
def whole(family: str, model: str) -> bytes:
    """The body of an answer that comes whole."""
    text = "".join(_PIECES)
    if family == "openai":
        message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None, "annotations": []}
        choice: dict[str, Any] = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
        head = {**_CHUNK, "object": "chat.completion", "model": model, "service_tier": "default"}
        return msgspec.json.encode({**head, "choices": [choice], "usage": _usage()})
    head = {"id": "msg_bench", "type": "message", "role": "assistant", "model": model}
    ended = {"stop_reason": "end_turn", "stop_sequence": None}
    content = [{"type": "text", "text": text}]
    return msgspec.json.encode({**head, "content": content, **ended, "usage": _tokens(DELTAS)})


@lru_cache
def events(family: str, model: str, counted: bool) -> tuple[bytes, ...]:
    """The events of a streamed answer. ``counted``: OpenAI's has one with the usage too, as it was asked for."""
    return tuple(_openai(model, counted) if family == "openai" else _anthropic(model))


def _openai(model: str, counted: bool) -> list[bytes]:
    def chunk(delta: dict[str, str], finish: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return {**_CHUNK, "model": model, "choices": [choice], **({"usage": None} if counted else {})}

    told = [chunk({"role": "assistant", "content": ""}), *(chunk({"content": piece}) for piece in _PIECES)]
    told.append(chunk({}, "stop"))
    if counted:
        told.append({**_CHUNK, "model": model, "choices": [], "usage": _usage()})
    return [b"data: %b\n\n" % msgspec.json.encode(each) for each in told] + [b"data: [DONE]\n\n"]


def _anthropic(model: str) -> list[bytes]:
    message: dict[str, Any] = {"id": "msg_bench", "type": "message", "role": "assistant", "model": model, "content": []}
    message |= {"stop_reason": None, "stop_sequence": None, "usage": _tokens(1)}
    ended = {"stop_reason": "end_turn", "stop_sequence": None}
    told: list[dict[str, Any]] = [
        {"type": "message_start", "message": message},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    ]
    told += [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}} for piece in _PIECES
    ]
    told += [
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": ended, "usage": {"output_tokens": DELTAS}},
        {"type": "message_stop"},
    ]
    return [b"event: %b\ndata: %b\n\n" % (each["type"].encode(), msgspec.json.encode(each)) for each in told]


def _usage() -> dict[str, Any]:
    details = {"prompt_tokens_details": {"cached_tokens": 0}, "completion_tokens_details": {"reasoning_tokens": 0}}
    return {"prompt_tokens": 300, "completion_tokens": DELTAS, "total_tokens": 300 + DELTAS, **details}


def _tokens(output: int) -> dict[str, int]:
    cache = {"cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}
    return {"input_tokens": 300, **cache, "output_tokens": output}


class _Said(msgspec.Struct, frozen=True):
    content: str | None = None
    text: str = ""


class _Choice(msgspec.Struct, frozen=True):
    message: _Said = _Said()
    delta: _Said = _Said()


class _Told(msgspec.Struct, frozen=True):
    """As much of an answer or an event as holds text, in either format."""

    type: str = ""
    choices: list[_Choice] = []
    content: list[_Said] = []
    delta: _Said = _Said()


_decode = msgspec.json.Decoder(_Told).decode


def text_of(body: bytes, *, stream: bool) -> str:
    """The text of an answer in either format. Raises `ValueError` for what is none, or for a stream without its end."""
    if not stream:
        told = _decode(body)
        return "".join(choice.message.content or "" for choice in told.choices) + "".join(
            block.text for block in told.content
        )
    *found, last = [line[6:] for line in body.splitlines() if line.startswith(b"data: ")]
    if last != b"[DONE]" and _decode(last).type != "message_stop":
        raise ValueError(f"a stream that ends in {last[:80]!r}")
    pieces: list[str] = []
    for event in map(_decode, found):
        pieces += [choice.delta.content or "" for choice in event.choices]
        pieces.append(event.delta.text)
    return "".join(pieces)
