"""The layout of prompts and the simulated cache read bodies apart from each other. Here they are held together.

Neither knows the other's digests, so where the layout takes two prompts for the same prefix, the cache is asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, TypeAlias

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from penstock.policy.layout.blocks import Block, blocks
from penstock.policy.layout.marking import marked_by_caller, marks
from penstock.providers.prompt_cache import rules_for
from penstock.testing import PromptCache
from penstock.values import Call
from penstock.values.caching import CacheRules, Ttl

Json = dict[str, Any]
Strategy: TypeAlias = st.SearchStrategy[Any]


def rules(model: str) -> CacheRules:
    """Those of a model, for prompts of any length, on one machine."""
    found = rules_for("", model, date(2026, 11, 20))
    assert found is not None
    return replace(found, minimum=1, step=1, routed=0, per_minute=0)


CLAUDE, CHAT = rules("claude-opus-4-8"), rules("gpt-5")


def marked(body: Json, at: Sequence[Block], ttl: Ttl) -> Json:
    """The body with the layout's marks at the end of these blocks."""
    call = Call(dialect="anthropic", provider="p", raw=b"", body=body)
    return dict(call.edited(*marks(body, at, ttl, evidence={})).body)


def shared(one: Sequence[Block], other: Sequence[Block]) -> int:
    """How many blocks the layout takes for the same prefix."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (mine, yours) in pairs if mine.digest != yours.digest), min(len(one), len(other)))


# Anthropic's format


def text(letters: str) -> Json:
    return {"type": "text", "text": letters}


def image(data: str) -> Json:
    return {"type": "image", "source": {"type": "base64", "data": data}}


def document(inner: list[Json], cited: bool) -> Json:
    return {"type": "document", "source": {"type": "content", "content": inner}, "citations": {"enabled": cited}}


def use(value: str) -> Json:
    return {"type": "tool_use", "id": "t", "name": "t", "input": {"cache_control": value}}


def result(content: Any) -> Json:
    return {"type": "tool_result", "tool_use_id": "t", "content": content}


def message(role: str, content: Any) -> Json:
    return {"role": role, "content": content}


SPECIAL: list[Json] = [
    {"type": "thinking", "thinking": "hm", "signature": "s"},
    {"type": "redacted_thinking", "data": "x"},
    {"type": "fallback", "from": {}, "to": {}},
    {"type": "mcp_tool_listing", "tools": []},
    {"type": "search_result", "source": "s", "title": "t", "content": [text("x")]},
]
TOOLS: list[Json] = [
    {"name": "a", "input_schema": {"type": "object"}},
    {"name": "b", "input_schema": {"properties": {"cache_control": {"type": "string"}}}},
    {"name": "b", "input_schema": {"properties": {"cache_control": {"type": "number"}}}},
    {"name": "c", "input_schema": {}, "defer_loading": True},
    {"type": "web_search_20250305", "name": "web_search"},
]
few = st.sampled_from(["", "a", "b", "ab ab", "a" * 40])
roles = st.sampled_from(["user", "assistant"])
texts = few.map(text)
images = st.sampled_from("ab").map(image)
documents = st.builds(document, st.lists(texts, max_size=2), st.booleans())
results = st.builds(result, few | st.lists(texts | images | documents, max_size=2))
parts = texts | images | documents | results | st.sampled_from("ab").map(use) | st.sampled_from(SPECIAL)
plain = st.builds(message, roles, few | st.lists(texts, min_size=1, max_size=3))
messages = st.builds(message, roles, st.lists(parts, min_size=1, max_size=4))
fields: dict[str, Strategy] = {
    "model": st.sampled_from(["claude-opus-4-8", "claude-opus-5"]),
    "tools": st.lists(st.sampled_from(TOOLS), max_size=3),
    "system": few | st.lists(texts, max_size=2),
    "speed": st.sampled_from(["standard", "fast"]),
    "tool_choice": st.sampled_from(["auto", "any"]),
    "thinking": st.sampled_from(["disabled", "adaptive"]),
}
requests = st.fixed_dictionaries({"messages": st.lists(plain | messages, max_size=4)}, optional=fields)


@st.composite
def pairs(
    draw: st.DrawFn, usual: Strategy, more: Strategy, name: str, fields: dict[str, Strategy]
) -> tuple[Json, Json]:
    """Two requests, of which one goes on from the other, or parts from it in one field."""
    first: Json = draw(st.fixed_dictionaries({name: st.lists(usual, min_size=1, max_size=3), **fields}))
    changed = draw(st.sampled_from([name, *fields]))
    if changed == name:
        kept = first[name][: draw(st.integers(0, 3))]
        return first, {**first, name: [*kept, *draw(st.lists(more, min_size=1, max_size=2))]}
    return first, {**first, changed: draw(fields[changed])}


@given(body=requests, data=st.data())
def test_whatever_the_layout_marks_is_accepted(body: Json, data: st.DataObject) -> None:
    able = [block for block in blocks(body) if block.markable]
    at = data.draw(st.lists(st.sampled_from(able), max_size=4, unique=True) if able else st.just([]))
    ttl = data.draw(st.sampled_from(CLAUDE.ttls))
    after = marked(body, at, ttl)
    seen = PromptCache(CLAUDE, tokens=len).ask(after, 0.0)
    assert seen.error == ""
    assert sum(block.marked for block in blocks(after)) == len(at)
    assert marked_by_caller(after, blocks(after)) == bool(at)


@given(body=requests, data=st.data())
def test_where_the_layout_sets_no_mark_none_would_be_accepted(body: Json, data: st.DataObject) -> None:
    unable = [block for block in blocks(body) if not block.markable]
    at = data.draw(st.lists(st.sampled_from(unable), max_size=1) if unable else st.just([]))
    seen = PromptCache(CLAUDE, tokens=len).ask(marked(body, at, CLAUDE.ttl), 0.0)
    assert ("cannot be set" in seen.error) == bool(at)


@given(pair=pairs(plain, messages, "messages", fields), back=st.booleans())
def test_what_the_layout_takes_for_the_same_prefix_is_read(pair: tuple[Json, Json], back: bool) -> None:
    before, after = reversed(pair) if back else pair
    one, other = blocks(before), blocks(after)
    at = max((at for at in range(shared(one, other)) if one[at].markable), default=None)
    if at is None:
        return
    cache = PromptCache(CLAUDE, tokens=len)
    first = cache.ask(marked(before, [one[at]], CLAUDE.ttl), 0.0)
    cache.began(first, 0.0)
    second = cache.ask(marked(after, [other[at]], CLAUDE.ttl), 1.0)
    assert (second.read, dict(second.written)) == (sum(first.written.values()), {})


# OpenAI's formats


def function(name: str) -> Json:
    return {"type": "function", "function": {"name": name}}


def turn(role: str, content: Any, called: list[Json]) -> Json:
    return {**message(role, content), "tool_calls": called} if called else message(role, content)


def formatted(schema: Json) -> Json:
    return {"format": schema}


SCHEMAS: list[Json] = [{"type": "text"}, {"type": "json_schema", "json_schema": {"name": "s", "schema": {}}}]
ITEMS: list[Json] = [
    {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "c", "output": "a"},
    {"type": "function_call_output", "call_id": "c", "output": "b"},
]
functions = st.lists(st.sampled_from("ab").map(function), max_size=2)
shared_fields: dict[str, Strategy] = {"model": st.sampled_from(["gpt-5", "gpt-5-mini"]), "tools": functions}
schemas = st.sampled_from(SCHEMAS)
turns = st.builds(turn, roles | st.just("system"), few | st.lists(texts, min_size=1, max_size=2), functions)
items = st.builds(message, roles, few) | st.sampled_from(ITEMS)
chats = pairs(turns, turns, "messages", {**shared_fields, "response_format": schemas})
responses = pairs(items, items, "input", {**shared_fields, "instructions": few, "text": schemas.map(formatted)})


@given(pair=chats | responses)
def test_a_prompt_that_goes_on_from_another_reads_all_of_it(pair: tuple[Json, Json]) -> None:
    one, other = (blocks(body) for body in pair)
    if shared(one, other) < len(one):
        return
    cache = PromptCache(CHAT, dialect="responses" if "input" in pair[0] else "openai", tokens=len)
    first = cache.ask(pair[0], 0.0)
    cache.began(first, 0.0)
    assert cache.ask(pair[1], 1.0).read == first.prompt
