from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.meter import (
    FALLBACK_WINDOW,
    FREE,
    Factors,
    PriceBook,
    Rates,
    Tier,
    by_size,
    count,
    fit,
    output_limit,
    price,
    quote,
    tally,
)
from penstock.values import NANO, Call, Edit, Usage

NOW = datetime(2026, 11, 20, tzinfo=UTC)
BOOK = PriceBook()


def rates_for(model: str, provider: str = "") -> Rates:
    rates = BOOK.rates(model, provider, when=NOW)
    assert rates is not None
    return rates


GPT = rates_for("gpt-4o", "openai")
WRITING = rates_for("gpt-5.6-sol", "openai")
CLAUDE = rates_for("claude-sonnet-4-5", "anthropic")


def ask(*content: Any, model: str = "gpt-4o", dialect: str = "openai", **fields: Any) -> Call:
    body = {"model": model, "messages": [{"role": "user", "content": each} for each in content], **fields}
    return Call.parse(msgspec.json.encode(body), dialect=dialect, provider=dialect)


def claude(*content: Any, **fields: Any) -> Call:
    return ask(*content, **{"model": "claude-sonnet-4-5", "dialect": "anthropic", "max_tokens": 1_000, **fields})


def test_a_small_question() -> None:
    found = quote(ask("Open the gate.", max_tokens=100), GPT)
    assert (found.input_estimate, found.input_bound, found.output_bound) == (11, 12, 100)
    assert found.worst_nano == 12 * 2_500 + 100 * 10_000
    assert found.floor_nano == 11 * 2_500
    assert found.firm
    assert found.tally == tally(ask("Open the gate."))


def test_without_a_limit_the_model_has_one() -> None:
    assert quote(ask("Hi"), GPT).max_tokens == output_limit("gpt-4o") == 16_384
    mine = quote(ask("Hi", model="mine"), GPT)
    assert mine.max_tokens == FALLBACK_WINDOW - mine.input_estimate
    assert quote(ask("Hi", model="mine"), GPT, window=1_000).max_tokens == 1_000 - mine.input_estimate
    assert quote(ask("Hi " * 900, model="mine"), GPT, window=10).max_tokens == 1
    assert quote(ask("Hi", max_tokens=-5), GPT).max_tokens == 16_384


def test_each_answer_counts() -> None:
    one, three = quote(ask("Hi", max_tokens=50), GPT), quote(ask("Hi", max_tokens=50, n=3), GPT)
    assert three.output_bound == 150
    assert three.worst_nano - one.worst_nano == 100 * 10_000


def test_unpriced_is_said_and_still_bounded_in_tokens() -> None:
    found = quote(ask("Hi", model="mine", max_tokens=10), None)
    assert found.unpriced
    assert not found.firm
    assert (found.worst_nano, found.floor_nano) == (0, 0)
    assert (found.input_bound, found.output_bound) == (quote(ask("Hi", model="mine"), GPT).input_bound, 10)


def test_a_free_call_is_firm() -> None:
    found = quote(ask("Hi", model="embedded"), FREE, counter=by_size)
    assert found.firm
    assert found.worst_nano == 0
    assert fit(found, 0) == found.max_tokens


MARK = {"type": "ephemeral"}
HOUR = {"type": "ephemeral", "ttl": "1h"}


@pytest.mark.parametrize(
    ("call", "rates", "rate"),
    [
        (claude("Hi"), CLAUDE, CLAUDE.input),
        (claude([{"type": "text", "text": "Hi", "cache_control": MARK}]), CLAUDE, CLAUDE.cache_write_5m),
        (claude([{"type": "text", "text": "Hi", "cache_control": HOUR}]), CLAUDE, CLAUDE.cache_write_1h),
        (claude("Hi", cache_control=MARK), CLAUDE, CLAUDE.cache_write_5m),
        (claude("Hi", cache_control=None), CLAUDE, CLAUDE.input),
        (claude("Hi", tools=[{"name": "t", "cache_control": HOUR}]), CLAUDE, CLAUDE.cache_write_1h),
        (claude('say "cache_control": {"ttl": "1h"}'), CLAUDE, CLAUDE.input),
        (ask("Hi"), GPT, GPT.input),
        (ask("Hi", model="gpt-5.6-sol"), WRITING, WRITING.cache_write_5m),
        (ask([{"type": "text", "text": "Hi", "cache_control": HOUR}]), CLAUDE, CLAUDE.cache_write_1h),
    ],
)
def test_the_dearest_input_rate_a_call_can_meet(call: Call, rates: Rates, rate: int) -> None:
    assert quote(call, rates).input_rate == rate


