"""Keys that spread a busy prefix."""

from __future__ import annotations

from collections import Counter
from datetime import date
from typing import Any

import pytest

from penstock.policy.layout.blocks import blocks
from penstock.policy.layout.keys import Shards
from penstock.providers.prompt_cache import rules_for

RULES: Any = rules_for("openai", "gpt-4o", date(2026, 11, 20))
SYSTEM = "You help people who run servers. " * 60


def prompt(conversation: int, turns: int = 1) -> Any:
    messages = [{"role": "user", "content": f"conversation {conversation}"}]
    messages += [{"role": "assistant", "content": f"turn {turn}"} for turn in range(turns)]
    return blocks({"model": "gpt-4o", "messages": [{"role": "system", "content": SYSTEM}, *messages]})


PROMPTS = [prompt(number) for number in range(400)]


def ask(shards: Shards, rate: float, minutes: float, start: float = 0.0, tenant: str = "t") -> list[str | None]:
    """The keys of so many requests a minute, each of another one of 400 conversations."""
    count = round(rate * minutes)
    return [shards.key(tenant, PROMPTS[n % 400], RULES, start + n * 60 / rate) for n in range(count)]


def test_a_prefix_that_is_asked_for_seldom_needs_no_key() -> None:
    assert set(ask(Shards(), 10, 10)) == {None}


@pytest.mark.parametrize("rate", [30, 100, 500])
def test_a_busy_prefix_is_spread_so_that_its_keys_stay_below_the_rate(rate: int) -> None:
    keys = ask(Shards(), rate, 5)
    last = Counter(keys[-rate:])
    assert None not in last
    assert rate / len(last) <= RULES.per_minute
    assert sum(count <= 2 * RULES.per_minute for count in last.values()) >= 0.9 * len(last)
    assert len(last) <= 4 * rate / RULES.per_minute


def test_a_conversation_keeps_its_key() -> None:
    shards = Shards()
    ask(shards, 100, 5)
    keys = {shards.key("t", prompt(7, turns), RULES, 300.0 + turns) for turns in range(10)}
    assert len(keys) == 1


def test_shards_outlive_the_load_for_as_long_as_prefixes_do() -> None:
    shards = Shards()
    ask(shards, 100, 5)
    assert shards.key("t", prompt(1), RULES, 600.0) is not None
    assert shards.key("t", prompt(1), RULES, 1000.0) is None


def test_what_a_tenant_asks_is_counted_apart() -> None:
    shards = Shards()
    ask(shards, 100, 5)
    assert shards.key("other", prompt(1), RULES, 301.0) is None


def test_a_short_prompt_needs_none() -> None:
    shards = Shards()
    short = blocks({"model": "gpt-4o", "messages": [{"role": "user", "content": "Why?"}]})
    assert {shards.key("t", short, RULES, n * 0.1) for n in range(500)} == {None}


def test_it_forgets_the_beginning_that_was_not_asked_for_longest() -> None:
    shards = Shards(most=1)
    ask(shards, 100, 5)
    ask(shards, 1, 1, start=300.0, tenant="other")
    assert shards.key("t", prompt(1), RULES, 301.0) is None
