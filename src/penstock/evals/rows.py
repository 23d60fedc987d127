"""Files of rows: one JSON object a line."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from penstock.errors import BadInput

__all__ = ["read_rows"]

_T = TypeVar("_T")


def read_rows(path: Path, row: type[_T], *, shape: str) -> list[tuple[int, _T]]:
    """The rows of a file, packed by gzip or not, each with its line; blank lines are none.

    ``shape`` tells what a row looks like.

    Raises:
        BadInput: the file cannot be read or holds no row, or a line is none; names the line.
    """
    found = list(_rows(path, row, shape))
    if not found:
        raise BadInput(f"{path} is empty", mend=f"write one row a line: {shape}")
    return found


def _rows(path: Path, row: type[_T], shape: str) -> Iterator[tuple[int, _T]]:
    decoder = msgspec.json.Decoder(row)
    try:
        packed = path.read_bytes()
        lines = (gzip.decompress(packed) if packed.startswith(b"\x1f\x8b") else packed).split(b"\n")
    except (OSError, EOFError) as error:
        raise BadInput(f"cannot read {path}: {error}") from error
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                yield number, decoder.decode(line)
            except (ValueError, msgspec.MsgspecError) as error:
                raise BadInput(f"{path}, line {number}: {error}", mend=f"a row is {shape}") from error
