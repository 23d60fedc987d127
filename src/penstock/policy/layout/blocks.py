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
from penstock.values.shape import Json, entries, mapping, text

__all__ = ["Block", "blocks"]

_MARKS = frozenset({"cache_control", "prompt_cache_breakpoint"})
"""Fields of a block that are no part of the prompt."""

_BYTES_A_TOKEN = 4
"""What is to be decided needs no more than the order of magnitude: counting would take fifty times as long."""

_MARKS_ENCODED = tuple(f'"{name}":'.encode() for name in sorted(_MARKS))

_OPAQUE_TOKENS = 1500
"""Of an image or a document: about what Anthropic and OpenAI count for a large image."""

_UNMARKABLE = ("thinking", "redacted_thinking", "reasoning")
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
    opaque: bool = False
    """Whether its bytes say little about its tokens: an image or a document."""


_Found: TypeAlias = tuple[Path, Level, str, Any, bool]
"""Path, level, role and value of a block, and whether it is one on the wire."""


def blocks(body: Mapping[str, Any]) -> list[Block]:
    """The blocks of a request body of any wire format that has a prompt.

    A change of what stands in no block, but changes the prompt that the provider renders, changes the digests from
    the level on where it counts: the model from the first block, ``tool_choice`` and ``thinking`` from the messages.
    """
    whole = hashlib.sha256(_encode([body.get("model"), body.get("speed")]))
    found: list[Block] = []
    in_messages = False
    for path, level, role, value, part in _walk(body):
        if level == "messages" and not in_messages:
            in_messages = True
            whole.update(_encode([body.get("tool_choice"), body.get("thinking"), body.get("reasoning")]))
        encoded = _encode([level, role, value])
        marked, opaque = False, False
        if value.__class__ is dict:
            marked = any(mark in encoded for mark in _MARKS_ENCODED) and _has_mark(value)
            if marked or value.get("type") == "text":
                encoded = _encode([level, role, _plain(_bare(value))])
            opaque = b'"type":"base64"' in encoded or b'"data:' in encoded or b'"image_url"' in encoded
        markable = part and (
            _may_be_marked(value) if value.__class__ is dict else isinstance(value, str) and value != ""
        )
        whole.update(encoded)
        tokens = _OPAQUE_TOKENS if opaque else len(encoded) // _BYTES_A_TOKEN
        found.append(Block(path, level, tokens, whole.digest()[:16], markable, marked, opaque))
    return found


_encode = msgspec.json.Encoder().encode


def _walk(body: Mapping[str, Any]) -> Iterator[_Found]:
    for i, tool in enumerate(entries(body.get("tools"))):
        yield ("tools", i), "tools", "", tool, True
    for name in ("system", "instructions"):
        for path, value in _listed((name,), body.get(name)):
            yield path, "system", "system", value, True
    for name in ("messages", "input"):
        for path, message in _listed((name,), body.get(name)):
            fields = mapping(message)
            role = text(fields.get("role"))
            level: Level = "system" if role in {"system", "developer"} else "messages"
            if "content" not in fields:
                yield path, level, role, message, False
                continue
            for inner, value in _listed((*path, "content"), fields["content"]):
                yield inner, level, role, value, True
            if len(fields) > 2:  # beside role and content, such as the calls of an assistant
                beside = {
                    key: each for key, each in fields.items() if key not in {"role", "content"} and each is not None
                }
                yield path, level, role, beside, False


def _listed(path: Path, content: Any) -> list[tuple[Path, Any]]:
    """The entries of a list, or the one text that stands in its place."""
    if isinstance(content, str):
        return [(path, content)]
    return [((*path, i), each) for i, each in enumerate(entries(content))]


def _has_mark(value: Any) -> bool:
    """Whether the caller marks this block, or anything in it, such as a part of a tool's result."""
    if value.__class__ is dict:
        return any(name in _MARKS or _has_mark(each) for name, each in mapping(value).items())
    return value.__class__ is list and any(_has_mark(each) for each in entries(value))


def _bare(value: Any) -> Any:
    """The same without the marks in it."""
    if value.__class__ is dict:
        return {name: _bare(each) for name, each in mapping(value).items() if name not in _MARKS}
    return [_bare(each) for each in entries(value)] if value.__class__ is list else value


def _plain(fields: Json) -> Any:
    """A text alone is the same block whether it stands in a list or for it."""
    return fields["text"] if fields.keys() == {"type", "text"} and fields["type"] == "text" else fields


def _may_be_marked(fields: Json) -> bool:
    """By Anthropic's rules: no thinking, no empty text, no tool whose definition is loaded when it is needed."""
    if fields.get("defer_loading"):
        return False
    kind = fields.get("type")
    return kind not in _UNMARKABLE if kind != "text" else bool(fields.get("text"))
