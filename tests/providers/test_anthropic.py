from __future__ import annotations

import json
from typing import Any

import pytest
from anthropic_shapes import anything
from hypothesis import given

from penstock.errors import BrokenReply
from penstock.providers.anthropic import MAX_TOKENS, Anthropic, usage_of
from penstock.values import Call, Credential, Usage

WIRE = Anthropic()
START = {
    "type": "message_start",
    "message": {"model": "m", "content": [], "usage": {"input_tokens": 5, "output_tokens": 1}},
}
END = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 9}}
STOP = {"type": "message_stop"}


def stream(*events: dict[str, Any], named: bool = True) -> bytes:
    return b"".join(
        (b"event: " + event["type"].encode() + b"\n") * named + b"data: " + json.dumps(event).encode() + b"\n\n"
        for event in events
    )


def begin(index: int, **block: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": block}


def grow(index: int, **delta: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": delta}


def content(*events: dict[str, Any]) -> list[Any]:
    reply = WIRE.reply(stream(START, *events, END, STOP), streamed=True)
    return json.loads(WIRE.body(reply))["content"]  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("reported", "usage"),
    [
        (None, None),
        ({}, None),
        ({"cache_read_input_tokens": 5}, None),
        ({"input_tokens": 5}, Usage(input=5)),
        (
            {
                "input_tokens": 3,
                "cache_creation_input_tokens": 300,
                "cache_read_input_tokens": 2000,
                "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200},
                "output_tokens": 50,
                "output_tokens_details": {"thinking_tokens": 30},
            },
            Usage(input=3, cache_read=2000, cache_write_5m=100, cache_write_1h=200, output=20, reasoning=30),
        ),
        ({"input_tokens": 1, "output_tokens": 1, "cache_creation_input_tokens": 9}, Usage(1, 0, 9, 0, 1)),
        (
            {"input_tokens": 1, "output_tokens": 1, "cache_creation_input_tokens": None, "cache_creation": None},
            Usage(1, output=1),
        ),
        (
            {"output_tokens": 1, "cache_creation": {"ephemeral_5m_input_tokens": 4, "ephemeral_1h_input_tokens": 5}},
            Usage(cache_write_5m=4, cache_write_1h=5, output=1),
        ),
        # more inside than there is
        (
            {
                "output_tokens": 2,
                "output_tokens_details": {"thinking_tokens": 3},
                "cache_creation_input_tokens": 4,
                "cache_creation": {"ephemeral_1h_input_tokens": 5},
            },
            Usage(cache_write_1h=4, reasoning=2),
        ),
        # a compaction is billed besides the totals, the other iterations are inside them
        (
            {
                "input_tokens": 10,
                "output_tokens": 20,
                "iterations": [
                    {"type": "compaction", "input_tokens": 1000, "output_tokens": 200, "cache_read_input_tokens": 7},
                    {"type": "message", "input_tokens": 10, "output_tokens": 20},
                ],
            },
            Usage(input=1010, cache_read=7, output=220),
        ),
    ],
)
def test_usage_is_disjoint(reported: Any, usage: Usage | None) -> None:
    assert usage_of(reported) == usage


@given(anything)
def test_usage_of_anything_is_never_negative(reported: Any) -> None:
    usage = usage_of(reported)
    assert usage is None or min(getattr(usage, field) for field in Usage.__struct_fields__) >= 0


def test_text_is_that_of_all_text_blocks() -> None:
    raw = json.dumps(
        {
            "type": "message",
            "model": "m",
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": "s"},
                {"type": "text", "text": "a"},
                {"type": "tool_use", "id": "t", "name": "f", "input": {}},
                {"type": "text", "text": "b"},
                "odd",
            ],
            "stop_reason": "end_turn",
        }
    ).encode()
    reply = WIRE.reply(raw, streamed=False)
    assert (reply.text, reply.finish, reply.model, reply.usage) == ("ab", "end_turn", "m", None)
    again = WIRE.reply(b"".join(WIRE.events(reply)), streamed=True)
    assert (again.text, again.finish, again.model, again.usage) == ("ab", "end_turn", "m", None)
    assert json.loads(WIRE.body(again)) == json.loads(raw)


@pytest.mark.parametrize("raw", [b"{}", b'{"type": "message", "content": null}', b"[]", b"", b'"text"'])
def test_a_body_without_content_is_broken(raw: bytes) -> None:
    with pytest.raises(BrokenReply):
        WIRE.reply(raw, streamed=False)


def test_an_error_where_an_answer_should_be() -> None:
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}, "request_id": "r"}
    for raw, streamed in ((json.dumps(error).encode(), False), (stream(START, error), True)):
        with pytest.raises(BrokenReply, match=r"overloaded_error.*try again later") as raised:
            WIRE.reply(raw, streamed=streamed)
        assert raised.value.status == 529
        assert json.loads(raised.value.body) == error


