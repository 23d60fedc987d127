"""Which calls may share an answer."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from penstock.policy.reuse import eligible, worth_storing
from penstock.values import Call, Reply


def ask(body: dict[str, Any] | None = None, **fields: Any) -> tuple[bool, bool]:
    found = eligible(Call.parse(msgspec.json.encode(body or {}), dialect="openai", provider="p", **fields))
    assert found.why
    return found.reads, found.writes


@pytest.mark.parametrize("body", [{}, {"temperature": 0}, {"temperature": 0.0}, {"temperature": None}, {"n": 1}])
def test_a_call_that_asks_for_no_variety_shares(body: dict[str, Any]) -> None:
    assert ask(body) == (True, True)


@pytest.mark.parametrize("body", [{"temperature": 0.2}, {"temperature": 1}, {"n": 2}])
def test_variety_is_respected_unless_it_does_not_matter(body: dict[str, Any]) -> None:
    assert ask(body) == (False, False)
    assert ask(body, reuse="always") == (True, True)


def test_switches() -> None:
    assert ask(reuse="off") == (False, False)
    assert ask(fresh=True) == (False, True)
    assert ask(off=frozenset({"reuse"})) == (False, True)
    assert ask(off=frozenset({"all"})) == (False, True)
    assert ask(off=frozenset({"layout"})) == (True, True)


@pytest.mark.parametrize(
    ("finish", "kept"), [("stop", True), ("end_turn", True), ("tool_use", True), ("length", False), ("refusal", False)]
)
def test_only_whole_answers_are_kept(finish: str, kept: bool) -> None:
    assert worth_storing(Reply("openai", b"", False, "", finish, "m", None)) == kept
