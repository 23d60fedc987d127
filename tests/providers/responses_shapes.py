"""Bodies and events of the responses wire."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from json_shapes import extras, tokens, values

ids = st.uuids().map(str)
statuses = st.sampled_from(["completed", "incomplete", "in_progress"])

annotations = st.lists(st.fixed_dictionaries({"type": st.just("url_citation"), "url": st.text()}), max_size=2)
parts = st.one_of(
    st.fixed_dictionaries(
        {"type": st.just("output_text"), "text": st.text()},
        optional={"annotations": annotations, "logprobs": st.lists(values, max_size=2)},
    ),
    st.fixed_dictionaries({"type": st.just("refusal"), "refusal": st.text()}),
    st.fixed_dictionaries({"type": st.just("x_part")}, optional={"text": values}),
)
items = st.one_of(
    st.fixed_dictionaries(
        {
            "id": ids,
            "type": st.just("message"),
            "role": st.just("assistant"),
            "status": statuses,
            "content": st.lists(parts, max_size=3),
        }
    ),
    st.fixed_dictionaries(
        {"type": st.just("function_call"), "call_id": ids, "name": st.text(min_size=1), "arguments": st.text()},
        optional={"id": ids, "status": statuses},
    ),
    st.fixed_dictionaries({"id": ids, "type": st.just("custom_tool_call"), "call_id": ids, "input": st.text()}),
    st.fixed_dictionaries(
        {
            "id": ids,
            "type": st.just("reasoning"),
            "summary": st.lists(st.fixed_dictionaries({"type": st.just("summary_text"), "text": st.text()})),
        },
        optional={
            "content": st.lists(st.fixed_dictionaries({"type": st.just("reasoning_text"), "text": st.text()})),
            "encrypted_content": st.none() | st.text(),
        },
    ),
    st.builds(lambda item, more: {**more, **item}, st.fixed_dictionaries({"id": ids, "type": st.text()}), extras),
    values,
)
usages = st.fixed_dictionaries(
    {"input_tokens": tokens, "output_tokens": tokens, "total_tokens": tokens},
    optional={
        "input_tokens_details": st.fixed_dictionaries(
            {"cached_tokens": tokens},
            optional={
                "cache_write_tokens": tokens,
                "cache_write_tokens_details": st.fixed_dictionaries({"ttl_12h_tokens": tokens}),
            },
        ),
        "output_tokens_details": st.fixed_dictionaries({"reasoning_tokens": tokens}),
        "x_cost": values,
    },
)
details = st.none() | st.fixed_dictionaries({"reason": st.none() | st.just("max_output_tokens")})
bodies = st.builds(
    lambda body, more: {**more, **body},
    st.fixed_dictionaries(
        {
            "id": st.text(),
            "object": st.just("response"),
            "created_at": tokens,
            "model": st.text(),
            "output": st.lists(items, max_size=3),
        },
        optional={
            "status": st.sampled_from(["completed", "incomplete", "queued"]),
            "error": st.none(),
            "incomplete_details": details,
            "usage": st.none() | usages,
            "completed_at": st.none() | tokens,
        },
    ),
    extras,
)

_words = [
    "type", "response", "output", "item", "delta", "text", "status", "error", "usage", "content", "output_index",
    "content_index", "message", "output_text", "response.output_text.delta", "response.output_item.done",
    "response.completed", "response.incomplete", "response.failed", "completed", "incomplete", "failed",
    "input_tokens", "id", "summary", "arguments", "function_call", "reasoning", "incomplete_details", "reason",
]  # fmt: skip

anything: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(_words),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_words), inner, max_size=4),
    max_leaves=12,
)
responses = st.fixed_dictionaries(
    {}, optional={"output": st.lists(anything | items, max_size=3) | anything, "status": anything, "usage": anything}
)
events = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(_words[10:15]) | anything,
        "response": responses | anything,
        "item": items | anything,
        "delta": anything,
        "output_index": st.integers(-2, 2) | anything,
        "output": st.lists(items, max_size=3) | anything,
        "status": anything,
    },
)
