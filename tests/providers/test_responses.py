"""The responses wire: what is particular about it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from responses_shapes import usages

from penstock.errors import BrokenReply, BudgetExceeded
from penstock.providers.responses import Responses, usage_of
from penstock.providers.sse import split
from penstock.values import Call, Usage

WIRE = Responses()
GOLDEN = Path(__file__).parents[1] / "golden"


def golden(name: str, kind: str = "sse") -> bytes:
    return (GOLDEN / f"responses_{name}.{kind}").read_bytes()


def sse(*events: dict[str, Any]) -> bytes:
    return b"".join(
        b"event: " + event["type"].encode() + b"\ndata: " + json.dumps(event).encode() + b"\n\n" for event in events
    )


@pytest.mark.parametrize(
    ("name", "text", "finish", "usage"),
    [
        (
            "text",
            "The sky scatters blue light: Rayleigh \u2013 1871.",
            "completed",
            Usage(16, cache_read=20, output=12),
        ),
        ("tools", "", "completed", Usage(80, output=41)),
        ("reasoning", "It is 4.", "completed", Usage(50, output=20, reasoning=64)),
        ("refusal", "", "completed", Usage(22, output=9)),
        ("incomplete", "Once upon a", "incomplete:max_output_tokens", Usage(18, output=3, reasoning=13)),
        ("unknown", "A pipe.", "completed", Usage(172, cache_read=128, output=20)),
    ],
)
def test_golden(name: str, text: str, finish: str, usage: Usage) -> None:
    for reply in (WIRE.reply(golden(name), streamed=True), WIRE.reply(golden(name, "json"), streamed=False)):
        assert (reply.dialect, reply.text, reply.finish, reply.usage) == ("responses", text, finish, usage)
        assert reply.model == "gpt-5-mini-2025-08-07"


@pytest.mark.parametrize("name", ["text", "tools", "reasoning", "refusal", "incomplete"])
def test_a_synthesised_stream_has_the_events_of_a_live_one(name: str) -> None:
    """But for the size of the deltas, and what is random padding."""

    def told(raw: bytes) -> list[tuple[str, object]]:
        found: list[tuple[str, object]] = []
        for number, event in enumerate(split(raw)):
            data = json.loads(event.data)
            assert data.pop("sequence_number") == number
            assert data.pop("type") == event.name
            data.pop("obfuscation", None)
            if "item" in data and event.name.endswith("added"):
                data["item"].pop("encrypted_content", None)  # live, it is not whole yet
            if event.name.endswith(".delta") and found and found[-1][0] == event.name:
                before: Any = found[-1][1]
                before["delta"] += data["delta"]
            else:
                found.append((event.name, data))
        return found

    events = WIRE.events(WIRE.reply(golden(name, "json"), streamed=False))
    assert told(b"".join(events)) == told(golden(name))


def test_a_failed_response_is_no_answer_but_its_usage_counts() -> None:
    assembler = WIRE.assembler()
    assert "".join(delta.text for delta in assembler.feed(golden("failed"))) == "The ans"
    with pytest.raises(BrokenReply, match=r"server_error.*The model failed to answer") as raised:
        assembler.end()
    assert raised.value.status == 500
    assert assembler.usage == Usage(input=30, output=2)
    assert assembler.text == "The ans"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"status": "failed", "error": {"code": "rate_limit_exceeded", "message": "slow"}, "output": []}, "slow"),
        ({"status": "failed", "error": None, "output": []}, "the response was failed"),
        ({"status": "cancelled", "output": []}, "the response was cancelled"),
        ({"error": {"message": "no room", "type": "server_error"}}, "no room"),
        ({"object": "chat.completion", "choices": []}, "without output"),
        ({"output": None}, "without output"),
    ],
)
def test_bodies_that_are_no_answer(body: dict[str, Any], said: str) -> None:
    with pytest.raises(BrokenReply, match=said):
        WIRE.reply(json.dumps(body).encode(), streamed=False)


@pytest.mark.parametrize("kind", ["failed", "cancelled"])
def test_streams_that_end_in_no_answer(kind: str) -> None:
    with pytest.raises(BrokenReply, match=f"the response was {kind}"):
        WIRE.reply(sse({"type": f"response.{kind}", "response": {"output": []}}), streamed=True)


def test_a_last_event_without_a_response_is_none() -> None:
    with pytest.raises(BrokenReply, match="without output"):
        WIRE.reply(sse({"type": "response.completed"}), streamed=True)


def test_a_response_in_the_background_is_whole_when_it_is_queued() -> None:
    raw = b'{"id": "resp_1", "status": "queued", "background": true, "output": [], "model": "m", "usage": null}'
    reply = WIRE.reply(raw, streamed=False)
    assert (reply.text, reply.finish, reply.usage) == ("", "queued", None)


ITEM = {"type": "message", "id": "m", "role": "assistant", "content": [{"type": "output_text", "text": "Hi"}]}


@pytest.mark.parametrize("left_out", [{}, {"output": None}, {"output": []}])
@pytest.mark.parametrize("deltas", [True, False])
def test_an_output_that_is_left_out_at_the_end_is_that_of_the_items(left_out: dict[str, Any], deltas: bool) -> None:
    said = {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "Hi"}
    done = {"type": "response.output_item.done", "output_index": 1, "item": ITEM}
    first = {"type": "response.output_item.done", "output_index": 0, "item": {"type": "reasoning", "id": "r"}}
    last = {"type": "response.completed", "response": {"id": "resp_1", **left_out}}
    raw = sse(*([said] if deltas else []), done, first, last)
    reply = WIRE.reply(raw, streamed=True)
    assert (reply.text, reply.finish) == ("Hi", "completed")
    assert json.loads(WIRE.body(reply))["output"] == [first["item"], ITEM]


def test_text_that_no_delta_brought_comes_with_the_end() -> None:
    last = {"type": "response.completed", "response": {"output": [ITEM]}}
    half = {"type": "response.output_text.delta", "delta": "H"}
    assembler = WIRE.assembler()
    assert [delta.text for delta in assembler.feed(sse(half, last))] == ["H", "i"]
    assert assembler.end().text == "Hi"


def test_events_without_names_and_a_done_that_nobody_asked_for() -> None:
    last = {"type": "response.incomplete", "response": {"output": [ITEM], "incomplete_details": {"reason": "steered"}}}
    raw = b"data: " + json.dumps(last).encode() + b"\n\ndata: [DONE]\n\n"
    reply = WIRE.reply(raw, streamed=True)
    assert reply.finish == "incomplete:steered"
    assert json.loads(WIRE.body(reply)) == last["response"]


@given(usages)
def test_counts_are_disjoint_and_lose_nothing(reported: dict[str, Any]) -> None:
    usage = usage_of(reported)
    assert usage is not None
    assert usage.prompt == reported["input_tokens"]
    hidden = max(0, reported["total_tokens"] - reported["input_tokens"] - reported["output_tokens"])
    assert usage.completion == reported["output_tokens"] + hidden
    assert min(usage.input, usage.cache_read, usage.cache_write_5m, usage.cache_write_1h, usage.output) >= 0


def test_cache_writes_by_their_time_to_live() -> None:
    details = {"cached_tokens": 10, "cache_write_tokens": 30, "cache_write_tokens_details": {"ttl_12h_tokens": 20}}
    usage = usage_of({"input_tokens": 100, "output_tokens": 1, "input_tokens_details": details})
    assert usage == Usage(input=60, cache_read=10, cache_write_5m=10, cache_write_1h=20, output=1)
    assert usage_of({}) is None
    assert usage_of(None) is None


def test_a_broken_stream_is_charged_by_all_that_was_generated() -> None:
    for name, said in (("reasoning", "**Adding** the numbersIt is 4."), ("tools", '{"city":"Köln"}{"city":"Oslo"}')):
        assembler = WIRE.assembler()
        assembler.feed(golden(name)[:-20])
        assert assembler.text.startswith(said)


def test_a_question() -> None:
    messages = [{"role": "user", "content": "Why?"}]
    full = WIRE.question(model="m", messages=messages, system="Be brief", max_tokens=9, temperature=0.5, stream=True)
    assert full == {
        "model": "m", "instructions": "Be brief", "input": messages, "max_output_tokens": 9, "temperature": 0.5,
        "stream": True,
    }  # fmt: skip
    bare = WIRE.question(model="m", messages=messages, system=None, max_tokens=None, temperature=None, stream=False)
    assert bare == {"model": "m", "input": messages}


def test_streams_report_usage_unasked() -> None:
    call = Call.parse(b'{"stream": true, "background": true}', dialect="responses", provider="p")
    assert WIRE.ask_usage(call) == call.raw
    assert WIRE.hide_usage(b"data: {}\n\n") == b"data: {}\n\n"


def test_our_error_event_says_it_in_both_ways() -> None:
    (event,) = split(WIRE.error_event(BudgetExceeded("out of money")))
    told = json.loads(event.data)
    assert (event.name, told["type"], told["message"], told["code"]) == (
        "error",
        "error",
        "out of money",
        "budget_exceeded",
    )
    assert told["error"]["message"] == "out of money"
