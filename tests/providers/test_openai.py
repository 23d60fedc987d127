from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from openai_shapes import anything

from penstock.errors import BrokenReply
from penstock.providers.openai import OpenAI, ask_usage, hide_usage, usage_of
from penstock.providers.shape import encode
from penstock.values import Call, Credential, Usage

WIRE = OpenAI()
DONE = b"data: [DONE]\n\n"
STOP = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}


def stream(*chunks: dict[str, Any], done: bool = True) -> bytes:
    return b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks) + DONE * done


def delta(index: int = 0, **fields: Any) -> dict[str, Any]:
    return {"choices": [{"index": index, "delta": fields, "finish_reason": None}]}


def message(*deltas: dict[str, Any]) -> dict[str, Any]:
    reply = WIRE.reply(stream(*deltas, STOP), streamed=True)
    return json.loads(WIRE.body(reply))["choices"][0]["message"]  # type: ignore[no-any-return]


def call(raw: bytes, **fields: Any) -> Call:
    return Call.parse(raw, dialect="openai", provider="openai", **fields)


def tool(**fields: Any) -> dict[str, Any]:
    return delta(tool_calls=[fields])


@pytest.mark.parametrize(
    ("reported", "usage"),
    [
        (None, None),
        ({}, None),
        ("many", None),
        ({"total_tokens": 5}, None),
        ({"prompt_tokens": None, "completion_tokens": True}, None),
        ({"prompt_tokens": 7, "total_tokens": 7}, Usage(input=7)),
        ({"prompt_tokens": 7.0, "completion_tokens": 2.0}, Usage(input=7, output=2)),
        ({"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": None}, Usage(input=10, output=5)),
        (
            {
                "prompt_tokens": 2000,
                "completion_tokens": 500,
                "total_tokens": 2500,
                "prompt_tokens_details": {"cached_tokens": 1024, "cache_write_tokens": 900, "audio_tokens": 50},
                "completion_tokens_details": {"reasoning_tokens": 400, "audio_tokens": 10},
            },
            Usage(input=76, cache_read=1024, cache_write_5m=900, output=100, reasoning=400),
        ),
        # DeepSeek
        (
            {"prompt_tokens": 20, "completion_tokens": 1, "prompt_cache_hit_tokens": 16, "prompt_cache_miss_tokens": 4},
            Usage(input=4, cache_read=16, output=1),
        ),
        # xAI: reasoning beside the completion
        (
            {
                "prompt_tokens": 10,
                "completion_tokens": 5,
                "total_tokens": 65,
                "completion_tokens_details": {"reasoning_tokens": 50},
            },
            Usage(input=10, output=5, reasoning=50),
        ),
        # Gemini: reasoning in the total alone
        ({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 65}, Usage(input=10, output=5, reasoning=50)),
        # more inside than there is
        (
            {
                "prompt_tokens": 10,
                "completion_tokens": 5,
                "prompt_tokens_details": {"cached_tokens": 50, "cache_write_tokens": 9},
                "completion_tokens_details": {"reasoning_tokens": 9},
            },
            Usage(cache_read=10, reasoning=5),
        ),
        ({"prompt_tokens": -3, "completion_tokens": 5}, Usage(output=5)),
    ],
)
def test_usage_is_disjoint(reported: Any, usage: Usage | None) -> None:
    assert usage_of(reported) == usage


@given(anything)
def test_usage_of_anything_is_never_negative(reported: Any) -> None:
    usage = usage_of(reported)
    assert usage is None or min(getattr(usage, field) for field in Usage.__struct_fields__) >= 0


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("hi", "hi"),
        (None, ""),
        ([{"type": "text", "text": "a"}, {"type": "image_url"}, {"type": "text", "text": "b"}], "ab"),
        ([{"type": "thinking", "thinking": []}, {"type": "text", "text": "b"}, "c"], "b"),
    ],
)
def test_text_is_what_a_user_sees_of_the_content(content: Any, text: str) -> None:
    raw = json.dumps({"model": "m", "choices": [{"message": {"content": content}, "finish_reason": "stop"}]}).encode()
    reply = WIRE.reply(raw, streamed=False)
    assert (reply.text, reply.finish, reply.model, reply.usage) == (text, "stop", "m", None)
    assert reply.raw is raw


def test_text_is_that_of_the_first_choice_wherever_it_stands() -> None:
    first = {"index": 0, "message": {"content": "first"}, "finish_reason": "stop"}
    second = {"index": 1, "message": {"content": "second"}, "finish_reason": "length"}
    raw = json.dumps({"choices": [second, first]}).encode()
    reply = WIRE.reply(raw, streamed=False)
    assert (reply.text, reply.finish) == ("first", "stop")
    assert gist(WIRE.reply(b"".join(WIRE.events(reply)), streamed=True)) == ("first", "stop")


