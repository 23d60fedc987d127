"""What an address says: where an endpoint lies, whether the host is near, which proxy leads there."""

from __future__ import annotations

import ipaddress
import re
import urllib.request

from yarl import URL

from penstock.errors import ConfigError

__all__ = ["endpoint", "is_private", "proxy_for"]

_VERSION = re.compile(r"v\d+")


_FULL = re.compile(r"/(chat/completions|responses|embeddings|messages/count_tokens|messages)$")
"""How a base URL ends that is really the address of one endpoint."""


def endpoint(base_url: str, family: str, path: str) -> URL:
    """Where an endpoint's path lies at a base URL, however people write one.

    OpenAI's base URLs include ``/v1`` and Anthropic's do not; both are accepted for both. A base URL that ends in a
    version, or for OpenAI in any path at all, is taken as it stands; else ``/v1`` comes in between. The address of one
    endpoint tells where the others are. A query is kept. Raises `ConfigError` for what is no http address, or holds a
    name and password.

    >>> str(endpoint("http://127.0.0.1:8080", "openai", "chat/completions"))
    'http://127.0.0.1:8080/v1/chat/completions'
    >>> str(endpoint("https://host/anthropic", "anthropic", "messages"))
    'https://host/anthropic/v1/messages'
    """
    try:
        url = URL(base_url.strip())
    except ValueError:
        url = URL()
    if url.scheme not in {"http", "https"} or not url.host:
        raise ConfigError(f"base_url {base_url!r} is not an address", mend='write it like "http://127.0.0.1:8080/v1"')
    if url.user is not None or url.password is not None:
        raise ConfigError("base_url holds a name or password", mend="give the key as api_key or in its variable")
    written = url.path.rstrip("/")
    base = _FULL.sub("", written)
    as_it_stands = base != written or _VERSION.fullmatch(base.rpartition("/")[2]) or (base and family == "openai")
    return url.with_path(f"{base}/{path}" if as_it_stands else f"{base}/v1/{path}").with_query(url.query)


def is_private(host: str) -> bool:
    """Whether a host is this machine or inside a private network, as far as its name tells."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return "." not in host or host.endswith((".localhost", ".local", ".internal", ".lan", ".home.arpa"))
    return address.is_private or address.is_link_local


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def proxy_for(url: URL) -> URL | None:
    """The proxy that the environment names for this address; never one for this machine itself.

    Read once, here: aiohttp's own ``trust_env`` would read it for each request in a thread, and would also send the
    passwords of ``~/.netrc``.
    """
    host = url.host or ""
    proxies = urllib.request.getproxies()
    named = proxies.get(url.scheme) or proxies.get("all")
    if not named or _is_loopback(host) or urllib.request.proxy_bypass(host):
        return None
    proxy = URL(named if "://" in named else f"http://{named}")
    if proxy.scheme not in {"http", "https"}:
        hint = "set HTTPS_PROXY to an http proxy, or NO_PROXY"
        raise ConfigError(f"a {proxy.scheme} proxy cannot be used", mend=hint)
    return proxy
