"""How chat completions count, and how a stream is made to say it."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from penstock.errors import BrokenReply
from penstock.providers.shape import Json, count, mapping, parse
from penstock.providers.sse import split
from penstock.values import Call, Usage

__all__ = ["ask_usage", "hide_usage", "usage_of"]

_READ = ("cached_tokens", "prompt_cache_hit_tokens")
_THOUGHT = ("reasoning_tokens",)
_WRITTEN = ("cache_write_tokens", "cache_creation_tokens")


def usage_of(reported: Any) -> Usage | None:
    """The usage object of a reply in disjoint counts; None when it says nothing.

    Cached tokens lie inside ``prompt_tokens``, reasoning inside ``completion_tokens`` (OpenAI). DeepSeek names the
    cached part ``prompt_cache_hit_tokens``. Where ``total_tokens`` is larger than prompt and completion together, the
    rest was generated without being shown: xAI and Gemini count reasoning that way. Audio tokens stay in their counts.

    >>> usage_of({"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 4}})
    Usage(input=6, cache_read=4, cache_write_5m=0, cache_write_1h=0, output=5, reasoning=0)
    """
    fields = mapping(reported)
    prompt = count(fields.get("prompt_tokens"))
    completion = count(fields.get("completion_tokens"))
    if prompt is None and completion is None:
        return None
    prompt, completion = prompt or 0, completion or 0
    details = mapping(fields.get("prompt_tokens_details"))
    read = min(_first(details, _READ) or _first(fields, _READ), prompt)
    written = min(_first(details, _WRITTEN), prompt - read)
    reasoning = _first(mapping(fields.get("completion_tokens_details")), _THOUGHT)
    unseen = max(0, (count(fields.get("total_tokens")) or 0) - prompt - completion)
    within = min(max(0, reasoning - unseen), completion)
    return Usage(
        input=prompt - read - written,
        cache_read=read,
        cache_write_5m=written,
        output=completion - within,
        reasoning=within + unseen,
    )


def ask_usage(call: Call) -> bytes:
    """The body to send so that a stream ends with its usage.

    The very bytes of the call when it does not stream, asks already, or leaves every mechanism out. Otherwise one
    field is set and all other bytes stay as they came.

    >>> ask_usage(Call.parse(b'{"stream": true, "model": "m"}', dialect="openai", provider="openai"))
    b'{"stream_options":{"include_usage":true},"stream": true, "model": "m"}'
    """
    wire = call.wire()
    options = call.body.get("stream_options")
    if not call.stream or "all" in call.off or (options is not None and not isinstance(options, dict)):
        return wire
    wanted = {**mapping(options), "include_usage": True}
    if options == wanted:
        return wire
    field = b'"stream_options":' + msgspec.json.encode(wanted)
    if "stream_options" not in call.body:
        return wire.replace(b"{", b"{" + field + b",", 1)
    now = msgspec.json.decode(wire, type=dict[str, msgspec.Raw])["stream_options"]
    place = re.compile(rb'"stream_options"\s*:\s*' + re.escape(bytes(now)))
    if wire.count(b'"stream_options"') == 1 and (found := place.search(wire)) is not None:
        return wire[: found.start()] + field + wire[found.end() :]
    return msgspec.json.encode({**call.body, "stream_options": wanted})


_NULL = re.compile(rb'"usage"\s*:\s*null\s*,\s*|,\s*"usage"\s*:\s*null')
_AT_END = b',"usage":null}\n\n'


def hide_usage(event: bytes) -> bytes | None:
    r"""An event as it would have been had nobody asked for usage; None for the event that is there for usage only.

    Use it on the streams whose body `ask_usage` changed. A usage beside choices stays: a server that sends one there
    sends it unasked.

    >>> hide_usage(b'data: {"choices":[{}],"usage":null}\n\n')
    b'data: {"choices":[{}]}\n\n'
    """
    if b'"usage"' not in event:
        return event
    if event.endswith(_AT_END) and event.count(b'"usage"') == 1:  # as most servers write it: no need to read the rest
        return event[: -len(_AT_END)] + b"}\n\n"
    chunk = _chunk(event)
    if "usage" not in chunk:
        return event
    if chunk["usage"] is not None:
        return event if chunk.get("choices") else None
    if event.count(b'"usage"') == 1:
        return _NULL.sub(b"", event, count=1)
    del chunk["usage"]
    return b"data: " + msgspec.json.encode(chunk) + b"\n\n"


def _chunk(event: bytes) -> Json:
    try:
        return parse(split(event)[0].data)
    except BrokenReply:
        return {}


def _first(fields: Json, names: tuple[str, ...]) -> int:
    """The first of these counts that is given and not zero."""
    for name in names:
        if (given := fields.get(name)) and (tokens := count(given)):
            return tokens
    return 0