def test_a_marker_that_an_edit_sets_counts() -> None:
    call = claude("Hi")
    marked = call.edited(Edit("layout", ("cache_control",), "set", HOUR))
    assert quote(marked, CLAUDE).input_rate == CLAUDE.cache_write_1h
    plain = call.edited(Edit("route", ("model",), "set", "claude-haiku-4-5"))
    assert quote(plain, CLAUDE).input_rate == CLAUDE.input


def test_tiers_count_when_the_bound_reaches_them() -> None:
    long = claude("word " * 150_000)
    found = quote(long, CLAUDE)
    assert found.input_estimate < 200_000 < found.input_bound
    assert found.input_rate == CLAUDE.at(200_001).input
    assert found.output_rate == CLAUDE.at(200_001).output
    assert found.floor_nano == found.input_estimate * CLAUDE.input // 1_000_000


def test_media_are_bounded_by_the_window() -> None:
    far = [{"type": "document", "source": {"type": "url", "url": "https://example.com/a.pdf"}}]
    assert quote(claude(far), CLAUDE).input_bound > 2_000_000
    assert 200_000 <= quote(claude(far), CLAUDE, window=200_000).input_bound < 201_000


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({}, ""),
        ({"tools": [{"type": "function", "function": {}}]}, ""),
        ({"tools": [{"type": "custom", "name": "t"}, {"name": "t"}, {"name": "t", "type": None}, 7]}, ""),
        ({"tools": [{"type": "bash_20250124", "name": "bash"}, {"type": "text_editor_20250728"}]}, ""),
        ({"tools": "none"}, ""),
        ({"tools": [{"type": "namespace", "name": "n", "tools": [{"type": "function", "name": "t"}]}]}, ""),
        ({"tools": [{"type": "namespace", "name": "n", "tools": [{"type": "mcp"}]}]}, "mcp"),
        ({"tools": [{"type": "tool_search", "execution": "client"}]}, ""),
        ({"tools": [{"type": "tool_search"}]}, "tool_search"),
        ({"tools": [{"name": "t"}, {"type": "web_search_20250305", "name": "web_search"}]}, "web_search_20250305"),
        ({"tools": [{"type": "file_search"}]}, "file_search"),
        ({"tools": [{"type": "code_execution_20250825"}]}, "code_execution_20250825"),
        ({"tools": [{"type": "computer_use_preview"}]}, "computer_use_preview"),
        ({"web_search_options": {"search_context_size": "low"}}, "web_search_options"),
        ({"mcp_servers": [{"url": "https://example.com"}]}, "mcp_servers"),
        ({"mcp_servers": []}, ""),
        ({"inference_geo": "us"}, "inference_geo"),
        ({"model": "gpt-4o-search-preview"}, "web_search"),
        ({"model": "o3-deep-research"}, "web_search"),
    ],
)
def test_what_is_billed_beyond_the_tokens(fields: dict[str, Any], name: str) -> None:
    call = ask("Hi", **{"model": "gpt-4o", **fields})
    found = quote(call, GPT)
    assert (found.unbounded, found.firm) == (name, not name)


