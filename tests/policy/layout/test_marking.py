"""Marks in the words of the wire."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from penstock.policy.layout.blocks import blocks
from penstock.policy.layout.marking import marked_by_caller, marks
from penstock.providers.prompt_cache import rules_for
from penstock.values import Call
from penstock.values.caching import CacheRules

DAY = date(2026, 11, 20)
BODY: dict[str, Any] = {
    "model": "claude-opus-4-8",
    "tools": [{"name": "read"}],
    "system": "You help.",
    "messages": [
        {"role": "user", "content": "Why?"},
        {"role": "assistant", "content": [{"type": "text", "text": "Because."}]},
        {"role": "user", "content": "And?"},
    ],
}


def rules_of(model: str) -> CacheRules:
    found = rules_for("", model, DAY)
    assert found is not None
    return found


def edited(body: dict[str, Any], at: list[int], ttl: str | None, rules: CacheRules) -> tuple[Any, Call]:
    call = Call(dialect="anthropic", provider="p", raw=b"", body=body)
    found = blocks(body)
    named = rules.named(ttl) if ttl else None
    after = call.edited(*marks(body, [found[i] for i in at], named, evidence={"why": "tried"}))
    return after.body, after


def test_marks_of_anthropic() -> None:
    body, call = edited(BODY, [0, 1, 3, 4], "5m", rules_of("claude-opus-4-8"))
    mark = {"cache_control": {"type": "ephemeral"}}
    assert body["tools"] == [{"name": "read", **mark}]
    assert body["system"] == [{"type": "text", "text": "You help.", **mark}]
    assert body["messages"][0] == BODY["messages"][0]
    assert body["messages"][1]["content"] == [{"type": "text", "text": "Because.", **mark}]
    assert body["messages"][2]["content"] == [{"type": "text", "text": "And?", **mark}]
    assert [block.digest for block in blocks(body)] == [block.digest for block in blocks(BODY)]
    assert [(edit.undo.uncached, bool(edit.evidence)) for edit in call.edits] == [(True, True), *[(False, False)] * 3]


def test_a_longer_time_to_live_is_named() -> None:
    body, _ = edited(BODY, [1], "1h", rules_of("claude-opus-4-8"))
    assert body["system"][0]["cache_control"] == {"type": "ephemeral", "ttl": "1h"}


def test_without_a_mark_there_is_nothing_to_edit() -> None:
    assert edited(BODY, [], None, rules_of("claude-opus-4-8"))[1].edits == ()


@pytest.mark.parametrize(
    ("change", "model", "decided"),
    [
        ({}, "claude-opus-4-8", False),
        ({"cache_control": {"type": "ephemeral"}}, "claude-opus-4-8", True),
        ({"system": [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}]}, "claude-opus-4-8", True),
        ({"prompt_cache_options": {"mode": "implicit"}}, "gpt-5.6", True),
        ({"prompt_cache_key": "mine"}, "gpt-5.6", True),
        ({"messages": []}, "gpt-5.6", False),
        ({"cache_control": None, "prompt_cache_key": None}, "claude-opus-4-8", False),
    ],
)
def test_a_caller_that_marks_decides_by_itself(change: dict[str, Any], model: str, decided: bool) -> None:
    body = {**BODY, **change}
    assert marked_by_caller({**body, "model": model}, blocks(body)) is decided
