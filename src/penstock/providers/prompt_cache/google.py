"""Gemini, with its two caches: one that needs nothing said, and one of prefixes that are stored and named.

No wire format that is served here has a word for the other one: its rules are kept for those who price it.
"""

from __future__ import annotations

from datetime import date

from msgspec.structs import replace

from penstock.providers.prompt_cache.names import Rows
from penstock.values.caching import CacheRules, Ttl

__all__ = ["IMPLICIT", "ROWS", "STORED"]

IMPLICIT = CacheRules(
    family="Gemini implicit, Flash",
    since=date(2025, 5, 8),
    minimum=1024,
    placing="always",
    matching="longest",
    # Not documented but for "in a short time". Assumed: 5 minutes from the last use, as others have it.
    ttls=(Ttl("implicit", 300),),
    refreshed=True,
    read=0.1,
    # Nor is it when a write can be read, and hits are never promised. Assumed: once the first answer begins.
    accounting="inside",
    lost=(("model", "tools"), ("tools", "tools")),
)

_PRO = replace(IMPLICIT, family="Gemini implicit, Pro", minimum=4096)

_STORED = CacheRules(
    family="Gemini explicit, Flash",
    since=date(2025, 5, 8),
    minimum=1024,
    marker="cached_content",
    matching="reference",
    ttls=(Ttl("1h", 3600, 1.0),),
    refreshed=False,
    read=0.1,
    # Storage has a price of its own for each model. Assumed: $1.00 for Flash and $4.50 for Pro for a million tokens and
    # an hour, beside $0.30 and $1.25 of input.
    storage=10 / 3,
    accounting="inside",
    lost=(("model", "tools"), ("tools", "tools"), ("system", "tools")),
)

_FLASH_MODELS = r"gemini-((2\.[5-9]|[3-9](\.\d+)?)-)?flash(-lite)?"
_PRO_MODELS = r"gemini-(2\.[5-9]|[3-9](\.\d+)?)-pro"
_OTHERS = r"gemini-[4-9](\.\d+)?-[a-z]+"
"""Lines with new names. Assumed: the larger minimum."""

ROWS: Rows = (
    (_FLASH_MODELS, IMPLICIT),
    (_PRO_MODELS, _PRO),
    (_OTHERS, replace(_PRO, family="Gemini implicit, other")),
)

STORED: Rows = (
    (_FLASH_MODELS, _STORED),
    (_PRO_MODELS, replace(_STORED, family="Gemini explicit, Pro", minimum=4096, storage=3.6)),
)
