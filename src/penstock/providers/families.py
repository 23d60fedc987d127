"""What the endpoints of one family have in common: how a key is carried, and how errors look."""

from __future__ import annotations

from collections.abc import Mapping

from penstock.errors import PenstockError, ProviderError
from penstock.providers.failure import code_of, failure, status_of
from penstock.providers.shape import Json, encode
from penstock.values import Call, Credential

__all__ = ["VERSION", "AnthropicFamily", "OpenAIFamily"]

VERSION = "2023-06-01"
"""The version of Anthropic's protocol that is asked for where the client names none."""

_OPENAI_KINDS = {
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_error",
    429: "rate_limit_error",
}

_ANTHROPIC_KINDS = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}


class OpenAIFamily:
    """OpenAI's side of every endpoint: a bearer key, and errors as ``{"error": {message, type, param, code}}``."""

    family = "openai"

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        """The typed error of an unsuccessful response."""
        return failure(status, headers, body, key_variable="OPENAI_API_KEY")

    def refusal(self, error: PenstockError, *, request_id: str) -> tuple[int, bytes]:
        """An error of ours as the status and body that OpenAI's clients raise from; they read the id from a header."""
        told = status_of(error)
        return told, encode(_openai(error, told))

    def complaint(self, error: PenstockError) -> Json:
        """An error of ours as an event of a stream says it."""
        return _openai(error, _in_stream(error))

    def error_event(self, error: PenstockError) -> bytes:
        """An error of ours as the last event of a stream that cannot go on."""
        return b"data: " + encode(self.complaint(error)) + b"\n\n"

    def headers(self, credential: Credential | None) -> dict[str, str]:
        """The request headers; without a key none that would carry it, as local servers want it."""
        fixed = {"content-type": "application/json"}
        if credential is None:
            return fixed
        if credential.header == "api-key":  # as Azure wants it
            return {"api-key": credential.key, **fixed}
        return {"authorization": f"Bearer {credential.key}", **fixed}

    def ask_usage(self, call: Call) -> bytes:
        """The body as it is: usage comes unasked."""
        return call.wire()

    def hide_usage(self, event: bytes) -> bytes | None:
        """The event as it is."""
        return event


class AnthropicFamily:
    """Anthropic's side of every endpoint: ``x-api-key``, a version, errors as ``{"type": "error", "error": ...}``."""

    family = "anthropic"

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        """The typed error of an unsuccessful response."""
        return failure(status, headers, body, key_variable="ANTHROPIC_API_KEY")

    def refusal(self, error: PenstockError, *, request_id: str) -> tuple[int, bytes]:
        """An error of ours as the status and body that Anthropic's clients raise from."""
        told = status_of(error)
        return told, encode({**_anthropic(error, told), "request_id": request_id})

    def error_event(self, error: PenstockError) -> bytes:
        """An error of ours as the last event of a stream that cannot go on."""
        return b"event: error\ndata: " + encode(_anthropic(error, _in_stream(error))) + b"\n\n"

    def headers(self, credential: Credential | None) -> dict[str, str]:
        """The request headers; without a key none that would carry it. A token of OAuth is a bearer's."""
        fixed = {"anthropic-version": VERSION, "content-type": "application/json"}
        if credential is None:
            return fixed
        if credential.header == "authorization":
            return {"authorization": f"Bearer {credential.key}", **fixed}
        return {"x-api-key": credential.key, **fixed}

    def ask_usage(self, call: Call) -> bytes:
        """The body as it is: usage comes unasked."""
        return call.wire()

    def hide_usage(self, event: bytes) -> bytes | None:
        """The event as it is."""
        return event


def _in_stream(error: PenstockError) -> int:
    """The status of an error inside a stream: the upstream's own, where it named one."""
    return getattr(error, "status", 0) or status_of(error)


def _openai(error: PenstockError, told: int) -> Json:
    kind = _OPENAI_KINDS.get(told, "server_error" if told >= 500 else "invalid_request_error")
    return {"error": {"message": str(error), "type": kind, "param": None, "code": code_of(error)}}


def _anthropic(error: PenstockError, told: int) -> Json:
    kind = _ANTHROPIC_KINDS.get(told, "api_error" if told >= 500 else "invalid_request_error")
    return {"type": "error", "error": {"type": kind, "message": str(error)}}
