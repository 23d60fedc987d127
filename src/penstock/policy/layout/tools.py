"""Tool definitions in a steady order.

Tools stand first in every prompt, so a client that lists them in another order loses all that is cached behind them.
To the model such lists say the same. So a set of tools that was sent before is sent in the order of then. Each
definition stays as it came: the order of its fields is the order in which a model fills them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from penstock.values.shape import entries

__all__ = ["SteadyTools"]


class SteadyTools:
    """Remembers the order of the sets of tools that were sent of late."""

    def __init__(self, most: int = 1024) -> None:
        self._most = most
        self._first: dict[tuple[str, bytes], tuple[bytes, ...]] = {}

    def steady(self, tenant: str, body: Mapping[str, Any]) -> list[Any] | None:
        """The tools of a body in the order in which this tenant sent them first; None where that is theirs, or new."""
        tools = entries(body.get("tools"))
        if len(tools) < 2:
            return None
        order = tuple(_digest(msgspec.json.encode(tool)) for tool in tools)
        same = tenant, _digest(b"".join(sorted(order)))
        first = self._first.pop(same, order)
        while len(self._first) >= self._most:
            del self._first[next(iter(self._first))]
        self._first[same] = first
        if first == order:
            return None
        by_digest = dict(zip(order, tools, strict=True))
        return [by_digest[each] for each in first]


def _digest(text: bytes) -> bytes:
    return hashlib.sha256(text).digest()[:16]