@pytest.mark.parametrize(
    "events",
    [
        [STOP],
        [START, STOP],
        [END, STOP],
        [START, END],
        [START, {**END, "delta": {"stop_reason": None}}, STOP],
    ],
)
def test_start_reason_and_stop_all_have_to_come(events: list[dict[str, Any]]) -> None:
    with pytest.raises(BrokenReply, match="stopped before its end"):
        WIRE.reply(stream(*events), streamed=True)
    assert WIRE.reply(stream(START, END, STOP), streamed=True).finish == "end_turn"


@pytest.mark.parametrize(
    "event",
    [grow(3, type="text_delta", text="a"), {"type": "content_block_delta", "delta": {}}, begin("0", type="text")],
)
def test_a_delta_belongs_to_a_block_that_began(event: dict[str, Any]) -> None:
    with pytest.raises(BrokenReply, match="block"):
        WIRE.reply(stream(START, begin(0, type="text", text=""), event, END, STOP), streamed=True)
    with pytest.raises(BrokenReply):
        WIRE.reply(stream(begin(0, type="text", text=""), grow(0, type="text_delta", text="a")), streamed=True)


def test_blocks_come_in_the_order_of_their_indices() -> None:
    events = [
        begin(1, type="text", text=""),
        begin(0, type="text", text="pre"),
        grow(1, type="text_delta", text="b"),
        grow(0, type="text_delta", text="a"),
    ]
    assert content(*events) == [{"type": "text", "text": "prea"}, {"type": "text", "text": "b"}]
    assert WIRE.reply(stream(START, *events, END, STOP), streamed=True).text == "preab"


def test_a_second_start_changes_nothing() -> None:
    twice = {"type": "message_start", "message": {"model": "other", "usage": {"input_tokens": 99}}}
    reply = WIRE.reply(stream(START, begin(0, type="text", text=""), twice, END, STOP), streamed=True)
    assert (reply.model, reply.usage) == ("m", Usage(input=5, output=9))
    assert json.loads(WIRE.body(reply))["model"] == "m"


def test_events_without_names_are_read_by_their_type() -> None:
    raw = stream(START, begin(0, type="text", text=""), grow(0, type="text_delta", text="a"), END, STOP, named=False)
    assert WIRE.reply(raw, streamed=True).text == "a"
    untyped = b"event: message_stop\ndata: {}\n\n"
    reply = WIRE.reply(stream(START, END) + untyped, streamed=True)
    assert json.loads(WIRE.body(reply))["stop_reason"] == "end_turn"


def test_events_of_tomorrow_are_handed_on_unread() -> None:
    tomorrow = b"event: hologram\ndata: not even JSON\n\nevent: ping\ndata: {}\n\n" + stream(
        {"type": "shiny", "index": 0, "delta": {"text": "no"}}, named=False
    )
    raw = stream(START) + tomorrow + stream(END, STOP) + b": bye\n\n"
    reply = WIRE.reply(raw, streamed=True)
    assert reply.text == ""
    assert b"".join(WIRE.events(reply)) == raw


def test_usage_is_a_running_total() -> None:
    assembler = WIRE.assembler()
    assert assembler.usage is None
    assembler.feed(stream(START))
    assert assembler.usage == Usage(input=5, output=1)
    late = {"input_tokens": 50, "cache_read_input_tokens": 7, "output_tokens": 9, "cache_creation_input_tokens": None}
    assembler.feed(stream({**END, "usage": late}))
    assert assembler.usage == Usage(input=50, cache_read=7, output=9)


def test_the_text_of_a_broken_stream_is_all_that_was_generated() -> None:
    assembler = WIRE.assembler()
    deltas = assembler.feed(
        stream(
            START,
            begin(0, type="thinking", thinking="", signature=""),
            grow(0, type="thinking_delta", thinking="hm "),
            grow(0, type="signature_delta", signature="EqQB"),
            begin(1, type="tool_use", id="toolu_1", name="look", input={}),
            grow(1, type="input_json_delta", partial_json='{"a":'),
            begin(2, type="text", text=""),
            grow(2, type="text_delta", text="Hi"),
        )
        + b"event: content_block_delta\ndata: {cut"
    )
    assert assembler.text == 'hm look{"a":Hi'
    assert "".join(delta.text for delta in deltas) == "Hi"


def test_unfinished_arguments_are_kept_as_written() -> None:
    block = begin(0, type="tool_use", id="t", name="f", input={})
    [called] = content(block, grow(0, type="input_json_delta", partial_json='{"a": "b'))
    assert called["input"] == {"INVALID_JSON": '{"a": "b'}
    [called] = content(block, grow(0, type="input_json_delta", partial_json=""))
    assert called["input"] == {}


