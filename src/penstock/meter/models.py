"""What is known of models besides their prices: families, output limits, tokens of an image. Dated data, no code.

Rows are tried from the top; the first pattern that matches the start of a family decides.
"""

from __future__ import annotations

import re
from functools import lru_cache

__all__ = ["AS_OF", "FALLBACK_WINDOW", "family", "image_tokens", "output_limit"]

AS_OF = "2026-11"
"""When the tables were read from the vendors' model pages."""

FALLBACK_WINDOW = 131_072
"""The context window assumed for a model of which none is known: the most common one among open models."""

_DATE = re.compile(r"[-@](?:20\d{2}-?\d{2}-?\d{2}|\d{4}|latest|preview)(?=$|[-:@])|[-:@]v\d+(?::\d+)?$")


@lru_cache(maxsize=1024)
def family(model: str) -> str:
    """The name under which a model's habits are learned: without vendor, date, version of a platform, or tuning.

    >>> family("anthropic/claude-sonnet-4-5-20250929"), family("ft:gpt-4o-2024-08-06:acme::1")
    ('claude-sonnet-4-5', 'gpt-4o')
    >>> family("us.anthropic.claude-opus-4-1-20250805-v1:0")
    'claude-opus-4-1'
    """
    name = model.lower().rpartition("/")[2]
    if name.startswith("ft:"):
        name = name[3:].partition(":")[0]
    claude = name.find("claude")
    name = name[claude:] if claude > 0 else name
    bare = _DATE.sub("", name)
    while bare != name:
        name, bare = bare, _DATE.sub("", bare)
    return name


_OUTPUT_LIMITS: tuple[tuple[str, int], ...] = (
    # platform.claude.com/docs/en/about-claude/models/overview, and each model's own page
    (r"claude-(3|instant|2)(-(haiku|sonnet|opus))?$", 4_096),
    (r"claude-3-5", 8_192),
    (r"claude-3-7", 64_000),
    (r"claude-(opus-4(-[01])?|4-opus)$", 32_000),
    (r"claude-(sonnet-4(-[05])?|4-sonnet|haiku-4-5|4-5-haiku|opus-4-5)$", 64_000),
    (r"claude", 128_000),
    # developers.openai.com/api/docs/models, and each model's own page
    (r"gpt-3\.5", 4_096),
    (r"gpt-4o|chatgpt-4o|gpt-4\.5|gpt-audio", 16_384),
    (r"gpt-4\.1", 32_768),
    (r"gpt-4-turbo|gpt-4-vision|gpt-4-(0125|1106)", 4_096),
    (r"gpt-4-32k", 32_768),
    (r"gpt-4$", 8_192),
    (r"gpt-5.*chat", 16_384),
    (r"gpt-5-pro", 272_000),
    (r"gpt-[5-9]", 128_000),
    (r"gpt-oss", 131_072),
    (r"o1-preview", 32_768),
    (r"o1-mini", 65_536),
    (r"o[134]", 100_000),
    # ai.google.dev/gemini-api/docs/models
    (r"gemini-(1|2\.0)", 8_192),
    (r"gemini", 65_536),
    # api-docs.deepseek.com/quick_start/pricing
    (r"deepseek-chat$", 8_192),
    (r"deepseek-reasoner$", 65_536),
)

_IMAGE_TOKENS: tuple[tuple[str, int], ...] = (
    # platform.claude.com/docs/en/build-with-claude/vision: width x height / 750, scaled down to 1,600 tokens;
    # from Opus 4.7 on to 3.75 megapixels
    (r"claude-(3|opus-4(-[0-6])?$|4-opus|sonnet-4|4-sonnet|haiku-4|4-5-haiku)", 1_600),
    (r"claude", 5_000),
    # developers.openai.com/api/docs/guides/images-vision: at most 8 tiles of 512 px after scaling, or 1,536 patches
    # of 32 px (10,000 at "original" detail) times the model's factor
    (r"gpt-4o-mini", 2_833 + 8 * 5_667),
    (r"(gpt-4\.1|gpt-5)-nano", 3_779),
    (r"(gpt-4\.1|gpt-5)-mini", 2_489),
    (r"(o4|codex)-mini", 2_642),
    (r"gpt-4|o[13]|gpt-5(\.[0-3])?(-|$)", 1_536 * 6 // 5),
    (r"gpt-", 12_000),
)

_IMAGE_FALLBACK = 5_000


def output_limit(model: str) -> int | None:
    """The most tokens that one answer of a model can have; None when it is not known.

    A claude, gpt or gemini newer than the table is taken to have its family's newest limit.

    >>> output_limit("gpt-4o-mini-2024-07-18"), output_limit("claude-opus-4-1-20250805"), output_limit("llama-3.3-70b")
    (16384, 32000, None)
    """
    return _first(_OUTPUT_LIMITS, family(model))


def image_tokens(model: str) -> int:
    """The most prompt tokens that one image can take, at any size and detail."""
    return _first(_IMAGE_TOKENS, family(model)) or _IMAGE_FALLBACK


@lru_cache(maxsize=1024)
def _first(rows: tuple[tuple[str, int], ...], name: str) -> int | None:
    return next((value for pattern, value in rows if re.match(pattern, name)), None)
