"""A segment as a window holds it: what is always known of it, and its text when that is in memory."""

from __future__ import annotations

from collections.abc import Callable
from math import log2
from typing import TypeAlias

import msgspec

from penstock.context.window.segment import Count, Segment
from penstock.context.window.tags import Tags, tags

__all__ = ["HALF_LIFE", "Held", "Read", "Texts", "Unreadable", "held", "stored"]

HALF_LIFE = 8
"""Steps of a window after which a use counts half."""


class Unreadable(Exception):
    """A text that lies elsewhere could not be had."""


class Held(msgspec.Struct):
    """A segment in a window."""

    segment: Segment
    number: int
    """The order in which segments came."""
    tags: Tags
    tokens: int | None
    """None until a loader was called that came without a size."""
    heat: float
    """The logarithm of its uses, each counted the more the later it was: comparable at any time as it is."""
    digest: bytes = b""
    """Under which a store has its text; empty: none has."""
    loaded: str | None = None
    """What the loader or the store gave, while it is wanted."""

    @property
    def name(self) -> str:
        """What it is called by."""
        return self.segment.name

    def use(self, step: int) -> None:
        """Count a use at this step of the window."""
        now = step / HALF_LIFE
        high, low = max(self.heat, now), min(self.heat, now)
        self.heat = high + log2(1 + 2 ** (low - high))


Read: TypeAlias = Callable[[Held], str]
"""The text of a segment, wherever it lies. Raises `Unreadable`."""


def stored() -> str:
    """The loader of a segment whose text a store has. `Texts` knows it and asks the store."""
    raise Unreadable("the store that has it is not at hand")


def _lost(each: Held) -> str:
    return stored()


class Texts:
    """Reads the texts of segments, wherever they lie."""

    def __init__(self, count: Count, fetch: Callable[[Held], str] | None = None) -> None:
        """``fetch``: gives the text of a segment that an earlier session or a store has."""
        self._count = count
        self._fetch = fetch or _lost

    def __call__(self, each: Held) -> str:
        """See `Read`."""
        if isinstance(each.segment.text, str):
            return each.segment.text
        if each.loaded is None:
            try:
                text = self._fetch(each) if each.segment.text is stored else each.segment.text()
            except Unreadable:
                raise
            except Exception as error:  # a loader is the caller's, and may fail as it likes
                raise Unreadable(f"{type(error).__name__}: {error}") from error
            self._learn(each, text)
            each.loaded = text
        return each.loaded

    def _learn(self, each: Held, text: str) -> None:
        """What could not be known before the text was."""
        if each.tokens is None:
            each.tokens = self._count(text)
            each.tags = _tags(each.segment, text, each.tokens)


def held(segment: Segment, number: int, step: int, count: Count) -> Held:
    """A segment that is new to a window. A loader is not called."""
    tokens, found = segment.tokens, Tags(speaks=segment.tags)
    if isinstance(segment.text, str):
        tokens = count(segment.text) if tokens is None else tokens
        found = _tags(segment, segment.text, tokens)
    return Held(segment, number, found, tokens, step / HALF_LIFE)


def _tags(segment: Segment, text: str, tokens: int) -> Tags:
    found = tags(text, tokens, path=segment.path, role=segment.role)
    return msgspec.structs.replace(found, speaks=f"{segment.tags} {found.speaks}") if segment.tags else found
