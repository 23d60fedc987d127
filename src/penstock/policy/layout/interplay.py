"""What an edit of another mechanism costs at the provider's cache: the warm prefix that it moves.

An edit that takes tokens out of a prompt saves their price. Within a prefix that the provider would read, that price is
a fraction of the usual one, and all that is warm behind the first changed byte is paid in full.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from penstock.policy.layout.blocks import Block
from penstock.values import Edit, Path

__all__ = ["COLD", "Warm", "paying", "pays"]


class Warm(msgspec.Struct, frozen=True):
    """The prefix of a prompt that the provider would read."""

    blocks: Sequence[Block] = ()
    read: float = 1.0
    """The price of a token that is read, as a multiple of the price of input."""


COLD = Warm()
"""Nothing is known to be warm."""


def pays(edits: Sequence[Edit], warm: Warm) -> bool:
    """Whether the edits of a mechanism win more, in tokens of uncached input, than they lose at the cache.

    A change of the model moves the whole prefix, whatever its path; what it wins is not told in tokens of this model,
    so it has to say what it takes away (`Undo.input_tokens`) or lose nothing.
    """
    if not warm.blocks or not edits:
        return True
    first = min(_first(edit, warm.blocks) for edit in edits)
    lost = sum(block.tokens for block in warm.blocks[first:]) * (1 - warm.read)
    inside = sum(edit.undo.input_tokens for edit in edits if _first(edit, warm.blocks) < len(warm.blocks))
    behind = sum(edit.undo.input_tokens for edit in edits) - inside
    return not lost or inside * warm.read + behind > lost


def paying(edits: Sequence[Edit], warm: Warm) -> Sequence[Edit]:
    """The edits of a mechanism that pay.

    Those that only put another text in the place of one stand each for itself: what lies behind the warm prefix wins
    without what lies within. Others pay together, or none of them is made.
    """
    if any(edit.mechanism == "prune" for edit in edits):  # it has weighed that over the turns to come
        return edits
    if any(edit.op != "set" or not isinstance(edit.value, str) for edit in edits):
        return edits if pays(edits, warm) else ()
    within = [edit for edit in edits if _first(edit, warm.blocks) < len(warm.blocks)]
    return edits if pays(within, warm) else [edit for edit in edits if edit not in within]


def _first(edit: Edit, blocks: Sequence[Block]) -> int:
    """The first block that an edit changes; their number if it is behind them all, or beside the prompt."""
    if edit.path == ("model",):
        return 0
    return next((at for at, block in enumerate(blocks) if _meet(edit.path, block.path)), len(blocks))


def _meet(one: Path, other: Path) -> bool:
    """Whether one path leads through the other."""
    short = min(len(one), len(other))
    return one[:short] == other[:short]
