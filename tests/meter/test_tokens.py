from __future__ import annotations

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.meter import by_size, count, encoding_for, tokens


@pytest.mark.parametrize(
    ("text", "o200k", "cl100k"),
    [
        ("", 0, 0),
        ("hello world", 2, 2),
        ("antidisestablishmentarianism", 6, 6),
        ("お誕生日おめでとう", 8, 9),
        ("2 + 2 = 4", 7, 7),
    ],
)
def test_golden_counts(text: str, o200k: int, cl100k: int) -> None:
    """The first rows are those of OpenAI's cookbook on counting tokens."""
    assert (count(text), count(text, "cl100k")) == (o200k, cl100k)


def test_special_tokens_are_text() -> None:
    assert count("<|endoftext|>") == 7
    assert count("<|im_start|>system") > 3


@pytest.mark.parametrize("text", ["\ud800", "a\udfff b", "x" * 100 + "\udc80", "\ud83d\ude00"])
def test_lone_surrogates_do_not_crash(text: str) -> None:
    assert 1 <= count(text) <= by_size(text)


def test_a_surrogate_pair_counts_as_its_character() -> None:
    assert count("\ud83d\ude00") == count("😀")


@given(st.text(st.characters(codec=None), max_size=200))
def test_size_bounds_the_count(text: str) -> None:
    assert count(text) <= by_size(text)
    assert count(text, "cl100k") <= by_size(text)


@given(st.text(min_size=60, max_size=300))
def test_a_remembered_count_is_the_count(text: str) -> None:
    assert count(text) == count(text)
    assert count(text) == count(text[:30] + text[30:])


def test_counts_of_two_vocabularies_are_not_mixed_up() -> None:
    text = "お誕生日おめでとう" * 20
    assert count(text) != count(text, "cl100k")
    assert count(text) == count(text)


def test_the_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "_MEMO_SIZE", 8)
    monkeypatch.setattr(tokens, "_memo", {})
    for i in range(40):
        assert count(f"{i} " * 40) == count(f"{i} " * 40)
    assert len(tokens._memo) == 8


@pytest.mark.parametrize(
    ("model", "encoding"),
    [
        ("gpt-4", "cl100k"),
        ("gpt-4-turbo-2024-04-09", "cl100k"),
        ("openai/gpt-4-0613", "cl100k"),
        ("ft:gpt-4:acme::x", "cl100k"),
        ("gpt-3.5-turbo", "cl100k"),
        ("text-embedding-3-small", "cl100k"),
        ("gpt-4o-mini", "o200k"),
        ("gpt-4.1", "o200k"),
        ("o3", "o200k"),
        ("claude-opus-5", "o200k"),
        ("", "o200k"),
    ],
)
def test_vocabulary_of_a_model(model: str, encoding: str) -> None:
    assert encoding_for(model) == encoding


def test_importing_the_meter_loads_neither_vocabulary_nor_catalogue() -> None:
    program = "import sys, json, penstock.meter; print(json.dumps(sorted(sys.modules)))"
    loaded = json.loads(subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout)
    heavy = ("rs_bpe", "genai_prices", "pydantic", "httpx2", "penstock.meter.catalogue", "asyncio", "socket", "ssl")
    assert [name for name in loaded if name.startswith(heavy)] == []
