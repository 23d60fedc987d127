"""A prompt as a provider's cache compares it: blocks in the order of the prefix, each with the digest of all up to it.

Two prompts share a prefix exactly as far as their digests agree. Tools come first, then system, then messages
(source: Anthropic's documentation of prompt caching; the other providers render them in the same order).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import msgspec

from penstock.values import Path
from penstock.values.caching import Level
from penstock.values.shape import Json, entries, mapping, objects, text

__all__ = ["MARKS", "Block", "blocks"]

MARKS = ("cache_control", "prompt_cache_breakpoint")
"""Fields of a block that are no part of the prompt."""

_BYTES_A_TOKEN = 4
"""What is to be decided needs no more than the order of magnitude: counting would take fifty times as long."""

_UNMARKABLE = frozenset({"thinking", "redacted_thinking", "reasoning"})
"""Blocks that may bear no mark of their own (source: Anthropic's documentation)."""


class Block(msgspec.Struct, frozen=True):
    """One block of a prompt."""

    path: Path
    """Where it stands in the body; a text that is the whole content stands for the one block that it is."""
    level: Level
    tokens: int
    """About how many it has."""
    digest: bytes
    """Of the prompt up to and with this block: 16 bytes."""
    markable: bool
    """Whether a mark may be set at its end."""
    marked: bool
    """Whether the caller has set one there."""


_Found: TypeAlias = tuple[Path, Level, str, Any, bool]
"""Path, level, role and value of a block, and whether it is one on the wire."""


def blocks(body: Mapping[str, Any]) -> list[Block]:
    """The blocks of a request body of any wire format that has a prompt.

    A change of what stands in no block, but changes the prompt that the provider renders, changes the digests from
    the level on where it counts: the model from the first block, ``tool_choice`` and ``thinking`` from the messages.
    """
    whole = hashlib.sha256(msgspec.json.encode([body.get("model"), body.get("speed")]))
    found: list[Block] = []
    level: Level | None = None
    for path, at, role, value, part in _walk(body):
        if at == "messages" and level != "messages":
            beside = [body.get("tool_choice"), body.get("thinking"), body.get("reasoning")]
            whole.update(msgspec.json.encode(beside))
        level = at
        fields = mapping(value)
        bare = _bare(fields) if fields else value
        encoded = msgspec.json.encode([at, role, bare])
        whole.update(encoded)
        found.append(
            Block(
                path,
                at,
                len(encoded) // _BYTES_A_TOKEN,
                whole.digest()[:16],
                part and _markable(value, fields),
                _has_mark(fields) or _marked_within(fields),
            )
        )
    return found


def _walk(body: Mapping[str, Any]) -> Iterator[_Found]:
    for i, tool in enumerate(entries(body.get("tools"))):
        yield ("tools", i), "tools", "", tool, True
    for name in ("system", "instructions"):
        for path, value in _listed((name,), body.get(name)):
            yield path, "system", "system", value, True
    for name in ("messages", "input"):
        for path, message in _listed((name,), body.get(name)):
            role = text(mapping(message).get("role"))
            level: Level = "system" if role in {"system", "developer"} else "messages"
            yield from _message(path, message, level, role)


def _message(path: Path, message: Any, level: Level, role: str) -> Iterator[_Found]:
    """The blocks of one message: its content, and what stands beside that, such as the calls of an assistant."""
    fields = mapping(message)
    if "content" not in fields:
        yield path, level, role, message, False
        return
    for inner, value in _listed((*path, "content"), fields["content"]):
        yield inner, level, role, value, True
    beside = {name: value for name, value in fields.items() if name not in {"role", "content"} and value is not None}
    if beside:
        yield path, level, role, beside, False


def _listed(path: Path, content: Any) -> Iterator[tuple[Path, Any]]:
    """The entries of a list, or the one text that stands in its place."""
    if isinstance(content, str):
        yield path, content
    else:
        yield from (((*path, i), each) for i, each in enumerate(entries(content)))


def _bare(fields: Json) -> Any:
    """A block without its marks. A text alone is the same block whether it stands in a list or for it."""
    if _marked_within(fields):
        fields = {**fields, "content": [_unmarked(each) for each in entries(fields["content"])]}
    fields = _unmarked(fields)
    return fields["text"] if fields.keys() == {"type", "text"} and fields["type"] == "text" else fields


def _unmarked(value: Any) -> Any:
    fields = mapping(value)
    return {name: each for name, each in fields.items() if name not in MARKS} if _has_mark(fields) else value


def _has_mark(fields: Json) -> bool:
    return any(name in fields for name in MARKS)


def _marked_within(fields: Json) -> bool:
    """Whether a mark stands on a block inside it, as on those of a tool's result."""
    return any(_has_mark(each) for each in objects(fields.get("content")))


def _markable(value: Any, fields: Json) -> bool:
    if isinstance(value, str):
        return bool(value)
    kind = text(fields.get("type"))
    return bool(fields) and kind not in _UNMARKABLE and (kind != "text" or bool(fields.get("text")))
