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
from penstock.values.caching import FREE_FIELDS, LEVELS, MARK_FIELDS, UNMARKABLE, Level
from penstock.values.shape import Json, entries, mapping, objects, text

__all__ = ["Block", "blocks"]

_BYTES_A_TOKEN = 4
"""What is to be decided needs no more than the order of magnitude: counting would take fifty times as long."""

_MARKS_ENCODED = tuple(f'"{name}":'.encode() for name in sorted(MARK_FIELDS))

_OPAQUE_TOKENS = 1500
"""Of an image or a document: about what Anthropic and OpenAI count for a large image."""


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
    the level on where it counts.
    """
    whole = hashlib.sha256()
    found: list[Block] = []
    beside, entered = _beside(body), 0
    for path, level, role, value, part in _walk(body):
        while level not in LEVELS[:entered]:
            whole.update(beside[entered])
            entered += 1
        encoded = _encode([level, role, value])
        marked, opaque = False, False
        if value.__class__ is dict:
            named = any(mark in encoded for mark in _MARKS_ENCODED)
            marked = named and _has_mark(value)
            if named or value.get("type") == "text":
                encoded = _encode([level, role, _plain(_bare(value) if named else value)])
            opaque = b'"type":"base64"' in encoded or b'"data:' in encoded or b'"image_url"' in encoded
        markable = part and (
            _may_be_marked(value) if value.__class__ is dict else isinstance(value, str) and value != ""
        )
        whole.update(encoded)
        tokens = _OPAQUE_TOKENS if opaque else len(encoded) // _BYTES_A_TOKEN
        found.append(Block(path, level, tokens, whole.digest()[:16], markable, marked, opaque))
    return found


def _beside(body: Mapping[str, Any]) -> tuple[bytes, ...]:
    """What changes the prompt from each level on, beside its blocks.

    Anthropic's rules, and the schema of an answer, which OpenAI sets before the system text. The toggle of its search
    of the web is a tool here: that its other tools could still be read is left aside.
    """
    images = cited = False
    for block in _contents(body):
        if block.get("type") == "image":
            images = True
        elif "citations" in block and mapping(block["citations"]).get("enabled"):
            cited = True
    tools = [body.get("model")]
    system = [body.get("speed"), cited, body.get("response_format"), body.get("text")]
    messages = [body.get("tool_choice"), body.get("thinking"), body.get("reasoning"), images]
    return _encode(tools), _encode(system), _encode(messages)


def _contents(body: Mapping[str, Any]) -> Iterator[Json]:
    """The blocks of the messages, and those in results of tools."""
    for message in objects(body.get("messages")):
        for block in objects(message.get("content")):
            yield block
            if block.get("content").__class__ is list:
                yield from objects(block["content"])


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
    if value.__class__ is list:
        return any(_has_mark(each) for each in value)
    return value.__class__ is dict and any(
        each is not None if name in MARK_FIELDS else name not in FREE_FIELDS and _has_mark(each)
        for name, each in value.items()
    )


def _bare(value: Any) -> Any:
    """The same without the marks in it."""
    if value.__class__ is list:
        return [_bare(each) for each in value]
    if value.__class__ is not dict:
        return value
    kept = ((name, each) for name, each in value.items() if name not in MARK_FIELDS)
    return {name: each if name in FREE_FIELDS else _bare(each) for name, each in kept}


def _plain(fields: Json) -> Any:
    """A text alone is the same block whether it stands in a list or for it."""
    return fields["text"] if fields.keys() == {"type", "text"} and fields["type"] == "text" else fields


def _may_be_marked(fields: Json) -> bool:
    """By Anthropic's rules: no thinking, no empty text, no tool whose definition is loaded when it is needed."""
    if fields.get("defer_loading"):
        return False
    kind = text(fields.get("type"))
    return kind not in UNMARKABLE if kind != "text" else bool(fields.get("text"))
