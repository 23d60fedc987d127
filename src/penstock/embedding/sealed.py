"""A file that was made from others and is made again when it does not fit them any more, or is damaged."""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from collections.abc import Callable
from pathlib import Path

__all__ = ["sealed"]


def sealed(path: Path, made_of: bytes, make: Callable[[], bytes]) -> bytes:
    """What ``make`` makes, kept at ``path`` under a seal: the SHA-256 of it and of what tells its sources.

    It is made again where the seal does not fit. Writing is all or nothing; where it fails, nothing is kept.
    """
    with contextlib.suppress(OSError):
        kept = path.read_bytes()
        if kept[:32] == _seal(made_of, kept[32:]):
            return kept[32:]
    made = make()
    with contextlib.suppress(OSError):
        _write(path, _seal(made_of, made) + made)
    return made


def _seal(made_of: bytes, content: bytes) -> bytes:
    return hashlib.sha256(hashlib.sha256(made_of).digest() + content).digest()


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        part = Path(file.name)
    try:
        part.write_bytes(content)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
