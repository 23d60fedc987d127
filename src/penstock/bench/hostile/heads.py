"""Strange request lines and headers: junk in every header that is read, paths that lead elsewhere, odd methods."""

from __future__ import annotations

import json
from typing import TypeAlias

from hypothesis import strategies as st

from penstock.bench.hostile.bodies import PATHS, VALID

__all__ = ["Header", "headers", "targets"]

Header: TypeAlias = tuple[str | bytes, str | bytes]

_SQL = (
    "' OR '1'='1", "'; DROP TABLE keys;--", '" OR ""="', "1) UNION SELECT digest FROM keys--", "pk-' OR 1=1--",
    "admin'/*", "\\'; SELECT pg_sleep(10)--", "%27%20OR%201=1", "{{7*7}}", "${jndi:ldap://localhost/x}",
    "../../etc/passwd",
)  # fmt: skip
_LONG = ("x" * 300, "9" * 400, "9" * 5000, "A" * 30_000, "," * 2000)
_NUMBERS = (
    "0", "-1", "1", "+5", "1e3", "1e308", "1e400", "-1e308", "NaN", "inf", "0x10", "1_000", " 7 ", "1.5.2", "²", "½",
)  # fmt: skip
_MONEY = (
    "$1", "5c", "5¢", "$", "$0", "-$1", "1e9", "0.25 USD", "$" + "9" * 15, "$" + "9" * 30, "9" * 4295,
    "." + "0" * 300 + "1", "$1.", "1,50", "€5",
)  # fmt: skip
_TIMES = (
    "2020-01-01T00:00:00Z", "2999-12-31T23:59:59+14:00", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59",
    "2026-02-30", "2026-W01-1", "20260101T000000Z", "24:00", "2026-01-01T00:00:60Z", "soon",
)  # fmt: skip
_OFF = ("all", "reuse", "all,reuse", ",,,", " layout , reuse ", "ALL", "everything", ",".join(map(str, range(2000))))

_CONTROLS = bytes(byte for byte in (*range(32), 127) if byte != 9)
_bytes = st.binary(max_size=40).map(lambda raw: raw.translate(None, _CONTROLS))
_junk = st.sampled_from((*_SQL, *_LONG, *_NUMBERS, *_MONEY, *_TIMES, *_OFF, "")) | _bytes


def _with(name: str, *usual: str) -> st.SearchStrategy[Header]:
    return st.tuples(st.just(name), (st.sampled_from(usual) if usual else st.nothing()) | _junk)


_keys = st.sampled_from(
    (*_SQL, "", "penstock", "sk-proj-abc", "pk-" + "A" * 43 + "AAAAAA", "pk-", "é", "a b", "A" * 5000)
)
_bearer = st.sampled_from(("Bearer ", "bearer ", "Basic ", "Bearer", "", "Bearer  ", "Digest ")).flatmap(
    lambda scheme: _keys.map(lambda key: scheme + key)
)

_read: st.SearchStrategy[Header] = st.one_of(
    _with("x-penstock-budget", *_MONEY),
    _with("x-penstock-by", *_NUMBERS, *_TIMES),
    _with("x-penstock-scope", "team", "key:ci", "é", "local"),
    _with("x-penstock-off", *_OFF),
    _with("x-penstock-unheard-of"),
    _with("x-stainless-read-timeout", *_NUMBERS, "NOT_GIVEN"),
    _with("x-stainless-retry-count", *_NUMBERS),
    _with("cache-control", "no-cache", "no-store, no-cache", "max-age=0"),
    _with("content-encoding", "gzip", "identity"),
    _with("anthropic-version", "2023-06-01"),
    _with("anthropic-beta", "a,b"),
    _with("content-type", "text/plain", "application/json; charset=utf-16", "multipart/form-data"),
    st.tuples(st.just("authorization"), _bearer),
    st.tuples(st.sampled_from(("x-api-key", "api-key")), _keys),
)
"""A header that something here reads, or that has a meaning upstream."""

_around: st.SearchStrategy[Header] = st.one_of(
    _with("host", "localhost", "127.0.0.1:1", "[::1]", "[::1", "evil.test", "localhost.evil.test", "a@localhost"),
    _with("origin", "null", "http://evil.test", "http://localhost:3000", "app://obsidian.md"),
    _with("x-forwarded-for", "127.0.0.1"),
    _with("via", "1.1 proxy"),
    _with("accept", "text/event-stream"),
    _with("accept-encoding", "br", "gzip;q=0", "*"),
    _with("cookie", "a=b"),
    _with("user-agent", ""),
    _with("expect", "100-continue", "200-ok"),
    _with("connection", "close", "keep-alive, Upgrade", "x-penstock-scope"),
    _with("upgrade", "websocket", "h2c"),
    _with("te", "trailers"),
    _with("range", "bytes=0-1"),
    _with("if-none-match", "*"),
    _with("idempotency-key", "1"),
    st.tuples(st.sampled_from((b"x-!#$%&'*+.^_`|~", b"X-" + b"n" * 1000, b"__proto__", b"x-penstock-")), _junk),
)
"""A header about the hop, the client or the cache, or one with a strange name."""


@st.composite
def headers(draw: st.DrawFn) -> list[Header]:
    """One to six headers; now and then one of them twice."""
    found = draw(st.lists(_read, min_size=1, max_size=4)) + draw(st.lists(_around, max_size=2))
    return found + found[:1] if draw(st.integers(0, 9)) == 0 else found


_STEPS = (
    "v1", "V1", "models", "chat", "completions", "messages", "count_tokens", "health", "metrics", "openapi.json", "..",
    ".", "", "%2e%2e", "%2F", "%00", "%0d%0a", "%", "%zz", "%ff", "%C3%A9", "a b", "é", "mine", "gpt-4o", "x" * 3000,
    "api", ";a=1", "@", ":8080", "\\", "*", "%25", "{id}", "<x>", '"',
)  # fmt: skip
_QUERIES = (
    "",
    "?",
    "?a=1",
    "?a=1&a=2",
    "?limit=" + "9" * 50,
    "?%00=%ff",
    "?&&&=",
    "?a=%zz;b",
    "?" + "a=1&" * 2000,
    "?é",
)
_METHODS = (
    "GET", "POST", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "M-SEARCH", "QUERY",
    "get", "POSTT", "PRI", "",
)  # fmt: skip
_WHOLE = (
    "*",
    "http://localhost/v1/models",
    "http://evil.test/v1/models",
    "localhost:443",
    "//evil.test/v1/models",
    "?",
    "#",
    "",
)


@st.composite
def targets(draw: st.DrawFn) -> tuple[str, str, bytes | None]:
    """A method, what is asked, and a body or none."""
    method = draw(st.sampled_from(_METHODS[:3]) | st.sampled_from(_METHODS))
    steps = draw(st.lists(st.sampled_from(_STEPS), max_size=5))
    made = "/" + "/".join(steps) + draw(st.sampled_from(_QUERIES))
    models = "/v1/models/" + draw(st.sampled_from(_STEPS) | st.text(st.characters(max_codepoint=255), max_size=12))
    known = draw(st.sampled_from(("/v1/", "/", "/v1/v1/", "/v1//"))) + draw(
        st.sampled_from((*PATHS, "models", "health/"))
    )
    target = draw(st.sampled_from((made, made, models, known, draw(st.sampled_from(_WHOLE)))))
    body = json.dumps(VALID["messages"]).encode() if draw(st.booleans()) else None
    return method, target, body
