"""One test a rule: what the vendors say of their prompt caches, read in November 2026."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec
import pytest

from penstock.providers.prompt_cache import TABLES, google, rules_for
from penstock.providers.prompt_cache.names import plain
from penstock.values.caching import CacheRules, Ttl

DAY = date(2026, 11, 20)
EVERY = [rules for rows in (*TABLES.values(), google.STORED) for _, rules in rows]


def rules(model: str, provider: str = "") -> CacheRules:
    found = rules_for(provider, model, DAY)
    assert found is not None
    return found


def told(of: CacheRules, *fields: str) -> tuple[Any, ...]:
    return tuple(getattr(of, field) for field in fields)


# Claude: the rows of the table


@pytest.mark.parametrize(
    ("minimum", "models"),
    [
        (512, ("claude-opus-5", "claude-fable-5-1", "claude-mythos-5-1")),
        (
            1024,
            (
                "claude-opus-4-8",
                "claude-sonnet-5",
                "claude-sonnet-4-6",
                "claude-sonnet-4-5",
                "claude-sonnet-4",
                "claude-opus-4-1",
                "claude-opus-4",
            ),
        ),
        (2048, ("claude-opus-4-7", "claude-3-5-haiku")),
        (4096, ("claude-opus-4-6", "claude-opus-4-5", "claude-haiku-4-5")),
    ],
)
def test_claude_differs_by_the_minimum(minimum: int, models: tuple[str, ...]) -> None:
    for model in models:
        found = rules(model)
        assert told(found, "minimum", "step") == (minimum, 1)
        same = msgspec.structs.replace(found, family="", minimum=0)
        assert same == msgspec.structs.replace(rules("claude-opus-5"), family="", minimum=0)


CLAUDE = rules("claude-opus-5")


def test_claude_takes_four_marks_an_automatic_one_among_them() -> None:
    fields = ("marker", "most_marks", "surplus", "placing")
    assert told(CLAUDE, *fields) == ("cache_control", 4, "refused", "asked")


def test_claude_looks_twenty_blocks_back_for_an_earlier_write() -> None:
    assert told(CLAUDE, "matching", "look_back") == ("look_back", 20)


def test_claude_keeps_for_five_minutes_or_an_hour_refreshed_by_reads() -> None:
    assert CLAUDE.ttls == (Ttl("5m", 300, 1.25), Ttl("1h", 3600, 2.0))
    assert told(CLAUDE, "ttl", "refreshed", "read") == (CLAUDE.ttls[0], True, 0.1)


def test_claude_can_be_read_from_the_first_token_on() -> None:
    assert CLAUDE.lag == 0


def test_claude_refuses_an_hour_behind_five_minutes() -> None:
    assert CLAUDE.ordered


def test_claude_loses_what_lies_behind_a_change() -> None:
    everything = {"tools", "model"}
    system = {"speed", "web_search", "citations", "system"}
    messages = {"tool_choice", "images", "thinking"}
    assert {change for change, level in CLAUDE.lost if level == "tools"} == everything
    assert {change for change, level in CLAUDE.lost if level == "system"} == system
    assert {change for change, level in CLAUDE.lost if level == "messages"} == messages


def test_five_minutes_pay_from_the_second_use_an_hour_from_the_third() -> None:
    def pays_from(ttl: Ttl) -> int:
        return next(uses for uses in range(1, 9) if ttl.write + (uses - 1) * CLAUDE.read < uses)

    assert [pays_from(ttl) for ttl in CLAUDE.ttls] == [2, 3]


def test_claude_counts_its_cache_beside_the_input() -> None:
    assert CLAUDE.accounting == "disjoint"


# OpenAI


@pytest.mark.parametrize(
    ("read", "models"),
    [
        (0.5, ("gpt-4o", "gpt-4o-mini", "o1", "o3-mini")),
        (0.25, ("gpt-4.1", "gpt-4.1-nano", "o3", "o4-mini")),
        (0.1, ("gpt-5", "gpt-5-mini", "gpt-5.1-codex-mini", "gpt-5.2", "gpt-5.5")),
        (1.0, ("gpt-5-pro", "gpt-5.4-pro", "o1-pro")),
    ],
)
def test_openai_before_5_6_writes_for_nothing(read: float, models: tuple[str, ...]) -> None:
    for model in models:
        found = rules(model)
        assert told(found, "minimum", "step", "matching", "read") == (1024, 128, "longest", read)
        assert told(found, "marker", "most_marks", "placing") == ("", 0, "always")
        assert {ttl.write for ttl in found.ttls} == {1.0}


def test_openai_before_5_6_routes_by_the_start_and_a_key() -> None:
    assert told(rules("gpt-5"), "routed", "key", "per_minute") == (256, "prompt_cache_key", 15)


def test_openai_before_5_6_keeps_for_minutes_or_by_request_for_a_day() -> None:
    assert rules("gpt-5").ttls == (Ttl("in_memory", 300), Ttl("24h", 86_400))
    assert rules("gpt-4o").ttls == (Ttl("in_memory", 300),)
    assert rules("gpt-5.5").ttls == (Ttl("24h", 86_400),)


@pytest.mark.parametrize("model", ["gpt-5.6-sol", "gpt-5.6", "gpt-5.10", "gpt-6-astra", "gpt-6.1-terra", "gpt-10"])
def test_openai_from_5_6_on_charges_for_writes_at_breakpoints(model: str) -> None:
    found = rules(model)
    assert told(found, "minimum", "step", "matching", "remembered") == (1024, 1, "breakpoint", 80)
    fields = ("marker", "most_marks", "surplus", "placing")
    assert told(found, *fields) == ("prompt_cache_breakpoint", 4, "oldest_dropped", "unless_explicit")
    assert (found.ttls, found.read) == ((Ttl("30m", 1800, 1.25),), 0.1)


def test_openai_counts_its_cache_inside_the_input() -> None:
    assert {rules(model).accounting for model in ("gpt-4o", "gpt-5", "gpt-6-sol")} == {"inside"}


# Gemini, Bedrock, DeepSeek, engines


@pytest.mark.parametrize(
    ("model", "minimum"),
    [("gemini-2.5-flash", 1024), ("gemini-3.5-flash-lite", 1024), ("gemini-2.5-pro", 4096), ("gemini-3.1-pro", 4096)],
)
def test_gemini_caches_by_itself(model: str, minimum: int) -> None:
    found = rules(model, "google")
    assert told(found, "minimum", "marker", "placing", "matching") == (minimum, "", "always", "longest")
    assert told(found, "read", "accounting") == (0.1, "inside")
    assert [ttl.write for ttl in found.ttls] == [1.0]


@pytest.mark.parametrize(("model", "minimum"), [("gemini-2.5-flash", 1024), ("gemini-2.5-pro", 4096)])
def test_gemini_stores_what_it_is_told_to(model: str, minimum: int) -> None:
    found = rules_for("google", model, DAY, stored=True)
    assert found is not None
    assert told(found, "minimum", "marker", "matching") == (minimum, "cached_content", "reference")
    assert told(found, "refreshed", "read", "ttls") == (False, 0.1, (Ttl("1h", 3600, 1.0),))
    assert found.storage > 0
    assert rules_for("anthropic", "claude-opus-5", DAY, stored=True) is None


def test_bedrock_has_claude_with_cache_points_and_an_hour_on_some() -> None:
    for model in ("anthropic.claude-opus-4-1-20250805-v1:0", "us.anthropic.claude-haiku-4-5-20251001-v1:0"):
        here, there = rules(model, "bedrock"), rules(model, "anthropic")
        assert told(here, "marker", "most_marks", "placing") == ("cache_point", 4, "never")
        same = ("minimum", "matching", "look_back", "read", "refreshed", "lost", "accounting")
        assert told(here, *same) == told(there, *same)
    assert [ttl.name for ttl in rules("anthropic.claude-opus-4-1-20250805-v1:0", "bedrock").ttls] == ["5m"]
    assert [ttl.name for ttl in rules("global.anthropic.claude-opus-4-5-20251101-v1:0", "aws").ttls] == ["5m", "1h"]


def test_bedrock_has_nova_from_a_thousand_tokens_on() -> None:
    found = rules("us.amazon.nova-pro-v1:0", "https://bedrock-runtime.us-east-1.amazonaws.com")
    assert told(found, "minimum", "marker", "most_marks") == (1000, "cache_point", 4)
    assert told(found, "ttls", "read") == ((Ttl("5m", 300, 1.0),), 0.25)


def test_deepseek_reads_complete_units_alone() -> None:
    found = rules("deepseek-chat", "https://api.deepseek.com")
    assert told(found, "matching", "marker", "read") == ("unit", "", 0.03)


def test_deepseek_can_be_read_seconds_after_others() -> None:
    late = {rules.family for rules in EVERY if rules.lag}
    assert late == {"DeepSeek"}


@pytest.mark.parametrize(
    ("provider", "block"), [("vllm", 16), ("sglang", 1), ("http://127.0.0.1:8080/llama.cpp", 1), ("ollama", 1)]
)
def test_engines_cache_by_block_or_token_and_charge_nothing(provider: str, block: int) -> None:
    found = rules("any-model", provider)
    assert told(found, "minimum", "step", "matching", "lag") == (block, block, "longest", 0)
    assert (found.read, found.ttl.write) == (0.0, 1.0)


# Who is who


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("claude-sonnet-4-5-20250929", "claude-sonnet-4.5"),
        ("claude-sonnet-4-20250514", "claude-sonnet-4"),
        ("claude-sonnet-4-0", "claude-sonnet-4"),
        ("claude-opus-4@20250514", "claude-opus-4"),
        ("claude-opus-4-1@20250805", "claude-opus-4.1"),
        ("claude-3-7-sonnet-latest", "claude-sonnet-3.7"),
        ("claude-3.5-haiku", "claude-haiku-3.5"),
        ("claude-3-5-sonnet-v2@20241022", "claude-sonnet-3.5"),
        ("anthropic/claude-opus-4.6", "claude-opus-4.6"),
        ("anthropic/claude-opus-4.6:thinking", "claude-opus-4.6"),
        ("us.anthropic.claude-opus-4-5-20251101-v1:0", "claude-opus-4.5"),
        ("regional.anthropic.claude-3-5-sonnet-20241022-v2:0", "claude-sonnet-3.5"),
        ("ft:gpt-4o-mini-2024-07-18:acme::abc", "gpt-4o-mini"),
        ("gpt-4o-2024-08-06", "gpt-4o"),
        ("gpt-4o-2024-05-13", "gpt-4o-2024-05-13"),
        ("GPT-5.1-2025-11-13", "gpt-5.1"),
        ("gemini-2.5-flash-preview-09-2025", "gemini-2.5-flash"),
        ("gemini-2.5-pro-001", "gemini-2.5-pro"),
        ("google/gemini-3-pro-preview", "gemini-3-pro"),
        ("eu.amazon.nova-lite-v1:0", "nova-lite"),
        ("", ""),
    ],
)
def test_names_are_brought_to_one_form(given: str, name: str) -> None:
    assert plain(given) == name


@pytest.mark.parametrize(
    ("model", "minimum"),
    [("claude-opus-5-5", 512), ("claude-sonnet-5-5", 1024), ("claude-haiku-5-5", 4096), ("claude-mythos-7", 512)],
)
def test_a_line_keeps_the_minimum_of_its_last_listed_model(model: str, minimum: int) -> None:
    assert rules(model).minimum == minimum


@pytest.mark.parametrize(
    "model",
    [
        "claude-2.1",
        "claude-instant-1.2",
        "claude-3-sonnet-20240229",
        "claude-newline-9",
        "gpt-4",
        "gpt-4-turbo",
        "gpt-3.5-turbo",
        "gpt-4o-2024-05-13",
        "gpt-4o-audio-preview",
        "gpt-image-1",
        "gpt-oss-120b",
        "text-embedding-3-small",
        "gemini-1.5-pro",
        "gemini-2.0-flash",
        "llama-3.3-70b",
        "small",
        "",
    ],
)
def test_of_others_nothing_is_known(model: str) -> None:
    assert rules_for("", model, DAY) is None


def test_the_place_decides_before_the_name() -> None:
    assert rules_for("bedrock", "gpt-5", DAY) is None
    assert rules_for("https://api.together.xyz/v1", "deepseek-chat", DAY) is None
    assert rules("claude-opus-5", "https://my-proxy.example/v1") == CLAUDE
    assert rules("claude-opus-5", "vertex") == rules("claude-opus-5", "Anthropic") == CLAUDE
    assert rules("gpt-5", "https://me.openai.azure.com") == rules("gpt-5", "openai")


def test_every_row_says_since_when_it_holds_and_how_long_a_write_is_kept() -> None:
    for row in EVERY:
        assert row.since <= DAY
        assert row.ttls
    families = [row.family for row in EVERY if not row.family.startswith("Bedrock: Claude")]
    assert len(set(families)) == len(families)


def test_before_its_day_a_rule_does_not_hold() -> None:
    assert rules_for("anthropic", "claude-3-5-haiku", date(2024, 8, 13)) is None
    assert rules_for("anthropic", "claude-3-5-haiku", date(2024, 8, 14)) is not None
