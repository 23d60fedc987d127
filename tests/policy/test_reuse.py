"""Which calls may share an answer."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from penstock.policy.reuse import Eligible, eligible, worth_storing
from penstock.values import Call, Reply


def judge(body: dict[str, Any] | None = None, dialect: str = "openai", **fields: Any) -> Eligible:
    return eligible(Call.parse(msgspec.json.encode(body or {}), dialect=dialect, provider="p", **fields))


def ask(body: dict[str, Any] | None = None, **fields: Any) -> tuple[bool, bool]:
    found = judge(body, **fields)
    assert found.why
    return found.reads, found.writes


@pytest.mark.parametrize("body", [{}, {"temperature": 0}, {"temperature": 0.0}, {"temperature": None}, {"n": 1}])
def test_a_call_that_asks_for_no_variety_shares(body: dict[str, Any]) -> None:
    assert ask(body) == (True, True)


@pytest.mark.parametrize("body", [{"temperature": 0.2}, {"temperature": 1}, {"n": 2}])
def test_variety_is_respected_unless_it_does_not_matter(body: dict[str, Any]) -> None:
    assert ask(body) == (False, False)
    assert ask(body, reuse="always") == (True, True)


@pytest.mark.parametrize(
    "body",
    [
        {"previous_response_id": "resp_1"},
        {"conversation": "conv_1"},
        {"conversation": {"id": "conv_1"}},
        {"background": True},
        {"container": "container_1"},
    ],
)
def test_what_is_tied_to_a_state_at_the_provider_is_always_asked(body: dict[str, Any]) -> None:
    assert ask(body, dialect="responses") == (False, False)
    assert ask(body, dialect="responses", reuse="always") == (False, False)
    assert next(iter(body)) in judge(body, dialect="responses").why


@pytest.mark.parametrize(
    "body", [{"store": True}, {"store": False}, {"background": False}, {"previous_response_id": None}, {"input": "a"}]
)
def test_what_is_only_kept_there_shares(body: dict[str, Any]) -> None:
    assert ask(body, dialect="responses") == (True, True)


@pytest.mark.parametrize(
    "kind",
    [
        "web_search", "web_search_2025_08_26", "web_search_20250305", "web_search_preview", "web_fetch_20250910",
        "file_search", "code_interpreter", "code_execution_20250825", "computer", "computer_20251124",
        "computer_use_preview", "image_generation", "mcp", "mcp_toolset", "shell", "what is new tomorrow",
    ],
)  # fmt: skip
def test_hosted_tools_answer_otherwise_tomorrow(kind: str) -> None:
    body = {"tools": [{"type": "function"}, {"type": kind}]}
    assert ask(body) == (False, False)
    assert ask(body, reuse="always") == (True, True)
    assert kind in judge(body).why


@pytest.mark.parametrize("field", ["web_search_options", "mcp_servers"])
def test_hosted_tools_without_a_tool(field: str) -> None:
    body = {field: {"search_context_size": "low"}}
    assert ask(body) == (False, False)
    assert ask(body, reuse="always") == (True, True)
    assert field in judge(body).why


def test_the_callers_own_tools_share() -> None:
    kinds = ["function", "custom", "bash_20250124", "text_editor_20250728", "memory_20250818", "local_shell"]
    assert ask({"tools": [{"name": "untyped"}, *({"type": kind} for kind in kinds)]}) == (True, True)
    assert ask({"tools": "none"}) == (True, True)


@pytest.mark.parametrize(("kind", "shares"), [("function", True), ("web_search", False)])
def test_a_namespace_is_the_tools_in_it(kind: str, shares: bool) -> None:
    assert ask({"tools": [{"type": "namespace", "tools": [{"type": kind}]}]}) == (shares, shares)


@pytest.mark.parametrize("dialect", ["embeddings", "count_tokens"])
def test_what_follows_from_the_text_alone_always_shares(dialect: str) -> None:
    body = {"tools": [{"type": "web_search_20250305"}], "temperature": 1}
    assert ask(body, dialect=dialect) == (True, True)
    assert ask(body, dialect=dialect, reuse="off") == (False, False)
    assert ask(body, dialect=dialect, fresh=True) == (False, True)


def test_switches() -> None:
    assert ask(reuse="off") == (False, False)
    assert ask(fresh=True) == (False, True)
    assert ask(off=frozenset({"reuse"})) == (False, True)
    assert ask(off=frozenset({"all"})) == (False, True)
    assert ask(off=frozenset({"layout"})) == (True, True)


@pytest.mark.parametrize(
    ("finish", "kept"),
    [
        ("stop", True),
        ("end_turn", True),
        ("tool_use", True),
        ("completed", True),
        ("length", False),
        ("refusal", False),
        ("incomplete", False),
        ("incomplete:max_output_tokens", False),
        ("queued", False),
    ],
)
def test_only_whole_answers_are_kept(finish: str, kept: bool) -> None:
    assert worth_storing(Reply("openai", b"", False, "", finish, "m", None)) == kept
