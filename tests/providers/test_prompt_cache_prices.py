"""The factors that decisions use, beside the prices that bills use."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from penstock.meter import PriceBook
from penstock.meter.catalogue.listing import providers
from penstock.providers.prompt_cache import rules_for
from penstock.providers.prompt_cache.names import plain

NOW = datetime(2026, 11, 20, tzinfo=UTC)
HOMES = ("anthropic", "openai", "google", "deepseek", "aws")

# Where the catalogue lists another price than the rules say: the model, what, the rules' factor, the catalogue's.
# Most of them are newer and cheaper to read than the vendors' guides say, which costs a decision nothing but caution.
KNOWN = {
    ("claude-haiku-3", "read", "0.1", "0.12"),
    ("claude-haiku-3", "write", "1.25", "1.2"),
    ("claude-fable-5.1", "read", "0.1", "0.025"),
    ("claude-fable-5.2", "read", "0.1", "0.025"),
    ("claude-mythos-5.2", "read", "0.1", "0.025"),
    ("claude-opus-5.5", "read", "0.1", "0.05"),
    ("claude-sonnet-5.5", "read", "0.1", "0.05"),
    ("deepseek-chat", "read", "0.03", "0.2593"),
    ("deepseek-flash", "read", "0.03", "0.02"),
    ("deepseek-reasoner", "read", "0.03", "0.2593"),
    ("deepseek-v3.1-terminus", "read", "0.03", "0.4815"),
    ("deepseek-v4-flash", "read", "0.03", "0.02"),
    ("deepseek-v4-pro", "read", "0.03", "0.0333"),
    ("gemini-4-argon", "read", "0.1", "0.05"),
    ("gpt-6.1-sol", "read", "0.1", "0.05"),
    ("gpt-6.1-terra", "read", "0.1", "0.05"),
}


def short(factor: float | Decimal) -> str:
    return f"{factor:.4f}".rstrip("0").rstrip(".")


def differences() -> set[tuple[str, str, str, str]]:
    """Every model that has rules and listed cache prices, where the two do not agree."""
    book, found = PriceBook(), set[tuple[str, str, str, str]]()
    for home in providers():
        for model in home.models if home.id in HOMES else ():
            rates = book.rates(model.id, home.id, when=NOW)
            rules = rules_for(home.id, model.id, NOW.date())
            if rules is None or rates is None or rates.cache_read >= rates.input:
                continue
            pairs = [("read", rules.read, rates.cache_read), ("write", rules.ttl.write, rates.cache_write_5m)]
            pairs += [("1h", ttl.write, rates.cache_write_1h) for ttl in rules.ttls if ttl.name == "1h"]
            for what, factor, price in pairs:
                listed = Decimal(price) / rates.input
                if abs(float(listed) - factor) > 0.0005:
                    found.add((plain(model.id), what, short(factor), short(listed)))
    return found


def test_rules_and_prices_agree_but_for_what_is_known() -> None:
    assert differences() == KNOWN


@pytest.mark.parametrize("model", ["claude-opus-4-5", "claude-sonnet-4-6", "gpt-4o", "gpt-4.1", "gpt-5", "gpt-5.6-sol"])
def test_the_comparison_sees_the_usual_models(model: str) -> None:
    rates, rules = PriceBook().rates(model, when=NOW), rules_for("", model, date(2026, 11, 20))
    assert rates is not None
    assert rules is not None
    assert rates.cache_read < rates.input
    assert rates.cache_read / rates.input == pytest.approx(rules.read)
