"""Claude at Anthropic, and wherever its messages API is served as it is (Vertex, Foundry)."""

from __future__ import annotations

from datetime import date

from msgspec.structs import replace

from penstock.providers.prompt_cache.names import Rows
from penstock.values.caching import CacheRules, Ttl

__all__ = ["CLAUDE", "ROWS"]

CLAUDE = CacheRules(
    family="Claude Opus 4.8, Sonnet 5 / 4.6 / 4.5 / 4, Opus 4.1 / 4",
    since=date(2024, 8, 14),
    minimum=1024,
    marker="cache_control",
    most_marks=4,
    placing="asked",
    matching="look_back",
    look_back=20,
    ttls=(Ttl("5m", 300, 1.25), Ttl("1h", 3600, 2.0)),
    ordered=True,
    read=0.1,
    accounting="disjoint",
    lost=(
        ("model", "tools"),
        ("tools", "tools"),
        ("speed", "system"),
        ("web_search", "system"),
        ("citations", "system"),
        ("system", "system"),
        ("tool_choice", "messages"),
        ("images", "messages"),
        ("thinking", "messages"),
    ),
)
"""All of them differ in the minimum alone."""

ROWS: Rows = (
    (
        r"claude-(opus-5|fable-5(\.1)?|mythos-5(\.1)?)",
        replace(CLAUDE, family="Claude Opus 5, Fable 5.1, Mythos 5.1", minimum=512),
    ),
    (r"claude-(opus-4\.8|sonnet-(5|4\.6|4\.5|4)|opus-4\.1|opus-4)", CLAUDE),
    (
        r"claude-(opus-4\.7|haiku-3\.5)",
        replace(CLAUDE, family="Claude Opus 4.7, Haiku 3.5", minimum=2048),
    ),
    (
        r"claude-(opus-4\.6|opus-4\.5|haiku-4\.5)",
        replace(CLAUDE, family="Claude Opus 4.6 / 4.5, Haiku 4.5", minimum=4096),
    ),
    # Retired ones, from earlier editions of the same page.
    (r"claude-(sonnet-3\.[57]|opus-3)", replace(CLAUDE, family="Claude Sonnet 3.7 / 3.5, Opus 3")),
    (r"claude-haiku-3", replace(CLAUDE, family="Claude Haiku 3", minimum=2048)),
    # Newer than the table. Assumed: a line keeps the minimum of its last listed model. Too high a one leaves a saving
    # out, too low a one sets a mark that does nothing; neither costs money.
    (
        r"claude-(opus|fable|mythos)-([5-9]|\d\d)(\.\d+)?",
        replace(CLAUDE, family="Claude Opus, Fable, Mythos beyond 5", minimum=512),
    ),
    (
        r"claude-sonnet-([5-9]|\d\d)(\.\d+)?",
        replace(CLAUDE, family="Claude Sonnet beyond 5", minimum=1024),
    ),
    (
        r"claude-haiku-([5-9]|\d\d)(\.\d+)?",
        replace(CLAUDE, family="Claude Haiku beyond 4.5", minimum=4096),
    ),
)
