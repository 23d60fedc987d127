"""The bytes of a scripted answer in every wire format.

Written apart from the codecs of `penstock.providers`, so that a mistake there is not mirrored here.
"""

from __future__ import annotations

import msgspec

from penstock.testing import answers_anthropic, answers_embeddings, answers_openai, answers_responses
from penstock.testing.plan import Count, Plan, Question, quarter

__all__ = ["body", "error_body", "events"]

_BODIES = {
    "openai": answers_openai.body,
    "responses": answers_responses.body,
    "embeddings": answers_embeddings.body,
    "anthropic": answers_anthropic.body,
    "count_tokens": answers_anthropic.counted,
}
_EVENTS = {
    "openai": answers_openai.events,
    "responses": answers_responses.events,
    "anthropic": answers_anthropic.events,
}
_KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}


def body(question: Question, plan: Plan, count: Count = quarter) -> bytes:
    """The JSON body of an answer that does not stream."""
    if plan.body is not None:
        return plan.body
    if plan.status != 200:
        return error_body(question.dialect, plan.status, plan.text or "the script says so")
    return msgspec.json.encode(_BODIES[question.dialect](question, plan, count))


def events(question: Question, plan: Plan, count: Count = quarter) -> list[bytes]:
    """The events of an answer that streams, the terminal one among them."""
    if plan.body is not None:
        return [plan.body]
    whole = list(_EVENTS[question.dialect](question, plan, count))
    if plan.error_after_event is not None:
        whole[plan.error_after_event :] = [_error_event(question.dialect, plan.error_after_event)]
    return whole


def error_body(dialect: str, status: int, message: str) -> bytes:
    """An error as the upstream of this dialect words it."""
    kind = _KINDS.get(status, "api_error" if status >= 500 else "invalid_request_error")
    if dialect in {"anthropic", "count_tokens"}:
        return msgspec.json.encode({"type": "error", "error": {"type": kind, "message": message}})
    return msgspec.json.encode({"error": {"message": message, "type": kind, "param": None, "code": None}})


def _error_event(dialect: str, number: int) -> bytes:
    """The event that breaks a stream off, as number ``number`` of it."""
    message = "overloaded in mid-stream"
    match dialect:
        case "openai":
            return b"data: " + error_body(dialect, 529, message) + b"\n\n"
        case "responses":
            fields = {"sequence_number": number, "code": "server_is_overloaded", "message": message, "param": None}
            return b"event: error\ndata: " + msgspec.json.encode({"type": "error", **fields}) + b"\n\n"
        case _:
            return b"event: error\ndata: " + error_body(dialect, 529, message) + b"\n\n"