def gist(reply: Any) -> tuple[str, str]:
    return reply.text, reply.finish


@pytest.mark.parametrize("raw", [b"{}", b'{"choices": []}', b'{"choices": [{"text": "old"}]}', b"[]", b"", b"null"])
def test_a_body_without_a_message_is_broken(raw: bytes) -> None:
    with pytest.raises(BrokenReply):
        WIRE.reply(raw, streamed=False)


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ({"error": {"message": "no", "type": "server_error", "code": None}}, 500, "(server_error): no"),
        ({"error": {"message": "slow down", "code": 429}}, 429, "slow down"),
        ({"error": "gone"}, 0, "gone"),
        ({"object": "error", "message": "too long", "type": "BadRequestError", "code": 400}, 400, "too long"),
        ({"choices": [{"message": {}, "finish_reason": "error", "error": {"message": "lost"}}]}, 0, "lost"),
        ({"choices": [{"delta": {}, "finish_reason": "error"}]}, 0, "the model stopped with an error"),
    ],
)
def test_an_error_where_an_answer_should_be(body: dict[str, Any], status: int, says: str) -> None:
    for raw, streamed in ((json.dumps(body).encode(), False), (stream(delta(content="a"), body), True)):
        with pytest.raises(BrokenReply) as raised:
            WIRE.reply(raw, streamed=streamed)
        assert raised.value.status == status
        assert says in str(raised.value)
        assert json.loads(raised.value.body) == body


def test_an_error_that_is_null_is_none() -> None:
    assert WIRE.reply(stream({"error": None, **delta(content="a")}, {"error": None, **STOP}), streamed=True).text == "a"


def test_what_cannot_be_folded_for_depth_is_broken() -> None:
    deep: dict[str, Any] = {}
    for _ in range(600):
        deep = {"a": deep}
    raw = stream(delta(x_deep=deep), delta(x_deep=deep), STOP)
    reply = WIRE.reply(raw, streamed=True)
    with pytest.raises(BrokenReply, match="nested too deep"):
        WIRE.body(reply)
    for _ in range(2000):
        deep = {"a": deep}
    with pytest.raises(BrokenReply, match="nested too deep"):
        encode(deep)


def test_an_event_named_error_is_one() -> None:
    raw = stream(delta(content="a"), done=False) + b'event: error\ndata: {"message": "lost"}\n\n'
    with pytest.raises(BrokenReply, match="lost"):
        WIRE.reply(raw, streamed=True)


def test_without_done_a_stream_was_cut() -> None:
    with pytest.raises(BrokenReply, match="stopped before its end"):
        WIRE.reply(stream(delta(content="a"), STOP, done=False), streamed=True)


def test_every_choice_has_to_finish() -> None:
    both = stream(delta(content="a"), delta(1, content="b"), STOP)
    with pytest.raises(BrokenReply):
        WIRE.reply(both, streamed=True)
    # Ollama writes an empty reason where others write null.
    empty = {"choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": ""}]}
    with pytest.raises(BrokenReply):
        WIRE.reply(stream(empty), streamed=True)
    with pytest.raises(BrokenReply):
        WIRE.reply(DONE, streamed=True)


