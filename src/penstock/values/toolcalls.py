"""The calls of tools in a body of any wire format, and which of them a result answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from penstock.values.segments import Path
from penstock.values.shape import Json, entries, mapping, objects, text

__all__ = ["ToolCall", "answered", "tool_calls"]


class ToolCall(msgspec.Struct, frozen=True):
    """What a model asked of a tool."""

    id: str
    name: str
    arguments: str
    """As JSON."""
    at: int = 0
    """The number of its message."""


def tool_calls(body: Mapping[str, Any]) -> Iterator[ToolCall]:
    """The calls that the messages of a body tell of, in order."""
    for at, message in enumerate(map(mapping, entries(body.get("messages")))):
        for call in objects(message.get("tool_calls")):
            function = mapping(call.get("function"))
            yield ToolCall(text(call.get("id")), text(function.get("name")), text(function.get("arguments")), at)
        for block in objects(message.get("content")):
            if block.get("type") in {"tool_use", "server_tool_use"}:
                yield ToolCall(text(block.get("id")), text(block.get("name")), _json(block.get("input")), at)
    for at, item in enumerate(map(mapping, entries(body.get("input")))):
        if text(item.get("type")).endswith("_call"):
            given = item.get("arguments", item.get("input", item.get("action")))
            yield ToolCall(text(item.get("call_id")), text(item.get("name")), _json(given), at)


def answered(body: Mapping[str, Any], path: Path) -> ToolCall | None:
    """The call that the result at ``path`` answers: the last with its id before it, since some models use ids again."""
    wanted = _asked_for(body, path)
    message = path[1] if len(path) > 1 else 0
    before = [each for each in tool_calls(body) if wanted and each.id == wanted and each.at < int(message)]
    return before[-1] if before else None


def _asked_for(body: Mapping[str, Any], path: Path) -> str:
    """The id that a result names; empty where it names none."""
    there: Any = body
    found = ""
    for step in path:
        there = entries(there)[step] if isinstance(step, int) else mapping(there).get(step)
        found = _id(mapping(there)) or found
    return found


def _id(fields: Json) -> str:
    return next((told for name in ("tool_call_id", "tool_use_id", "call_id") if (told := text(fields.get(name)))), "")


def _json(given: Any) -> str:
    return given if isinstance(given, str) else msgspec.json.encode(given).decode()
