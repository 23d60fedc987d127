"""Marks set into a body of Anthropic's format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from penstock.policy.layout.blocks import Block
from penstock.values import Edit, Undo
from penstock.values.caching import Ttl
from penstock.values.shape import mapping

__all__ = ["marked_by_caller", "marks"]


def marked_by_caller(body: Mapping[str, Any], found: Sequence[Block]) -> bool:
    """Whether the caller decides by itself what is cached: then nothing of it is changed, and nothing added."""
    return any(body.get(field) is not None for field in _ASKED) or any(block.marked for block in found)


_ASKED = ("cache_control", "prompt_cache_options", "prompt_cache_key", "prompt_cache_retention")
"""Fields of a request by which its caller has a say."""


def marks(body: Mapping[str, Any], at: Sequence[Block], ttl: Ttl | None, *, evidence: Mapping[str, Any]) -> list[Edit]:
    """The edits that set Anthropic's mark at the end of each of these blocks; the first of them tells why."""
    if ttl is None:
        return []
    named = {} if ttl.name == _USUAL else {"ttl": ttl.name}
    edits = [_mark(body, block, {"type": "ephemeral", **named}) for block in at]
    return [msgspec.structs.replace(edit, undo=Undo(uncached=True), evidence=evidence) for edit in edits[:1]] + edits[
        1:
    ]


_USUAL = "5m"
"""The time to live of a mark that names none."""


def _mark(body: Mapping[str, Any], block: Block, mark: Mapping[str, str]) -> Edit:
    there: Any = body
    for step in block.path:
        there = there[step]
    if isinstance(there, str):
        return Edit("layout", block.path, "set", [{"type": "text", "text": there, "cache_control": mark}])
    assert mapping(there) is there
    return Edit("layout", (*block.path, "cache_control"), "set", mark)
