"""A window as bytes, without the texts: what is kept from one session to the next."""

from __future__ import annotations

import msgspec

from penstock.context.window.held import Held, stored
from penstock.context.window.prediction import CoUse
from penstock.context.window.quality import Quality
from penstock.context.window.segment import Importance, Segment
from penstock.context.window.tags import Tags

__all__ = ["VERSION", "Row", "State", "decode", "encode", "held_of", "row_of"]

VERSION = 1
"""Of this form. What another one wrote is not read: a window is built anew sooner than misread."""


class Row(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A segment without its text."""

    name: str
    role: str
    path: str
    call: str
    after: str
    importance: int | None
    tokens: int | None
    tagged: str
    expires: float | None
    number: int
    heat: float
    digest: bytes
    defines: str
    speaks: str
    rule: str
    error: str
    sketch: bytes


class State(msgspec.Struct, frozen=True):
    """All of a window but the texts."""

    version: int
    step: int
    number: int
    open: int
    ends: list[int]
    focus: list[str]
    rows: list[Row]
    couse: CoUse
    quality: Quality


def row_of(each: Held) -> Row:
    """A segment as it is kept."""
    it, tags = each.segment, each.tags
    return Row(
        it.name, it.role, it.path, it.call, it.after, it.importance, each.tokens, it.tags, it.expires,
        each.number, each.heat, each.digest, tags.defines, tags.speaks, tags.rule, tags.error, tags.sketch,
    )  # fmt: skip


def held_of(row: Row) -> Held:
    """A segment as it was kept; its text is read once it is wanted."""
    segment = Segment(
        name=row.name,
        text=stored,
        role=row.role,
        path=row.path,
        call=row.call,
        after=row.after,
        importance=None if row.importance is None else Importance(row.importance),
        tokens=row.tokens,
        tags=row.tagged,
        expires=row.expires,
    )
    tags = Tags(row.defines, row.speaks, row.rule, row.error, row.sketch)
    return Held(segment, row.number, tags, row.tokens, row.heat, row.digest)


encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(State).decode


def decode(state: bytes) -> State | None:
    """A window's state; None for what another version wrote, or what is damaged."""
    try:
        found = _decode(state)
    except msgspec.DecodeError:
        return None
    return found if found.version == VERSION else None
