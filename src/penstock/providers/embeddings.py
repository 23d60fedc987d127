"""OpenAI embeddings: texts in, vectors out (https://platform.openai.com/docs/api-reference/embeddings)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from penstock.errors import BrokenReply, PenstockError
from penstock.providers.failure import broken
from penstock.providers.families import OpenAIFamily
from penstock.providers.shape import Json, count, mapping, parse, text
from penstock.providers.single import Single
from penstock.values import Reply, Usage

__all__ = ["Embeddings"]


class Embeddings(Single, OpenAIFamily):
    """The `Dialect` of embeddings. Nothing is said, so a reply has no text; it always ends well."""

    name = "embeddings"
    path = "embeddings"

    def read(self, raw: bytes) -> Reply:
        """The reply of a list of vectors, which stay as they are."""
        body = parse(raw)
        if body.get("error") or body.get("object") == "error":
            raise broken(body, raw)
        if not isinstance(body.get("data"), list):
            raise BrokenReply("the answer has no embeddings", body=raw)
        used = count(mapping(body.get("usage")).get("prompt_tokens"))
        usage = None if used is None else Usage(input=used)
        return Reply(self.name, raw, False, "", "stop", text(body.get("model")), usage)

    def error_event(self, error: PenstockError) -> bytes:
        """An error of ours as the body, which is the only event there is."""
        return self.refusal(error, request_id="")[1]

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
        """A request body that asks for one vector a message; nothing else about the messages is embedded."""
        return {"model": model, "input": [message["content"] for message in messages]}
