"""Bodies and events of the anthropic wire."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from json_shapes import extras, tokens, values

inputs = st.dictionaries(st.text(), values, max_size=3)
citations = st.none() | st.lists(st.fixed_dictionaries({"type": st.just("char_location"), "cited_text": st.text()}))

blocks = st.one_of(
    st.fixed_dictionaries({"type": st.just("text"), "text": st.text()}, optional={"citations": citations}),
    st.fixed_dictionaries({"type": st.just("thinking"), "thinking": st.text(), "signature": st.text()}),
    st.fixed_dictionaries({"type": st.just("redacted_thinking"), "data": st.text()}),
    st.fixed_dictionaries(
        {
            "type": st.sampled_from(["tool_use", "server_tool_use", "mcp_tool_use"]),
            "id": st.text(),
            "name": st.text(),
            "input": inputs,
        }
    ),
    st.fixed_dictionaries({"type": st.just("web_search_tool_result"), "tool_use_id": st.text(), "content": values}),
    st.builds(lambda block, more: {**more, **block}, st.just({"type": "hologram"}), extras),
)

usages = st.fixed_dictionaries(
    {"input_tokens": tokens, "output_tokens": tokens},
    optional={
        "cache_creation_input_tokens": st.none() | tokens,
        "cache_read_input_tokens": st.none() | tokens,
        "cache_creation": st.fixed_dictionaries(
            {"ephemeral_5m_input_tokens": tokens, "ephemeral_1h_input_tokens": tokens}
        ),
        "output_tokens_details": st.none() | st.fixed_dictionaries({"thinking_tokens": tokens}),
        "server_tool_use": st.none() | st.fixed_dictionaries({"web_search_requests": tokens}),
        "iterations": st.lists(
            st.fixed_dictionaries(
                {"type": st.sampled_from(["message", "compaction"]), "input_tokens": tokens, "output_tokens": tokens}
            )
        ),
        "x_speed": values,
    },
)

bodies = st.builds(
    lambda body, more: {**more, **body},
    st.fixed_dictionaries(
        {
            "id": st.text(),
            "type": st.just("message"),
            "role": st.just("assistant"),
            "model": st.text(),
            "content": st.lists(blocks, max_size=4),
            "stop_reason": st.sampled_from(["end_turn", "tool_use", "max_tokens", "pause_turn"]),
            "stop_sequence": st.none() | st.text(),
            "usage": usages,
        },
        optional={
            "container": st.none() | st.fixed_dictionaries({"id": st.text()}),
            "stop_details": values,
            "context_management": st.none() | values,
        },
    ),
    extras,
)

_words = ["type", "index", "delta", "content_block", "content", "message", "text", "thinking", "signature", "citations"]
_words += [
    "partial_json",
    "usage",
    "error",
    "stop_reason",
    "model",
    "input",
    "input_tokens",
    "iterations",
    "fallback",
    "to",
]
_types = ["message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta", "new"]

anything: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(_words),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_words), inner, max_size=4),
    max_leaves=12,
)
parts = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["text", "text_delta", "input_json_delta", "citations_delta", "fallback", "tool_use"]),
        **dict.fromkeys(["text", "input", "citation", "partial_json", "stop_reason", "to", "signature"], anything),
    },
)
events = st.fixed_dictionaries(
    {"type": st.sampled_from(_types)},
    optional={
        "index": st.integers(0, 2) | anything,
        "delta": parts | anything,
        "content_block": parts | anything,
        "message": st.dictionaries(st.sampled_from(_words), anything) | anything,
        "usage": anything,
        "content": st.lists(parts) | anything,
    },
)
