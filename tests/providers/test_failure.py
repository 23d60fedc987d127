from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from json_shapes import values

from penstock import errors
from penstock.errors import (
    BadInput,
    BrokenReply,
    BudgetExceeded,
    Cancelled,
    ConfigError,
    DeadlineExceeded,
    KeyRefused,
    Overloaded,
    PenstockError,
    ProviderError,
    Rejected,
    Unpriced,
    Unreachable,
)
from penstock.providers.dialects import NAMES, dialect
from penstock.providers.failure import broken, code_of, failure, status_of

OPENAI, ANTHROPIC = dialect("openai"), dialect("anthropic")


def openai_body(message: str, kind: str = "invalid_request_error", code: str | None = None) -> bytes:
    return json.dumps({"error": {"message": message, "type": kind, "param": None, "code": code}}).encode()


def anthropic_body(message: str, kind: str) -> bytes:
    return json.dumps({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}).encode()


@pytest.mark.parametrize(
    ("status", "body", "kind", "message"),
    [
        (400, openai_body("bad"), Rejected, "the upstream answered 400: bad (change the request)"),
        (400, openai_body("a lot", code="context_length_exceeded"), Rejected, "400: a lot (send less text, or choose"),
        (401, openai_body("no", code="invalid_api_key"), KeyRefused, "401: no (check OPENAI_API_KEY)"),
        (402, openai_body("pay"), KeyRefused, "402: pay (add credit to the account, or use another key)"),
        (403, openai_body("no"), KeyRefused, "403: no (check that OPENAI_API_KEY may use this model)"),
        (404, openai_body("no gpt-9", code="model_not_found"), Rejected, "404: no gpt-9 (check the model name and the"),
        (408, b"", Overloaded, "the upstream answered 408 (try again later)"),
        (409, openai_body("busy"), Overloaded, "409: busy (try again later)"),
        (413, openai_body("big"), Rejected, "413: big (send less text"),
        (422, openai_body("odd"), Rejected, "422: odd (change the request)"),
        (429, openai_body("slow", code="rate_limit_exceeded"), Overloaded, "429: slow (wait 20 s and try again)"),
        (429, openai_body("none left", "insufficient_quota", "insufficient_quota"), KeyRefused, "add credit"),
        (500, openai_body("oops", "server_error"), Overloaded, "500: oops (try again later)"),
        (502, b"<html><head><title>502 Bad\n Gateway</title></head></html>", Overloaded, "502: 502 Bad Gateway (try"),
        (503, b"busy\n\nnow", Overloaded, "503: busy now (try again later)"),
        (529, b"\xff", Overloaded, "529: \ufffd (try"),
        (302, b"", Rejected, "the upstream answered 302 (check the base URL)"),
    ],
)
def test_statuses_of_openai(status: int, body: bytes, kind: type[ProviderError], message: str) -> None:
    error = OPENAI.error(status, {"retry-after": "20"}, body)
    assert type(error) is kind
    assert message in str(error)
    assert (error.status, error.body, error.headers) == (status, body, {"retry-after": "20"})


@pytest.mark.parametrize(
    ("status", "name", "kind", "message"),
    [
        (400, "invalid_request_error", Rejected, "400: why (change the request)"),
        (401, "authentication_error", KeyRefused, "401: why (check ANTHROPIC_API_KEY)"),
        (402, "billing_error", KeyRefused, "402: why (add credit"),
        (403, "permission_error", KeyRefused, "403: why (check that ANTHROPIC_API_KEY may"),
        (404, "not_found_error", Rejected, "404: why (check the model name"),
        (413, "request_too_large", Rejected, "413: why (send less text"),
        (429, "rate_limit_error", Overloaded, "429: why (wait and try again)"),
        (500, "api_error", Overloaded, "500: why (try again later)"),
        (504, "timeout_error", Overloaded, "504: why (try again later)"),
        (529, "overloaded_error", Overloaded, "529: why (try again later)"),
    ],
)
def test_statuses_of_anthropic(status: int, name: str, kind: type[ProviderError], message: str) -> None:
    error = ANTHROPIC.error(status, {}, anthropic_body("why", name))
    assert type(error) is kind
    assert message in str(error)


def test_a_prompt_that_is_too_long_is_said_to_be() -> None:
    error = ANTHROPIC.error(
        400, {}, anthropic_body("prompt is too long: 210000 tokens > 200000", "invalid_request_error")
    )
    assert "send less text" in str(error)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"error": "plain"}, "plain"),
        ({"message": "bare"}, "bare"),
        ({"detail": "fast"}, "fast"),
        ({"detail": [{"loc": ["body"], "msg": "field required"}]}, "field required"),
        ([{"error": {"message": "listed", "status": "INVALID_ARGUMENT"}}], "listed"),
        ("only text", "only text"),
        ({"error": {"message": "<b>bold</b> &amp; more"}}, "<b>bold</b> &amp; more"),
        ({"error": {"message": None}}, ""),
        ({"error": True, "message": "said"}, "said"),
        ([], ""),
        (7, ""),
    ],
)
def test_the_message_is_found_in_every_shape(body: Any, said: str) -> None:
    error = OPENAI.error(418, {}, json.dumps(body).encode())
    assert error.message == (f"the upstream answered 418: {said}" if said else "the upstream answered 418")


