"""How responses count."""

from __future__ import annotations

from typing import Any

from penstock.providers.shape import count, mapping
from penstock.values import Usage

__all__ = ["usage_of"]


def usage_of(reported: Any) -> Usage | None:
    """The usage object of a response in disjoint counts; None when it says nothing.

    Cached and cache-written tokens lie inside ``input_tokens``, reasoning inside ``output_tokens``. What is written for
    the longer of OpenAI's two times to live (12 h) stands in Anthropic's longer one. A ``total_tokens`` beyond input
    and output was generated without being shown, as in chat completions.

    >>> usage_of({"input_tokens": 10, "output_tokens": 5, "output_tokens_details": {"reasoning_tokens": 3}})
    Usage(input=10, cache_read=0, cache_write_5m=0, cache_write_1h=0, output=2, reasoning=3)
    """
    fields = mapping(reported)
    prompt, answer = count(fields.get("input_tokens")), count(fields.get("output_tokens"))
    if prompt is None and answer is None:
        return None
    prompt, answer = prompt or 0, answer or 0
    details = mapping(fields.get("input_tokens_details"))
    read = min(count(details.get("cached_tokens")) or 0, prompt)
    written = min(count(details.get("cache_write_tokens")) or 0, prompt - read)
    longer = min(count(mapping(details.get("cache_write_tokens_details")).get("ttl_12h_tokens")) or 0, written)
    reasoning = count(mapping(fields.get("output_tokens_details")).get("reasoning_tokens")) or 0
    unseen = max(0, (count(fields.get("total_tokens")) or 0) - prompt - answer)
    within = min(max(0, reasoning - unseen), answer)
    return Usage(
        input=prompt - read - written,
        cache_read=read,
        cache_write_5m=written - longer,
        cache_write_1h=longer,
        output=answer - within,
        reasoning=within + unseen,
    )
