"""Strange request bodies: valid ones with something wrong in any place that is read, and bytes that are no JSON."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from hypothesis import strategies as st

__all__ = ["FIELDS", "PATHS", "VALID", "anything", "bodies", "bomb", "packed"]

_SAY = [{"role": "user", "content": "Why?"}]

VALID: Mapping[str, dict[str, Any]] = {
    "chat/completions": {"model": "mine", "messages": _SAY, "max_tokens": 20},
    "responses": {"model": "mine", "input": "Why?", "max_output_tokens": 20},
    "embeddings": {"model": "mine", "input": ["Why?"]},
    "messages": {"model": "mine", "messages": _SAY, "max_tokens": 20},
    "messages/count_tokens": {"model": "mine", "messages": _SAY},
}
"""A plain body for each endpoint that calls a model."""

PATHS = tuple(VALID)

FIELDS = (
    "model", "messages", "role", "content", "stream", "stream_options", "include_usage", "max_tokens", "n", "tools",
    "max_completion_tokens", "max_output_tokens", "temperature", "type", "text", "input", "instructions", "system",
    "cache_control", "ttl", "tool_calls", "tool_choice", "function", "arguments", "name", "image_url", "url", "source",
    "data", "media_type", "thinking", "signature", "service_tier", "speed", "user", "metadata", "store", "id", "error",
    "previous_response_id", "response_format", "conversation", "reasoning", "output", "usage", "choices", "message",
    "delta", "index", "finish_reason", "stop_reason", "content_block", "partial_json", "input_tokens", "output_tokens",
    "prompt_tokens", "completion_tokens", "cache_read_input_tokens", "reasoning_content", "response", "item", "part",
    "status", "embedding", "", "é", "\x00", "__class__",
)  # fmt: skip
"""Every field that something here reads, and some that nothing does."""

_NUMBERS = (0, -1, 1, 2**31, 2**53 + 1, 2**63 - 1, 2**63, 2**64, -(2**63) - 1, 10**30, 10**400, 10**4296)
_WORDS = (
    "mine", "small", "large", "openai/mine", "nobody/mine", "/", "mine/", "user", "system", "tool", "text", "image_url",
    "ephemeral", "5m", "1h", "auto", "flex", "fast", "data:image/png;base64,AAAA", "gpt-4o-mini", "claude-opus-4-5",
    "text-embedding-3-small", "\ud800", "\udfff\ud800", "\x00", "\r\n", "🦉", "a" * 5000, "<|endoftext|>",
)  # fmt: skip

_LONG = "a long number"
_LONG_MARK = json.dumps(_LONG).encode()
"""Stands for a number of 4400 digits: more than Python turns into text (``sys.set_int_max_str_digits``)."""

_leaves = (
    st.none()
    | st.booleans()
    | st.sampled_from((*_NUMBERS, _LONG))
    | st.sampled_from(_WORDS)
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=()), max_size=20)
)

anything: st.SearchStrategy[Any] = st.recursive(
    _leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=5),
    max_leaves=12,
)
"""Any JSON, and what Python writes as JSON that is none (NaN, lone surrogates), with the fields that calls have."""

_fields = st.dictionaries(st.sampled_from(FIELDS), anything, min_size=1, max_size=3)


@st.composite
def _bent(draw: st.DrawFn, path: str) -> dict[str, Any]:
    """A valid body with something strange at the top, in a message, in a part of its content, or in a tool."""
    body = dict(VALID[path])
    place = draw(st.sampled_from(("top", "message", "part", "tool", "item")))
    if place == "message":
        body["messages"] = [{**_SAY[0], **draw(_fields)} for _ in range(draw(st.integers(1, 3)))]
    elif place == "part":
        part = {"type": "text", "text": "Why?", **draw(_fields)}
        body["messages"] = [{"role": "user", "content": [part, draw(anything)]}]
    elif place == "tool":
        body["tools"] = [{"type": "function", "name": "f", "function": {"name": "f"}, **draw(_fields)}]
    elif place == "item":
        body["input"] = [{"role": "user", "content": "Why?", **draw(_fields)}, draw(anything)]
    else:
        body |= draw(_fields)
    if draw(st.booleans()):
        body["stream"] = True
    return body


def _dumped(value: Any) -> bytes:
    """JSON as Python writes it, whatever that is."""
    return json.dumps(value).encode().replace(_LONG_MARK, b"9" * 4400)


_DEPTHS = (10, 300, 700, 900, 950, 975, 985, 990, 995, 1000, 2000, 100_000)


@st.composite
def _nested(draw: st.DrawFn, path: str) -> bytes:
    """A field that is nested deep, around the depth at which Python gives up."""
    open_, close = draw(st.sampled_from(((b"[", b"]"), (b'{"content":', b"}"), (b'[{"content":', b"}]"))))
    depth = draw(st.sampled_from(_DEPTHS) | st.integers(900, 1000))
    field = draw(st.sampled_from(("messages", "tools", "input", "metadata", "system", "stream_options", "model")))
    inside = b'"x"' if b"{" in open_ else b""
    deep = open_ * depth + inside + close * depth
    return json.dumps(VALID[path]).encode()[:-1] + b',"' + field.encode() + b'":' + deep + b"}"


_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\x00", b" \n\t", b"//\n", b")]}',\n")
_ODD = (
    b"", b"{", b"}", b"[]", b"null", b"0", b'""', b"{}{}", b'{"model"', b"NaN", b'{"n":NaN}', b'{"n":1e400}',
    b'{"n":-}', b'{"n":01}', b"{'model':'mine'}", b'{"model":"\\ud800"}', b'{"model":"\\u00"}',
    b'{"model":"\xed\xa0\x80"}', b"a=1&b=2", b"--x\r\ncontent-disposition: form-data\r\n\r\n", b"<xml/>",
    b"\x1f\x8b\x08", b"%PDF-1.4", b"\xc0\x80",
)  # fmt: skip


@st.composite
def _broken(draw: st.DrawFn, path: str) -> bytes:
    """Bytes that are no JSON, or only just: cut, doubled, marked, or with a byte changed."""
    whole = _dumped(draw(_bent(path)))
    match draw(st.integers(0, 5)):
        case 0:
            return whole[: draw(st.integers(0, len(whole)))]
        case 1:
            place = draw(st.integers(0, len(whole)))
            return whole[:place] + draw(st.binary(min_size=1, max_size=4)) + whole[place + 1 :]
        case 2:
            return draw(st.sampled_from(_MARKS)) + whole
        case 3:  # which of two fields of one name counts is for each reader to say
            return b"{" + _dumped(draw(_fields))[1:-1] + b"," + _dumped(VALID[path])[1:]
        case 4:
            return draw(st.sampled_from(_ODD))
        case _:
            return draw(st.binary(max_size=200))


def bodies(path: str) -> st.SearchStrategy[bytes]:
    """Request bodies for the endpoint ``path``, such as ``chat/completions``."""
    return _bent(path).map(_dumped) | _broken(path) | _bent(path).map(_dumped) | _nested(path)


_PACK: Mapping[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "DEFLATE": lambda plain: zlib.compress(plain)[2:-4],
    "identity": bytes,
    "br": bytes,
    "gzip, gzip": lambda plain: gzip.compress(gzip.compress(plain)),
    "": bytes,
}


@cache
def bomb() -> bytes:
    """100 MB of nothing, in 100 kB."""
    return gzip.compress(bytes(100 << 20))


@st.composite
def packed(draw: st.DrawFn, path: str) -> tuple[str, bytes]:
    """A content-encoding, and a body that is packed so, or cut, or followed by more, or packed otherwise, or a bomb."""
    coding = draw(st.sampled_from(tuple(_PACK)))
    whole = _PACK[coding](draw(bodies(path)))
    match draw(st.integers(0, 29)):
        case 1 | 2 | 3:
            return coding, whole[: draw(st.integers(0, len(whole)))]
        case 4 | 5:
            return coding, whole + draw(st.binary(min_size=1, max_size=20))
        case 6 | 7:
            return draw(st.sampled_from(tuple(_PACK))), whole
        case 8 | 9:
            place = draw(st.integers(0, len(whole)))
            return coding, whole[:place] + draw(st.binary(min_size=1, max_size=3)) + whole[place + 3 :]
        case 29:
            return draw(st.sampled_from(("gzip", "x-gzip"))), bomb()
        case _:
            return coding, whole
