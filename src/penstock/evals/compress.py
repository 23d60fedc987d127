"""Compressing rows of one's own: what is left of each, at what ratio, and how long it took."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from penstock.errors import BadInput
from penstock.evals.rows import read_rows
from penstock.meter import count
from penstock.policy.compress.compressed import compress
from penstock.policy.compress.likeness import Similar
from penstock.policy.compress.sections import joined

__all__ = ["Compression", "Row", "compressions", "read"]


_SHAPE = '{"text": ..., "query": ...} or {"docs": [{"title": ..., "text": ...}], "query": ...}'


class Row(msgspec.Struct, frozen=True):
    """A text, or documents of which one text is made."""

    text: str | None = None
    docs: list[dict[str, str]] | None = None
    query: str | None = None
    kind: str | None = None


class Compression(msgspec.Struct, frozen=True):
    """What became of one row."""

    text: str
    tokens_before: int
    tokens_after: int
    kind: str
    ms: float
    """CPU time in milliseconds."""


def read(path: Path) -> list[Row]:
    """The rows of a file, one JSON object a line. Raises `BadInput`, which names the line."""
    rows = read_rows(path, Row, shape=_SHAPE)
    for line, row in rows:
        if (row.text is None) == (row.docs is None):
            raise BadInput(f"{path}, line {line}: a row has a text or docs", mend=f"a row is {_SHAPE}")
    return [row for _, row in rows]


def compressions(
    rows: Sequence[Row], ratio: float, progress: Callable[[int], None], similar: Similar | None = None
) -> Iterator[Compression]:
    """Each row in one ``ratio``-th of its tokens. Marks that tell what was left out are among them."""
    for number, row in enumerate(rows, 1):
        text, sources = (row.text or "", ()) if row.docs is None else joined(row.docs)
        begun = time.process_time()
        target = max(1, int(count(text) / ratio))
        found = compress(text, query=row.query, target_tokens=target, kind=row.kind, sources=sources, similar=similar)
        spent = (time.process_time() - begun) * 1000
        progress(number)
        yield Compression(found.text, found.tokens_before, found.tokens_after, found.kind, round(spent, 3))
