"""What a call weighs before it is sent: its tokens by kind of content.

Kinds matter because tokenizers differ by them: a family that needs 10% more tokens than o200k for prose may need 40%
more for code. Images and documents are never tokenised; they are bounded by the vendors' own rules.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import msgspec

from penstock.meter.models import image_tokens
from penstock.meter.tokens import Counter, count, encoding_for
from penstock.values import Call, Segment
from penstock.values.shape import is_array, is_object

__all__ = ["KINDS", "Kind", "Tally", "tally"]

Kind: TypeAlias = Literal["text", "code", "json", "tool"]

KINDS: tuple[Kind, ...] = ("text", "code", "json", "tool")


class Tally(msgspec.Struct, frozen=True):
    """Counted tokens of a prompt, in disjoint kinds."""

    text: int = 0
    """Prose."""
    code: int = 0
    """Source code, logs, markup: text dense in signs."""
    json: int = 0
    """Data: tool calls, response schemas, unknown fields, text that is a JSON value."""
    tool: int = 0
    """Tool definitions."""
    media: int = 0
    """An upper bound of the tokens of images, audio and documents."""
    messages: int = 0
    """Messages, the system prompt among them where it stands apart."""
    o200k: int = 0
    """The o200k tokens of all that was counted, whatever vocabulary the kinds above were counted in."""

    @property
    def counted(self) -> int:
        """Tokens of all that was counted, media apart."""
        return self.text + self.code + self.json + self.tool

    @property
    def least(self) -> int:
        """What any worst case counts at least: the o200k tokens, 3 a message, and 3 to begin the answer."""
        return self.o200k + 3 * self.messages + 3


def tally(call: Call, counter: Counter = count) -> Tally:
    """The tally of a call as it stands after its edits.

    With ``counter=by_size`` nothing is tokenised, and the tally is an upper bound.

    >>> body = b'{"messages": [{"role": "user", "content": "Open the gate."}]}'
    >>> tally(Call.parse(body, dialect="openai", provider=""))
    Tally(text=4, code=0, json=0, tool=0, media=0, messages=1, o200k=4)
    """
    encoding = encoding_for(call.model)
    sums: dict[str, int] = dict.fromkeys(KINDS, 0)
    media = o200k = 0
    for segment in call.segments():
        bound = _media(call, segment)
        if bound is not None:
            media += bound
            continue
        tokens = counter(segment.text, encoding)
        sums[_kind(segment)] += tokens
        o200k += tokens if encoding == "o200k" else counter(segment.text, "o200k")
    return Tally(**sums, media=media, messages=_messages(call.body), o200k=o200k)


def _messages(body: Mapping[str, Any]) -> int:
    number = 0
    for field in ("messages", "input"):
        value = body.get(field)
        number += len(value) if is_array(value) else isinstance(value, str)
    return number + sum(field in body for field in ("system", "instructions"))


_SIGNS = "{}();=<>_/"
_LOOK = 256
"""Characters of a text that are looked at to tell code from prose."""


def _kind(segment: Segment) -> Kind:
    if segment.kind == "tool":
        return "tool"
    if segment.kind in {"tool_call", "other"}:
        return "json"
    start = segment.text[:_LOOK].lstrip()
    if start[:1] in {"{", "["}:
        return "json"
    signs = sum(map(start.count, _SIGNS))
    return "code" if signs * 25 > len(start) else "text"


_PAGES = 600
"""The most pages of a PDF that a request may carry (Anthropic's PDF support; other vendors take fewer)."""

_TOKENS_A_PAGE = 3_000
"""The most text tokens a page usually takes (the same guide); each page is read as an image as well."""

_AUDIO_BYTES_A_TOKEN = 25
"""Speech is billed at 10 (OpenAI) to 32 (Google) tokens a second, and has 1,000 bytes a second at the least."""


def _media(call: Call, segment: Segment) -> int | None:
    """The most tokens a segment can take that is not read as text; None when it is to be counted.

    Images by `image_tokens`; documents by size, where it is here, at one token a byte and no more than the most pages
    allow; audio by size at the lowest bit rate.
    """
    if segment.kind == "image":
        return image_tokens(call.model)
    if segment.kind == "document":
        return _document(call, segment)
    if segment.kind != "text" and ";base64," in segment.text:
        return image_tokens(call.model) + _bytes(segment)
    return None


def _document(call: Call, segment: Segment) -> int | None:
    block: Any = call.body
    for step in segment.path:
        block = block[step]
    if block.get("type") == "input_audio":
        return _bytes(segment) // _AUDIO_BYTES_A_TOKEN + 1
    source = block.get("source")
    if is_object(source) and source.get("type") in {"text", "content"}:
        return None
    most = _PAGES * (_TOKENS_A_PAGE + image_tokens(call.model))
    here = '"data"' in segment.text or '"file_data"' in segment.text
    return min(most, image_tokens(call.model) + _bytes(segment)) if here else most


def _bytes(segment: Segment) -> int:
    """The bytes behind the base64 text of a block."""
    return len(segment.text) * 3 // 4
