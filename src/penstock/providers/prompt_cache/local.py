"""Engines that one runs oneself: what is cached costs nothing to write, and reading saves the computing of it."""

from __future__ import annotations

from datetime import date

from msgspec.structs import replace

from penstock.providers.prompt_cache.names import Rows
from penstock.values.caching import CacheRules, Ttl

__all__ = ["ENGINE", "TABLES"]

ENGINE = CacheRules(
    family="vLLM",
    since=date(2024, 1, 1),
    # A block of the KV cache, 16 tokens unless configured otherwise.
    minimum=16,
    step=16,
    placing="always",
    matching="longest",
    # The least recently used blocks go when the room is needed. Assumed: kept for an hour.
    ttls=(Ttl("lru", 3600),),
    read=0.0,
    accounting="inside",
    lost=(("model", "tools"), ("tools", "tools")),
)

TABLES: dict[str, Rows] = {
    "vllm": ((r".*", ENGINE),),
    "sglang": ((r".*", replace(ENGINE, family="SGLang", minimum=1, step=1)),),
    "llama.cpp": ((r".*", replace(ENGINE, family="llama.cpp", minimum=1, step=1)),),
}
