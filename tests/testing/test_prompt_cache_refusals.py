"""Marks that Anthropic refuses are refused by the simulator: with its status and its shape, and where they stand."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import date
from typing import Any, get_args, get_type_hints

import anthropic
import msgspec
import pytest
from anthropic.types import CacheControlEphemeralParam, ContentBlockParam, ToolUnionParam
from anthropic.types.beta import BetaToolUnionParam
from anthropic.types.beta.beta_content_block_param import BetaContentBlockParam

from penstock.providers.prompt_cache import rules_for
from penstock.testing import PromptCache, SimulatedCache, Upstream
from penstock.values.caching import UNMARKABLE, CacheRules

FOUND = rules_for("anthropic", "claude-opus-4-8", date(2026, 11, 20))
assert FOUND is not None
RULES: CacheRules = FOUND
FIVE, HOUR = {"type": "ephemeral"}, {"type": "ephemeral", "ttl": "1h"}

Json = dict[str, Any]


def text(letters: str = "a", mark: Any = None) -> Json:
    return {"type": "text", "text": letters, **({} if mark is None else {"cache_control": mark})}


def said(*content: Json) -> Json:
    return {"role": "user", "content": list(content)}


def error(**body: Any) -> str:
    return PromptCache(RULES, tokens=len).ask({"model": "claude-opus-4-8", "max_tokens": 9, **body}, 0.0).error


def thought(kind: str, **fields: Any) -> Json:
    return {"type": kind, **fields, "cache_control": FIVE}


TOOL: Json = {"name": "t", "input_schema": {"type": "object"}, "cache_control": FIVE}
RESULT: Json = {"type": "tool_result", "tool_use_id": "t", "content": [text("x", FIVE), text("", FIVE)]}


@pytest.mark.parametrize(
    ("body", "refused"),
    [
        ({"system": [text("", FIVE)]}, "system.0: a mark cannot be set on an empty text"),
        ({"messages": [said(RESULT)]}, "messages.0.content.0.content.1: a mark cannot be set on an empty text"),
        (
            {"messages": [said(text()), said(thought("thinking", thinking="hm", signature="s"))]},
            "messages.1.content.0: a mark cannot be set on a block of the type 'thinking'",
        ),
        (
            {"messages": [said(thought("redacted_thinking", data="x"))]},
            "messages.0.content.0: a mark cannot be set on a block of the type 'redacted_thinking'",
        ),
        (
            {"tools": [TOOL, {**TOOL, "defer_loading": True}]},
            "tools.1: a mark cannot be set on a tool that is loaded when it is needed",
        ),
        ({"system": [text("a", {"type": "eternal"})]}, "system.0: a mark has the type 'ephemeral'"),
        ({"system": [text("a", {"ttl": "5m"})]}, "system.0: a mark has the type 'ephemeral'"),
        ({"system": [text("a", "ephemeral")]}, "system.0: a mark has the type 'ephemeral'"),
        ({"cache_control": {}}, "cache_control: a mark has the type 'ephemeral'"),
        ({"system": [text("a", {**FIVE, "ttl": "2h"})]}, "system.0: there is no time to live '2h' here"),
        ({"system": [text("a", {**FIVE, "ttl": 300})]}, "system.0: there is no time to live '300' here"),
        ({"cache_control": {**FIVE, "ttl": "2h"}}, "cache_control: there is no time to live '2h' here"),
        (
            {"messages": [said(text("b", HOUR))], "tools": [TOOL]},
            "messages.0.content.0: a mark with a longer time to live stands behind one with a shorter",
        ),
        (
            {"messages": [said(text("b"))], "tools": [TOOL], "cache_control": HOUR},
            "cache_control: a mark with a longer time to live stands behind one with a shorter",
        ),
        (
            {"messages": [said({**RESULT, "content": [text("x", FIVE)], "cache_control": HOUR})]},
            "messages.0.content.0: a mark with a longer time to live stands behind one with a shorter",
        ),
        ({"messages": [said(*[text("b", FIVE)] * 5)]}, "at most 4 blocks can have a mark, and there are 5"),
        (
            {"messages": [said({**RESULT, "content": [text("x", FIVE)] * 4, "cache_control": FIVE})]},
            "at most 4 blocks can have a mark, and there are 5",
        ),
        (
            {"messages": [said(*[text("b", FIVE)] * 4, text())], "cache_control": FIVE},
            "at most 4 blocks can have a mark, and there are 5",
        ),
        (
            {"messages": [said(text("b", FIVE))], "cache_control": HOUR},
            "the last block has a mark with another time to live than the automatic one",
        ),
    ],
)
def test_what_is_refused(body: Json, refused: str) -> None:
    assert error(**body) == refused


@pytest.mark.parametrize(
    "body",
    [
        {"messages": [said(text("b", FIVE))], "tools": [{**TOOL, "cache_control": HOUR}]},
        {"messages": [said(text("", None), text("b", {**FIVE, "ttl": None}))]},
        {"messages": [said({**text("b"), "cache_control": None})], "cache_control": None},
        {"tools": [{"name": "t", "input_schema": {"properties": {"cache_control": {"type": "string"}}}}]},
        {"messages": [said({"type": "tool_use", "id": "t", "name": "t", "input": {"cache_control": "none"}})]},
        {"tools": [{**TOOL, "defer_loading": False}, {"type": "web_search_20250305", "cache_control": FIVE}]},
    ],
)
def test_what_is_not(body: Json) -> None:
    assert error(**body) == ""


def test_a_refusal_has_the_status_and_the_shape_of_anthropics() -> None:
    async def main() -> None:
        async with (
            Upstream("Yes.", cache=SimulatedCache("anthropic")) as up,
            anthropic.AsyncAnthropic(base_url=up.url, api_key="sk-1", max_retries=0) as client,
        ):
            system: Any = [text("", FIVE)]
            messages: Any = [said(text())]
            with pytest.raises(anthropic.BadRequestError) as refused:
                await client.messages.create(model="claude-opus-4-8", max_tokens=9, system=system, messages=messages)
            assert refused.value.status_code == 400
            assert msgspec.json.decode(refused.value.response.content) == {
                "type": "error",
                "error": {
                    "type": "invalid_request_error",
                    "message": "system.0: a mark cannot be set on an empty text",
                },
            }
            assert up.bill == 0

    asyncio.run(main())


def typed(*unions: Any) -> Iterable[dict[str, Any]]:
    """The fields of every type that Anthropic's client may send in these places."""
    types: Iterable[Any] = (each for union in unions for each in get_args(union))
    return (get_type_hints(each) for each in types if hasattr(each, "__required_keys__"))


def test_what_bears_no_mark_has_no_field_for_one_in_anthropics_client() -> None:
    without = {
        kind
        for fields in typed(ContentBlockParam, BetaContentBlockParam)
        for kind in get_args(fields["type"])
        if "cache_control" not in fields
    }
    assert without == UNMARKABLE
    assert all("cache_control" in fields for fields in typed(ToolUnionParam, BetaToolUnionParam))
    mark = get_type_hints(CacheControlEphemeralParam)
    assert get_args(mark["type"]) == ("ephemeral",)
    assert get_args(mark["ttl"]) == tuple(ttl.name for ttl in RULES.ttls)
