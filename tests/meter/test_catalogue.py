from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import genai_prices
import msgspec
import pytest
from genai_prices.data import providers as official
from genai_prices.data_snapshot import DataSnapshot
from genai_prices.types import ModelInfo as OfficialModel
from genai_prices.types import Provider as OfficialProvider

from penstock.meter import Processing, Rates, price
from penstock.meter.catalogue import catalogue_home, catalogue_rates, catalogue_window, rates_of
from penstock.meter.catalogue.listing import find, providers, read
from penstock.meter.catalogue.types import (
    ClauseAnd,
    ClauseContains,
    ClauseEndsWith,
    ClauseEquals,
    ClauseOr,
    ClauseRegex,
    ClauseStartsWith,
    ConditionalPrice,
    ModelInfo,
    ModelPrice,
    Provider,
    StartDateConstraint,
    Tier,
    TieredPrices,
    TimeOfDateConstraint,
)
from penstock.values import NANO, Usage

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
TIMES = (NOW, datetime(2025, 5, 1, 17, 30, tzinfo=UTC), datetime(2026, 10, 13, 23, 59), datetime(2026, 10, 14, 3, 0))
USAGES = (
    Usage(input=1_000, output=500),
    Usage(input=1, output=1),
    Usage(input=7, cache_read=12_345, output=678, reasoning=901),
    Usage(input=150_000, cache_read=150_001, output=3_000),
    Usage(input=1_100_000, output=17),
)
WRITES = (Usage(input=11, cache_write_5m=2_222, output=3), Usage(input=1, cache_write_5m=2, cache_write_1h=300_000))
CONTEXT: dict[Processing, dict[str, str]] = {
    "standard": {},
    "batch": {"processing": "batch"},
    "flex": {"service_tier": "flex"},
    "priority": {"service_tier": "priority"},
    "fast": {"service_tier": "fast", "speed": "fast"},
}


def theirs(usage: Usage, model: str, provider: str, when: datetime, processing: Processing = "standard") -> int:
    """The price by the catalogue's own arithmetic, in nano-dollars."""
    written = usage.cache_write_5m + usage.cache_write_1h
    counts = genai_prices.Usage(
        input_tokens=usage.prompt,
        cache_read_tokens=usage.cache_read,
        cache_write_tokens=written,
        cache_write_1h_tokens=usage.cache_write_1h,
        output_tokens=usage.completion,
        output_reasoning_tokens=usage.reasoning,
    )
    found = genai_prices.calc_price(
        counts, model, provider_id=provider, genai_request_timestamp=when, price_context=CONTEXT[processing] or None
    )
    return int((found.total_price * NANO).quantize(Decimal(1), ROUND_HALF_UP))


def some(home: OfficialProvider) -> list[OfficialModel]:
    """All models of a provider; of a very long list every sixth."""
    return home.models[:: 6 if len(home.models) > 300 else 1]


SNAPSHOT = DataSnapshot(providers=official, from_auto_update=False)


def named(model: str, provider: str, when: datetime) -> set[str]:
    """The prices that the catalogue has for a model, under its own name for it."""
    try:
        prices = SNAPSHOT.find_provider_model(model, None, provider, None)[1].get_prices(when)
    except LookupError:
        return set()
    return {name for name, value in vars(prices).items() if value is not None}


@pytest.mark.parametrize("home", official, ids=lambda home: home.id)
def test_every_model_costs_what_the_catalogue_says(home: OfficialProvider) -> None:
    """To the nano-dollar, for all that its own arithmetic covers."""
    compared = 0
    for entry in some(home):
        for when in TIMES:
            rates = catalogue_rates(entry.id, home.id, when)
            if rates is None:
                assert "input_mtok" not in named(entry.id, home.id, when)
                continue
            answers = "output_mtok" in named(entry.id, home.id, when)
            for usage in USAGES:
                asked = usage if answers else msgspec.structs.replace(usage, output=0, reasoning=0)
                assert price(asked, rates) == theirs(asked, entry.id, home.id, when), (entry.id, when, usage)
                compared += 1
    assert compared > 0 or home.id in {"elevenlabs", "fireworks"}  # by the character; under longer names


@pytest.mark.parametrize("processing", ["batch", "flex", "priority", "fast"])
def test_every_variant_costs_what_the_catalogue_says(processing: Processing) -> None:
    compared = 0
    for home in official:
        for entry in home.models:
            for when in TIMES if entry.price_variants else ():
                rates = catalogue_rates(entry.id, home.id, when, processing)
                if rates is not None:
                    compared += 1
                    answers = "output_mtok" in named(entry.id, home.id, when)
                    for usage in USAGES if answers else ():
                        assert price(usage, rates) == theirs(usage, entry.id, home.id, when, processing), entry.id
    assert compared > 20


