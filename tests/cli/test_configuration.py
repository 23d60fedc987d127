"""What penstock.toml may say, and how it is told what it may not."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.config import KNOWN, GatewaySettings, load
from penstock.errors import ConfigError

PROVIDER = '[providers.work]\ndialect = "openai"\nbase_url = "http://127.0.0.1:8000"\n'


def loaded(folder: Path, text: str) -> GatewaySettings:
    file = folder / "named.toml"
    file.write_text(text)
    return load(file).gateway


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("colour = 3", "unknown key 'colour' at the top (it takes provider, providers, prices, budget, gateway,"),
        ('money = "$5"', "unknown key 'money' at the top (it belongs below [budget])"),
        ('base_url = "x"', "unknown key 'base_url' at the top (it belongs below [providers.NAME])"),
        ("max_concurency = 1", "unknown key 'max_concurency' at the top (max_concurrency may be meant; it takes "),
        (PROVIDER + 'url = "x"', "unknown key 'url' in [providers.work] (base_url may be meant; it takes dialect, "),
        (PROVIDER + "large = 3", "large in [providers.work]: Expected `str`, got `int` (correct or remove that key)"),
        (PROVIDER.partition("base_url")[0], "in [providers.work]: Object missing required field `base_url` (add it)"),
        ("[providers]\nwork = 3", "in [providers.work]: Expected `object`, got `int`"),
        ("providers = 3", "providers is no table (write [providers.NAME], one for each)"),
        ("[budget]\nmony = 3", "unknown key 'mony' in [budget] (money may be meant; it takes money, input_tokens"),
        ("[gateway]\nseats = 3", "unknown key 'seats' in [gateway] (it takes max_concurrency, max_waiting, max_body_"),
        ("[gateway]\nmax_waiting = -1", "gateway.max_waiting = -1 (at least 0)"),
        ("[layout]\nshare = 2", "layout.share = 2 (a number from 0 to 1)"),
        (PROVIDER + 'prompt_cache = "antropic"', "providers.work.prompt_cache = 'antropic' is not known (known are "),
    ],
)  # fmt: skip
def test_an_error_names_the_table_the_key_and_what_may_be_meant(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, text)
    assert said in str(caught.value)


def test_how_much_a_gateway_takes_on(tmp_path: Path) -> None:
    assert loaded(tmp_path, PROVIDER) == GatewaySettings()
    text = "[gateway]\nmax_concurrency = 8\nmax_waiting = 0\nmax_body_bytes = 1000\ndrain = 5\n"
    assert loaded(tmp_path, text) == GatewaySettings(8, 0, 1000, 5)


def test_a_known_provider_at_its_own_address_need_not_be_described(tmp_path: Path) -> None:
    file = tmp_path / "named.toml"
    file.write_text('[providers.anthropic]\nprompt_cache = "off"\n')
    described = load(file).providers["anthropic"]
    assert (described.prompt_cache, described.base_url) == ("off", KNOWN["anthropic"].base_url)
    assert described.key_env == KNOWN["anthropic"].key_env
    file.write_text('[providers.anthropic]\ndialect = "anthropic"\nbase_url = "http://127.0.0.1:8000"\n')
    assert load(file).providers["anthropic"].key_env == ""  # another address gets the known one's key from nobody
