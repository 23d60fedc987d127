from __future__ import annotations

import pytest
from yarl import URL

from penstock.errors import ConfigError
from penstock.providers.address import endpoint, is_private, proxy_for

CHAT = "chat/completions"
COUNT = "messages/count_tokens"


@pytest.mark.parametrize(
    ("base", "dialect", "full"),
    [
        ("https://api.openai.com/v1", "openai", "https://api.openai.com/v1/chat/completions"),
        ("https://api.openai.com", "openai", "https://api.openai.com/v1/chat/completions"),
        ("https://api.anthropic.com", "anthropic", "https://api.anthropic.com/v1/messages"),
        ("https://api.anthropic.com/v1/", "anthropic", "https://api.anthropic.com/v1/messages"),
        ("http://127.0.0.1:8080", "openai", "http://127.0.0.1:8080/v1/chat/completions"),
        (" http://[::1]:8080/ ", "openai", "http://[::1]:8080/v1/chat/completions"),
        ("https://h.example/openai/v1", "openai", "https://h.example/openai/v1/chat/completions"),
        ("https://h.example/api/v3", "openai", "https://h.example/api/v3/chat/completions"),
        ("https://h.example/v1beta/openai/", "openai", "https://h.example/v1beta/openai/chat/completions"),
        ("https://h.example/anthropic", "anthropic", "https://h.example/anthropic/v1/messages"),
        ("https://h.example/api/v3", "anthropic", "https://h.example/api/v3/messages"),
        ("https://h.example/v1/chat/completions", "openai", "https://h.example/v1/chat/completions"),
        ("https://h.example/openai/v1?api-version=1", "openai", "https://h.example/openai/v1/chat/completions?api-version=1"),
    ],
)  # fmt: skip
def test_where_a_path_lies(base: str, dialect: str, full: str) -> None:
    assert endpoint(base, dialect, CHAT if dialect == "openai" else "messages") == URL(full)


@pytest.mark.parametrize(
    ("base", "family", "path", "full"),
    [
        ("https://h.example/v1/chat/completions", "openai", "responses", "https://h.example/v1/responses"),
        ("https://h.example/v1/responses/", "openai", CHAT, "https://h.example/v1/chat/completions"),
        ("https://h.example/api/chat/completions?v=1", "openai", "models", "https://h.example/api/models?v=1"),
        ("https://h.example/v1/messages", "anthropic", COUNT, "https://h.example/v1/messages/count_tokens"),
        ("https://h.example/v1/messages/count_tokens", "anthropic", "messages", "https://h.example/v1/messages"),
        ("https://h.example/anthropic", "anthropic", "models", "https://h.example/anthropic/v1/models"),
        ("https://h.example/my-responses", "openai", "responses", "https://h.example/my-responses/responses"),
    ],
)
def test_one_base_url_tells_where_every_endpoint_is(base: str, family: str, path: str, full: str) -> None:
    assert endpoint(base, family, path) == URL(full)


@pytest.mark.parametrize(
    "base", ["", "localhost:8080", "ftp://h.example", "http://", "http://[::1", "api.openai.com/v1"]
)
def test_what_is_no_address(base: str) -> None:
    with pytest.raises(ConfigError, match="is not an address"):
        endpoint(base, "openai", CHAT)


def test_no_password_in_an_address() -> None:
    with pytest.raises(ConfigError) as told:
        endpoint("https://user:hunter2@h.example", "openai", CHAT)
    assert "hunter2" not in str(told.value)


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "::1", "10.1.2.3", "192.168.0.9", "vllm", "box.local", "a.internal"]
)
def test_hosts_that_are_near(host: str) -> None:
    assert is_private(host)


@pytest.mark.parametrize("host", ["api.openai.com", "8.8.8.8", "2606:4700::1111", "localhost.example.com"])
def test_hosts_that_are_not(host: str) -> None:
    assert not is_private(host)


def test_which_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "proxy.example:3128")
    monkeypatch.setenv("no_proxy", "direct.example")
    monkeypatch.delenv("all_proxy", raising=False)
    assert proxy_for(URL("https://far.example/v1")) == URL("http://proxy.example:3128")
    assert proxy_for(URL("https://direct.example/v1")) is None
    assert proxy_for(URL("https://127.0.0.1/v1")) is None
    assert proxy_for(URL("https://localhost/v1")) is None
    assert proxy_for(URL("https://[::1]/v1")) is None
    monkeypatch.setenv("https_proxy", "socks5://proxy.example")
    with pytest.raises(ConfigError, match="socks5 proxy"):
        proxy_for(URL("https://far.example/v1"))
