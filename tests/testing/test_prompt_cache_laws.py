"""What holds of every simulated prompt cache, whatever it is asked and when."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.providers.prompt_cache import rules_for
from penstock.testing.caching import Prompt, PromptCache, Seen, prompt_of
from penstock.values.caching import CacheRules

DAY = date(2026, 11, 20)
MODELS = {
    "claude": ("anthropic", "claude-opus-4-8"),
    "gpt-5": ("openai", "gpt-5"),
    "gpt-5.6": ("openai", "gpt-5.6"),
    "gemini": ("google", "gemini-2.5-flash"),
    "deepseek": ("deepseek", "deepseek-chat"),
    "vllm": ("vllm", "m"),
}


def rules(name: str) -> CacheRules:
    found = rules_for(*MODELS[name], DAY)
    assert found is not None
    return found


EACH = pytest.mark.parametrize("name", MODELS)


def weigh(text: str) -> int:
    """40 tokens a character, so that short texts reach the minimum."""
    return 40 * len(text)


Texts = Sequence[tuple[str, bool]]

TURNS = ("a" * 24, "b " * 12, "a b" * 8, "ab" * 12, "b" * 20, "a" * 3, "bb a" * 5, "b a" * 6)
texts = st.lists(st.tuples(st.text("ab ", min_size=1, max_size=24), st.booleans()), min_size=1, max_size=8)


@st.composite
def conversations(draw: st.DrawFn) -> Texts:
    """The first turns of one conversation, marked anywhere, and perhaps something else behind them."""
    known = TURNS[: draw(st.integers(0, len(TURNS)))]
    marks = draw(st.lists(st.booleans(), min_size=len(known), max_size=len(known)))
    return [*zip(known, marks, strict=True), *draw(texts if not known else st.just([]) | texts)]


def body(name: str, blocks: Texts, most: int = 4) -> dict[str, Any]:
    """A conversation of these texts, the last ``most`` of the marked ones with a mark."""
    field, mark = (
        ("cache_control", {"type": "ephemeral"})
        if name == "claude"
        else ("prompt_cache_breakpoint", {"mode": "explicit"})
    )
    marked = [index for index, (_, wanted) in enumerate(blocks) if wanted][-most:]
    messages: list[dict[str, Any]] = []
    for index, (text, _) in enumerate(blocks):
        part: dict[str, Any] = {"type": "text", "text": text, **({field: mark} if index in marked else {})}
        messages.append({"role": ("user", "assistant")[index % 2], "content": [part]})
    return {"model": "m", "messages": messages}


def taken(name: str, asked: dict[str, Any]) -> Prompt:
    return prompt_of(asked, "anthropic" if name == "claude" else "openai", rules(name), weigh)


def common(one: Prompt, other: Prompt) -> int:
    """The tokens of the longest prefix that two prompts share."""
    shared = 0
    for mine, theirs in zip(one.points, other.points, strict=False):
        if mine.digest != theirs.digest:
            break
        shared = mine.tokens
    return shared


class Asked(msgspec.Struct):
    at: float
    key: str
    prompt: Prompt
    seen: Seen


steps = st.lists(
    st.tuples(
        conversations(),
        st.sampled_from([0.0, 1.0, 30.0, 299.0, 300.0, 2000.0]),
        st.sampled_from(["one", "two"]),
        st.sampled_from([True, True, False]),
    ),
    min_size=1,
    max_size=10,
)


def run(name: str, script: Sequence[tuple[Texts, float, str, bool]]) -> list[Asked]:
    """Ask as the script says: what, after how many seconds, by whom, and whether an answer ever began."""
    cache, done, at = PromptCache(rules(name), tokens=weigh), list[Asked](), 0.0
    for blocks, gap, key, begins in script:
        at += gap
        asked = body(name, blocks)
        seen = cache.ask(asked, at, key)
        if begins:
            cache.began(seen, at)
        done.append(Asked(at, key if begins else f"{key}, in vain", taken(name, asked), seen))
    return done


@EACH
@given(script=steps)
def test_the_counts_are_disjoint_and_add_up(name: str, script: list[Any]) -> None:
    for each in run(name, script):
        assert not each.seen.error
        counts = (each.seen.read, each.seen.fresh, *each.seen.written.values())
        assert min(counts) >= 0
        assert sum(counts) == each.seen.prompt == each.prompt.tokens == each.seen.usage(rules(name)).prompt


@EACH
@given(script=steps)
def test_nothing_is_read_that_the_same_payer_did_not_send_before(name: str, script: list[Any]) -> None:
    done = run(name, script)
    for index, each in enumerate(done):
        who = each.key.removesuffix(", in vain")
        before = [common(other.prompt, each.prompt) for other in done[:index] if other.key == who]
        assert each.seen.read <= max(before, default=0)


@EACH
@given(script=steps)
def test_what_idles_past_its_time_is_gone(name: str, script: list[Any]) -> None:
    apart = [(blocks, 100_000.0, key, begins) for blocks, _, key, begins in script]
    assert {each.seen.read for each in run(name, apart)} == {0}


@EACH
@given(blocks=conversations(), data=st.data())
def test_behind_a_changed_byte_nothing_is_read(name: str, blocks: Texts, data: st.DataObject) -> None:
    cache, at = PromptCache(rules(name), tokens=weigh), data.draw(st.integers(0, len(blocks) - 1))
    first = body(name, blocks)
    cache.began(cache.ask(first, 0.0), 0.0)
    text, mark = blocks[at]
    place = data.draw(st.integers(0, len(text) - 1))
    changed = [*blocks[:at], (text[:place] + "#" + text[place + 1 :], mark), *blocks[at + 1 :]]
    shared = weigh("".join(before for before, _ in blocks[:at]) + text[:place])
    assert cache.ask(body(name, changed), 1.0).read <= shared


@EACH
@given(blocks=conversations())
def test_at_once_again_it_reads_what_it_wrote(name: str, blocks: Texts) -> None:
    cache = PromptCache(rules(name), tokens=weigh)
    asked = body(name, blocks)
    first = cache.ask(asked, 0.0)
    cache.began(first, 0.0)
    again = cache.ask(asked, 1.0)
    assert again.read >= sum(first.written.values())
    assert not again.written
    assert again.cost(rules(name)) <= first.cost(rules(name)) + 1e-9


@given(script=steps)
def test_without_marks_claude_costs_what_it_did_without_a_cache(script: list[Any]) -> None:
    bare = [([(text, False) for text, _ in blocks], gap, key, begins) for blocks, gap, key, begins in script]
    for each in run("claude", bare):
        assert each.seen.cost(rules("claude")) == each.seen.fresh == each.prompt.tokens


@given(script=steps)
def test_what_charges_nothing_for_writes_never_costs_more_than_no_cache(script: list[Any]) -> None:
    for name in ("gpt-5", "gemini", "deepseek", "vllm"):
        for each in run(name, script):
            assert each.seen.cost(rules(name)) <= each.prompt.tokens


@EACH
@given(blocks=conversations(), calls=st.integers(2, 8))
def test_side_by_side_none_reads_what_another_is_still_writing(name: str, blocks: Texts, calls: int) -> None:
    cache = PromptCache(rules(name), tokens=weigh)
    seen = [cache.ask(body(name, blocks), 0.0) for _ in range(calls)]
    assert {each.read for each in seen} == {0}
    assert len({tuple(each.written.items()) for each in seen}) == 1


FIELDS = (
    "messages", "tools", "system", "content", "role", "type", "text", "input", "instructions", "ttl", "citations",
    "cache_control", "prompt_cache_breakpoint", "prompt_cache_options",
)  # fmt: skip
anything = st.recursive(
    st.none() | st.integers(0, 2) | st.text("ab", max_size=2) | st.sampled_from(["text", "image", "thinking", "user"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("name", "dialect"), [("claude", "anthropic"), ("gpt-5.6", "openai"), ("gpt-5.6", "responses"), ("gpt-5", "openai")]
)
@settings(max_examples=50)
@given(asked=st.dictionaries(st.sampled_from(FIELDS), anything, min_size=1))
def test_a_body_of_any_shape_is_taken(name: str, dialect: str, asked: dict[str, Any]) -> None:
    seen = PromptCache(rules(name), tokens=weigh).ask(asked, 0.0, dialect=dialect)
    assert seen.error or seen.read == 0
