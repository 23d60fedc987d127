"""Claude and Nova at Amazon Bedrock, with cache points of the Converse API."""

from __future__ import annotations

from datetime import date

from msgspec.structs import replace

from penstock.providers.prompt_cache.anthropic import CLAUDE
from penstock.providers.prompt_cache.anthropic import ROWS as CLAUDE_ROWS
from penstock.providers.prompt_cache.names import Rows
from penstock.values.caching import CacheRules, Ttl

__all__ = ["NOVA", "ROWS"]

_SINCE = date(2025, 4, 7)
_HOUR = r"(?=claude-(opus|sonnet|haiku)-4\.5$)"
"""The models that have 1 h as well. Documented is "some"; assumed: those it was announced for, in January 2026."""


def _here(rules: CacheRules, hour: bool) -> CacheRules:
    """A row of Claude's as it holds at Bedrock: cache points alone, and no automatic one."""
    return replace(
        rules,
        family=f"Bedrock: {rules.family}",
        since=_SINCE,
        marker="cache_point",
        placing="never",
        ttls=CLAUDE.ttls if hour else CLAUDE.ttls[:1],
        # When a write can be read is not documented here. Assumed: as at Anthropic, from the first token on.
    )


NOVA = CacheRules(
    family="Bedrock: Nova",
    since=_SINCE,
    minimum=1000,
    marker="cache_point",
    most_marks=4,
    # Assumed: as Claude there.
    matching="look_back",
    look_back=20,
    # Nova's prices are its own: writing costs what input costs, reading a quarter of it.
    ttls=(Ttl("5m", 300, 1.0),),
    read=0.25,
    accounting="disjoint",
    lost=(("model", "tools"), ("tools", "tools"), ("system", "system")),
)

ROWS: Rows = (
    *((_HOUR + pattern, _here(rules, hour=True)) for pattern, rules in CLAUDE_ROWS),
    *((pattern, _here(rules, hour=False)) for pattern, rules in CLAUDE_ROWS),
    (r"nova-(2-)?(micro|lite|pro|premier)", NOVA),
)
