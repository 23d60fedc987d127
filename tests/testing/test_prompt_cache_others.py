"""Gemini, DeepSeek, Bedrock and engines of one's own in the simulator. A character is a token here."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from penstock.providers.prompt_cache import rules_for
from penstock.testing.caching import PromptCache, Seen
from penstock.values.caching import CacheRules


def rules(provider: str, model: str, *, stored: bool = False) -> CacheRules:
    found = rules_for(provider, model, date(2026, 11, 20), stored=stored)
    assert found is not None
    return found


def words(letter: str, number: int) -> str:
    """``number`` words of 8 tokens each."""
    return f" {letter * 7}" * number


def chat(*texts: str) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": text} for text in texts]}


def asked(of: PromptCache, prompt: dict[str, Any], at: float = 0.0) -> Seen:
    seen = of.ask(prompt, at)
    of.began(seen, at)
    return seen


A, B, C, D = (words(letter, 100) for letter in "abcd")


@pytest.mark.parametrize(("model", "minimum"), [("gemini-2.5-flash", 1024), ("gemini-2.5-pro", 4096)])
def test_gemini_reads_the_longest_prefix_from_its_minimum_on(model: str, minimum: int) -> None:
    of = PromptCache(rules("google", model), tokens=len)
    shared = minimum // 8
    asked(of, chat(words("a", shared) + B))
    assert of.ask(chat(words("a", shared) + C), 1.0).read == minimum
    assert of.ask(chat(words("a", shared + 1) + C), 1.0).read == minimum
    assert of.ask(chat(words("a", shared - 1) + C), 1.0).read == 0


def test_what_is_stored_by_reference_is_no_prefix_of_a_prompt() -> None:
    of = PromptCache(rules("google", "gemini-2.5-pro", stored=True), tokens=len)
    asked(of, chat(words("a", 900)))
    assert asked(of, chat(words("a", 900)), 1.0).read == 0


def test_deepseek_hits_a_whole_unit_alone() -> None:
    of = PromptCache(rules("deepseek", "deepseek-chat"), tokens=len)
    assert asked(of, chat(A + B)).read == 0
    assert asked(of, chat(A + C), 10.0).read == 0
    assert asked(of, chat(A + D), 20.0).read == 800


def test_deepseek_hits_the_turns_before() -> None:
    of = PromptCache(rules("deepseek", "deepseek-chat"), tokens=len)
    asked(of, chat(A + B))
    seen = asked(of, chat(A + B, C), 10.0)
    assert (seen.read, seen.fresh, dict(seen.written)) == (1600, 800, {})
    assert asked(of, chat(A + B, C, D), 20.0).read == 2400


def test_deepseek_finds_a_unit_once_it_is_persisted() -> None:
    of = PromptCache(rules("deepseek", "deepseek-chat"), tokens=len)
    first = of.ask(chat(A), 0.0)
    assert of.ask(chat(A), 1.0).read == 0
    of.began(first, 2.0)
    assert of.ask(chat(A), 6.9).read == 0  # seconds after the answer has begun
    assert of.ask(chat(A), 7.0).read == 800


@pytest.mark.parametrize(("engine", "read"), [("vllm", 48), ("sglang", 56), ("llama.cpp", 56)])
def test_engines_read_by_block_or_by_token(engine: str, read: int) -> None:
    of = PromptCache(rules(engine, "any"), tokens=len)
    asked(of, chat(words("a", 7) + B))
    assert of.ask(chat(words("a", 7) + C), 1.0).read == read


def test_an_engine_forgets_what_was_least_recently_used() -> None:
    of = PromptCache(rules("llama.cpp", "any"), tokens=len, capacity=2000)
    asked(of, chat(A), 0.0)
    asked(of, chat(B), 1.0)
    assert asked(of, chat(A), 2.0).read == 800
    asked(of, chat(C), 3.0)  # 2400 tokens: the end of B goes first
    assert of.ask(chat(A), 4.0).read == 800
    assert of.ask(chat(C), 4.0).read == 800
    assert of.ask(chat(B), 4.0).read == 400


def test_an_engine_forgets_the_end_of_a_prompt_before_its_start() -> None:
    of = PromptCache(rules("llama.cpp", "any"), tokens=len, capacity=1200)
    asked(of, chat(A), 0.0)
    assert of.ask(chat(A), 1.0).read == 800
    asked(of, chat(C), 2.0)
    assert of.ask(chat(A), 3.0).read == 400


def test_what_an_engine_computes_anew_takes_its_room_once() -> None:
    of = PromptCache(rules("llama.cpp", "any"), tokens=len, capacity=1600)
    asked(of, chat(A), 0.0)
    asked(of, chat(A), 4000.0)
    asked(of, chat(B), 4001.0)
    assert [of.ask(chat(text), 4002.0).read for text in (A, B)] == [800, 800]


def test_what_an_engine_shares_is_kept_once() -> None:
    of = PromptCache(rules("llama.cpp", "any"), tokens=len, capacity=2400)
    asked(of, chat(A + B), 0.0)
    asked(of, chat(A + C), 1.0)
    assert of.ask(chat(A + B), 2.0).read == 1600
    assert of.ask(chat(A + C), 2.0).read == 1600


def test_bedrock_charges_as_claude_does() -> None:
    of = PromptCache(rules("bedrock", "us.anthropic.claude-opus-4-5-20251101-v1:0"), tokens=len)
    mark = {"type": "ephemeral", "ttl": "1h"}
    body = {"system": [{"type": "text", "text": "s" * 5000, "cache_control": mark}]}
    assert dict(asked(of, body).written) == {"1h": 5000}
    assert of.ask(body, 3599.0).read == 5000
    assert of.ask({**body, "cache_control": mark}, 3599.0).prompt == 5000  # no automatic mark there


def test_nova_has_its_own_prices() -> None:
    nova = rules("bedrock", "amazon.nova-lite-v1:0")
    of = PromptCache(nova, tokens=len)
    body = {"system": [{"type": "text", "text": "s" * 1000, "cache_control": {"type": "ephemeral"}}]}
    assert asked(of, body).cost(nova) == 1000
    assert of.ask(body, 1.0).cost(nova) == 250
