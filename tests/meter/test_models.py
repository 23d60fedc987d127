from __future__ import annotations

import pytest

from penstock.meter import family, image_tokens, output_limit


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("gpt-4o", "gpt-4o"),
        ("gpt-4o-2024-08-06", "gpt-4o"),
        ("openai/gpt-4o-mini-2024-07-18", "gpt-4o-mini"),
        ("GPT-4o", "gpt-4o"),
        ("gpt-4-0613", "gpt-4"),
        ("ft:gpt-4o-2024-08-06:acme::id1", "gpt-4o"),
        ("claude-sonnet-4-5-20250929", "claude-sonnet-4-5"),
        ("claude-3-5-haiku-latest", "claude-3-5-haiku"),
        ("claude-opus-4@20250514", "claude-opus-4"),
        ("us.anthropic.claude-opus-4-1-20250805-v1:0", "claude-opus-4-1"),
        ("claude-opus-4-1-20250805-v1", "claude-opus-4-1"),
        ("llama-3.1-8b-instruct", "llama-3.1-8b-instruct"),
        ("", ""),
    ],
)
def test_family(model: str, name: str) -> None:
    assert family(model) == name


@pytest.mark.parametrize(
    ("model", "limit"),
    [
        ("gpt-4o", 16_384),
        ("gpt-4o-mini", 16_384),
        ("gpt-4.1-nano-2025-04-14", 32_768),
        ("gpt-4", 8_192),
        ("gpt-4-turbo", 4_096),
        ("gpt-3.5-turbo-0125", 4_096),
        ("gpt-5", 128_000),
        ("gpt-5-chat-latest", 16_384),
        ("gpt-5.6-sol", 128_000),
        ("o1", 100_000),
        ("o1-mini", 65_536),
        ("o3-mini", 100_000),
        ("o4-mini-2025-04-16", 100_000),
        ("claude-3-opus-20240229", 4_096),
        ("claude-3-haiku-20240307", 4_096),
        ("claude-3-5-sonnet-20241022", 8_192),
        ("claude-3-7-sonnet-20250219", 64_000),
        ("claude-sonnet-4-20250514", 64_000),
        ("claude-sonnet-4-5", 64_000),
        ("claude-opus-4-20250514", 32_000),
        ("claude-opus-4-1-20250805", 32_000),
        ("claude-opus-4-5-20251101", 64_000),
        ("claude-haiku-4-5-20251001", 64_000),
        ("claude-opus-4-6", 128_000),
        ("claude-sonnet-4-6", 128_000),
        ("anthropic/claude-opus-5", 128_000),
        ("claude-fable-5-1", 128_000),
        ("gemini-2.5-pro", 65_536),
        ("some-local-model", None),
    ],
)
def test_output_limit(model: str, limit: int | None) -> None:
    assert output_limit(model) == limit


@pytest.mark.parametrize(
    ("model", "tokens"),
    [
        ("gpt-4o", 1_843),
        ("gpt-4o-mini", 48_169),
        ("gpt-4.1-nano", 3_779),
        ("gpt-5", 1_843),
        ("gpt-5-mini-2025-08-07", 2_489),
        ("gpt-5.4", 12_000),
        ("o4-mini", 2_642),
        ("claude-3-5-sonnet-20241022", 1_600),
        ("claude-opus-4-1", 1_600),
        ("claude-opus-4-7", 5_000),
        ("claude-opus-5", 5_000),
        ("llava", 5_000),
    ],
)
def test_image_tokens(model: str, tokens: int) -> None:
    assert image_tokens(model) == tokens
