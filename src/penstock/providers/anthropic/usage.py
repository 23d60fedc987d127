"""How the messages API counts."""

from __future__ import annotations

from typing import Any

from penstock.providers.shape import Json, count, mapping, objects
from penstock.values import Usage

__all__ = ["updated", "usage_of"]


def usage_of(reported: Any) -> Usage | None:
    """The usage object of a message as `Usage`; None when it says nothing.

    Input, cache creation and cache read are disjoint already; thinking lies inside ``output_tokens``. The total of the
    creation counts is authoritative, and what its breakdown does not put at one hour was written for five minutes. A
    compaction among the ``iterations`` is billed besides the totals.

    >>> usage_of({"input_tokens": 3, "output_tokens": 5, "cache_read_input_tokens": 7})
    Usage(input=3, cache_read=7, cache_write_5m=0, cache_write_1h=0, output=5, reasoning=0)
    """
    fields = mapping(reported)
    if count(fields.get("input_tokens")) is None and count(fields.get("output_tokens")) is None:
        return None
    compactions = [_counts(each) for each in objects(fields.get("iterations")) if each.get("type") == "compaction"]
    return sum(compactions, _counts(fields))


def updated(usage: Json, reported: Json) -> Json:
    """The usage after a later report: its counts are totals so far, so they replace; a null says nothing."""
    return {**usage, **{name: value for name, value in reported.items() if value is not None or name not in usage}}


def _counts(fields: Json) -> Usage:
    written_1h, written_5m = _written(fields)
    output = count(fields.get("output_tokens")) or 0
    thinking = count(mapping(fields.get("output_tokens_details")).get("thinking_tokens")) or 0
    reasoning = min(thinking, output)
    return Usage(
        input=count(fields.get("input_tokens")) or 0,
        cache_read=count(fields.get("cache_read_input_tokens")) or 0,
        cache_write_5m=written_5m,
        cache_write_1h=written_1h,
        output=output - reasoning,
        reasoning=reasoning,
    )


def _written(fields: Json) -> tuple[int, int]:
    """Tokens written for one hour and for five minutes."""
    breakdown = mapping(fields.get("cache_creation"))
    hour = count(breakdown.get("ephemeral_1h_input_tokens")) or 0
    total = count(fields.get("cache_creation_input_tokens"))
    if total is None:
        return hour, count(breakdown.get("ephemeral_5m_input_tokens")) or 0
    return min(hour, total), total - min(hour, total)
