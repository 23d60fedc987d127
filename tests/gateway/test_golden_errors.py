"""Every error an upstream may answer with, in every wire format, as the official SDKs raise it behind the gateway."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import anthropic
import msgspec
import openai
import pytest
from gatehouse import Gatehouse, gatehouse
from sdks import ASKED, PATHS, anthropic_client, openai_client

from penstock.testing import Plan

RETRIED = frozenset({408, 409, 429, 500, 502, 503, 504, 529})

# The status; the words of either vendor for it; the classes that their clients raise.
ERRORS: list[tuple[int, str, str, str, str]] = [
    (400, "invalid_request_error", "invalid_request_error", "BadRequestError", "BadRequestError"),
    (401, "authentication_error", "authentication_error", "AuthenticationError", "AuthenticationError"),
    (402, "insufficient_quota", "billing_error", "APIStatusError", "PaymentRequiredError"),
    (403, "permission_error", "permission_error", "PermissionDeniedError", "PermissionDeniedError"),
    (404, "invalid_request_error", "not_found_error", "NotFoundError", "NotFoundError"),
    (408, "timeout_error", "timeout_error", "APIStatusError", "RequestTimeoutError"),
    (409, "conflict_error", "conflict_error", "ConflictError", "ConflictError"),
    (413, "invalid_request_error", "request_too_large", "APIStatusError", "RequestTooLargeError"),
    (422, "invalid_request_error", "invalid_request_error", "UnprocessableEntityError", "UnprocessableEntityError"),
    (429, "tokens", "rate_limit_error", "RateLimitError", "RateLimitError"),
    (500, "server_error", "api_error", "InternalServerError", "InternalServerError"),
    (502, "server_error", "api_error", "InternalServerError", "InternalServerError"),
    (503, "server_error", "api_error", "InternalServerError", "ServiceUnavailableError"),
    (504, "server_error", "timeout_error", "InternalServerError", "GatewayTimeoutError"),
    (529, "server_error", "overloaded_error", "InternalServerError", "OverloadedError"),
]
SAID = {"retry-after-ms": "1", "x-ratelimit-remaining-requests": "0", "anthropic-ratelimit-tokens-remaining": "0"}


def body(family: str, status: int, kind: str) -> bytes:
    """An error as a vendor words it, written so that no codec would write it again like this."""
    if family == "openai":
        return b'{ "error": {"message":"no. %d","type":"%b" , "param":null,"code":"c_1","more":1.0} }' % (
            status, kind.encode(),
        )  # fmt: skip
    return b'{"type":"error" ,"error":{"type":"%b","message":"no. %d", "more":1.0},"request_id":"req_9"}' % (
        kind.encode(), status,
    )  # fmt: skip


async def error_of(gate: Gatehouse, wire: str) -> Any:
    """What the SDK of a wire format raises. Each way to ask is used once: whole, as a stream, as a count."""
    async with openai_client(gate) as one, anthropic_client(gate) as two:
        calls: dict[str, Callable[..., Awaitable[Any]]] = {
            "openai": partial(one.chat.completions.create, stream=True),
            "responses": one.responses.create,
            "embeddings": one.embeddings.create,
            "anthropic": partial(two.messages.create, stream=True),
            "count_tokens": two.messages.count_tokens,
        }
        with pytest.raises((openai.APIError, anthropic.APIError)) as raised:
            await calls[wire](**ASKED[wire])
    return raised.value


@pytest.mark.parametrize("case", ERRORS, ids=lambda case: str(case[0]))
def test_status_body_and_headers_are_the_upstreams_and_nobody_tries_again(case: tuple[int, str, str, str, str]) -> None:
    status = case[0]
    bodies = {"openai": body("openai", status, case[1]), "anthropic": body("anthropic", status, case[2])}
    raised = {"openai": getattr(openai, case[3]), "anthropic": getattr(anthropic, case[4])}

    async def check(wire: str) -> None:
        family = "anthropic" if wire in {"anthropic", "count_tokens"} else "openai"
        async with gatehouse(Plan(status=status, body=bodies[family], headers=SAID)) as gate:
            error = await error_of(gate, wire)
            assert (wire, type(error)) == (wire, raised[family])
            assert (wire, error.status_code, error.response.content) == (wire, status, bodies[family])
            told = error.response.headers
            assert told["x-should-retry"] == "false"
            assert {name: told[name] for name in SAID} == SAID
            assert error.request_id == told["x-penstock-id"]
            parsed = msgspec.json.decode(bodies[family])
            assert error.body == (parsed["error"] if family == "openai" else parsed)
            tries = [exchange.path for exchange in (*gate.up.exchanges, *gate.up.counts)]
            assert tries == [PATHS[wire]] * (3 if status in RETRIED else 1)

    async def main() -> None:  # a gateway each, so that none sees the outage of another
        await asyncio.gather(*map(check, PATHS))

    asyncio.run(main())