def test_a_key_is_not_repeated() -> None:
    for key in (
        "sk-proj-abc123DEF456",
        "sk-ant-api03-AbC_9-xyz",
        "AIzaSyD-1234567890abc",
        "gsk_abcdef0123456789",
        "xai-abcdef123456",
    ):
        error = OPENAI.error(401, {}, openai_body(f"Incorrect API key provided: {key}. Bearer {key}"))
        assert key not in str(error)
        assert "Incorrect API key provided: [key]" in str(error)


@given(st.integers(300, 599), st.binary() | values.map(lambda value: json.dumps({"error": value}).encode()))
def test_a_message_is_one_short_line_whatever_came(status: int, body: bytes) -> None:
    error = failure(status, {}, body, key_variable="KEY")
    assert len(str(error).splitlines()) == 1
    assert len(str(error)) < 420
    assert error.body == body


def test_a_long_message_is_cut() -> None:
    error = OPENAI.error(400, {}, openai_body("very " * 1000))
    assert len(str(error)) < 400
    assert "…" in str(error)


TOLD: list[tuple[PenstockError, int, str]] = [
    (BadInput("m"), 400, "bad_input"),
    (ConfigError("m"), 400, "bad_input"),
    (BudgetExceeded("m"), 402, "budget_exceeded"),
    (Unpriced("m"), 402, "unpriced"),
    (Rejected("m", status=422), 422, "rejected"),
    (Rejected("m"), 400, "rejected"),
    (Rejected("m", status=302), 400, "rejected"),
    (KeyRefused("m", status=403), 403, "key_refused"),
    (KeyRefused("m"), 401, "key_refused"),
    (Overloaded("m", status=529), 529, "overloaded"),
    (Overloaded("m"), 503, "overloaded"),
    (Unreachable("m", status=599), 502, "unreachable"),
    (BrokenReply("m", status=529), 502, "broken_reply"),
    (ProviderError("m"), 502, "provider_error"),
    (DeadlineExceeded("m"), 504, "deadline_exceeded"),
    (Cancelled("m"), 499, "cancelled"),
    (PenstockError("m"), 500, "internal_error"),
]


@pytest.mark.parametrize(("error", "status", "code"), TOLD)
def test_what_a_client_is_told(error: PenstockError, status: int, code: str) -> None:
    assert (status_of(error), code_of(error)) == (status, code)
    told, body = OPENAI.refusal(error, request_id="r1")
    assert told == status
    said = json.loads(body)["error"]
    assert set(said) == {"message", "type", "param", "code"}
    assert (said["message"], said["param"], said["code"]) == (str(error), None, code)
    told, body = ANTHROPIC.refusal(error, request_id="r1")
    assert told == status
    assert set(json.loads(body)) == {"type", "error", "request_id"}
    assert json.loads(body)["request_id"] == "r1"
    assert json.loads(body)["error"]["message"] == str(error)


def test_every_error_is_told_somehow() -> None:
    assert {type(error).__name__ for error, _, _ in TOLD} == set(errors.__all__)


@pytest.mark.parametrize(
    ("error", "openai", "anthropic"),
    [
        (BudgetExceeded("m"), "insufficient_quota", "billing_error"),
        (BadInput("m"), "invalid_request_error", "invalid_request_error"),
        (Overloaded("m", status=429), "rate_limit_error", "rate_limit_error"),
        (BrokenReply("m", status=529), "server_error", "overloaded_error"),
        (BrokenReply("m"), "server_error", "api_error"),
        (DeadlineExceeded("m"), "server_error", "timeout_error"),
        (KeyRefused("m", status=401), "authentication_error", "authentication_error"),
    ],
)
def test_errors_inside_a_stream(error: PenstockError, openai: str, anthropic: str) -> None:
    event = OPENAI.error_event(error)
    assert event.startswith(b"data: ")
    assert event.endswith(b"\n\n")
    assert json.loads(event[6:])["error"]["type"] == openai
    name, data, *rest = ANTHROPIC.error_event(error).split(b"\n")
    assert (name, rest) == (b"event: error", [b"", b""])
    said = json.loads(data.removeprefix(b"data: "))
    assert (said["type"], said["error"]) == ("error", {"type": anthropic, "message": str(error)})


@pytest.mark.parametrize("name", NAMES)
def test_our_own_error_events_are_errors_to_us(name: str) -> None:
    wire = dialect(name)
    with pytest.raises(BrokenReply, match="out of money"):
        wire.reply(wire.error_event(BudgetExceeded("out of money")), streamed=True)


def test_an_error_object_says_what_it_can() -> None:
    assert "it gave no reason" in str(broken({}, b""))
    late = broken({"error": {"message": "slow", "type": "rate_limit_error"}}, b"raw")
    assert (late.status, late.body, late.mend) == (429, b"raw", "try again later")
    assert broken({"message": "bad", "code": 400}, b"").mend == ""


def test_a_dialect_has_one_object_and_unknown_names_are_said() -> None:
    for name in NAMES:
        assert dialect(name) is dialect(name)
        assert dialect(name).name == name
    with pytest.raises(ConfigError, match=r"no dialect 'gemini' .use one of openai, .*, anthropic, .*"):
        dialect("gemini")