def test_writes_cost_what_the_catalogue_says_and_never_less() -> None:
    for provider in ("anthropic", "openai", "openrouter", "aws"):
        for entry in some(next(home for home in official if home.id == provider)):
            rates = catalogue_rates(entry.id, provider, NOW)
            if rates is None:
                continue
            given = named(entry.id, provider, NOW)
            for usage in WRITES if "output_mtok" in given else ():
                ours, other = price(usage, rates), theirs(usage, entry.id, provider, NOW)
                both = {"cache_write_mtok", "cache_write_1h_mtok"} <= given
                assert ours == other if both or "claude" not in entry.id else ours >= other, entry.id


def test_what_is_missing_is_never_cheap() -> None:
    for home in providers():
        for entry in home.models:
            rates = rates_of(home, entry, NOW, "standard")
            if rates is not None:
                standard = entry.prices if isinstance(entry.prices, ModelPrice) else entry.prices[0].prices
                if "cache_read_mtok" not in vars(standard) and isinstance(entry.prices, ModelPrice):
                    assert rates.cache_read == rates.input
                assert rates.cache_write_1h >= rates.cache_write_5m or "claude" not in entry.id, entry.id


@pytest.mark.parametrize("home", official, ids=lambda home: home.id)
def test_every_name_is_found_where_the_catalogue_finds_it(home: OfficialProvider) -> None:
    for entry in some(home):
        for model in (entry.id, entry.id.upper(), f"{entry.id}-20251231", f"{entry.id}-2024-08-06"):
            try:
                where, what = SNAPSHOT.find_provider_model(model, None, home.id, None)
            except LookupError:
                continue
            found = find(providers(), model, home.id)
            assert found is not None
            assert (found[0].id, found[1].id) == (where.id, what.id)


def test_the_package_itself_serves_as_well() -> None:
    """Where the data cannot be read with our words, theirs are used: all lookups and prices are the same."""
    for home, mirror in zip(providers(), official, strict=True):
        for entry, other in zip(home.models, mirror.models, strict=True):
            for processing in CONTEXT if entry.price_variants else ("standard",):
                ours = rates_of(home, entry, NOW, processing)
                assert ours == rates_of(mirror, other, NOW, processing)  # type: ignore[arg-type]
    found = find(official, "openai/gpt-4o", "10.0.0.1")  # type: ignore[arg-type]
    assert found is not None
    assert found[1].id == "gpt-4o"


@pytest.mark.parametrize(
    "source",
    ["from .types import *\nproviders = [Unheard()]", "from .types import *\nproviders = [Provider(bad=1)]", None],
)
def test_data_in_other_words_is_read_by_the_package(tmp_path: Path, source: str | None) -> None:
    path = tmp_path / "data.py"
    if source is not None:
        path.write_text(source)
    assert read(str(path)) is official


def test_data_without_a_loader_is_read_by_the_package(tmp_path: Path) -> None:
    assert read(str(tmp_path / "data.unknown")) is official


@pytest.mark.parametrize(
    ("model", "provider", "home", "entry"),
    [
        ("gpt-4o-2024-08-06", "openai", "openai", "gpt-4o"),
        ("GPT-4o", " OpenAI ", "openai", "gpt-4o"),
        ("gpt-4o", "https://api.openai.com/v1", "openai", "gpt-4o"),
        ("gpt-4o", "api.openai.com", "openai", "gpt-4o"),
        ("gpt-4o", "http://127.0.0.1:8123/v1", "openai", "gpt-4o"),
        ("gpt-4o", "my-upstream", "openai", "gpt-4o"),
        ("gpt-4o", "", "openai", "gpt-4o"),
        ("gpt-4o", "azure", "azure", "gpt-4o"),
        ("openai/gpt-4o", "", "openai", "gpt-4o"),
        ("openai/gpt-4o", "my-upstream", "openai", "gpt-4o"),
        ("openai/gpt-4o", "openrouter", "openrouter", "openai/gpt-4o"),
        ("anthropic/claude-sonnet-4-5-20250929", "", "anthropic", "claude-sonnet-4-5"),
        ("claude-sonnet-4-5-20250929", "anthropic", "anthropic", "claude-sonnet-4-5"),
        ("claude-opus-4-1-20250805", "https://api.anthropic.com", "anthropic", "claude-opus-4-1"),
        ("claude-opus-5", "corp-anthropic", "anthropic", "claude-opus-5"),
        ("gpt-4o", "anthropic", "", ""),
        ("my-own-model", "openai", "", ""),
        ("my-own-model", "", "", ""),
        ("vendor/my-own-model", "", "", ""),
        ("openai/my-own-model", "", "", ""),
        ("gpt-4x-20259999", "openai", "", ""),
        ("", "", "", ""),
    ],
)
def test_where_a_name_leads(model: str, provider: str, home: str, entry: str) -> None:
    assert catalogue_home(model, provider) == (home, entry)
    assert (catalogue_rates(model, provider, NOW) is None) == (home == "")


