"""Marks set into a body, in the words of its wire format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from penstock.policy.layout.blocks import Block
from penstock.values import Edit, Undo
from penstock.values.caching import CacheRules, Ttl
from penstock.values.shape import mapping

__all__ = ["marked_by_caller", "marks"]


def marked_by_caller(body: Mapping[str, Any], found: Sequence[Block], rules: CacheRules) -> bool:
    """Whether the caller decides by itself what is cached: then nothing of it is changed, and nothing added."""
    asked = "cache_control" in body if rules.marker == "cache_control" else "prompt_cache_options" in body
    return asked or any(block.marked for block in found)


def marks(
    body: Mapping[str, Any],
    at: Sequence[Block],
    ttl: Ttl | None,
    rules: CacheRules,
    *,
    evidence: Mapping[str, Any],
) -> list[Edit]:
    """The edits that set a mark at the end of each of these blocks; the first of them tells why.

    ``ttl`` None: the provider is kept from writing what will not be read, where it would write by itself.
    """
    undo = Undo(uncached=rules.placing != "always" and rules.placing != "unless_explicit")
    edits: list[Edit] = []
    if rules.placing == "unless_explicit":
        edits.append(Edit("layout", ("prompt_cache_options",), "set", {"mode": "explicit"}))
    if ttl is not None:
        edits += [_mark(body, block, _word(rules, ttl)) for block in at]
    if not edits:
        return []
    first, *others = edits
    return [Edit(first.mechanism, first.path, first.op, first.value, undo, evidence), *others]


def _word(rules: CacheRules, ttl: Ttl | None) -> tuple[str, dict[str, str]]:
    """The field that marks a block, and its value; the usual time to live is not named."""
    if rules.marker == "prompt_cache_breakpoint":
        return rules.marker, {"mode": "explicit"}
    named = {} if ttl is None or ttl == rules.ttl else {"ttl": ttl.name}
    return "cache_control", {"type": "ephemeral", **named}


def _mark(body: Mapping[str, Any], block: Block, word: tuple[str, dict[str, str]]) -> Edit:
    field, value = word
    there: Any = body
    for step in block.path:
        there = there[step]
    if isinstance(there, str):
        return Edit("layout", block.path, "set", [{"type": "text", "text": there, field: value}])
    assert mapping(there) is there
    return Edit("layout", (*block.path, field), "set", value)
