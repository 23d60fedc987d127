"""What the official client makes of our responses. It is unchanged; only its transport is in the process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from openai.types.responses import Response
from openai.types.responses.response_stream_event import ResponseStreamEvent
from pydantic import TypeAdapter

from penstock.errors import BrokenReply, BudgetExceeded
from penstock.providers.responses import Responses

WIRE = Responses()
FOLDER = Path(__file__).parents[1] / "golden"
GOLDEN = sorted(path for path in FOLDER.glob("responses_*.json") if "." not in path.stem)
KNOWN = [path for path in GOLDEN if "unknown" not in path.stem]
EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)


class Said(httpx2.BaseTransport):
    """Answers every request with these bytes."""

    def __init__(self, status: int, body: bytes, kind: str) -> None:
        self.status, self.body, self.kind = status, body, kind

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(self.status, content=self.body, headers={"content-type": self.kind})


def client(body: bytes, status: int = 200, kind: str = "text/event-stream") -> openai.OpenAI:
    return openai.OpenAI(api_key="k", max_retries=0, http_client=httpx2.Client(transport=Said(status, body, kind)))


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")  # the item that it does not know
@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
@pytest.mark.parametrize("live", [True, False], ids=["live", "synthesised"])
def test_the_clients_own_accumulation_ends_with_the_whole_answer(path: Path, live: bool) -> None:
    raw = path.with_suffix(".sse").read_bytes()
    if not live:
        raw = b"".join(WIRE.events(WIRE.reply(path.read_bytes(), streamed=False)))
    expected = json.loads(path.read_bytes())
    said = ""
    last: Any = None
    with client(raw) as sdk, sdk.responses.stream(model="m", input="?") as stream:
        for event in stream:
            said += event.delta if event.type == "response.output_text.delta" else ""
            last = event
    whole = last.response.to_dict()
    assert {name: whole[name] for name in expected if name != "output"} == {
        name: value for name, value in expected.items() if name != "output"
    }
    assert said == last.response.output_text == WIRE.reply(path.read_bytes(), streamed=False).text
    assert [(item.type, item.id) for item in last.response.output] == [
        (item["type"], item["id"]) for item in expected["output"]
    ]


@pytest.mark.parametrize("path", KNOWN, ids=lambda path: path.stem)
def test_every_event_and_body_has_the_promised_shape(path: Path) -> None:
    for raw in (path.with_suffix(".sse").read_bytes(), None):
        for event in WIRE.events(WIRE.reply(raw or path.read_bytes(), streamed=raw is not None)):
            told = EVENT.validate_json(event.partition(b"data: ")[2])
            assert told.type == event.partition(b"\n")[0].removeprefix(b"event: ").decode()
    folded = Response.model_validate_json(WIRE.body(WIRE.reply(path.with_suffix(".sse").read_bytes(), streamed=True)))
    assert folded.id == json.loads(path.read_bytes())["id"]


def test_an_error_event_raises_in_the_client() -> None:
    start = WIRE.events(WIRE.reply(GOLDEN[0].read_bytes(), streamed=False))[0]
    error = WIRE.error_event(BrokenReply("the stream was cut short"))
    with client(start + error) as sdk, pytest.raises(openai.APIError, match="cut short"):
        list(sdk.responses.create(model="m", input="?", stream=True))
    EVENT.validate_json(error.partition(b"data: ")[2])


def test_a_refusal_raises_in_the_client() -> None:
    status, body = WIRE.refusal(BudgetExceeded("too dear"), request_id="r")
    with (
        client(body, status, "application/json") as sdk,
        pytest.raises(openai.APIStatusError, match="too dear") as told,
    ):
        sdk.responses.create(model="m", input="?")
    assert (told.value.status_code, told.value.code) == (402, "budget_exceeded")
