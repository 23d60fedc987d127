"""The files that an evaluation writes."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import msgspec

from penstock.errors import BadInput

__all__ = ["apart", "write_rows"]


def apart(out: Path, given: Path) -> None:
    """Raises `BadInput` where the file to write is the one that was given."""
    if out.exists() and given.exists() and out.samefile(given):
        raise BadInput(f"--out is {given} itself", mend="write to another file")


def write_rows(path: Path, rows: Iterable[object]) -> None:
    """The rows, one JSON object a line, at once or not at all: an interrupted run leaves what was there."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            for row in rows:
                file.write(msgspec.json.encode(row) + b"\n")
        part.replace(path)
    except OSError as error:
        raise BadInput(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)
