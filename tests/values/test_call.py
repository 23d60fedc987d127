"""A call is a view on bytes: nothing is lost, and only edits change it."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import BadInput
from penstock.values import Call, Edit

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
BODIES = st.dictionaries(st.text(max_size=12), JSON, max_size=6)


def parse(body: object) -> Call:
    return Call.parse(msgspec.json.encode(body), dialect="openai", provider="p")


@given(BODIES, st.sampled_from(["", " ", "\n", "  \t"]))
def test_without_an_edit_the_very_bytes_go_out(body: dict[str, object], space: str) -> None:
    raw = space.encode() + msgspec.json.format(msgspec.json.encode(body), indent=3) + space.encode()
    call = Call.parse(raw, dialect="anthropic", provider="p")
    assert call.wire() == raw
    assert call.edited() is call


@given(BODIES)
def test_an_edit_changes_its_place_and_nothing_else(body: dict[str, object]) -> None:
    call = parse(body)
    edited = call.edited(Edit("layout", ("new field",), "set", [1, {"a": None}]))
    assert msgspec.json.decode(edited.wire()) == {**call.body, "new field": [1, {"a": None}]}
    assert call.wire() == call.raw


def test_edits_apply_in_order_and_share_what_they_do_not_touch() -> None:
    call = parse({"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}], "model": "m"})
    edited = call.edited(
        Edit("prune", ("messages", 0), "remove"),
        Edit("layout", ("messages", 0), "insert", {"role": "system", "content": "s"}),
        Edit("route", ("model",), "set", "small"),
    )
    contents = [message["content"] for message in edited.body["messages"]]
    assert contents == ["s", "b"]
    assert edited.model == "small"
    assert edited.body["messages"][1] is call.body["messages"][1]
    assert [edit.mechanism for edit in edited.edits] == ["prune", "layout", "route"]


@pytest.mark.parametrize("raw", [b"", b"<html>", b"[1]", b'"text"', b"{", b"\xff", b'{"a": NaN}'])
def test_what_is_not_a_json_object_is_bad_input(raw: bytes) -> None:
    with pytest.raises(BadInput, match=r"send \{|send a JSON object"):
        Call.parse(raw, dialect="openai", provider="p")


@pytest.mark.parametrize(
    ("body", "most", "field"),
    [
        ({"model": "gpt-4o", "max_tokens": 7}, 7, "max_tokens"),
        ({"model": "gpt-4o", "max_completion_tokens": 9, "max_tokens": 7}, 9, "max_completion_tokens"),
        ({"model": "gpt-4o", "max_tokens": True}, None, "max_tokens"),
        ({"model": "gpt-4o"}, None, "max_tokens"),
        ({"model": "gpt-5-mini"}, None, "max_completion_tokens"),
        ({"model": 5}, None, "max_tokens"),
    ],
)
def test_the_answer_limit(body: dict[str, object], most: int | None, field: str) -> None:
    assert parse(body).max_tokens == most
    assert parse(body).max_tokens_field == field


def test_the_answer_limit_of_other_endpoints() -> None:
    responses = Call.parse(b'{"model": "gpt-5", "max_output_tokens": 9}', dialect="responses", provider="p")
    assert (responses.max_tokens, responses.max_tokens_field) == (9, "max_output_tokens")
    assert Call.parse(b"{}", dialect="responses", provider="p").max_tokens_field == "max_output_tokens"
    for silent in ("embeddings", "count_tokens"):
        assert Call.parse(b'{"max_tokens": 9}', dialect=silent, provider="p").max_tokens == 0


def test_what_a_body_asks_for() -> None:
    assert parse({"stream": True}).stream
    assert not parse({"stream": "yes"}).stream
    assert parse({"n": 3}).answers == 3
    assert parse({"n": 0}).answers == parse({}).answers == 1


def test_switches() -> None:
    call = Call.parse(b"{}", dialect="openai", provider="p", off=frozenset({"layout"}))
    assert not call.allows("layout")
    assert call.allows("reuse")
    everything = Call.parse(b"{}", dialect="openai", provider="p", off=frozenset({"all"}))
    assert not everything.allows("reuse")


def test_without_one_mechanism_what_others_edited_stays() -> None:
    call = Call.parse(b'{"model": "m", "max_tokens": 9, "messages": []}', dialect="openai", provider="p")
    marked = call.edited(Edit("layout", ("prompt_cache_key",), "set", "k"), Edit("budget", ("max_tokens",), "set", 5))
    assert marked.without("layout").body == {"model": "m", "max_tokens": 5, "messages": []}
    assert [edit.mechanism for edit in marked.without("layout").edits] == ["budget"]
    assert marked.without("route") is marked
    assert call.without("layout") is call
    assert marked.without("layout").without("budget").wire() is call.raw
