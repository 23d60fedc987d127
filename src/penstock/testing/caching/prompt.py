"""A prompt as a prompt cache sees it: places where a prefix can end, each with the digest of all that stands before."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple, TypeAlias

import msgspec

from penstock.values.caching import LEVELS, Level

__all__ = ["Block", "Count", "Mark", "Point", "Prompt", "Wish"]

Count: TypeAlias = Callable[[str], int]
"""Counts the tokens of a text."""


class Mark(msgspec.Struct, frozen=True):
    """A mark that the caller has set."""

    place: str
    """Where it stands in the body: ``messages.0.content.1``."""
    ttl: str = ""
    """The time to live that it asks for; empty: the default."""
    wrong: str = ""
    """Why no such mark may stand there; empty: it may."""


class Block(msgspec.Struct, frozen=True):
    """A content block of a wire body, in the bytes that a provider compares: without its marks."""

    level: Level
    head: str
    """Whose it is, and of what kind."""
    text: str
    """What is read: the text of a text block, the JSON of any other."""
    marks: tuple[Mark, ...] = ()
    """Those in it and on it, in the order of the prompt. All of them end a prefix where the block ends."""
    markable: bool = True
    turn: bool = False
    """Whether it ends what a user or a tool said: a place where a provider sets breakpoints of its own."""
    tokens: int | None = None
    """Where they are not counted from the text."""


class Wish(msgspec.Struct, frozen=True):
    """What a request says about caching besides its marks."""

    automatic: Mark | None = None
    """A mark that shall stand on the last block that can have one."""
    explicit: bool = False
    """The provider is told to set no breakpoint of its own."""
    ttl: str = ""
    """The time to live of breakpoints that name none; empty: the default."""
    retention: str = ""
    """The time to live of a cache without marks; empty: the default."""
    key: str = ""
    """What takes part in the routing."""


_NO_WISH = Wish()


class Point(NamedTuple):
    """A place where a prefix can end."""

    digest: bytes
    tokens: int
    """Of the prefix."""


class Prompt(msgspec.Struct, frozen=True):
    """All that a prompt cache takes from a request."""

    ends: tuple[Point, ...]
    """The end of each block."""
    points: tuple[Point, ...]
    """Every place a prefix can end: each word where prefixes are compared by the token, otherwise each block."""
    marks: tuple[tuple[int, Mark], ...] = ()
    """In the order of the prompt, each with the number of its block."""
    markable: frozenset[int] = frozenset()
    turns: tuple[int, ...] = ()
    wish: Wish = _NO_WISH

    @property
    def tokens(self) -> int:
        """The tokens of the whole prompt."""
        return self.points[-1].tokens if self.points else 0

    @classmethod
    def of(
        cls,
        blocks: Iterable[Block],
        count: Count,
        *,
        wish: Wish = _NO_WISH,
        salts: Mapping[Level, bytes] = {},
        fine: bool = False,
    ) -> Prompt:
        """The prompt that these blocks make, in the order of their levels.

        ``salts``: what else, if it changes, makes everything from a level on another prefix. ``fine``: compare by the
        word. The tokens of a prompt are the sum of those of its parts, so that they can be split without a rest.
        """
        given = tuple(blocks)
        listed: list[Block] = []
        ends: list[Point] = []
        points: list[Point] = []
        here = Point(b"", 0)
        for level in LEVELS:
            here = Point(_chained(here.digest, salts.get(level, b"")), here.tokens)
            for block in given:
                if block.level == level:
                    points += _through(block, here, count, fine)
                    here = points[-1]
                    ends.append(here)
                    listed.append(block)
        return cls(
            tuple(ends),
            tuple(points),
            tuple((index, mark) for index, block in enumerate(listed) for mark in block.marks),
            frozenset(index for index, block in enumerate(listed) if block.markable),
            tuple(index for index, block in enumerate(listed) if block.turn),
            wish,
        )


def _through(block: Block, here: Point, count: Count, fine: bool) -> Iterator[Point]:
    """The places in a block where a prefix can end, the last one its end. One without bytes ends where it begins."""
    if not block.head and not block.text:
        yield here
        return
    digest = _chained(here.digest, block.head.encode())
    if block.tokens is not None or not fine:
        tokens = count(block.text) if block.tokens is None else block.tokens
        yield Point(_chained(digest, block.text.encode()), here.tokens + tokens)
        return
    tokens = here.tokens
    for piece, size in _words(block.text, count) or (("", 0),):
        digest, tokens = _chained(digest, piece.encode()), tokens + size
        yield Point(digest, tokens)


_WORD = re.compile(r"\s*\S{1,64}|\s+")


@lru_cache(maxsize=4096)
def _words(text: str, count: Count) -> tuple[tuple[str, int], ...]:
    """The words of a text, each with the space before it, as vocabularies cut it; and their tokens."""
    return tuple((word, count(word)) for word in _WORD.findall(text))


def _chained(digest: bytes, more: bytes) -> bytes:
    return hashlib.blake2b(digest + more, digest_size=16).digest()
