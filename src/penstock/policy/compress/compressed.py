"""Compressing a text: told what it is, cut by whoever knows that kind, and checked for what must be left of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeAlias

import msgspec

from penstock.errors import BadInput
from penstock.meter import count as tokens_in
from penstock.policy.compress import code, console, diffs, listings, logs, meetings, prose, records, tables
from penstock.policy.compress.extract import Count, Extract, Piece, Plan, extract
from penstock.policy.compress.kinds import Kind, Part, kind_named, kind_of, parts
from penstock.policy.compress.likeness import Similar
from penstock.policy.compress.lines import Lines, read
from penstock.policy.compress.markers import compressed_by_another, marker, name_in, name_of, names_in
from penstock.policy.compress.protect import Span, missing, protected, quoted, spans
from penstock.policy.compress.sections import Source

__all__ = ["TARGET_TOKENS", "Compressed", "compress", "shortened"]

TARGET_TOKENS = 2000

_MOST_OF_ROOM = 0.8
"""The share of the room that protected spans may have, as far as `_LEAST` allows."""

_LEAST, _MOST = 0.05, 0.25
"""Of a text at least and at most such a share is protected, if there is so much to protect. Where the room is smaller
still, what is left is longer than its target."""

_SPOKEN = frozenset({"prose", "meeting"})

_RECORDS = re.compile(r"^(?:\{[\"}]|\[[\[{\"])[^\n]{2000,}\n?", re.MULTILINE)

_SHORT = 200
"""Tokens up to which a part of a mixed text is kept whole, as long as such parts leave half of the room."""

_Planner: TypeAlias = Callable[[str, str | None, int], Plan]

_PLANNERS: Mapping[Kind, _Planner] = {
    "meeting": meetings.plan,
    "code": code.plan,
    "json": records.plan,
    "diff": diffs.plan,
    "table": tables.plan,
    "listing": listings.plan,
}

_BY_LINE: Mapping[Kind, Callable[[Lines, int], Plan]] = {
    "log": logs.planned,
    "tests": console.planned,
    "build": console.planned,
    "traceback": console.planned,
    "shell": console.planned,
}
"""What machines said line by line: read once, for what it is worth and for what is protected."""


class Compressed(msgspec.Struct, frozen=True):
    """What is left of a text."""

    text: str
    tokens_before: int
    tokens_after: int
    """By the o200k vocabulary, as above."""
    kind: str
    """What it was taken for; ``mixed``: it had parts of several kinds."""
    marker: str = ""
    """The line that tells what was left out; empty if nothing was."""
    over_target: bool = False
    """What must be left of it did not fit the target."""
    original: str = ""

    def __repr__(self) -> str:
        """Without the texts."""
        return f"Compressed({self.tokens_before:,} -> {self.tokens_after:,} tokens of {self.kind})"

    def restore(self, marker: str) -> str:
        """The original, whole, by its marker or the name in it.

        Raises `BadInput` for the marker of another text.
        """
        name = name_in(self.marker)
        if name is None or name_in(marker) != name:
            raise BadInput("that is not the marker of this text", mend="pass the last line of the compressed text")
        return self.original


def compress(
    text: str,
    *,
    query: str | None = None,
    target_tokens: int = TARGET_TOKENS,
    kind: str | None = None,
    tenant: str = "",
    sources: Sequence[Source] = (),
    similar: Similar | None = None,
    count: Count = tokens_in,
) -> Compressed:
    r"""The parts of a text that matter, verbatim, in about ``target_tokens`` tokens, and a line that tells the rest.

    ``query``: what they are to matter for. ``kind``: what the text is (``log``, ``tests``, ``json``, ``code``, ...); it
    is recognised if that is not said. ``sources``: the documents that `joined` made the text of. ``similar``: a
    model's second look at the prose that is longest, for the query. What must not be lost (errors, verdicts, failing
    tests, exit codes, what the query names) is looked for before and after; where that alone needs more, the result is
    longer and says so. A text that fits, or was compressed before, stays as it is.

    Raises `BadInput` for a target below 1.

    >>> log = "".join(f"10:{at // 60:02}:{at % 60:02} {at} done\n" for at in range(2000)) + "10:34:00 disk full\n"
    >>> found = compress(log, target_tokens=200)
    >>> found.kind, found.tokens_after <= 200, "disk full" in found.text, found.restore(found.marker) == log
    ('log', True, True, True)
    """
    if target_tokens < 1:
        raise BadInput(f"target_tokens = {target_tokens}", mend="a number of tokens")
    before = count(text)
    known = kind_named(kind)
    if before <= target_tokens or names_in(text) or compressed_by_another(text):
        return Compressed(text, before, before, known or kind_of(text))
    told = known or ("prose" if sources else None)
    whole = _with_records(text, parts(text)) if told is None else [Part(0, len(text), told)]
    name = "mixed" if len({part.kind for part in whole}) > 1 else whole[0].kind
    own_name = name_of(text, tenant)
    room = max(1, target_tokens - count("\n" + marker(own_name, name, before)))
    share = min(_MOST, max(_LEAST, _MOST_OF_ROOM * room / before))
    spoken = max((part for part in whole if part.kind == "prose"), key=_length, default=None)
    kept: list[Extract] = []
    for part, own in zip(whole, _rooms(text, whole, room, count), strict=True):
        stretch = text[part.start : part.end]
        prosaic = partial(prose.plan, sources=sources, similar=similar if part is spoken else None)
        plan, found = _planned(stretch, part.kind, query, own, prosaic, share)
        kept.append(_checked(stretch, plan, own, found, count))
    body = "".join(found.text for found in kept).rstrip("\n")
    tail = marker(own_name, name, max(0, before - sum(found.tokens for found in kept)))
    left = f"{body}\n{tail}"
    after = count(left)
    return Compressed(left, before, after, name, tail, after > target_tokens, text)


def shortened(text: str, tokens: int) -> str:
    """The same where nobody keeps the original: what is left, and a line that says so."""
    found = compress(text, target_tokens=max(tokens, 1))
    missing_tokens = found.tokens_before - found.tokens_after
    return found.text.replace(found.marker, f"[{missing_tokens:,} more tokens left out]") if found.marker else text


def _with_records(text: str, whole: Sequence[Part]) -> list[Part]:
    """The parts, of which each long line that is nothing but JSON is one: what a header stands above, for example."""
    found: list[Part] = []
    for part in whole:
        at = part.start
        for match in _RECORDS.finditer(text, part.start, part.end) if part.kind != "json" else ():
            found += [Part(at, match.start(), part.kind)] * (match.start() > at)
            found.append(Part(match.start(), match.end(), "json"))
            at = match.end()
        found += [Part(at, part.end, part.kind)] * (part.end > at)
    return found


def _rooms(text: str, whole: Sequence[Part], room: int, count: Count) -> list[int]:
    """The room of each part: of a short one all that it needs, of the others by their length."""
    sizes = [count(text[part.start : part.end]) for part in whole]
    short = [size <= _SHORT for size in sizes]
    needed = sum(size for size, whole_one in zip(sizes, short, strict=True) if whole_one)
    if needed > room // 2:
        short, needed = [False] * len(sizes), 0
    long = sum(size for size, whole_one in zip(sizes, short, strict=True) if not whole_one)
    return [
        size if whole_one else round((room - needed) * size / long)
        for size, whole_one in zip(sizes, short, strict=True)
    ]


def _length(part: Part) -> int:
    return part.end - part.start


def _planned(
    text: str, kind: Kind, query: str | None, room: int, prosaic: _Planner, share: float
) -> tuple[Plan, Sequence[Span]]:
    """The pieces of a text of one kind, and what of it must be left."""
    if kind in _BY_LINE:
        known = read(text, query)
        return _BY_LINE[kind](known, room), spans(known, query, share)
    planner = prosaic if kind == "prose" else _PLANNERS[kind]
    must = quoted(text, share) if kind in _SPOKEN else protected(text, query, share)
    return planner(text, query, room), must


def _checked(text: str, plan: Plan, room: int, must: Sequence[Span], count: Count) -> Extract:
    """What fits, with all that must be left: where the choice has lost some, that is made sure of, and chosen again."""
    found = extract(text, plan, room, count)
    if not missing(must, found.text):
        return found
    return extract(text, Plan(_with_sure(text, plan.pieces, must), plan.gap), room, count)


def _with_sure(text: str, pieces: Sequence[Piece], must: Sequence[Span]) -> list[Piece]:
    """The pieces, of which those that hold a span are sure; where none does, the lines of the span become one."""
    held = [any(piece.start < span.end and span.start < piece.end for span in must) for piece in pieces]
    found = [
        msgspec.structs.replace(piece, sure=True) if sure else piece for piece, sure in zip(pieces, held, strict=True)
    ]
    bare = [span for span in must if not any(piece.start < span.end and span.start < piece.end for piece in pieces)]
    return _numbered(found, [Piece(*_lines(text, span), worth=0.0, sure=True) for span in bare])


def _lines(text: str, span: Span) -> tuple[int, int]:
    begin = text.rfind("\n", 0, span.start) + 1
    end = text.find("\n", span.end)
    return begin, len(text) if end < 0 else end + 1


def _numbered(pieces: Sequence[Piece], more: Sequence[Piece]) -> list[Piece]:
    """All pieces in the order of the text, each under the piece that it was under before."""
    if not more:
        return list(pieces)
    order = sorted([*enumerate(pieces), *((-1, piece) for piece in more)], key=lambda each: each[1].start)
    now = {before: at for at, (before, _) in enumerate(order) if before >= 0}
    return [msgspec.structs.replace(piece, under=now.get(piece.under, -1)) for _, piece in order]
