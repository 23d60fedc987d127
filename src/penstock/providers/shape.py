"""Reading JSON that comes from outside: total functions, so that no shape of it ever raises by accident.

Decoded JSON has the exact classes ``dict`` and ``list``, so the class is compared: it is read for every token.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import msgspec

from penstock.errors import BrokenReply

__all__ = ["Json", "count", "encode", "entries", "mapping", "objects", "parse", "strings", "text"]

Json: TypeAlias = dict[str, Any]

_NOTHING: Json = {}

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


def mapping(value: Any) -> Json:
    """The value if it is an object, otherwise an empty one. For reading only."""
    return value if value.__class__ is dict else _NOTHING


def entries(value: Any) -> list[Any]:
    """The value if it is a list, otherwise an empty one."""
    return value if value.__class__ is list else []


def objects(value: Any) -> list[Json]:
    """The objects in a list; empty if it is none."""
    return [entry for entry in entries(value) if entry.__class__ is dict]


def text(value: Any) -> str:
    """The value if it is a string, otherwise an empty one."""
    return value if isinstance(value, str) else ""


def count(value: Any) -> int | None:
    """A number of tokens, never negative; None when the value is not a number. Some servers write ``12.0``."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return max(0, int(value))
    return None


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
