"""OpenAI responses.

The shapes are those of https://platform.openai.com/docs/api-reference/responses and its streaming events.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from penstock.errors import PenstockError
from penstock.providers.families import OpenAIFamily
from penstock.providers.responses.replay import replay
from penstock.providers.responses.stream import ResponseAssembler, checked, finish_of, fold, spoken
from penstock.providers.responses.usage import usage_of
from penstock.providers.shape import Json, encode, parse, text
from penstock.providers.sse import recorded
from penstock.values import Reply

__all__ = ["Responses", "usage_of"]


class Responses(OpenAIFamily):
    """The `Dialect` of responses."""

    name = "responses"
    path = "responses"

    def reply(self, raw: bytes, *, streamed: bool) -> Reply:
        """A whole reply from its bytes. Its text is that of all messages; it finishes with the response's status.

        A response in the background is whole as soon as it is ``queued``: it has an id to ask for, and no text yet.
        """
        if streamed:
            assembler = self.assembler()
            assembler.feed(raw)
            return assembler.end()
        body = parse(raw)
        checked(body, raw)
        model = text(body.get("model"))
        return Reply(self.name, raw, False, spoken(body), finish_of(body), model, usage_of(body.get("usage")))

    def assembler(self) -> ResponseAssembler:
        """A fresh assembler for one stream."""
        return ResponseAssembler()

    def events(self, reply: Reply) -> list[bytes]:
        """The reply as the events of a stream: as recorded, or as a live call would have brought them."""
        if reply.streamed:
            return recorded(reply.raw)
        return replay(parse(reply.raw))

    def body(self, reply: Reply) -> bytes:
        """The reply as the JSON body of a call that does not stream."""
        if not reply.streamed:
            return reply.raw
        return encode(fold(reply.raw))

    def error_event(self, error: PenstockError) -> bytes:
        """An error of ours as the last event of a stream that cannot go on.

        This wire's own error event has its fields at the top, and the official clients hand it out like any other;
        they raise from an ``error`` inside, which chat completions have. So it says both. Its number is not known here.
        """
        inner = self.complaint(error)["error"]
        fields = {name: inner[name] for name in ("code", "message", "param")}
        data = encode({"type": "error", "sequence_number": 0, **fields, "error": inner})
        return b"event: error\ndata: " + data + b"\n\n"

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
        """A request body; the system text are its instructions."""
        body: Json = {"model": model}
        if system is not None:
            body["instructions"] = system
        body["input"] = list(messages)
        if max_tokens is not None:
            body["max_output_tokens"] = max_tokens
        if temperature is not None:
            body["temperature"] = temperature
        if stream:
            body["stream"] = True
        return body