SOUND = [{"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}}]
PICTURE = [{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (ask("Hi"), ""),
        (ask(SOUND), "audio"),
        (ask(PICTURE), "image"),
        (ask("Hi", modalities=["text", "audio"]), "audio"),
        (ask("Hi", modalities=["text"]), ""),
        (ask([{"type": "file", "file": {"file_id": "f"}}]), ""),
    ],
)
def test_tokens_with_a_price_of_their_own(call: Call, name: str) -> None:
    apart = msgspec.structs.replace(GPT, apart=("audio", "image"))
    assert quote(call, apart).unbounded == name
    assert quote(call, GPT).unbounded == ""


AMOUNT = st.integers(0, 100 * NANO)
FLAT = st.builds(
    Rates,
    input=AMOUNT,
    cache_read=AMOUNT,
    cache_write_5m=AMOUNT,
    cache_write_1h=AMOUNT,
    output=AMOUNT,
    reasoning=AMOUNT,
    per_call=st.integers(0, NANO),
)
TIERED = st.builds(
    lambda flat, tier, above: msgspec.structs.replace(flat, tiers=(Tier(above, tier),)), FLAT, FLAT, st.integers(0, 200)
)


@given(st.data(), FLAT | TIERED, st.integers(0, 5_000), st.integers(1, 4))
def test_no_usage_within_the_bounds_costs_more_than_the_worst_case(
    data: st.DataObject, rates: Rates, most: int, n: int
) -> None:
    call = (
        claude("Hi " * 40, max_tokens=most, n=n, cache_control=HOUR)
        if data.draw(st.booleans())
        else ask("Hi " * 40, max_tokens=most, n=n)
    )
    found = quote(call, rates)
    parts = data.draw(st.lists(st.integers(0, found.input_bound // 4), min_size=4, max_size=4))
    if call.dialect == "openai":
        parts[3] = 0
    output = data.draw(st.integers(0, found.output_bound))
    reasoning = data.draw(st.integers(0, found.output_bound - output))
    assert price(Usage(*parts, output, reasoning), rates) <= found.worst_nano
    assert 0 <= found.floor_nano <= found.worst_nano


@given(FLAT | TIERED, st.integers(0, 5_000), st.integers(1, 4), st.integers(0, 3 * NANO))
def test_fit_is_the_largest_that_fits(rates: Rates, most: int, n: int, left: int) -> None:
    found = quote(ask("Hi there", max_tokens=most, n=n), rates)
    tokens = fit(found, left)
    assert 0 <= tokens <= found.max_tokens
    if tokens > 0:
        assert quote(ask("Hi there", max_tokens=tokens, n=n), rates).worst_nano <= left
    if tokens < found.max_tokens:
        assert quote(ask("Hi there", max_tokens=tokens + 1, n=n), rates).worst_nano > left


@given(st.lists(st.text(max_size=60), max_size=4), st.text(max_size=60))
def test_a_further_message_never_makes_it_cheaper(texts: list[str], more: str) -> None:
    before, after = quote(ask(*texts, max_tokens=9), GPT), quote(ask(*texts, more, max_tokens=9), GPT)
    assert after.worst_nano >= before.worst_nano
    assert after.input_bound >= after.input_estimate
    assert after.input_bound >= sum(map(count, [*texts, more])) + 3 * len([*texts, more]) + 3


def test_a_quote_learns() -> None:
    call = ask("The keeper walked along the wall. " * 40, model="mine", max_tokens=9)
    known = Factors()
    for _ in range(100):
        found = quote(call, GPT, known)
        known = known.observe("mine", found.tally, round(found.tally.counted * 1.3))
    assert quote(call, GPT, known).input_estimate == pytest.approx(found.tally.counted * 1.3, rel=0.02)


def test_a_rough_quote_is_dearer() -> None:
    call = ask("The keeper walked along the wall.", max_tokens=9)
    assert quote(call, GPT, counter=by_size).worst_nano > quote(call, GPT).worst_nano


def test_any_body_can_be_quoted() -> None:
    for raw in (b"{}", b'{"messages": 7, "tools": {}, "modalities": 1}', b'{"model": 3, "messages": [1, null, "x"]}'):
        found = quote(Call.parse(raw, dialect="openai", provider="p"), GPT)
        assert found.worst_nano >= found.floor_nano > 0
