"""Where breakpoints are set for models that read a prefix only where both prompts have one."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from penstock.policy.layout.blocks import blocks
from penstock.policy.layout.breakpoints import breakpoints
from penstock.providers.prompt_cache import rules_for

RULES = rules_for("openai", "gpt-5.6", date(2026, 11, 20))
assert RULES is not None
LONG = "It owes seven days. " * 300


def said(role: str, *texts: str, kind: str = "text") -> dict[str, Any]:
    return {"role": role, "content": [{"type": kind, "text": text} for text in texts]}


def places(body: dict[str, Any], known: int = 0) -> list[tuple[int, tuple[str | int, ...]]]:
    assert RULES is not None
    return [(at, edit.path) for at, edit in breakpoints(body, blocks(body), known, RULES)]


def test_the_system_prompt_ends_with_one() -> None:
    body = {"messages": [{"role": "system", "content": LONG}, {"role": "user", "content": "When?"}]}
    ((at, edit),) = breakpoints(body, blocks(body), 0, RULES)  # type: ignore[arg-type]
    assert (at, edit.path) == (1, ("messages", 0, "content"))
    assert edit.value == [{"type": "text", "text": LONG, "prompt_cache_breakpoint": {"mode": "explicit"}}]
    body = {"input": [{"role": "developer", "content": LONG}, {"role": "user", "content": "When?"}]}
    ((_, edit),) = breakpoints(body, blocks(body), 0, RULES)  # type: ignore[arg-type]
    assert edit.value[0]["type"] == "input_text"


def test_the_context_ends_with_one_before_the_question() -> None:
    assert places({"messages": [said("user", LONG, "When?")]}) == [
        (1, ("messages", 0, "content", 0, "prompt_cache_breakpoint"))
    ]
    assert places({"messages": [said("user", "When?")]}) == []


def test_prompts_that_part_get_one_where_they_do() -> None:
    body = {"messages": [said("user", LONG), said("assistant", "Soon."), said("user", "When?"), said("user", "Why?")]}
    assert places(body, 3) == [(3, ("messages", 2, "content", 0, "prompt_cache_breakpoint"))]
    assert places(body, 2) == []  # what an assistant said may not bear one
    assert places(body, 4) == []  # the provider sets its own there


@pytest.mark.parametrize(
    "body",
    [
        {"instructions": LONG, "input": "When?"},
        {"tools": [{"type": "function", "name": "a", "description": LONG}], "messages": [said("user", "When?")]},
        {"messages": [{"role": "user", "content": LONG}, {"role": "user", "content": "When?"}]},
        {"messages": [said("user", LONG, kind="refusal"), said("user", "When?")]},
        {"messages": [{"role": "system", "content": "Short."}, said("user", "When?")]},
    ],
)
def test_none_where_none_may_stand_or_nothing_is_cached(body: dict[str, Any]) -> None:
    assert places(body, 1) == []


def test_no_more_are_set_than_the_provider_writes_beside_its_own() -> None:
    body = {
        "messages": [
            {"role": "system", "content": LONG},
            said("user", "One?", "Two?"),
            said("user", LONG, "Three?"),
        ]
    }
    assert [at for at, _ in places(body, 2)] == [1, 2, 4]