def test_a_served_model_costs_what_its_vendor_asks_without_variants() -> None:
    assert catalogue_home("o3-mini", "azure")[0] == "azure"
    listed = {entry.id for home in providers() if home.id == "azure" for entry in home.models}
    model = next(m for m in ("gpt-5-nano", "gpt-5-mini", "o4-mini", "claude-opus-4-8") if m not in listed)
    assert catalogue_rates(model, "azure", NOW) is not None
    assert catalogue_rates(model, "azure", NOW, "batch") is None


def test_dates() -> None:
    before, after = (catalogue_rates("o3", "openai", datetime(2025, 6, day)) for day in (9, 10))
    assert before is not None
    assert after is not None
    assert (before.input, before.since) == (10 * NANO, "")
    assert (after.input, after.since) == (2 * NANO, "2025-06-10")


def test_windows() -> None:
    assert catalogue_window("gpt-4o", "openai") == 128_000
    assert catalogue_window("my-own-model") is None


def test_prices_of_one_modality_are_told() -> None:
    audio = catalogue_rates("gpt-audio", "openai", NOW)
    assert audio is not None
    assert audio.apart == ("audio",)
    text = catalogue_rates("gpt-4o", "openai", NOW)
    assert text is not None
    assert text.apart == ()


def test_a_fee_for_each_call() -> None:
    rates = catalogue_rates("sonar", "perplexity", NOW)
    assert rates is not None
    assert rates.per_call == 12 * NANO // 1000


def entry_of(**prices: Decimal | TieredPrices | None) -> Rates | None:
    return rates_in(ModelPrice(**prices))


def rates_in(prices: ModelPrice | list[ConditionalPrice]) -> Rates | None:
    entry = ModelInfo(id="m", match=ClauseEquals("m"), prices=prices)
    return rates_of(Provider(id="p", name="p", api_pattern="p", models=[entry]), entry, NOW, "standard")


def test_where_no_condition_holds_the_first_prices_do() -> None:
    future = StartDateConstraint(date(2099, 1, 1))
    rates = rates_in([ConditionalPrice(future, ModelPrice(input_mtok=Decimal(n))) for n in (1, 2)])
    assert rates is not None
    assert (rates.input, rates.since) == (NANO, "")


def test_tiers_with_thresholds_of_their_own() -> None:
    rates = entry_of(
        input_mtok=TieredPrices(Decimal(1), [Tier(200, Decimal(3)), Tier(100, Decimal(2))]),
        output_mtok=TieredPrices(Decimal(5), [Tier(150, Decimal(7))]),
        cache_read_mtok=Decimal("0.1"),
    )
    assert rates is not None
    shown = [(t.above, t.rates.input // NANO, t.rates.output // NANO, t.rates.cache_read) for t in rates.tiers]
    assert (rates.input, rates.output) == (NANO, 5 * NANO)
    assert shown == [(100, 2, 5, 10**8), (150, 2, 7, 10**8), (200, 3, 7, 10**8)]


def test_prices_that_went_through_a_float_are_mended() -> None:
    rates = entry_of(input_mtok=Decimal("0.18000000000000002"), output_mtok=None)
    assert rates is not None
    assert (rates.input, rates.output) == (180_000_000, 180_000_000)
    assert entry_of(output_mtok=Decimal(1)) is None


def test_clauses() -> None:
    assert ClauseStartsWith("GPT").is_match("gpt-4o")
    assert ClauseEndsWith("4O").is_match("gpt-4o")
    assert not ClauseEndsWith("gpt").is_match("gpt-4o")
    assert ClauseContains("T-4").is_match("gpt-4o")
    assert ClauseEquals("GPT-4O").is_match("gpt-4o")
    assert ClauseRegex("^o[13]").is_match("o3")
    assert ClauseOr([ClauseEquals("a"), ClauseEquals("b")]).is_match("b")
    assert not ClauseAnd([ClauseContains("a"), ClauseContains("b")]).is_match("b")


@pytest.mark.parametrize(
    ("start", "end", "moment", "holds"),
    [
        (time(1), time(4), datetime(2026, 1, 1, 1), True),
        (time(1), time(4), datetime(2026, 1, 1, 4), False),
        (time(16, 30), time(0, 30), datetime(2026, 1, 1, 0, 29), True),
        (time(16, 30), time(0, 30), datetime(2026, 1, 1, 23), True),
        (time(16, 30), time(0, 30), datetime(2026, 1, 1, 0, 30), False),
        (time(1), time(4), datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=8))), False),
        (time(9, tzinfo=timezone(timedelta(hours=8))), time(4), datetime(2026, 1, 1, 1, 30), True),
    ],
)
def test_time_of_day(start: time, end: time, moment: datetime, holds: bool) -> None:
    assert TimeOfDateConstraint(start, end).active(moment) is holds


def test_catalogue_is_not_older_than_its_batch_table() -> None:
    batch = catalogue_rates("gpt-4o", "openai", NOW, "batch")
    assert batch is not None
    assert date.fromisoformat(batch.since) == date(2026, 10, 14)
