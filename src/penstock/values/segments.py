"""Where the text of a wire body lies: one walk for every dialect."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import IntEnum
from typing import Any, TypeAlias

import msgspec

from penstock.values.shape import entries, is_array, is_object, mapping, text

__all__ = ["Path", "Segment", "Stability", "at_path", "segments"]

Path: TypeAlias = tuple[str | int, ...]
"""Keys and indices from the root of the body to a value: ``("messages", 0, "content")``."""


class Stability(IntEnum):
    """How long a part of the prompt is expected to stay the same: the higher, the earlier it stands in a layout."""

    QUERY = 0
    HISTORY = 1
    CONTEXT = 2
    SYSTEM = 3
    TOOLS = 4


class Segment(msgspec.Struct, frozen=True):
    """A piece of the prompt that policies may weigh."""

    path: Path
    role: str
    """``system``, ``user``, ``assistant``, ``tool``, or ``""`` for what has none (tool definitions, parameters)."""
    kind: str
    """``text``, ``thinking``, ``tool``, ``tool_call``, ``tool_result``, ``image``, ``document`` or ``other``."""
    text: str
    """The text; for what is not text its JSON, so that nothing in a body goes uncounted."""
    stability: Stability


_SYSTEM_ROLES = frozenset({"system", "developer"})
_TEXT_FIELDS = {"text": "text", "input_text": "text", "output_text": "text", "thinking": "thinking", "refusal": "text"}
_KINDS = {
    "tool_use": "tool_call",
    "server_tool_use": "tool_call",
    "redacted_thinking": "thinking",
    "image": "image",
    "image_url": "image",
    "input_image": "image",
    "document": "document",
    "file": "document",
    "input_file": "document",
    "input_audio": "document",
    "computer_screenshot": "image",
}


def segments(body: Mapping[str, Any]) -> list[Segment]:
    """The segments of a request body in the order the provider reads them: tools, system, messages, the rest.

    Unknown blocks come as ``other`` with their JSON as text. A body of any shape is walked without an error.
    """
    return [*_tools(body), *_system(body), *_messages(body), *_parameters(body)]


def at_path(body: Mapping[str, Any], path: Path) -> Any:
    """What stands at a path. It has to be one of this body."""
    there: Any = body
    for step in path:
        there = there[step]
    return there


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _tools(body: Mapping[str, Any]) -> Iterator[Segment]:
    for i, tool in enumerate(entries(body.get("tools"))):
        yield Segment(("tools", i), "", "tool", _json(tool), Stability.TOOLS)


def _system(body: Mapping[str, Any]) -> Iterator[Segment]:
    for name in ("system", "instructions"):
        if name in body:
            yield from _content((name,), "system", body[name], Stability.SYSTEM)


def _messages(body: Mapping[str, Any]) -> Iterator[Segment]:
    for name, walk in (("messages", _message), ("input", _item)):
        messages = body.get(name)
        if isinstance(messages, str):
            yield Segment((name,), "user", "text", messages, Stability.QUERY)
        elif _is_tokens(messages):
            yield Segment((name,), "user", "other", _json(messages), Stability.QUERY)
        else:
            last = len(entries(messages)) - 1
            for i, message in enumerate(entries(messages)):
                yield from walk((name, i), message, Stability.QUERY if i == last else Stability.HISTORY)


def _is_tokens(messages: Any) -> bool:
    """Whether this is one text in tokens, as embeddings take it: numbers, of which the first tells."""
    return isinstance(next(iter(entries(messages)), None), int)


_ITEMS = {
    "reasoning": ("assistant", "thinking"),
    "compaction": ("assistant", "thinking"),
    "image_generation_call": ("assistant", "image"),
    "mcp_list_tools": ("", "tool"),
    "additional_tools": ("", "tool"),
}
"""Items of a responses input that are neither messages nor calls nor outputs of calls."""


def _item(path: Path, item: Any, stability: Stability) -> Iterator[Segment]:
    """One item of the input of responses, or one text to embed."""
    fields = mapping(item)
    shape = text(fields.get("type"))
    role, kind = _ITEMS.get(shape, ("assistant", "tool_call") if shape.endswith("_call") else ("", ""))
    if isinstance(item, str):
        yield Segment(path, "user", "text", item, stability)
    elif kind:
        yield Segment(path, role, kind, _json(item), stability)
    elif shape.endswith("_call_output") and "output" in fields:
        output, place = fields["output"], (*path, "output")
        if is_object(output):
            yield from _block(place, "tool", output, stability, "tool_result")
        else:
            yield from _content(place, "tool", output, stability, "tool_result")
    elif shape in {"", "message"} and ("role" in fields or "content" in fields):
        told = {name: value for name, value in fields.items() if name not in _BESIDE}
        yield from _message(path, told, stability)
    else:
        yield Segment(path, text(fields.get("role")), "other", _json(item), stability)


_BESIDE = frozenset({"type", "id", "status", "phase"})
"""Fields of a message item that no model reads."""


def _message(path: Path, message: Any, stability: Stability) -> Iterator[Segment]:
    fields = mapping(message)
    if fields is not message:
        yield Segment(path, "", "other", _json(message), stability)
    role = text(fields.get("role"))
    if role in _SYSTEM_ROLES:
        role, stability = "system", Stability.SYSTEM
    kind = "tool_result" if role in {"tool", "function"} else "text"
    if "content" in fields:
        yield from _content((*path, "content"), role, fields["content"], stability, kind)
    for field, value in fields.items():
        if field not in {"role", "content"} and value is not None:
            known = {"tool_calls": "tool_call", "function_call": "tool_call", "reasoning_content": "thinking"}
            yield Segment((*path, field), role, known.get(field, "other"), _json(value), stability)


def _content(path: Path, role: str, content: Any, stability: Stability, kind: str = "text") -> Iterator[Segment]:
    if isinstance(content, str):
        yield Segment(path, role, kind, content, stability)
    elif isinstance(content, list):
        for i, block in enumerate(entries(content)):
            yield from _block((*path, i), role, block, stability, kind)
    elif content is not None:
        yield Segment(path, role, "other", _json(content), stability)


def _block(path: Path, role: str, block: Any, stability: Stability, kind: str) -> Iterator[Segment]:
    fields = mapping(block)
    shape = text(fields.get("type"))
    field = shape if shape in {"thinking", "refusal"} else "text"
    if shape in _TEXT_FIELDS and isinstance(fields.get(field), str):
        yield Segment((*path, field), role, kind if kind != "text" else _TEXT_FIELDS[shape], fields[field], stability)
    elif shape == "tool_result":
        yield from _content((*path, "content"), role, fields.get("content"), stability, "tool_result")
    else:
        yield Segment(path, role, _KINDS.get(shape, "other"), _json(block), stability)


_ELSEWHERE = frozenset(
    {"tools", "system", "instructions", "messages", "input", "stream_options", "metadata", "include"}
)
"""Fields that are walked by themselves, or that no model reads."""


def _parameters(body: Mapping[str, Any]) -> Iterator[Segment]:
    """Fields that carry text into the prompt without being messages: a response schema, functions, unknown ones."""
    for field, value in body.items():
        if field not in _ELSEWHERE and (is_object(value) or is_array(value)):
            yield Segment((field,), "", "other", _json(value), Stability.TOOLS)
