from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from penstock.errors import ConfigError
from penstock.meter import FREE, PriceBook, Processing, Rates, book, price, processing_of
from penstock.values import NANO, Call, Usage

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def test_the_user_wins_over_the_overlay_over_the_catalogue() -> None:
    prices = PriceBook({"gpt-4o": {"input": 1, "output": 2}, "embedded": {"input": 3, "output": 4}})
    rates = prices.rates("gpt-4o", "openai", when=NOW)
    assert rates is not None
    assert (rates.input, rates.source) == (NANO, "configuration")
    assert prices.rates("gpt-4o", "openai", when=NOW, processing="batch") == rates
    own = prices.rates("embedded", "embedded", when=NOW)
    assert own is not None
    assert own.input == 3 * NANO
    listed = prices.rates("gpt-4o-mini", "openai", when=NOW)
    assert listed is not None
    assert listed.source == "catalogue"


def test_a_price_for_one_provider_alone() -> None:
    prices = PriceBook({"lab/gpt-4o": {"input": 0, "output": 0}})
    here, there = prices.rates("gpt-4o", "lab", when=NOW), prices.rates("gpt-4o", "openai", when=NOW)
    assert here is not None
    assert there is not None
    assert (here.input, there.input) == (0, 5 * NANO // 2)


def test_bad_configuration_is_refused_at_once() -> None:
    with pytest.raises(ConfigError, match="gpt-x"):
        PriceBook({"gpt-x": {"input": "cheap", "output": 1}})


def test_the_embedded_reader_is_free() -> None:
    rates = PriceBook().rates("gpt-4o", "embedded:1", when=NOW)
    assert rates is FREE
    assert PriceBook().rates("embedded", "https://llm.example.com/v1", when=NOW) is None
    assert price(Usage(input=10**9, output=10**9), rates) == 0


@pytest.mark.parametrize("processing", ["standard", "batch", "flex", "priority", "fast"])
@pytest.mark.parametrize(("model", "provider"), [("my-own-model", "openai"), ("my-own-model", ""), ("tts-1", "openai")])
def test_unknown_is_unpriced_never_free(model: str, provider: str, processing: Processing) -> None:
    assert PriceBook().rates(model, provider, when=NOW, processing=processing) is None


MAY = datetime(2026, 5, 1)


@pytest.mark.parametrize(
    ("model", "provider", "when", "processing", "given"),
    [
        # The catalogue's own rows.
        ("gpt-4o", "openai", NOW, "batch", ("1.25", "1.25", "5", "catalogue")),
        ("gpt-5", "openai", NOW, "flex", ("0.625", "0.0625", "5", "catalogue")),
        ("gpt-5", "openai", NOW, "priority", ("2.5", "0.25", "20", "catalogue")),
        ("claude-sonnet-4-5-20250929", "anthropic", NOW, "batch", ("1.5", "0.15", "7.5", "catalogue")),
        # Before the catalogue has rows: ours.
        ("gpt-4o", "openai", MAY, "batch", ("1.25", "1.25", "5", "batch")),
        ("gpt-4o-2024-08-06", "openai", MAY, "batch", ("1.25", "1.25", "5", "batch")),
        ("gpt-5", "openai", MAY, "flex", ("0.625", "0.0625", "5", "flex")),
        ("claude-opus-4-1-20250805", "anthropic", MAY, "batch", ("7.5", "0.75", "37.5", "batch")),
        # Retired, never in a batch table: ours.
        ("claude-3-opus-20240229", "anthropic", NOW, "batch", ("7.5", "0.75", "37.5", "batch")),
        # No discount known: the standard price.
        ("gpt-4o", "openai", NOW, "flex", ("2.5", "1.25", "10", "catalogue")),
        ("ft:gpt-4o-2024-08-06:acme::1", "openai", NOW, "batch", ("3.75", "3.75", "15", "catalogue")),
        ("gpt-4o", "openai", datetime(2024, 1, 1), "batch", ("2.5", "1.25", "10", "catalogue")),
    ],
)
def test_golden_prices(
    model: str, provider: str, when: datetime, processing: Processing, given: tuple[str, str, str, str]
) -> None:
    rates = PriceBook().rates(model, provider, when=when, processing=processing)
    assert rates is not None
    shown = [int(float(value) * NANO) for value in given[:3]]
    assert [rates.input, rates.cache_read, rates.output] == shown
    assert rates.source.startswith(given[3])


def test_what_costs_more_than_standard_is_unpriced_unless_listed() -> None:
    prices = PriceBook()
    assert prices.rates("gpt-4-turbo", "openai", when=NOW, processing="priority") is None
    assert prices.rates("gpt-4o", "openai", when=MAY, processing="priority") is None
    fast = prices.rates("claude-fable-5-2", "anthropic", when=NOW, processing="fast")
    assert fast is not None
    assert fast.input == 16 * NANO


def test_the_time_of_day_counts_to_the_minute() -> None:
    prices = PriceBook()

    def input_at(*clock: int, zone: timezone = UTC) -> int:
        rates = prices.rates("deepseek-reasoner", "deepseek", when=datetime(2025, 6, 1, *clock, tzinfo=zone))
        assert rates is not None
        return rates.input

    day, night = input_at(12, 0), input_at(20, 0)
    assert night < day
    assert (input_at(16, 29), input_at(16, 30)) == (day, night)
    east = timezone(timedelta(hours=8))
    assert input_at(4, 0, zone=east) == night
    naive = prices.rates("deepseek-reasoner", "deepseek", when=datetime(2025, 6, 1, 20, 0))
    assert naive is not None
    assert naive.input == night


def test_answers_are_remembered_and_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    prices = PriceBook()
    first = prices.rates("gpt-4o", "openai", when=NOW)
    assert prices.rates("gpt-4o", "openai", when=NOW) is first
    monkeypatch.setattr(book, "_REMEMBERED", 4)
    for i in range(20):
        assert prices.rates(f"unknown-{i}", when=NOW) is None
        assert prices.window(f"unknown-{i}") is None
    assert len(prices._rates) <= 4
    assert len(prices._windows) <= 4
    assert prices.rates("gpt-4o", "openai", when=NOW) == first


def test_windows() -> None:
    prices = PriceBook()
    assert prices.window("gpt-4o", "openai") == prices.window("gpt-4o", "openai") == 128_000
    assert prices.window("claude-opus-5", "http://127.0.0.1:9") == 1_000_000


@pytest.mark.parametrize(
    ("body", "processing"),
    [
        (b"{}", "standard"),
        (b'{"service_tier": "auto"}', "standard"),
        (b'{"service_tier": ["flex"]}', "standard"),
        (b'{"service_tier": "flex"}', "flex"),
        (b'{"service_tier": "priority"}', "priority"),
        (b'{"service_tier": "fast"}', "fast"),
        (b'{"speed": "fast", "service_tier": "auto"}', "fast"),
        (b'{"speed": "standard"}', "standard"),
    ],
)
def test_how_a_call_asks_to_be_processed(body: bytes, processing: str) -> None:
    assert processing_of(Call.parse(body, dialect="openai", provider="openai")) == processing


def test_rates_are_a_value() -> None:
    one, two = (PriceBook().rates("gpt-4o", "openai", when=NOW) for _ in range(2))
    assert isinstance(one, Rates)
    assert one == two
