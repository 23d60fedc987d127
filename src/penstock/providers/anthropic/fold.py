"""The message that a stream of events amounts to: what the same call would have got without streaming."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from penstock.providers.anthropic.usage import updated
from penstock.providers.shape import Json, mapping, objects, text

__all__ = ["fold"]

_REPLACED = frozenset({"type", "signature"})
"""Fields of a delta that come whole, and would not be a continuation if they came twice."""


def fold(events: Iterable[Json]) -> Json:
    """One message out of the events of a stream, its content in the order of the blocks' indices.

    A field of a delta that we have never heard of is joined to the block's if both are strings, and put there if not.
    """
    message: Json = {}
    blocks: dict[int, _Block] = {}
    for event in events:
        match event.get("type"), event.get("index"):
            case "message_start", _ if not message:
                message = dict(mapping(event.get("message")))
            case "message_delta", _:
                _finish(message, event)
            case "content_block_start", int(index):
                blocks[index] = _Block(event.get("content_block"))
            case "content_block_delta", int(index) if index in blocks:
                blocks[index].add(mapping(event.get("delta")))
            case _:
                pass
    content = [blocks[index].whole() for index in sorted(blocks)]
    return {**message, **_served_by(content), "content": content}


def _finish(message: Json, event: Json) -> None:
    """How the message ended, its usage, and whatever else is known only at the end."""
    late = {name: value for name, value in event.items() if name not in {"type", "delta", "usage"}}
    for fields in (mapping(event.get("delta")), late):
        message.update({name: value for name, value in fields.items() if value is not None or name not in message})
    if isinstance(event.get("usage"), dict):
        message["usage"] = updated(mapping(message.get("usage")), event["usage"])


def _served_by(content: list[Any]) -> Json:
    """The model that answered, where another took over from the one that began: the last hand-over names it."""
    hand_overs = [mapping(block.get("to")) for block in objects(content) if block.get("type") == "fallback"]
    return {"model": hand_overs[-1]["model"]} if hand_overs and text(hand_overs[-1].get("model")) else {}


class _Block:
    """A content block that is still growing."""

    def __init__(self, start: Any) -> None:
        self._start = start
        self._pieces: dict[str, list[str]] = {}
        self._input: list[str] = []
        self._citations: list[Any] = []
        self._set: Json = {}

    def add(self, delta: Json) -> None:
        match delta.get("type"):
            case "input_json_delta":
                self._input.append(text(delta.get("partial_json")))
            case "citations_delta":
                self._citations.append(delta.get("citation"))
            case _:
                self._grow(delta)

    def _grow(self, delta: Json) -> None:
        start = mapping(self._start)
        for name, value in delta.items():
            if name in _REPLACED:
                self._set |= {name: value} if name != "type" else {}
            elif isinstance(value, str) and (name in self._pieces or isinstance(start.get(name), str)):
                self._pieces.setdefault(name, [text(start.get(name))]).append(value)
            elif isinstance(value, str):
                self._pieces[name] = [value]
            else:
                self._set[name] = value

    def whole(self) -> Any:
        """The block as it stands; one that is no object stays what it is."""
        if self._start.__class__ is not dict:
            return self._start
        block = {**mapping(self._start), **self._set, **{name: "".join(said) for name, said in self._pieces.items()}}
        if written := "".join(self._input):
            block["input"] = _arguments(written)
        if self._citations:
            cited = block.get("citations")
            block["citations"] = [*cited, *self._citations] if isinstance(cited, list) else self._citations
        return block


def _arguments(written: str) -> Any:
    """The arguments of a call. A model that ran out of tokens may leave them unfinished: then they are kept as written.

    The wrapper is the one that Anthropic's documentation of fine-grained tool streaming advises for sending them back.
    """
    try:
        return msgspec.json.decode(written)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return {"INVALID_JSON": written}
