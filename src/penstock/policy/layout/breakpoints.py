"""Breakpoints for models that read a prefix only where both prompts have one: OpenAI's from GPT-5.6 on.

The provider sets one at the end of each prompt by itself, and charges for the write of all that comes before it. So one
inside the prompt costs nothing more, and lets those read it who share no more than the beginning.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate, takewhile
from typing import Any

from penstock.policy.layout.blocks import Block
from penstock.values import Edit
from penstock.values.caching import CacheRules
from penstock.values.segments import at_path
from penstock.values.shape import mapping

__all__ = ["breakpoints"]

_MARK = {"mode": "explicit"}

_PARTS = frozenset({"text", "input_text", "image_url", "input_image", "file", "input_file"})
"""Parts of a message that may bear one (source: OpenAI's specification); what an assistant said may not."""


def breakpoints(
    body: Mapping[str, Any], found: Sequence[Block], known: int, rules: CacheRules
) -> list[tuple[int, Edit]]:
    """The breakpoints worth setting, each by the blocks from the start of the prompt that it covers.

    Where the system prompt ends, where the last message is about to ask, and as far as an earlier prompt went the
    same way (``known`` blocks). A text that stands for a list of parts becomes one only in the system prompt, where it
    is one each time: nothing else in a conversation changes its form as it grows.
    """
    upto = list(accumulate(block.tokens for block in found))
    chosen = {at for at in _boundaries(found, known) if rules.cacheable(upto[at - 1])}
    set_ = [(at, edit) for at in sorted(chosen) if (edit := _edit(body, found[at - 1])) is not None]
    return set_[-(rules.most_marks - 1) :]


def _boundaries(found: Sequence[Block], known: int) -> Iterator[int]:
    beginning = list(takewhile(lambda block: block.level != "messages", found))
    if beginning and beginning[-1].level == "system":
        yield len(beginning)
    last = found[-1].path
    if len(found) > 1 and len(last) > _PART and found[-2].path[:_PART] == last[:_PART]:
        yield len(found) - 1
    if 0 < known < len(found):
        yield known


_PART = 3
"""Steps to the parts of a message: ``messages``, which one, ``content``."""


def _edit(body: Mapping[str, Any], block: Block) -> Edit | None:
    """The breakpoint at the end of a block; None where none may stand."""
    if block.path[0] not in {"messages", "input"} or len(block.path) < _PART:
        return None
    there = at_path(body, block.path)
    if isinstance(there, str):
        if block.level != "system":
            return None
        kind = "text" if block.path[0] == "messages" else "input_text"
        parts = [{"type": kind, "text": there, "prompt_cache_breakpoint": _MARK}]
        return Edit("layout", block.path, "set", parts, evidence={"breakpoint": "where the system prompt ends"})
    role = mapping(body[block.path[0]][block.path[1]]).get("role")
    if role == "assistant" or mapping(there).get("type") not in _PARTS:
        return None
    return Edit(
        "layout", (*block.path, "prompt_cache_breakpoint"), "set", _MARK, evidence={"breakpoint": "where prompts part"}
    )
