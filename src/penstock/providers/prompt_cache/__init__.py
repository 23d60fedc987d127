"""The rules by which providers cache prompts, as data: who caches what, and from which day on that is known.

A rule that changes is a new row with its day, never a change of code. Of the rows in force that match a model the
newest decides; of several as new as each other, the first. All were read in November 2026 from the vendors' and
projects' own documentation and the specifications of their SDKs; what these leave open, and what is assumed then,
stands beside the row.
"""

from __future__ import annotations

import re
from datetime import date
from functools import lru_cache

from penstock.providers.prompt_cache import anthropic, bedrock, deepseek, google, local, openai
from penstock.providers.prompt_cache.names import Rows, plain
from penstock.values.caching import CacheRules

__all__ = ["TABLES", "rules_for"]

TABLES: dict[str, Rows] = {
    "anthropic": anthropic.ROWS,
    "openai": openai.ROWS,
    "google": google.ROWS,
    "deepseek": deepseek.ROWS,
    "bedrock": bedrock.ROWS,
    **local.TABLES,
}
"""The rows by whose they are."""

_HOMES: tuple[tuple[str, tuple[str, ...]], ...] = (
    (r"bedrock|amazonaws|\baws\b", ("bedrock",)),
    (r"deepseek", ("deepseek",)),
    (r"vllm", ("vllm",)),
    (r"sglang", ("sglang",)),
    (r"llama\W?cpp|llama-server|ollama", ("llama.cpp",)),
    (r"^$", ("anthropic", "openai", "google", "deepseek")),
    (r"", ("anthropic", "openai", "google")),
)
"""Whose rows hold at a provider, by what is found in its name, host or URL. Azure, Foundry and Vertex serve the models
of others under the others' rules; at any place that is not known, the name of the model decides. DeepSeek's rules are
those of its own service, not of its models elsewhere."""


@lru_cache(maxsize=1024)
def rules_for(provider: str, model: str, at: date, *, stored: bool = False) -> CacheRules | None:
    """The rules for a model at a provider on a day; None where no prompt cache is known.

    ``provider`` is a name, a host or a URL. ``stored``: the rules for prefixes that a call of its own creates and
    others name (Gemini's explicit caching), instead of those for prompts as they are.

    >>> rules = rules_for("anthropic", "claude-sonnet-4-5-20250929", date(2026, 11, 20))
    >>> rules and (rules.family, rules.minimum, rules.most_marks, [ttl.name for ttl in rules.ttls])
    ('Claude Opus 4.8, Sonnet 5 / 4.6 / 4.5 / 4, Opus 4.1 / 4', 1024, 4, ['5m', '1h'])
    """
    place = provider.strip().lower()
    homes = next(homes for pattern, homes in _HOMES if re.search(pattern, place))
    name = plain(model)
    rows = google.STORED if stored else tuple(row for home in homes for row in TABLES[home])
    matching = [rules for pattern, rules in rows if rules.since <= at and re.fullmatch(pattern, name)]
    return max(matching, key=lambda rules: rules.since, default=None)