def test_the_last_model_that_took_over_is_named() -> None:
    over = [begin(i, type="fallback", **{"from": {"model": "m"}, "to": {"model": name}}) for i, name in enumerate("ab")]
    reply = WIRE.reply(stream(START, *over, END, STOP), streamed=True)
    assert reply.model == "b"
    assert json.loads(WIRE.body(reply))["model"] == "b"


def test_a_compaction_is_grown_by_its_deltas() -> None:
    [block] = content(
        begin(0, type="compaction", content=None),
        grow(0, type="compaction_delta", content="Sum", encrypted_content="Eo8="),
        grow(0, type="compaction_delta", content="mary"),
    )
    assert block == {"type": "compaction", "content": "Summary", "encrypted_content": "Eo8="}


def test_what_is_said_beside_the_last_delta_goes_into_the_message() -> None:
    end = {**END, "context_management": {"applied_edits": []}, "input_transformations": None}
    body = json.loads(WIRE.body(WIRE.reply(stream(START, end, STOP), streamed=True)))
    assert body["context_management"] == {"applied_edits": []}
    assert body["input_transformations"] is None


def test_a_synthesised_stream_looks_like_a_live_one() -> None:
    body = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [
            {"type": "thinking", "thinking": "hm", "signature": "s"},
            {"type": "text", "text": "Hi", "citations": [{"type": "char_location", "cited_text": "h"}]},
            {"type": "tool_use", "id": "t", "name": "f", "input": {"a": [1]}},
            {"type": "tool_use", "id": "u", "name": "g", "input": {}},
        ],
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "usage": {"input_tokens": 5, "output_tokens": 9, "service_tier": "standard"},
    }
    events = WIRE.events(WIRE.reply(json.dumps(body).encode(), streamed=False))
    payloads: list[dict[str, Any]] = []
    for event in events:
        name, data = event.decode().removesuffix("\n\n").split("\n")
        payloads.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {payloads[-1]['type']}"
    start = {**body, "content": [], "stop_reason": None, "usage": {**body["usage"], "output_tokens": 1}}  # type: ignore[dict-item]
    assert payloads == [
        {"type": "message_start", "message": start},
        begin(0, type="thinking", thinking="", signature=""),
        grow(0, type="thinking_delta", thinking="hm"),
        grow(0, type="signature_delta", signature="s"),
        {"type": "content_block_stop", "index": 0},
        begin(1, type="text", text="", citations=[]),
        grow(1, type="citations_delta", citation={"type": "char_location", "cited_text": "h"}),
        grow(1, type="text_delta", text="Hi"),
        {"type": "content_block_stop", "index": 1},
        begin(2, type="tool_use", id="t", name="f", input={}),
        grow(2, type="input_json_delta", partial_json='{"a":[1]}'),
        {"type": "content_block_stop", "index": 2},
        begin(3, type="tool_use", id="u", name="g", input={}),
        grow(3, type="input_json_delta", partial_json=""),
        {"type": "content_block_stop", "index": 3},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "tool_use", "stop_sequence": None},
            "usage": {"input_tokens": 5, "output_tokens": 9},
        },
        {"type": "message_stop"},
    ]


def ask(**fields: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "system": None}
    return WIRE.question(**{**plain, "max_tokens": None, "temperature": None, "stream": False, **fields})


def test_a_question_says_only_what_was_said_and_always_the_most_tokens() -> None:
    assert ask() == {"model": "m", "max_tokens": MAX_TOKENS, "messages": [{"role": "user", "content": "hi"}]}
    full = ask(system="s", temperature=0.0, stream=True, max_tokens=7)
    assert json.dumps(full) == (
        '{"model": "m", "max_tokens": 7, "system": "s", "messages": [{"role": "user", "content": "hi"}], '
        '"temperature": 0.0, "stream": true}'
    )


def test_headers_carry_the_key_and_the_version() -> None:
    fixed = {"anthropic-version": "2023-06-01", "content-type": "application/json"}
    assert WIRE.headers(Credential("k")) == {"x-api-key": "k", **fixed}
    assert WIRE.headers(None) == fixed
    assert (WIRE.name, WIRE.path) == ("anthropic", "messages")


def test_usage_comes_unasked() -> None:
    raw = b'{"stream": true, "model": "m"}'
    assert WIRE.ask_usage(Call.parse(raw, dialect="anthropic", provider="p")) is raw
    event = b'event: message_delta\ndata: {"usage": null}\n\n'
    assert WIRE.hide_usage(event) is event
