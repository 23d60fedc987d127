"""Bodies and events of the openai wire."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from json_shapes import extras, tokens, values

said = st.none() | st.text()

calls = st.lists(
    st.fixed_dictionaries(
        {
            "id": st.uuids().map(str),
            "type": st.just("function"),
            "function": st.fixed_dictionaries({"name": st.text(min_size=1), "arguments": st.text()}),
        }
    ),
    min_size=1,
    max_size=3,
)

messages = st.builds(
    lambda message, more: {**more, **message},
    st.fixed_dictionaries(
        {"role": st.just("assistant"), "content": said},
        optional={
            "refusal": said,
            "reasoning_content": said,
            "tool_calls": calls,
            "function_call": st.fixed_dictionaries({"name": st.text(min_size=1), "arguments": st.text()}),
            "annotations": st.lists(st.fixed_dictionaries({"type": st.just("url_citation"), "url": st.text()})),
            "audio": st.fixed_dictionaries({"id": st.text(), "data": st.text(), "expires_at": tokens}),
        },
    ),
    extras,
)

logprobs = st.none() | st.fixed_dictionaries(
    {"content": st.none() | st.lists(st.fixed_dictionaries({"token": st.text(), "logprob": st.floats(-9, 0)}))}
)

choices = st.lists(
    st.fixed_dictionaries(
        {"message": messages, "finish_reason": st.sampled_from(["stop", "length", "tool_calls", "eos"])},
        optional={"logprobs": logprobs, "content_filter_results": values},
    ),
    min_size=1,
    max_size=3,
).map(lambda listed: [{"index": index, **choice} for index, choice in enumerate(listed)])

usages = st.fixed_dictionaries(
    {"prompt_tokens": tokens, "completion_tokens": tokens, "total_tokens": tokens},
    optional={
        "prompt_tokens_details": st.fixed_dictionaries({"cached_tokens": tokens, "cache_write_tokens": tokens}),
        "completion_tokens_details": st.fixed_dictionaries({"reasoning_tokens": tokens}),
        "x_cost": values,
    },
)

bodies = st.builds(
    lambda body, more: {**more, **body},
    st.fixed_dictionaries(
        {"id": st.text(), "object": st.just("chat.completion"), "created": tokens, "model": st.text()},
        optional={"usage": usages, "service_tier": said, "citations": st.lists(st.text())},
    ),
    extras,
).flatmap(lambda body: choices.map(lambda listed: {**body, "choices": listed}))

_words = [
    "choices",
    "index",
    "delta",
    "content",
    "message",
    "tool_calls",
    "function",
    "arguments",
    "id",
    "name",
    "type",
]
_words += [
    "usage",
    "error",
    "finish_reason",
    "logprobs",
    "model",
    "text",
    "thinking",
    "role",
    "object",
    "prompt_tokens",
]

anything: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(_words),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_words), inner, max_size=4),
    max_leaves=12,
)
deltas = st.dictionaries(st.sampled_from(_words), anything, max_size=4)
loose_choices = st.fixed_dictionaries(
    {}, optional={"index": st.integers(0, 2) | anything, "delta": deltas, "message": deltas, "finish_reason": anything}
)
events = st.fixed_dictionaries(
    {}, optional={"choices": st.lists(loose_choices, max_size=3) | anything, "usage": anything, "model": anything}
)