def test_deltas_show_the_first_choice_and_the_text_shows_all() -> None:
    assembler = WIRE.assembler()
    chunks = [
        delta(role="assistant", content="", reasoning_content="think "),
        delta(1, content="B"),
        delta(content="A"),
        tool(index=0, id="call_1", type="function", function={"name": "f", "arguments": "{}"}),
    ]
    deltas = [each for chunk in chunks for each in assembler.feed(stream(chunk, done=False))]
    assert [each.text for each in deltas] == ["", "", "A", ""]
    assert assembler.text == "think BAf{}"
    assert assembler.usage is None
    assembler.feed(stream({"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2}}, done=False))
    assert assembler.usage == Usage(input=1, output=2)


def test_comments_and_what_follows_the_end_are_handed_on_unread() -> None:
    raw = b": PROCESSING\n\n" + stream(delta(content="a"), STOP) + b'data: {"error": "late"}\n\n'
    reply = WIRE.reply(raw, streamed=True)
    assert reply.text == "a"
    assert b"".join(WIRE.events(reply)) == raw


def test_calls_are_told_apart_by_index_else_by_id() -> None:
    def call_of(id: str, arguments: str) -> dict[str, Any]:
        return {"id": id, "type": "function", "function": {"name": "f", "arguments": arguments}}

    both = [call_of("a", "{1}"), call_of("b", "{2}")]
    f1, f2 = ({"name": "f", "arguments": part} for part in ("{1}", "{2}"))
    indexed = message(
        tool(index=0, id="a", type="function", function={"name": "f", "arguments": "{"}),
        delta(
            tool_calls=[
                {"index": 1, "id": "b", "type": "function", "function": {"name": "f", "arguments": ""}},
                {"index": 0, "id": "", "function": {"arguments": "1"}},
            ]
        ),
        tool(index=1, id=None, function={"arguments": "{2}"}),
        tool(index=0, id="a", function={"name": None, "arguments": "}"}),
    )
    assert indexed["tool_calls"] == both
    # Gemini: all under index 0. Others: no index at all.
    whole_a, whole_b = ({"id": id, "type": "function", "function": f} for id, f in (("a", f1), ("b", f2)))
    assert message(tool(index=0, **whole_a), tool(index=0, **whole_b))["tool_calls"] == both
    assert message(tool(**whole_a), tool(**whole_b))["tool_calls"] == both
    pieces = message(
        tool(id="a", type="function", function={"name": "f", "arguments": "{"}), tool(function={"arguments": "1}"})
    )
    assert pieces["tool_calls"] == both[:1]


def test_a_name_said_twice_is_one_name() -> None:
    said = message(
        tool(index=0, id="a", type="function", function={"name": "look", "arguments": ""}),
        tool(index=0, id="a", type="function", function={"name": "look", "arguments": "{}"}),
    )
    assert said["tool_calls"][0] == {"id": "a", "type": "function", "function": {"name": "look", "arguments": "{}"}}


def test_content_may_turn_from_parts_into_a_string_and_back() -> None:
    def thought(text: str) -> dict[str, Any]:
        return {"type": "thinking", "thinking": [{"type": "text", "text": text}]}

    said = message(
        delta(role="assistant", content=""),
        delta(content=[thought("two ")]),
        delta(content=[thought("and two")]),
        delta(content="fo"),
        delta(content="ur"),
        delta(content=[{"type": "text", "text": "!"}, {"type": "reference", "ids": [1]}]),
    )
    assert said["content"] == [
        thought("two and two"),
        {"type": "text", "text": "four!"},
        {"type": "reference", "ids": [1]},
    ]


def test_what_we_have_never_heard_of_survives() -> None:
    raw = stream(
        {"id": "", "model": "", "choices": [], "prompt_filter_results": [{"prompt_index": 0}]},
        {"id": "1", "model": "m", "citations": ["a"], **delta(x_mood="hap", x_rank=1, x_list=[1], x_map={"k": "v"})},
        {
            "id": "1",
            "model": "m",
            "citations": ["a", "b"],
            **delta(x_mood="py", x_rank=2, x_list=[2], x_map={"k": "w"}),
        },
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "stop_reason": 7}]},
    )
    body = json.loads(WIRE.body(WIRE.reply(raw, streamed=True)))
    assert body == {
        "id": "1",
        "object": "chat.completion",
        "model": "m",
        "prompt_filter_results": [{"prompt_index": 0}],
        "citations": ["a", "b"],
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": None,
                    "x_mood": "happy",
                    "x_rank": 2,
                    "x_list": [1, 2],
                    "x_map": {"k": "vw"},
                },
                "finish_reason": "stop",
                "stop_reason": 7,
            }
        ],
    }


