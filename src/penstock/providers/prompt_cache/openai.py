"""OpenAI's models, at OpenAI and at Azure."""

from __future__ import annotations

import re
from datetime import date

from msgspec.structs import replace

from penstock.providers.prompt_cache.names import Rows, plain
from penstock.values.caching import CacheRules, Ttl

__all__ = ["BREAKPOINTS", "PREFIX", "ROWS", "reads_breakpoints"]

_MEMORY = Ttl("in_memory", 300)
"""5 to 10 minutes without use, in quiet hours up to 1 h. Assumed: the shortest, so that no read is counted on that
does not come."""

_DAY = Ttl("24h", 86_400)
"""Asked for by ``prompt_cache_retention``. Models before GPT-4.1 do not know it; from GPT-5.5 on there is no other."""

PREFIX = CacheRules(
    family="OpenAI before GPT-5.6: GPT-4o",
    since=date(2024, 10, 1),
    minimum=1024,
    step=128,
    placing="always",
    matching="longest",
    ttls=(_MEMORY,),
    read=0.5,
    # When it can be read is not documented. Assumed: as soon as it is computed, which the first token shows.
    routed=256,
    key="prompt_cache_key",
    per_minute=15,
    accounting="inside",
    lost=(("model", "tools"), ("tools", "tools")),
)

_QUARTER = replace(PREFIX, family="OpenAI before GPT-5.6: GPT-4.1", ttls=(_MEMORY, _DAY), read=0.25)
_TENTH = replace(_QUARTER, family="OpenAI before GPT-5.6: GPT-5", read=0.1)

BREAKPOINTS = CacheRules(
    family="OpenAI GPT-5.6 and later",
    since=date(2024, 10, 1),
    minimum=1024,
    marker="prompt_cache_breakpoint",
    most_marks=4,
    surplus="oldest_dropped",
    placing="unless_explicit",
    matching="breakpoint",
    # The number in the SDK's specification; an older note says 50.
    remembered=80,
    # The specification also names 12 h for responses. Without a documented price it is not offered.
    ttls=(Ttl("30m", 1800, 1.25),),
    # Not documented. Assumed: a read extends the 30 minutes, which are a minimum.
    refreshed=True,
    read=0.1,
    # The key is taken, but neither how it routes nor its rate is told. Assumed: no limit.
    key="prompt_cache_key",
    per_minute=0,
    accounting="inside",
    lost=(("model", "tools"), ("tools", "tools")),
)

_NEW = r"gpt-(5\.([6-9]|\d\d)|([6-9]|\d\d)(\.\d+)?)(-(?!image).+)?"

ROWS: Rows = (
    # Neither audio nor transcription; the very first GPT-4o keeps its date in its name, and has none.
    (r"gpt-4o(-mini)?|gpt-4\.5", PREFIX),
    (r"o1(-mini|-preview)?|o3-mini", replace(PREFIX, family="OpenAI before GPT-5.6: o1, o3-mini")),
    (r"gpt-4\.1(-mini|-nano)?", _QUARTER),
    (
        r"o3|o4-mini|o[34](-mini)?-deep-research|codex-mini",
        replace(PREFIX, family="OpenAI before GPT-5.6: o3, o4-mini", read=0.25),
    ),
    (r"o[13]-pro", replace(PREFIX, family="OpenAI before GPT-5.6: o1-pro, o3-pro", read=1.0)),
    (r"gpt-5(\.[0-5])?-pro", replace(_TENTH, family="OpenAI before GPT-5.6: GPT-5 pro", read=1.0)),
    (r"gpt-5(\.[0-4])?(-(?!image|pro).+)?", _TENTH),
    (
        r"gpt-5\.5(-(?!image|pro).+)?",
        replace(_TENTH, family="OpenAI before GPT-5.6: GPT-5.5", ttls=(_DAY,)),
    ),
    (_NEW, BREAKPOINTS),
)


def reads_breakpoints(model: str) -> bool:
    """Whether a model reads a prefix only where both prompts have a breakpoint."""
    return re.fullmatch(_NEW, plain(model)) is not None
