"""The laws of every wire format."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any, NamedTuple

import anthropic_shapes
import openai_shapes
import pytest
import responses_shapes
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import BrokenReply
from penstock.providers.dialects import dialect
from penstock.providers.port import Dialect
from penstock.providers.sse import split
from penstock.values import Call, Delta, Reply


class Spoken(NamedTuple):
    """A wire, and what is said on it."""

    wire: Dialect
    terminal: bytes
    """The data of an event that ends a stream."""
    sign: bytes
    """What the data of such an event holds, and that of no other."""
    bodies: st.SearchStrategy[dict[str, Any]]
    events: st.SearchStrategy[dict[str, Any]]
    """Events of roughly the right shape, with anything anywhere."""


each = pytest.mark.parametrize(
    "spoken",
    [
        Spoken(dialect("openai"), b"[DONE]", b"[DONE]", openai_shapes.bodies, openai_shapes.events),
        Spoken(
            dialect("anthropic"),
            b'{"type": "message_stop"}',
            b'"message_stop"',
            anthropic_shapes.bodies,
            anthropic_shapes.events,
        ),
        Spoken(
            dialect("responses"),
            b'{"type": "response.completed", "response": {"output": []}}',
            b'"usage":{',
            responses_shapes.bodies,
            responses_shapes.events,
        ),
    ],
    ids=lambda spoken: spoken.wire.name,
)

GOLDEN = Path(__file__).parents[1] / "golden"


def golden(name: str, kind: str = "sse") -> bytes:
    return (GOLDEN / f"{name}.{kind}").read_bytes()


def goldens(wire: str, kind: str) -> list[str]:
    """The names of the golden exchanges of a wire that have a file of this kind."""
    found = sorted(path.stem for path in GOLDEN.glob(f"{wire}_*.{kind}") if "." not in path.stem)
    assert found
    return found


def pieces(raw: bytes, cuts: list[int]) -> list[bytes]:
    places = [0, *sorted(cut % (len(raw) + 1) for cut in cuts), len(raw)]
    return [raw[start:end] for start, end in itertools.pairwise(places)]


def assembled(wire: Dialect, chunks: list[bytes]) -> tuple[Reply, list[Delta]]:
    assembler = wire.assembler()
    deltas = [delta for chunk in chunks for delta in assembler.feed(chunk)]
    return assembler.end(), deltas


def gist(reply: Reply) -> tuple[object, ...]:
    return reply.dialect, reply.text, reply.finish, reply.model, reply.usage


def survives(wire: Dialect, raw: bytes) -> bool:
    """Whatever these bytes are: they are refused, or make a reply that can be handed on in both forms."""
    assembler = wire.assembler()
    try:
        assembler.feed(raw)
        reply = assembler.end()
    except BrokenReply as error:
        said = str(error)
    else:
        assert json.loads(wire.body(reply))
        assert wire.events(reply)
        said = ""
    assert "\n" not in said
    assert len(said) < 500
    assert isinstance(assembler.text, str)
    return assembler.usage is None or min(assembler.usage.prompt, assembler.usage.completion) >= 0


@each
@given(st.data())
def test_a_body_survives_being_streamed(spoken: Spoken, data: st.DataObject) -> None:
    body = data.draw(spoken.bodies)
    raw = json.dumps(body).encode()
    whole = spoken.wire.reply(raw, streamed=False)
    assert spoken.wire.body(whole) == raw
    streamed = spoken.wire.reply(b"".join(spoken.wire.events(whole)), streamed=True)
    assert gist(streamed) == gist(whole)
    assert json.loads(spoken.wire.body(streamed)) == body


@each
@given(st.data(), st.lists(st.integers(0)))
def test_a_stream_means_the_same_however_it_is_cut_into_chunks(
    spoken: Spoken, data: st.DataObject, cuts: list[int]
) -> None:
    name = data.draw(st.sampled_from(goldens(spoken.wire.name, "json")))
    raw = golden(name)
    if data.draw(st.booleans()):
        raw = raw.replace(b"\n", b"\r\n")
    if data.draw(st.booleans()):
        raw = b"\xef\xbb\xbf" + raw
    reply, deltas = assembled(spoken.wire, pieces(raw, cuts))
    assert (reply, deltas) == assembled(spoken.wire, [raw])
    assert b"".join(delta.raw for delta in deltas) == raw == reply.raw
    assert "".join(delta.text for delta in deltas) == reply.text
    assert b"".join(spoken.wire.events(reply)) == raw


@each
def test_every_single_byte_can_be_a_chunk(spoken: Spoken) -> None:
    for name in goldens(spoken.wire.name, "json"):
        raw = golden(name)
        reply, deltas = assembled(spoken.wire, [raw[place : place + 1] for place in range(len(raw))])
        assert (reply, deltas) == assembled(spoken.wire, [raw])


@each
def test_a_stream_cut_before_its_terminal_event_is_no_reply(spoken: Spoken) -> None:
    for name in goldens(spoken.wire.name, "json"):
        raw = golden(name)
        assert spoken.sign in split(raw)[-1].data
        for length in range(len(raw.rstrip())):
            assembler = spoken.wire.assembler()
            assembler.feed(raw[:length])
            with pytest.raises(BrokenReply):
                assembler.end()
            with pytest.raises(BrokenReply):
                spoken.wire.reply(raw[:length], streamed=True)


@each
def test_a_stream_that_lacks_only_its_last_empty_line_is_whole(spoken: Spoken) -> None:
    for name in goldens(spoken.wire.name, "json"):
        raw = golden(name)
        for short in (raw[:-1], raw[:-2]):
            reply = spoken.wire.reply(short, streamed=True)
            assert gist(reply) == gist(spoken.wire.reply(raw, streamed=True))
            assert reply.raw == short
            assert spoken.wire.events(reply)[-1].endswith(b"\n\n")


@each
@given(st.binary())
def test_junk_is_refused(spoken: Spoken, junk: bytes) -> None:
    assert survives(spoken.wire, junk)
    with pytest.raises(BrokenReply):
        spoken.wire.reply(junk, streamed=False)


@each
@given(st.data(), st.integers(0), st.integers(0, 20), st.binary(max_size=20))
def test_a_damaged_stream_is_refused_or_handed_on(
    spoken: Spoken, data: st.DataObject, place: int, lost: int, junk: bytes
) -> None:
    raw = golden(data.draw(st.sampled_from(goldens(spoken.wire.name, "sse"))))
    place %= len(raw)
    assert survives(spoken.wire, raw[:place] + junk + raw[place + lost :])


@each
@given(st.data())
def test_events_of_any_shape_are_refused_or_handed_on(spoken: Spoken, data: st.DataObject) -> None:
    events = data.draw(st.lists(spoken.events, max_size=6))
    raw = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)
    assert survives(spoken.wire, raw + b"data: " + spoken.terminal + b"\n\n")


@each
@given(st.data())
def test_a_body_of_any_shape_is_refused_or_handed_on(spoken: Spoken, data: st.DataObject) -> None:
    raw = json.dumps(data.draw(spoken.events)).encode()
    try:
        reply = spoken.wire.reply(raw, streamed=False)
    except BrokenReply:
        return
    streamed = spoken.wire.reply(b"".join(spoken.wire.events(reply)), streamed=True)
    assert streamed.text == reply.text


@each
def test_what_is_nested_too_deep_is_refused(spoken: Spoken) -> None:
    with pytest.raises(BrokenReply):
        spoken.wire.reply(b'{"a":' * 100_000, streamed=False)


@each
def test_golden_streams_fold_to_the_body_of_a_call_that_does_not_stream(spoken: Spoken) -> None:
    for name in goldens(spoken.wire.name, "json"):
        reply = spoken.wire.reply(golden(name), streamed=True)
        expected = golden(name, "json")
        assert json.loads(spoken.wire.body(reply)) == json.loads(expected), name
        assert gist(spoken.wire.reply(expected, streamed=False)) == gist(reply), name


@each
def test_a_fault_comes_after_the_deltas_before_it_however_the_stream_is_cut(spoken: Spoken) -> None:
    raw = golden(f"{spoken.wire.name}_error_midway")
    for chunks in ([raw], pieces(raw, list(range(0, len(raw), 7)))):
        assembler = spoken.wire.assembler()
        deltas: list[Delta] = []
        with pytest.raises(BrokenReply) as raised:  # noqa: PT012 - whichever chunk it comes after
            for chunk in (*chunks, b""):
                deltas += assembler.feed(chunk)
        assert "".join(delta.text for delta in deltas) == "The ans"
        assert "overloaded" in str(raised.value)
        assert raised.value.status in {503, 529}
        with pytest.raises(BrokenReply):
            assembler.end()
        assert assembler.text.startswith("The ans")


@each
@pytest.mark.parametrize("page", [b"<!doctype html><title>Sign in</title>", b"\n <html>\n\n</html>"])
def test_a_page_is_no_answer(spoken: Spoken, page: bytes) -> None:
    with pytest.raises(BrokenReply, match="web page"):
        spoken.wire.reply(page, streamed=True)
    with pytest.raises(BrokenReply, match="not JSON"):
        spoken.wire.reply(page, streamed=False)


@each
def test_an_answer_in_one_piece_is_no_stream(spoken: Spoken) -> None:
    name = goldens(spoken.wire.name, "json")[0]
    with pytest.raises(BrokenReply, match="no stream"):
        spoken.wire.reply(golden(name, "json"), streamed=True)
    with pytest.raises(BrokenReply, match="no room"):
        spoken.wire.reply(b'{"error": {"message": "no room"}}', streamed=True)


@each
def test_images_and_unknown_fields_of_a_request_leave_as_they_came(spoken: Spoken) -> None:
    raw = golden(f"{spoken.wire.name}_image.request", "json")
    call = Call.parse(raw, dialect=spoken.wire.name, provider="p")
    assert spoken.wire.ask_usage(call) == raw