def test_a_synthesised_stream_looks_like_a_live_one() -> None:
    body = {
        "id": "c1",
        "object": "chat.completion",
        "created": 3,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "Hi",
                    "reasoning_content": "hm",
                    "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
                },
                "finish_reason": "tool_calls",
            }
        ],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
    }
    events = WIRE.events(WIRE.reply(json.dumps(body).encode(), streamed=False))
    assert events[-1] == DONE
    chunks = [json.loads(event.removeprefix(b"data: ")) for event in events[:-1]]
    assert all(event.endswith(b"\n\n") for event in events)
    assert {(chunk["id"], chunk["object"], chunk["created"], chunk["model"]) for chunk in chunks} == {
        ("c1", "chat.completion.chunk", 3, "m")
    }
    assert [chunk["choices"][0]["delta"] for chunk in chunks[:-1]] == [
        {"role": "assistant", "content": ""},
        {"reasoning_content": "hm"},
        {"content": "Hi"},
        {"tool_calls": [{"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
        {},
    ]
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks[:-1]] == [None] * 4 + ["tool_calls"]
    assert [chunk["usage"] for chunk in chunks] == [None] * 5 + [body["usage"]]
    assert chunks[-1]["choices"] == []
    hidden = [hide_usage(event) for event in events]
    assert hidden[-2:] == [None, DONE]
    assert not any(b"usage" in (event or b"") for event in hidden)


@pytest.mark.parametrize(
    ("event", "hidden"),
    [
        (DONE, DONE),
        (b": comment\n\n", b": comment\n\n"),
        (b'data: {"choices":[],"usage":{"prompt_tokens":1}}\n\n', None),
        (b'data: {"id":"1","choices":[{}],"usage":null}\n\n', b'data: {"id":"1","choices":[{}]}\n\n'),
        (b'data: {"usage": null, "choices": [{}]}\r\n\r\n', b'data: {"choices": [{}]}\r\n\r\n'),
        (b'data: {"choices":[], "usage" : null }\n\n', b'data: {"choices":[] }\n\n'),
        # the model speaks about usage
        (b'data: {"choices":[{"delta":{"content":"\\"usage\\":null"}}]}\n\n',) * 2,
        (b'data: {"choices":[{"delta":{"content":"a \\"usage\\": b"}}],"x":{"usage":null}}\n\n',) * 2,
        (
            b'data: {"choices":[{}],"x":{"usage":null},"usage":null}\n\n',
            b'data: {"choices":[{}],"x":{"usage":null}}\n\n',
        ),
        # sent beside a choice it was sent unasked
        (b'data: {"choices":[{"delta":{}}],"usage":{"prompt_tokens":1}}\n\n',) * 2,
        (b'data: "usage"\n\n',) * 2,
        (b'data: {"usage"\n\n',) * 2,
    ],
)
def test_usage_that_was_not_asked_for_is_hidden(event: bytes, hidden: bytes | None) -> None:
    assert hide_usage(event) == hidden
    assert WIRE.hide_usage(event) == hidden


ASK = b'"stream_options":{"include_usage":true}'


@pytest.mark.parametrize(
    ("raw", "wire"),
    [
        (b'{"model":"m"}', b'{"model":"m"}'),
        (b'{"model":"m","stream":false}', b'{"model":"m","stream":false}'),
        (b' {"a": 1.0, "stream": true}\n', b" {" + ASK + b',"a": 1.0, "stream": true}\n'),
        (b'{"stream":true,"stream_options":{"include_usage":true}}',) * 2,
        (b'{"stream":true,"stream_options":"all"}',) * 2,
        (b'{"stream":true,"stream_options": null ,"a": 1.0}', b'{"stream":true,' + ASK + b' ,"a": 1.0}'),
        (b'{"stream":true, "stream_options" : {"include_usage": false}}', b'{"stream":true, ' + ASK + b"}"),
        (
            b'{"a": 1.0, "stream_options": {"include_obfuscation": false}, "stream": true}',
            b'{"a": 1.0, "stream_options":{"include_obfuscation":false,"include_usage":true}, "stream": true}',
        ),
        (
            b'{"x": {"stream_options": {}}, "stream_options": {}, "stream": true}',
            b'{"x":{"stream_options":{}},"stream_options":{"include_usage":true},"stream":true}',
        ),
        (
            b'{"x": {"stream_options": {}}, "stream": true}',
            b"{" + ASK + b',"x": {"stream_options": {}}, "stream": true}',
        ),
    ],
)
def test_usage_is_asked_for_with_the_fewest_bytes_changed(raw: bytes, wire: bytes) -> None:
    asked = ask_usage(call(raw))
    assert asked == wire
    assert ask_usage(call(asked)) == asked
    assert WIRE.ask_usage(call(raw, off=frozenset({"all"}))) == raw


def test_the_models_that_refuse_max_tokens_get_the_other_name() -> None:
    def named(model: str) -> set[str]:
        return set(ask(model=model, max_tokens=5)) - {"model", "messages"}

    for model in ("gpt-5-mini", "gpt-6", "o1", "o3-mini", "o4-mini", "openai/gpt-5"):
        assert named(model) == {"max_completion_tokens"}
    for model in ("gpt-4o", "deepseek-chat", "llama3", "gpt-oss-20b", "o", "qwen/o-model"):
        assert named(model) == {"max_tokens"}


def ask(**fields: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "system": None}
    return WIRE.question(**{**plain, "max_tokens": None, "temperature": None, "stream": False, **fields})


def test_a_question_says_only_what_was_said() -> None:
    assert ask() == {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    assert ask(system="", temperature=0.0, stream=True, max_tokens=0) == {
        "model": "m",
        "messages": [{"role": "system", "content": ""}, {"role": "user", "content": "hi"}],
        "max_tokens": 0,
        "temperature": 0.0,
        "stream": True,
    }
    assert list(ask(system="s", temperature=1.0, stream=True, max_tokens=9)) == [
        "model",
        "messages",
        "max_tokens",
        "temperature",
        "stream",
    ]


def test_headers_carry_the_key() -> None:
    assert WIRE.headers(Credential("k")) == {"authorization": "Bearer k", "content-type": "application/json"}
    assert WIRE.headers(None) == {"content-type": "application/json"}
    assert (WIRE.name, WIRE.path) == ("openai", "chat/completions")
