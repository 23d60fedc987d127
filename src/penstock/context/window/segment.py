"""What a context is made of, and what is known of a piece whose text lies elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import TypeAlias

import msgspec

__all__ = ["Count", "Importance", "Loader", "Segment", "Shorten"]

Count: TypeAlias = Callable[[str], int]
"""How many tokens a text has."""

Loader: TypeAlias = Callable[[], str]
"""Reads a text; called only when the text is wanted. What it raises leaves the segment out, with that as the reason."""

Shorten: TypeAlias = Callable[[str, int, str | None], str]
"""A text, the tokens it may have, and what is asked of it (None: nothing in particular) -> the shorter text."""


class Importance(IntEnum):
    """How much depends on a segment: the lower the number, the sooner it is given room."""

    CRITICAL = 0
    IMPORTANT = 1
    SUPPORTING = 2
    CACHE = 3


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """A file, a message, a call of a tool or its result: what is chosen or left out as one."""

    name: str
    """What it is called by; a later segment of the same name takes its place."""
    text: str | Loader
    role: str = ""
    """``system``, ``user``, ``assistant`` or ``tool`` for what was said; empty for files and notes."""
    path: str = ""
    """The file it is, with forward slashes: others link to it by that."""
    call: str = ""
    """The id that a call of a tool shares with its result. The two are chosen or left out together."""
    after: str = ""
    """The name of the segment that it answers or follows."""
    importance: Importance | None = None
    """Where the client knows it; None: the rules decide."""
    tokens: int | None = None
    """Its size, where that is known before a loader is called."""
    tags: str = ""
    """Words by which it is found before a loader is called."""
    expires: float | None = None
    """From when on nobody wants it: seconds on the caller's clock."""
