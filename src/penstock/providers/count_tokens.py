"""Anthropic's count of the tokens that a message would have (https://docs.anthropic.com/en/api/messages-count-tokens)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from penstock.errors import BrokenReply, PenstockError
from penstock.providers.failure import broken
from penstock.providers.families import AnthropicFamily
from penstock.providers.shape import Json, count, parse
from penstock.providers.single import Single
from penstock.values import Reply, Usage

__all__ = ["CountTokens"]


class CountTokens(Single, AnthropicFamily):
    """The `Dialect` of token counts. They are free: the usage is nothing, whatever is counted."""

    name = "count_tokens"
    path = "messages/count_tokens"

    def read(self, raw: bytes) -> Reply:
        """The reply of a count."""
        body = parse(raw)
        if body.get("error"):
            raise broken(body, raw)
        if count(body.get("input_tokens")) is None:
            raise BrokenReply("the answer has no count of tokens", body=raw)
        return Reply(self.name, raw, False, "", "end_turn", "", Usage())

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
        """A request body; what concerns the answer is left out, since there is none."""
        asked: Json = {"model": model} if system is None else {"model": model, "system": system}
        return {**asked, "messages": list(messages)}
