"""Wire bodies as blocks, in the order in which a provider's cache compares them.

Written apart from `penstock.policy.layout.blocks`, so that a mistake there is not mirrored here. What both take from
`penstock.values.caching` are words of the wire: what a mark is called, what bears none, which levels there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from penstock.meter import image_tokens
from penstock.testing.caching.prompt import Block, Count, Mark, Prompt, Wish
from penstock.values.caching import FREE_FIELDS, LEVELS, MARK_FIELDS, UNMARKABLE, CacheRules, Level
from penstock.values.shape import Json, is_array, is_object, mapping, objects, text

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
    """Whether this is the search of the web, which the system prompt tells the model of."""
    return text(tool.get("type")).startswith("web_search")


def _anthropic(body: Mapping[str, Any]) -> Iterator[Block]:
    for place, tool in _placed("tools", objects(body.get("tools"))):
        block = _anthropic_block(body, "tools", place, "", tool)
        yield replace(block, head="", text="") if _searches(tool) else block
    for place, block in _placed("system", _listed(body.get("system"))):
        yield _anthropic_block(body, "system", place, "system", block)
    for where, message in _placed("messages", objects(body.get("messages"))):
        for place, block in _placed(f"{where}.content", _listed(message.get("content"))):
            yield _anthropic_block(body, "messages", place, text(message.get("role")), block)


def _placed(where: str, values: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    """Values of a list, each with its place in the body."""
    return ((f"{where}.{index}", value) for index, value in enumerate(values))


def _anthropic_block(body: Mapping[str, Any], level: Level, place: str, role: str, block: Json) -> Block:
    kind = text(block.get("type"))
    return Block(
        level,
        f"{role} {kind}",
        _read(_bare(block)),
        marks=tuple(_marks(block, place)),
        markable=not _unmarkable(block),
        tokens=image_tokens(text(body.get("model"))) if kind in _IMAGES else None,
    )


_CLOSED = FREE_FIELDS | MARK_FIELDS
"""Fields in which there are no marks."""


def _marks(value: Any, place: str) -> Iterator[Mark]:
    """The marks in a value, however deep, then its own."""
    if is_array(value):
        for inner, each in _placed(place, value):
            yield from _marks(each, inner)
    if is_object(value):
        for name, each in value.items():
            if name not in _CLOSED:
                yield from _marks(each, f"{place}.{name}")
        if value.get("cache_control") is not None:
            yield _mark(value["cache_control"], place, _unmarkable(value))


def _mark(mark: Any, place: str, wrong: str = "") -> Mark:
    if mapping(mark).get("type") != "ephemeral":
        wrong = wrong or "a mark has the type 'ephemeral'"
    ttl = mapping(mark).get("ttl")
    return Mark(place, "" if ttl is None else str(ttl), wrong)


def _unmarkable(block: Json) -> str:
    """Why a block can have no mark; empty: it can."""
    kind = text(block.get("type"))
    if kind in UNMARKABLE:
        return f"a mark cannot be set on a block of the type {kind!r}"
    if kind == "text" and not block.get("text"):
        return "a mark cannot be set on an empty text"
    return "a mark cannot be set on a tool that is loaded when it is needed" if block.get("defer_loading") else ""


def _bare(value: Any) -> Any:
    """A block without the marks in it, which are no part of the prompt."""
    if is_array(value):
        return [_bare(each) for each in value]
    if not is_object(value):
        return value
    kept = ((name, each) for name, each in value.items() if name not in MARK_FIELDS)
    return {name: each if name in FREE_FIELDS else _bare(each) for name, each in kept}


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
    return Wish(automatic=None if asked is None else _mark(asked, "cache_control"))


def _openai(body: Mapping[str, Any]) -> Iterator[Block]:
    yield from _definitions(body, "response_format")
    for place, message in _placed("messages", objects(body.get("messages"))):
        yield from _message(body, place, message)
        for call in objects(message.get("tool_calls")):
            yield Block("messages", "tool_call", _json(call))


def _responses(body: Mapping[str, Any]) -> Iterator[Block]:
    yield from _definitions(body, "text")
    if isinstance(body.get("instructions"), str):
        yield Block("system", "system text", body["instructions"])
    asked = body.get("input")
    items = [{"role": "user", "content": asked}] if isinstance(asked, str) else objects(asked)
    for place, item in _placed("input", items):
        if "role" in item:
            yield from _message(body, place, item)
        else:
            said = text(item.get("type")).endswith("_output")
            yield Block("messages", text(item.get("type")), _json(item), turn=said)


def _definitions(body: Mapping[str, Any], schema: str) -> Iterator[Block]:
    for tool in objects(body.get("tools")):
        yield Block("tools", "tool", _json(tool))
    if schema in body:
        yield Block("system", "schema", _json(body[schema]))


def _message(body: Mapping[str, Any], where: str, message: Json) -> Iterator[Block]:
    role, parts = text(message.get("role")), _listed(message.get("content"))
    for index, (place, part) in enumerate(_placed(f"{where}.content", parts)):
        mark = mapping(part.get("prompt_cache_breakpoint"))
        kind = text(part.get("type"))
        yield Block(
            "messages",
            f"{role} {kind}",
            _read(_bare(part)),
            marks=(Mark(place, text(mark.get("ttl"))),) if mark else (),
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
