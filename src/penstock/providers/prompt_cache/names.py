"""The names under which the tables know models."""

from __future__ import annotations

import re
from typing import TypeAlias

from penstock.values.caching import CacheRules

__all__ = ["Rows", "plain"]

Rows: TypeAlias = tuple[tuple[str, CacheRules], ...]
"""Rules with a pattern for the whole of a model's plain name."""

_VERSION = r"(?P<{0}>\d{{1,2}}(?:[-.]\d{{1,2}}(?!\d))?)"
_CLAUDE = re.compile(
    rf"claude-(?:(?P<line>[a-z]+)-{_VERSION.format('version')}|{_VERSION.format('early')}-(?P<kind>[a-z]+))(?![\d.])"
)
"""A line and a version, in the newer order (``claude-opus-4-5``) and the older one (``claude-3-5-haiku``)."""

_BEHIND = re.compile(
    r"[-@](?:(?!2024-05-13)20\d{2}-?\d{2}-?\d{2}|latest|preview(?:-\d\d-\d{2,4})?)(?=$|[-:@])"
    r"|@.*$|-v\d+(?::\d+)?$|-\d{3}$"
)
"""A date, a platform's version: what a name may end with without being another model. The first GPT-4o is one."""


def plain(model: str) -> str:
    """A model's name without vendor, region, date, tuning and platform; a claude's always as line and version.

    >>> plain("us.anthropic.claude-opus-4-5-20251101-v1:0"), plain("claude-3-5-haiku@20241022")
    ('claude-opus-4.5', 'claude-haiku-3.5')
    >>> plain("claude-sonnet-4-20250514"), plain("openai/gpt-4o-2024-08-06"), plain("eu.amazon.nova-pro-v1:0")
    ('claude-sonnet-4', 'gpt-4o', 'nova-pro')
    """
    name = model.lower().rpartition("/")[2]
    claude = _CLAUDE.search(name)
    if claude is not None:
        version = (claude["version"] or claude["early"]).replace("-", ".").removesuffix(".0")
        return f"claude-{claude['line'] or claude['kind']}-{version}"
    if name.startswith("ft:"):
        name = name[3:].partition(":")[0]
    name = re.sub(r"^(?:[a-z-]+\.)*(?:amazon|openai|deepseek|google)\.", "", name)
    bare = _BEHIND.sub("", name)
    while bare != name:
        name, bare = bare, _BEHIND.sub("", bare)
    return name
