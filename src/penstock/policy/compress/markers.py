"""What stands in a compressed text in place of what was left out, and how to get that.

    [penstock_retrieve 5f0c1d2e3a4b: 18,300 more tokens (log) left out]

The name is made of the whole original and of whose it is, so nobody comes by it who has not seen a part of the text.
"""

from __future__ import annotations

import hashlib
import re

__all__ = ["compressed_by_another", "marker", "name_in", "name_of", "names_in"]

_MARKER = re.compile(r"\[penstock_retrieve ([0-9a-f]{12}): [\d,]+ more tokens \(\w+\) left out\]")
_NAME = re.compile(r"\b[0-9a-f]{12}\b")

_FOREIGN = re.compile(
    r"<{2,3}CCR:|\b(?:headroom|tokenjuice)_retrieve\b|\[compacted tool output"
    r"|\[\d[\d,]* (?:items|lines|tokens) compressed\b",
    re.IGNORECASE,
)
"""The marks of other compressors: what one of them has compressed is theirs to restore."""


def name_of(text: str, tenant: str = "") -> str:
    """The name of an original of a tenant's: 48 bits."""
    return hashlib.sha256(tenant.encode() + b"\0" + text.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def marker(name: str, kind: str, tokens: int) -> str:
    """The line that tells how much is left out, of what kind, and how to get it."""
    return f"[penstock_retrieve {name}: {tokens:,} more tokens ({kind}) left out]"


def names_in(text: str) -> list[str]:
    """The names of all originals that markers in a text speak of."""
    return [match[1] for match in _MARKER.finditer(text)]


def name_in(told: str) -> str | None:
    """The name in a marker, or in whatever of it somebody has copied.

    >>> name_in("[penstock_retrieve 5f0c1d2e3a4b: 18,300 more"), name_in("all of it")
    ('5f0c1d2e3a4b', None)
    """
    match = _NAME.search(told)
    return match[0] if match else None


def compressed_by_another(text: str) -> bool:
    """Whether another compressor has been here."""
    return _FOREIGN.search(text) is not None
