"""OpenAI chat completions, spoken by OpenAI and by most servers there are.

The shapes are those of https://platform.openai.com/docs/api-reference/chat; what other servers do differently stands
at the place that copes with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from penstock.errors import BrokenReply
from penstock.providers.failure import broken
from penstock.providers.families import OpenAIFamily
from penstock.providers.openai.fold import fold
from penstock.providers.openai.replay import replay
from penstock.providers.openai.stream import ChatAssembler, chunks, error_in, visible
from penstock.providers.openai.usage import ask_usage, hide_usage, usage_of
from penstock.providers.prompt_cache.openai import reads_breakpoints
from penstock.providers.shape import Json, encode, mapping, objects, parse, text
from penstock.providers.sse import recorded, split
from penstock.values import Call, Reply
from penstock.values.call import chat_limit

__all__ = ["OpenAI", "ask_usage", "hide_usage", "usage_of"]


class OpenAI(OpenAIFamily):
    """The `Dialect` of chat completions."""

    name = "openai"
    path = "chat/completions"

    def reply(self, raw: bytes, *, streamed: bool) -> Reply:
        """A whole reply from its bytes. Its text, finish and usage are those of the first choice."""
        if streamed:
            assembler = self.assembler()
            assembler.feed(raw)
            return assembler.end()
        body = parse(raw)
        if error := error_in(body):
            raise broken(error, raw)
        choices = objects(body.get("choices"))
        if not choices or not isinstance(choices[0].get("message"), dict):
            raise BrokenReply("the answer has no choices with a message", body=raw)
        first = min(choices, key=_place)
        said = visible(mapping(first.get("message")).get("content"))
        finish, model = text(first.get("finish_reason")), text(body.get("model"))
        return Reply(self.name, raw, False, said, finish, model, usage_of(body.get("usage")))

    def assembler(self) -> ChatAssembler:
        """A fresh assembler for one stream."""
        return ChatAssembler()

    def events(self, reply: Reply) -> list[bytes]:
        """The reply as the events of a stream: as recorded, or as a live call would have brought them."""
        if reply.streamed:
            return recorded(reply.raw)
        return replay(parse(reply.raw))

    def body(self, reply: Reply) -> bytes:
        """The reply as the JSON body of a call that does not stream."""
        if not reply.streamed:
            return reply.raw
        return encode(fold(chunks(split(reply.raw))))

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
        """A request body; the system text becomes the first message, and several texts of one message one text.

        Not all servers of this format take lists. Texts stay apart for models that read up to breakpoints, which stand
        at the end of one.
        """
        asked: list[Mapping[str, Any]] = [{"role": "system", "content": system}] if system is not None else []
        said = messages if reads_breakpoints(model) else map(_in_one, messages)
        body: Json = {"model": model, "messages": [*asked, *said]}
        if max_tokens is not None:
            body[chat_limit(model)] = max_tokens
        if temperature is not None:
            body["temperature"] = temperature
        if stream:
            body["stream"] = True
        return body

    def ask_usage(self, call: Call) -> bytes:
        """The body to send so that a stream ends with its usage."""
        return ask_usage(call)

    def hide_usage(self, event: bytes) -> bytes | None:
        """An event as it would have been had nobody asked for usage; None for the one that is there for usage only."""
        return hide_usage(event)


def _place(choice: Json) -> int:
    index = choice.get("index")
    return index if isinstance(index, int) else 0


def _in_one(message: Mapping[str, Any]) -> Mapping[str, Any]:
    texts = objects(message.get("content"))
    return {**message, "content": "\n\n".join(part["text"] for part in texts)} if texts else message
