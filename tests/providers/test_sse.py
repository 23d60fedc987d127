from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import BrokenReply
from penstock.providers.sse import Event, Splitter, recorded, split

ends = st.sampled_from(["\n", "\r\n", "\r"])
lines = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_characters="\r\n")).map("data: {}".format),
    st.text(st.characters(codec="utf-8", exclude_characters="\r\n")).map("data:{}".format),
    st.sampled_from(["event: ping", "event:x", ": comment", "id: 7", "retry: 10", "data", "novel: field", "", ""]),
)
streams = st.lists(st.tuples(lines, ends)).map(lambda parts: "".join(line + end for line, end in parts).encode())


def reference(raw: bytes) -> list[tuple[str, bytes]]:
    """Name and data of each event, by the standard's own line-by-line reading. Slow and plain."""
    text = raw.decode(errors="surrogateescape").removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    found: list[tuple[str, bytes]] = []
    name, data = "", list[str]()
    for line in text.split("\n")[:-1]:
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if line == "":
            if data:
                found.append((name, "\n".join(data).encode(errors="surrogateescape")))
            name, data = "", []
        elif field == "data":
            data.append(value)
        elif field == "event":
            name = value
    return found


def said(events: list[Event]) -> list[tuple[str, bytes]]:
    """Name and data of the events that have data lines; without them nothing is dispatched."""
    return [(event.name, event.data) for event in events if b"data" in event.raw]


@given(streams | st.binary(), st.lists(st.integers(0)))
def test_any_cut_gives_the_same_events_and_loses_no_byte(raw: bytes, cuts: list[int]) -> None:
    places = [0, *sorted(cut % (len(raw) + 1) for cut in cuts), len(raw)]
    splitter = Splitter()
    events = [event for start, end in itertools.pairwise(places) for event in splitter.feed(raw[start:end])]
    assert b"".join(event.raw for event in events) + splitter.rest == raw
    whole = Splitter()
    assert events == whole.feed(raw)
    assert splitter.rest == whole.rest


@given(streams)
def test_events_are_those_of_the_standard(raw: bytes) -> None:
    events = Splitter().feed(raw + b"\n\n")
    assert said(events) == [(name, data) for name, data in reference(raw + b"\n\n")]


@pytest.mark.parametrize(
    ("raw", "name", "data"),
    [
        (b"data: x\n\n", "", b"x"),
        (b"data:x\n\n", "", b"x"),
        (b"data:  x\n\n", "", b" x"),
        (b"event: e\ndata: x\n\n", "e", b"x"),
        (b"event:e\r\ndata:x\r\n\r\n", "e", b"x"),
        (b"data: x\nevent: e\nid: 3\n\n", "e", b"x"),
        (b"data: a\ndata: b\ndata\ndata: c\n\n", "", b"a\nb\n\nc"),
        (b"data: a\rdata: b\r\r", "", b"a\nb"),
        (b"data: a\rdata: b\n\n", "", b"a\nb"),
        (b"event: e\ndata: a\ndata: b\n\n", "e", b"a\nb"),
        (b": keep-alive\n\n", "", b""),
        (b"\xef\xbb\xbfdata: x\n\n", "", b"x"),
        (b"event: \xff\ndata: \xff\n\n", "\ufffd", b"\xff"),
    ],
)
def test_one_event(raw: bytes, name: str, data: bytes) -> None:
    assert split(raw) == [Event(name, data, raw)]


def test_a_byte_order_mark_counts_at_the_start_alone() -> None:
    splitter = Splitter()
    assert splitter.feed(b"\xef\xbb") == []
    assert [event.data for event in splitter.feed(b"\xbfdata: x\n\n")] == [b"x"]
    assert [event.data for event in splitter.feed(b"\xef\xbb\xbfdata: y\n\n")] == [b""]


def test_a_line_end_may_be_cut_in_two() -> None:
    splitter = Splitter()
    assert splitter.feed(b"data: x\r") == []
    assert splitter.feed(b"\n") == []
    assert splitter.feed(b"\r") == []
    assert splitter.feed(b"\n") == [Event("", b"x", b"data: x\r\n\r\n")]
    assert splitter.rest == b""


def test_an_event_may_come_byte_by_byte_with_characters_cut() -> None:
    raw = "event: grüße\ndata: 🌊\n\n".encode()
    splitter = Splitter()
    events = [event for place in range(len(raw)) for event in splitter.feed(raw[place : place + 1])]
    assert events == [Event("grüße", "🌊".encode(), raw)]


def test_what_is_left_can_be_read_as_an_event() -> None:
    splitter = Splitter()
    assert splitter.feed(b"data: x\n\ndata: [DONE]\n") == [Event("", b"x", b"data: x\n\n")]
    assert splitter.flush() == Event("", b"[DONE]", b"data: [DONE]\n")
    assert splitter.flush() is None
    assert split(b"data: x\r\r") == [Event("", b"x", b"data: x\r\r")]
    assert split(b"\n") == []


def test_an_event_without_an_end_cannot_fill_the_memory() -> None:
    splitter = Splitter(limit=100)
    assert splitter.feed(b"data: " + b"x" * 94) == []
    with pytest.raises(BrokenReply, match="larger than 100 bytes"):
        splitter.feed(b"x")
    roomy = Splitter(limit=100)
    assert len(roomy.feed(b"data: x\n\n" * 1000)) == 1000


def test_recorded_events_are_ended() -> None:
    assert recorded(b"data: x\n\ndata: y\n\n") == [b"data: x\n\n", b"data: y\n\n"]
    assert recorded(b"data: x\n\ndata: y") == [b"data: x\n\n", b"data: y\n\n"]
    assert recorded(b"data: x\r\n\r\n") == [b"data: x\r\n\r\n"]
    assert recorded(b"") == []
