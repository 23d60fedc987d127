"""What an upstream said when it did not answer, as a typed error; and what a client is told when we did not.

Shared by all dialects: their error bodies differ in a key or two, and HTTP statuses mean the same everywhere.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from penstock.errors import (
    BadInput,
    BrokenReply,
    BudgetExceeded,
    Cancelled,
    DeadlineExceeded,
    KeyRefused,
    Overloaded,
    PenstockError,
    ProviderError,
    Rejected,
    Unpriced,
    Unreachable,
)
from penstock.providers.shape import count, entries, mapping, text

__all__ = ["broken", "code_of", "failure", "status_of"]

_LONGEST = 300
"""Characters of an upstream's message that are passed on in ours."""

_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"<[^>]*>")
_SECRET = re.compile(r"\b(?:(?:sk|pk|rk|gsk|xai|api|key)[-_]|AIza|Bearer\s+)[\w.*~+/=-]{6,}", re.IGNORECASE)
"""What looks like a key. Some upstreams repeat in their message the key that they refuse."""

_OUT_OF_CREDIT = frozenset({"insufficient_quota", "billing_error", "billing_hard_limit_reached"})
_TOO_LONG = re.compile(r"context.?length|context window|prompt is too long|maximum.{0,20}tokens", re.IGNORECASE)

_STATUS_OF_KIND = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "invalid_api_key": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "api_error": 500,
    "server_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
    "server_is_overloaded": 503,
    "slow_down": 503,
    "invalid_prompt": 400,
    "context_length_exceeded": 400,
}
"""The status that an error inside a stream would have had as a response of its own."""


class Complaint(msgspec.Struct, frozen=True):
    """What an error body says, as far as it says it."""

    message: str = ""
    kind: str = ""
    """Its machine-readable type or code: the code where there is one, otherwise the type."""
    status: int = 0


def failure(answered: int, headers: Mapping[str, str], body: bytes, *, key_variable: str) -> ProviderError:
    """The typed error of an unsuccessful response.

    The class follows the status: 401, 402 and 403 are the key's, 408, 409, 429 and 5xx may pass, all others never
    will. One exception: a 429 that says the credit is used up passes by no waiting, so it is the key's as well.
    """
    complaint = _complaint(body)
    said = f": {complaint.message}" if complaint.message else ""
    message = f"the upstream answered {answered}{said}"
    kind = _class(answered, complaint)
    mend = _mend(answered, complaint, headers, key_variable)
    return kind(message, status=answered, body=body, headers=dict(headers), mend=mend)


def broken(error: Any, raw: bytes, *, event: bytes = b"") -> BrokenReply:
    """The error for an error object where an answer should be: inside a stream, or under a status of success.

    ``event`` holds the bytes of the event that said so, where clients raise from it.
    """
    complaint = _of_value(error)
    kind = f" ({complaint.kind})" if complaint.kind else ""
    message = f"the upstream broke off with an error{kind}: {complaint.message or 'it gave no reason'}"
    status = complaint.status or _STATUS_OF_KIND.get(complaint.kind, 0)
    mend = "try again later" if status == 429 or status >= 500 else ""
    found = BrokenReply(message, status=status, body=raw, mend=mend)
    found.event = event
    return found


def status_of(error: PenstockError) -> int:
    """The HTTP status that a client is told an error with. An upstream's own status is kept.

    499 is what nginx logs for a client that left; nobody reads it but the log.
    """
    match error:
        case BudgetExceeded():
            return 402
        case BadInput():
            return 400
        case DeadlineExceeded():
            return 504
        case Cancelled():
            return 499
        case Unreachable() | BrokenReply():
            return 502
        case ProviderError(status=code) if code >= 400:
            return code
        case Rejected():
            return 400
        case KeyRefused():
            return 401
        case Overloaded():
            return 503
        case ProviderError():
            return 502
        case _:
            return 500


_CODES: tuple[tuple[type[PenstockError], str], ...] = (
    (Unpriced, "unpriced"),
    (BudgetExceeded, "budget_exceeded"),
    (BadInput, "bad_input"),
    (DeadlineExceeded, "deadline_exceeded"),
    (Cancelled, "cancelled"),
    (Rejected, "rejected"),
    (KeyRefused, "key_refused"),
    (Overloaded, "overloaded"),
    (Unreachable, "unreachable"),
    (BrokenReply, "broken_reply"),
    (ProviderError, "provider_error"),
)


def code_of(error: PenstockError) -> str:
    """The machine-readable name of an error: its class.

    >>> code_of(BudgetExceeded("too dear"))
    'budget_exceeded'
    """
    return next((name for kind, name in _CODES if isinstance(error, kind)), "internal_error")


def _class(answered: int, complaint: Complaint) -> type[ProviderError]:
    if answered in {401, 402, 403} or (answered == 429 and complaint.kind in _OUT_OF_CREDIT):
        return KeyRefused
    if answered in {408, 409, 429} or answered >= 500:
        return Overloaded
    return Rejected


_MENDS = {
    401: "check {key}",
    403: "check that {key} may use this model",
    404: "check the model name and the base URL",
    408: "try again later",
    409: "try again later",
}


def _mend(answered: int, complaint: Complaint, headers: Mapping[str, str], key_variable: str) -> str:
    if answered == 402 or complaint.kind in _OUT_OF_CREDIT:
        return "add credit to the account, or use another key"
    if answered == 429:
        wait = headers.get("retry-after", "")
        return f"wait {wait} s and try again" if wait.isdigit() else "wait and try again"
    if answered == 413 or (answered == 400 and _TOO_LONG.search(f"{complaint.kind} {complaint.message}")):
        return "send less text, or choose a model with a larger context"
    if answered < 400:
        return "check the base URL"
    usual = "change the request" if answered < 500 else "try again later"
    return _MENDS.get(answered, usual).format(key=key_variable)


def _complaint(body: bytes) -> Complaint:
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Complaint(_line(_plain(body[:100_000].decode(errors="replace"))))
    return _of_value(value)


def _of_value(value: Any) -> Complaint:
    """The complaint in any of the shapes in use.

    ``{"error": {message, type, code}}`` (OpenAI, Anthropic), ``{"error": "..."}``, ``{"message": "..."}``,
    ``{"detail": ...}`` (servers on FastAPI), a list around one of these (Google), or a bare string.
    """
    if isinstance(value, str):
        return Complaint(_line(_plain(value)))
    if isinstance(value, list):
        listed = entries(value)
        return _of_value(listed[0]) if listed else Complaint()
    body = mapping(value)
    inner = body.get("error")
    if inner and inner is not True:
        return _of_value(inner)
    message = text(body.get("message")) or text(body.get("msg"))
    if not message and "detail" in body:
        return _of_value(body["detail"])
    kind = text(body.get("code")) or text(body.get("type")) or text(body.get("status"))
    return Complaint(_line(message), _line(kind), _http(body.get("code")) or _http(body.get("status")))


def _http(value: Any) -> int:
    number = count(value) or 0
    return number if 400 <= number <= 599 else 0


def _plain(said: str) -> str:
    """Text without markup: the title of a page, where there is one."""
    if "<" not in said:
        return said
    title = _TITLE.search(said)
    return html.unescape(_TAG.sub(" ", title.group(1) if title else said))


def _line(said: str) -> str:
    line = _SECRET.sub("[key]", " ".join(said.split()))
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"
