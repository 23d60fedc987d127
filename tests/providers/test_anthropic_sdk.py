"""What the official client makes of our bytes. It is unchanged; only its transport is in the process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import pytest

from penstock.errors import BrokenReply, BudgetExceeded, KeyRefused, Overloaded, PenstockError, Rejected
from penstock.providers.anthropic import Anthropic

WIRE = Anthropic()
GOLDEN = sorted(
    path for path in (Path(__file__).parents[1] / "golden").glob("anthropic_*.json") if "." not in path.stem
)
# The client's types know nothing of the blocks of tomorrow.
KNOWN = [path for path in GOLDEN if path.stem != "anthropic_unknown"]


class Said(httpx2.BaseTransport):
    """Answers every request with these bytes."""

    def __init__(self, status: int, body: bytes, kind: str) -> None:
        self.status, self.body, self.kind = status, body, kind

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(self.status, content=self.body, headers={"content-type": self.kind})


def client(body: bytes, status: int = 200, kind: str = "text/event-stream") -> anthropic.Anthropic:
    return anthropic.Anthropic(
        api_key="k", max_retries=0, http_client=httpx2.Client(transport=Said(status, body, kind))
    )


def streamed(body: bytes) -> dict[str, Any]:
    """The message that the client puts together."""
    with client(body) as sdk, sdk.messages.stream(model="m", max_tokens=9, messages=[]) as stream:
        return stream.get_final_message().model_dump(mode="json", exclude_unset=True)


@pytest.mark.parametrize("path", KNOWN, ids=lambda path: path.stem)
def test_a_synthesised_stream_gives_the_client_the_whole_answer(path: Path) -> None:
    events = WIRE.events(WIRE.reply(path.read_bytes(), streamed=False))
    whole = streamed(b"".join(events))
    expected: dict[str, Any] = json.loads(path.read_bytes())
    for block in whole["content"]:
        block.pop("parsed_output", None)
    assert whole["content"] == expected["content"]
    assert whole["stop_reason"] == expected["stop_reason"]
    assert whole["model"] == expected["model"]
    assert {name: whole["usage"].get(name) for name in expected["usage"]} == expected["usage"]
    assert bool(whole.get("container")) is bool(expected.get("container"))


@pytest.mark.parametrize("path", KNOWN, ids=lambda path: path.stem)
def test_a_recorded_stream_folds_as_the_client_folds_it(path: Path) -> None:
    raw = path.with_suffix(".sse").read_bytes()
    theirs = streamed(raw)["content"]
    for block in theirs:
        block.pop("parsed_output", None)
    assert theirs == json.loads(WIRE.body(WIRE.reply(raw, streamed=True)))["content"]


def test_an_error_event_raises_in_the_client() -> None:
    start = WIRE.events(WIRE.reply(KNOWN[0].read_bytes(), streamed=False))[0]
    with pytest.raises(anthropic.APIStatusError, match="cut short"):
        streamed(start + WIRE.error_event(BrokenReply("the stream was cut short")))


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (BudgetExceeded("too dear"), anthropic.APIStatusError),
        (KeyRefused("no", status=401), anthropic.AuthenticationError),
        (Rejected("where", status=404), anthropic.NotFoundError),
        (Overloaded("busy", status=529), anthropic.InternalServerError),
    ],
)
def test_a_refusal_raises_in_the_client(error: PenstockError, raised: type[anthropic.APIStatusError]) -> None:
    status, body = WIRE.refusal(error, request_id="r")
    with client(body, status, "application/json") as sdk, pytest.raises(raised, match=error.message) as found:
        sdk.messages.create(model="m", max_tokens=9, messages=[])
    assert found.value.status_code == status
    assert found.value.body == json.loads(body)
