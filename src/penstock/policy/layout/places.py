"""A prompt as the write policy sees it: where it may be marked, and which prefixes each place is like."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate
from typing import Protocol

from penstock.policy.layout.choice import Point
from penstock.policy.layout.forest import Node
from penstock.values.caching import CacheRules

__all__ = ["PrefixBlock", "Prompt"]

TAILS = (0, 1, 2, 4, 8)
"""How many blocks before the end of a prompt a later request may part from it. Intermediate marks cost nothing."""

UNIT = 512
"""Tokens. Sizes are told apart by their logarithm in it."""


class PrefixBlock(Protocol):
    """A block of a prompt, as `blocks` cuts it."""

    @property
    def digest(self) -> bytes:
        """Of the prompt up to and with this block."""
        ...

    @property
    def tokens(self) -> int:
        """How many it has, alone."""
        ...

    @property
    def markable(self) -> bool:
        """Whether a mark may be set at its end."""
        ...


class Prompt:
    """The places of one prompt, counted in blocks from its start."""

    def __init__(self, blocks: Sequence[PrefixBlock], rules: CacheRules) -> None:
        self._upto = (0, *accumulate(block.tokens for block in blocks))
        self._minimum = rules.minimum
        self._places = [at for at, block in enumerate(blocks, 1) if block.markable and rules.cacheable(self._upto[at])]

    @property
    def end(self) -> int:
        """The last place; 0: there is none."""
        return self._places[-1] if self._places else 0

    @property
    def shortest(self) -> int:
        """The first place; 0: there is none."""
        return self._places[0] if self._places else 0

    def may(self, at: int) -> bool:
        """Whether a mark may be set after ``at`` blocks."""
        return at in self._places

    def upto(self, at: int) -> int:
        """Tokens of the first ``at`` blocks."""
        return self._upto[at]

    def points(self, path: Sequence[Node], shape: str, family: bytes) -> list[Point]:
        """The places worth weighing: as far as an earlier prompt (``path``) went the same way, and near the end."""
        known = min(len(path), self.end)
        shared = next((at for at in reversed(self._places) if at <= known), 0)
        classes = (_origin(path, shared, known), str(_size(self.upto(self.end) - self.upto(known if shared else 0))))
        found: list[Point] = []
        if shared:
            found.append(self._point(shared, ("shared", *classes), shape, family, shared=True))
        for tail in TAILS:
            if tail >= len(self._places) or self._places[-1 - tail] <= known:
                break
            found.append(self._point(self._places[-1 - tail], (f"tail {tail}", *classes), shape, family))
        return found

    def _point(self, at: int, classes: tuple[str, ...], shape: str, family: bytes, *, shared: bool = False) -> Point:
        return Point(position=at, tokens=self.upto(at), shared=shared, chain=_chain(classes, shape, family))


@lru_cache(maxsize=4096)
def _chain(classes: tuple[str, ...], shape: str, family: bytes) -> tuple[str, ...]:
    """Names of the classes, each narrower than the one before; the narrowest is the family's own."""
    chain = tuple(accumulate((f"{shape} {classes[0]}", *classes[1:]), "{} {}".format))
    return (*chain, f"{chain[-1]} {family.hex()}") if family else chain


def _origin(path: Sequence[Node], shared: int, known: int) -> str:
    """Whether a prompt goes on from where an earlier one ended, parts from one before that, or has no such prefix."""
    if not shared:
        return "new"
    ended = any(node.turn for node in path[max(known - 2, 0) : known])
    return "continued" if ended else "forked"


def _size(tokens: int) -> int:
    return min((max(tokens, 0) // UNIT).bit_length(), 8)
