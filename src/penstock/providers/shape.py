"""Reading the JSON of an answer: what cannot be read is a `BrokenReply`, and no shape raises anything else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from penstock.errors import BrokenReply
from penstock.values.shape import Json, entries, mapping, objects, text

__all__ = ["Json", "count", "encode", "entries", "mapping", "objects", "parse", "strings", "text"]

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


def parse(data: bytes) -> Json:
    """The JSON object in these bytes. Raises `BrokenReply` when they are something else, and says what.

    >>> parse(b'{"id": 1}')
    {'id': 1}
    """
    try:
        value = _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BrokenReply(f"the answer is not JSON: {_glance(data)}", body=data) from None
    if value.__class__ is not dict:
        raise BrokenReply(f"the answer is JSON but not an object: {_glance(data)}", body=data)
    return value


def encode(value: Any) -> bytes:
    """The value as JSON. Raises `BrokenReply` when it is nested deeper than can be written."""
    try:
        return _encode(value)
    except RecursionError:
        raise BrokenReply("the answer is nested too deep") from None


_MOST = 1 << 40
"""More tokens than any bill has: what an upstream reports beyond it counts as this, and can still be added up."""


def count(value: Any) -> int | None:
    """A number of tokens, never negative; None when the value is not a number. Some servers write ``12.0``."""
    if value.__class__ is int:
        return min(value, _MOST) if value > 0 else 0
    return max(0, int(min(value, _MOST))) if isinstance(value, float) else None


def strings(value: Any, skip: frozenset[str] = frozenset()) -> Iterator[str]:
    """All strings inside a value in order, but not those under a key in ``skip``."""
    waiting: list[Any] = [value]
    while waiting:
        node = waiting.pop()
        if isinstance(node, str):
            yield node
        elif isinstance(node, list):
            waiting.extend(reversed(entries(node)))
        elif isinstance(node, dict):
            waiting.extend(child for key, child in reversed(mapping(node).items()) if key not in skip)


def _glance(data: bytes) -> str:
    """The first bytes, on one line, for a message."""
    start = " ".join(data[:400].decode(errors="replace").split())
    if not start:
        return "it is empty"
    return f"it begins with {start[:60]!r}"
