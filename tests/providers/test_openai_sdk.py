"""What the official client makes of our bytes. It is unchanged; only its transport is in the process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletionChunk

from penstock.errors import BrokenReply, BudgetExceeded, DeadlineExceeded, KeyRefused, Overloaded, PenstockError
from penstock.providers.openai import OpenAI, hide_usage

WIRE = OpenAI()
GOLDEN = sorted(path for path in (Path(__file__).parents[1] / "golden").glob("openai_*.json") if "." not in path.stem)


class Said(httpx2.BaseTransport):
    """Answers every request with these bytes."""

    def __init__(self, status: int, body: bytes, kind: str) -> None:
        self.status, self.body, self.kind = status, body, kind

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(self.status, content=self.body, headers={"content-type": self.kind})


def client(body: bytes, status: int = 200, kind: str = "text/event-stream") -> openai.OpenAI:
    return openai.OpenAI(api_key="k", max_retries=0, http_client=httpx2.Client(transport=Said(status, body, kind)))


def chunks(body: bytes) -> Iterator[ChatCompletionChunk]:
    with client(body) as sdk:
        yield from sdk.chat.completions.create(model="m", messages=[], stream=True)


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_a_synthesised_stream_gives_the_client_the_whole_answer(path: Path) -> None:
    body: dict[str, Any] = json.loads(path.read_bytes())
    events = WIRE.events(WIRE.reply(path.read_bytes(), streamed=False))
    state = ChatCompletionStreamState()
    for chunk in chunks(b"".join(events)):
        ChatCompletionChunk.model_validate(chunk.model_dump())
        state.handle_chunk(chunk)
    whole = state.current_completion_snapshot.model_dump(exclude_unset=True)
    for choice, expected in zip(whole["choices"], body["choices"], strict=True):
        assert choice["finish_reason"] == expected["finish_reason"]
        for field in ("content", "refusal", "reasoning_content", "function_call"):
            assert choice["message"].get(field) == expected["message"].get(field), field
        calls = [call["function"] for call in choice["message"].get("tool_calls") or []]
        assert [(call["name"], call["arguments"]) for call in calls] == [
            (call["function"]["name"], call["function"]["arguments"])
            for call in expected["message"].get("tool_calls", [])
        ]
        if expected.get("logprobs"):
            assert choice["logprobs"]["content"] == expected["logprobs"]["content"]
    assert whole["usage"]["prompt_tokens"] == body["usage"]["prompt_tokens"]
    assert whole["model"] == body["model"]


def test_a_client_that_asked_for_no_usage_sees_none() -> None:
    raw = GOLDEN[-1].with_suffix(".sse").read_bytes()
    events = WIRE.events(WIRE.reply(raw, streamed=True))
    assert any(chunk.usage for chunk in chunks(raw))
    seen = list(chunks(b"".join(shown for event in events if (shown := hide_usage(event)))))
    assert [chunk.choices for chunk in seen] == [chunk.choices for chunk in chunks(raw) if chunk.choices]
    assert not any("usage" in chunk.model_fields_set for chunk in seen)


def test_an_error_event_raises_in_the_client() -> None:
    start = WIRE.events(WIRE.reply(GOLDEN[0].read_bytes(), streamed=False))[0]
    with pytest.raises(openai.APIError, match="cut short"):
        list(chunks(start + WIRE.error_event(BrokenReply("the stream was cut short"))))


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (BudgetExceeded("too dear"), openai.APIStatusError),
        (KeyRefused("no", status=401), openai.AuthenticationError),
        (Overloaded("busy", status=429), openai.RateLimitError),
        (DeadlineExceeded("late"), openai.InternalServerError),
    ],
)
def test_a_refusal_raises_in_the_client(error: PenstockError, raised: type[openai.APIStatusError]) -> None:
    status, body = WIRE.refusal(error, request_id="r")
    with client(body, status, "application/json") as sdk, pytest.raises(raised, match=error.message) as found:
        sdk.chat.completions.create(model="m", messages=[])
    assert found.value.status_code == status
    assert found.value.code == json.loads(body)["error"]["code"]
