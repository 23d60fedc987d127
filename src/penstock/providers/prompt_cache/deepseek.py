"""DeepSeek's cache on disk, which keeps prefixes as whole units."""

from __future__ import annotations

from datetime import date

from penstock.providers.prompt_cache.names import Rows
from penstock.values.caching import CacheRules, Ttl

__all__ = ["DEEPSEEK", "ROWS"]

DEEPSEEK = CacheRules(
    family="DeepSeek",
    since=date(2024, 8, 2),
    # Not documented. Assumed: 64 tokens, the smallest unit of its first edition.
    minimum=64,
    placing="always",
    matching="unit",
    # Not documented but for "hours to days". Assumed: one hour from the last use.
    ttls=(Ttl("disk", 3600),),
    refreshed=True,
    # 0.02 to 0.03. Assumed: the dearer.
    read=0.03,
    # "Seconds", until what was computed is persisted. Assumed: five.
    lag=5.0,
    accounting="inside",
    lost=(("model", "tools"), ("tools", "tools")),
)

ROWS: Rows = ((r"deepseek-.+", DEEPSEEK),)
