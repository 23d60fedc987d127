"""Tool definitions in a steady order, letter for letter.

Tools stand first in every prompt, so a client that lists them in another order, or writes their schemas' fields in
another order, loses all that is cached behind them. To the model such lists say the same. So a set of tools that was
sent before is sent as it was then.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from penstock.values.shape import entries

__all__ = ["SteadyTools"]


class SteadyTools:
    """Remembers the wording of the sets of tools that were sent of late."""

    def __init__(self, most: int = 256) -> None:
        self._most = most
        self._first: dict[tuple[str, bytes], tuple[bytes, list[Any]]] = {}

    def steady(self, tenant: str, body: Mapping[str, Any]) -> list[Any] | None:
        """The tools of a body as this tenant sent them first; None where they are just that, or new.

        A list with a mark in it is left alone: the caller has decided where a prefix ends.
        """
        tools = entries(body.get("tools"))
        if not tools or any("cache_control" in tool for tool in tools if isinstance(tool, dict)):
            return None
        as_sent = _digest(msgspec.json.encode(tools))
        same = tenant, _digest(b"\n".join(sorted(msgspec.json.encode(tool, order="deterministic") for tool in tools)))
        first = self._first.pop(same, None)
        if first is None:
            first = as_sent, tools
            while len(self._first) >= self._most:
                del self._first[next(iter(self._first))]
        self._first[same] = first
        return None if first[0] == as_sent else first[1]


def _digest(text: bytes) -> bytes:
    return hashlib.sha256(text).digest()[:16]
