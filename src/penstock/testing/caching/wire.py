"""Wire bodies as blocks, in the order in which a provider's cache compares them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from penstock.meter import image_tokens
from penstock.testing.caching.prompt import LEVELS, Block, Count, Prompt, Wish
from penstock.values.caching import CacheRules, Level
from penstock.values.shape import Json, entries, is_object, mapping, objects, text

__all__ = ["prompt_of"]


def prompt_of(body: Mapping[str, Any], dialect: str, rules: CacheRules, count: Count) -> Prompt:
    """The prompt in a request body of a wire format, as a cache with these rules compares it.

    Changes that the rules name, and that no block shows, go into the digests from their level on.
    """
    walk, wish = _WALKS[dialect]
    salts: dict[Level, bytes] = {}
    for level in LEVELS:
        salts[level] = msgspec.json.encode(
            {name: _CHANGES[name](body) for name, lost in rules.lost if lost == level and name in _CHANGES}
        )
    fine = rules.matching in {"longest", "unit"}
    return Prompt.of(walk(body), count, wish=wish(body), salts=salts, fine=fine)


_IMAGES = frozenset({"image", "image_url", "input_image"})
_THOUGHTS = frozenset({"thinking", "redacted_thinking"})


def _contents(body: Mapping[str, Any]) -> Iterator[Json]:
    """Every content block of the messages, those in tool results among them."""
    for message in [*objects(body.get("messages")), *objects(body.get("input"))]:
        for block in objects(message.get("content")):
            yield block
            yield from objects(block.get("content"))


_CHANGES: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    "model": lambda body: body.get("model"),
    "speed": lambda body: body.get("speed"),
    "web_search": lambda body: [_bare(tool) for tool in objects(body.get("tools")) if _searches(tool)],
    "citations": lambda body: any(mapping(block.get("citations")).get("enabled") for block in _contents(body)),
    "tool_choice": lambda body: body.get("tool_choice"),
    "images": lambda body: any(block.get("type") in _IMAGES for block in _contents(body)),
    "thinking": lambda body: body.get("thinking"),
}
"""What a change is looked for in. Tools and system are compared block by block."""


def _searches(tool: Json) -> bool:
    return text(tool.get("type")).startswith("web_search")


def _anthropic(body: Mapping[str, Any]) -> Iterator[Block]:
    for tool in objects(body.get("tools")):
        if not _searches(tool):
            yield _anthropic_block(body, "tools", "", tool)
    for block in _listed(body.get("system")):
        yield _anthropic_block(body, "system", "system", block)
    for message in objects(body.get("messages")):
        for block in _listed(message.get("content")):
            yield _anthropic_block(body, "messages", text(message.get("role")), block)


def _anthropic_block(body: Mapping[str, Any], level: Level, role: str, block: Json) -> Block:
    inner = [each for each in objects(block.get("content")) if "cache_control" in each]
    marks = [mapping(each["cache_control"]) for each in (block, *inner) if each.get("cache_control")]
    bare = _bare(block)
    if inner:
        bare["content"] = [_bare(each) if is_object(each) else each for each in entries(block["content"])]
    kind = text(block.get("type"))
    return Block(
        level,
        f"{role} {kind}",
        _read(bare),
        mark=text(marks[0].get("ttl")) if marks else None,
        markable=kind not in _THOUGHTS and (kind != "text" or bool(block.get("text"))),
        tokens=image_tokens(text(body.get("model"))) if kind in _IMAGES else None,
    )


def _bare(block: Json) -> Json:
    """A block without its mark, which is no part of the prompt."""
    return {name: value for name, value in block.items() if name not in {"cache_control", "prompt_cache_breakpoint"}}


def _listed(content: Any) -> list[Json]:
    """Content as blocks: a text is one block."""
    return [{"type": "text", "text": content}] if isinstance(content, str) else objects(content)


_TEXTS = frozenset({"text", "input_text", "output_text"})


def _read(bare: Json) -> str:
    """What is read of a block: its text where it is nothing else, otherwise its JSON."""
    plain = bare.keys() == {"type", "text"} and bare["type"] in _TEXTS and isinstance(bare["text"], str)
    return bare["text"] if plain else _json(bare)


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _anthropic_wish(body: Mapping[str, Any]) -> Wish:
    asked = body.get("cache_control")
    return Wish(automatic=text(mapping(asked).get("ttl")) if asked else None)


def _openai(body: Mapping[str, Any]) -> Iterator[Block]:
    yield from _definitions(body, "response_format")
    for message in objects(body.get("messages")):
        yield from _message(body, message)
        for call in objects(message.get("tool_calls")):
            yield Block("messages", "tool_call", _json(call))


def _responses(body: Mapping[str, Any]) -> Iterator[Block]:
    yield from _definitions(body, "text")
    if isinstance(body.get("instructions"), str):
        yield Block("system", "system text", body["instructions"])
    asked = body.get("input")
    for item in [{"role": "user", "content": asked}] if isinstance(asked, str) else objects(asked):
        if "role" in item:
            yield from _message(body, item)
        else:
            said = text(item.get("type")).endswith("_output")
            yield Block("messages", text(item.get("type")), _json(item), turn=said)


def _definitions(body: Mapping[str, Any], schema: str) -> Iterator[Block]:
    for tool in objects(body.get("tools")):
        yield Block("tools", "tool", _json(tool))
    if schema in body:
        yield Block("system", "schema", _json(body[schema]))


def _message(body: Mapping[str, Any], message: Json) -> Iterator[Block]:
    role, parts = text(message.get("role")), _listed(message.get("content"))
    for index, part in enumerate(parts):
        mark = mapping(part.get("prompt_cache_breakpoint"))
        kind = text(part.get("type"))
        yield Block(
            "messages",
            f"{role} {kind}",
            _read(_bare(part)),
            mark=text(mark.get("ttl")) if mark else None,
            turn=role in {"user", "tool"} and index == len(parts) - 1,
            tokens=image_tokens(text(body.get("model"))) if kind in _IMAGES else None,
        )


def _openai_wish(body: Mapping[str, Any]) -> Wish:
    options = mapping(body.get("prompt_cache_options"))
    return Wish(
        explicit=options.get("mode") == "explicit",
        ttl=text(options.get("ttl")),
        retention=text(body.get("prompt_cache_retention")),
        key=text(body.get("prompt_cache_key")),
    )


_WALKS = {
    "anthropic": (_anthropic, _anthropic_wish),
    "openai": (_openai, _openai_wish),
    "responses": (_responses, _openai_wish),
}
