"""What is not quite HTTP: broken framing, smuggling shapes, pipelines, halves of requests, clients that leave."""

from __future__ import annotations

import json
from collections.abc import Callable

from hypothesis import strategies as st

from penstock.bench.hostile.bodies import VALID
from penstock.bench.hostile.shot import Shot, request

__all__ = ["framing"]

_BODY = json.dumps(VALID["chat/completions"]).encode()
_ASK = "/v1/chat/completions"
_POST = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n"
_GET = b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n"


def _chunked(body: bytes, *, size: bytes = b"%x", end: bytes = b"0\r\n\r\n") -> bytes:
    written = size % len(body) if b"%" in size else size
    return _POST + b"transfer-encoding: chunked\r\n\r\n" + written + b"\r\n" + body + b"\r\n" + end


_LENGTHS = (
    b"-1", b"+5", b"0x10", b"1e3", b"9" * 30, b"9" * 5000, b"18446744073709551616", b"5, 5", b"5,6", b"", b"abc",
    b"5 5", b"\xb2", b"5;", b"00000000000000000000000000000005", b"34359738368",
)  # fmt: skip
_ODD_HEADS = (
    b"GET /health\r\n\r\n", b"GET  /health HTTP/1.1\r\n\r\n", b"GET /health HTTP/9.9\r\n\r\n", b"\r\n\r\n\r\n",
    b"GET /health HTTP/1.1\nhost: localhost\n\n", b"GET /health HTTP/1.1\r\n host: folded\r\n\r\n", b"\x00" * 100,
    b"GET /health HTTP/1.1\r\nhost localhost\r\n\r\n", b"GET /health HTTP/1.1\r\n: empty\r\n\r\n", b"\xff" * 100,
    b"GET /health HTTP/1.1\r\nx: a\x00b\r\n\r\n", b"GET /health HTTP/1.1\r\nx: a\rb\r\n\r\n", b"QUIT\r\n",
    b"A" * 70_000,
    b"GET /health HTTP/1.1\r\nx : space\r\n\r\n", b"GET /\x7f HTTP/1.1\r\n\r\n", b"GET /\xc3\xa9 HTTP/1.1\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"SSH-2.0-x\r\n",
    b"\x05\x01\x00",
    b"GET /health HTTP/1.1\r\n" + b"x: y\r\n" * 20_000 + b"\r\n", b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n",
    b"*1\r\n$4\r\nPING\r\n", b"CONNECT localhost:22 HTTP/1.1\r\n\r\n", b"GET http:// HTTP/1.1\r\n\r\n",
)  # fmt: skip
_CODINGS = (
    b"chunked, chunked", b"gzip, chunked", b"chunked, identity", b"identity", b"xchunked", b"Chunked", b" chunked",
    b"\x0bchunked", b"chunked\x00", b"",
)  # fmt: skip
_SIZES = (
    b"zz",
    b"-1",
    b"",
    b"ffffffffffffffffff",
    b"%x;a=b",
    b"0x%x",
    b" %x",
    b"%x\x00",
    b"7fffffffffffffff",
    b"%x;" + b"e" * 5000,
)
_ENDS = (
    b"",
    b"0\r\n",
    b"0\r\nx: y\r\n\r\n",
    b"0\r\ncontent-length: 5\r\n\r\n",
    b"0\r\n\r\nGET /health",
    b"00000\r\n\r\n",
    b"0\n\n",
)


def _broken(*pieces: bytes) -> Shot:
    """A shot that may be answered, refused or dropped; the client closes its half, so that nobody waits."""
    return Shot(pieces, framed=False, ends=True)


@st.composite
def _dripped(draw: st.DrawFn) -> Shot:
    """A good request in tiny pieces."""
    whole = request("POST", _ASK, (), _BODY)
    size = draw(st.integers(1, 40))
    return Shot(tuple(whole[start : start + size] for start in range(0, len(whole), size)))


@st.composite
def _pipeline(draw: st.DrawFn) -> Shot:
    """Several good requests at once, in one packet or in pieces that cut them anywhere."""
    asked = draw(
        st.lists(st.sampled_from((_GET, request("POST", _ASK, (), _BODY), _chunked(_BODY))), min_size=2, max_size=12)
    )
    whole = b"".join(asked)
    cut = draw(st.integers(0, len(whole)))
    return Shot((whole[:cut], whole[cut:]), answers=len(asked))


@st.composite
def _half(draw: st.DrawFn) -> Shot:
    """A request that stops in the middle; the client then closes its half, or all."""
    whole = draw(st.sampled_from((request("POST", _ASK, (), _BODY), _chunked(_BODY), _GET)))
    part = whole[: draw(st.integers(0, len(whole) - 1))]
    leaves = draw(st.booleans())
    return Shot((part,), framed=False, ends=not leaves, leaves=leaves)


@st.composite
def _left(draw: st.DrawFn) -> Shot:
    """A whole request whose client does not wait for the answer."""
    body = json.dumps({**VALID["chat/completions"], "stream": draw(st.booleans()), "temperature": 1}).encode()
    return Shot((request("POST", _ASK, (), body),), leaves=True)


def _smuggled(body: bytes) -> tuple[Callable[[], Shot], ...]:
    """Two ways to read where a request ends; the one after it must not be answered as if it had been asked."""
    inner = b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\nx-penstock-scope: smuggled\r\n\r\n"
    both = b"content-length: %d\r\ntransfer-encoding: chunked\r\n\r\n"
    return (
        lambda: _broken(_POST + both % 4 + b"%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n" + inner),
        lambda: _broken(_POST + both % (len(inner) + 5) + b"0\r\n\r\n" + inner),
        lambda: _broken(_POST + b"transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n0\r\n\r\n" + inner),
        lambda: _broken(_POST + b"content-length: 0\r\ncontent-length: %d\r\n\r\n" % len(inner) + inner),
        lambda: _broken(_POST + b"content-length: %d\r\n\r\n" % len(body) + body + b"\r\n\r\n\r\n" + b"JUNK"),
        lambda: _broken(_POST + b"transfer-encoding : chunked\r\ncontent-length: 3\r\n\r\nabc" + inner),
        lambda: _broken(_POST + b"content-length: 5\r\ntransfer-encoding:\x0bchunked\r\n\r\n0\r\n\r\n" + inner),
    )


def framing() -> st.SearchStrategy[Shot]:
    """Shots whose framing is broken, doubtful, or right but unusual."""
    lengths = st.sampled_from(_LENGTHS).map(
        lambda length: _broken(_POST + b"content-length: " + length + b"\r\n\r\n" + _BODY)
    )
    codings = st.sampled_from(_CODINGS).map(
        lambda coding: _broken(
            _POST + b"transfer-encoding: " + coding + b"\r\n\r\n" + b"%x\r\n%b\r\n0\r\n\r\n" % (len(_BODY), _BODY)
        )
    )
    chunks = st.sampled_from(_SIZES).map(lambda size: _broken(_chunked(_BODY, size=size)))
    ends = st.sampled_from(_ENDS).map(lambda end: _broken(_chunked(_BODY, end=end)))
    heads = st.sampled_from(_ODD_HEADS).map(_broken)
    smuggled = st.sampled_from(_smuggled(_BODY)).map(lambda make: make())
    noise = st.binary(min_size=1, max_size=300).map(_broken)
    return st.one_of(lengths, codings, chunks, ends, heads, smuggled, noise, _dripped(), _pipeline(), _half(), _left())
