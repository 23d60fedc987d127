"""Anthropic messages.

The shapes are those of https://docs.anthropic.com/en/api/messages and its streaming events, version 2023-06-01.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from penstock.errors import BrokenReply
from penstock.providers.anthropic.fold import fold
from penstock.providers.anthropic.replay import replay
from penstock.providers.anthropic.stream import MessageAssembler, payloads
from penstock.providers.anthropic.usage import usage_of
from penstock.providers.failure import broken
from penstock.providers.families import VERSION, AnthropicFamily
from penstock.providers.shape import Json, encode, objects, parse, text
from penstock.providers.sse import recorded, split
from penstock.values import Reply

__all__ = ["MAX_TOKENS", "VERSION", "Anthropic", "usage_of"]

MAX_TOKENS = 4096
"""The most tokens of an answer where the question does not say: this wire wants a number always."""


class Anthropic(AnthropicFamily):
    """The `Dialect` of messages."""

    name = "anthropic"
    path = "messages"

    def reply(self, raw: bytes, *, streamed: bool) -> Reply:
        """A whole reply from its bytes. Its text is that of all text blocks, in order."""
        if streamed:
            assembler = self.assembler()
            assembler.feed(raw)
            return assembler.end()
        body = parse(raw)
        if body.get("type") == "error" or body.get("error"):
            raise broken(body, raw)
        if not isinstance(body.get("content"), list):
            raise BrokenReply("the answer is a message without content", body=raw)
        said = "".join(text(block.get("text")) for block in objects(body["content"]) if block.get("type") == "text")
        finish, model = text(body.get("stop_reason")), text(body.get("model"))
        return Reply(self.name, raw, False, said, finish, model, usage_of(body.get("usage")))

    def assembler(self) -> MessageAssembler:
        """A fresh assembler for one stream."""
        return MessageAssembler()

    def events(self, reply: Reply) -> list[bytes]:
        """The reply as the events of a stream: as recorded, or as a live call would have brought them."""
        if reply.streamed:
            return recorded(reply.raw)
        return replay(parse(reply.raw))

    def body(self, reply: Reply) -> bytes:
        """The reply as the JSON body of a call that does not stream."""
        if not reply.streamed:
            return reply.raw
        return encode(fold(payloads(split(reply.raw))))

    def question(
        self,
        *,
        model: str,
        messages: Sequence[Mapping[str, Any]],
        system: str | None,
        max_tokens: int | None,
        temperature: float | None,
        stream: bool,
    ) -> Json:
        """A request body; the system text stands beside the messages."""
        body: Json = {"model": model, "max_tokens": MAX_TOKENS if max_tokens is None else max_tokens}
        if system is not None:
            body["system"] = system
        body["messages"] = list(messages)
        if temperature is not None:
            body["temperature"] = temperature
        if stream:
            body["stream"] = True
        return body
