"""What reading and writing a cache cost at today's prices."""

from __future__ import annotations

from functools import lru_cache

import msgspec

from penstock.meter import Rates
from penstock.values.caching import CacheRules

__all__ = ["priced"]


@lru_cache(maxsize=1024)
def priced(rules: CacheRules, rates: Rates | None) -> CacheRules:
    """The rules with the price book's own factors, where it lists them: it is what the bill follows."""
    if rates is None or not rates.input:
        return rules
    writes = {"1h": rates.cache_write_1h}
    ttls = [
        msgspec.structs.replace(ttl, write=writes.get(ttl.name, rates.cache_write_5m) / rates.input)
        if ttl.write > 1
        else ttl
        for ttl in rules.ttls
    ]
    return msgspec.structs.replace(rules, read=rates.cache_read / rates.input, ttls=tuple(ttls))
