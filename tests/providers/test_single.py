"""Embeddings and token counts: answers in one piece."""

from __future__ import annotations

import json
from pathlib import Path

import anthropic
import httpx2
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st
from json_shapes import values

from penstock.errors import BrokenReply, BudgetExceeded
from penstock.providers.dialects import dialect
from penstock.providers.port import Dialect
from penstock.values import Call, Reply, Usage

GOLDEN = Path(__file__).parents[1] / "golden"
VECTORS = (GOLDEN / "embeddings_floats.json").read_bytes()
COUNT = (GOLDEN / "count_tokens_plain.json").read_bytes()

each = pytest.mark.parametrize(
    ("wire", "raw"),
    [(dialect("embeddings"), VECTORS), (dialect("count_tokens"), COUNT)],
    ids=["embeddings", "count_tokens"],
)


def test_what_they_say() -> None:
    vectors = dialect("embeddings").reply(VECTORS, streamed=False)
    assert vectors == Reply("embeddings", VECTORS, False, "", "stop", "text-embedding-3-small", Usage(input=8))
    assert dialect("embeddings").reply(b'{"data": []}', streamed=False).usage is None
    counted = dialect("count_tokens").reply(COUNT, streamed=False)
    assert counted == Reply("count_tokens", COUNT, False, "", "end_turn", "", Usage())


@each
@given(st.data())
def test_any_split_gives_the_same_reply(wire: Dialect, raw: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)))))
    assembler = wire.assembler()
    for start, end in zip([0, *cuts], [*cuts, len(raw)], strict=True):
        assert assembler.feed(raw[start:end]) == []
    reply = assembler.end()
    assert reply == wire.reply(raw, streamed=False) == wire.reply(b"".join(wire.events(reply)), streamed=True)
    assert wire.body(reply) == raw
    assert (assembler.usage, assembler.text) == (None, "")


@each
def test_a_cut_anywhere_is_no_reply(wire: Dialect, raw: bytes) -> None:
    for length in range(len(raw.rstrip())):
        assembler = wire.assembler()
        assembler.feed(raw[:length])
        with pytest.raises(BrokenReply):
            assembler.end()


@each
@given(st.binary())
def test_junk_is_refused(wire: Dialect, raw: bytes, junk: bytes) -> None:
    with pytest.raises(BrokenReply):
        wire.reply(junk + raw[:-9], streamed=False)


@each
@given(st.data())
def test_other_shapes_are_refused_or_handed_on(wire: Dialect, raw: bytes, data: st.DataObject) -> None:
    field = data.draw(st.sampled_from(["data", "usage", "input_tokens", "model", "error", "object"]))
    body = json.dumps({**json.loads(raw), field: data.draw(values)}).encode()
    try:
        reply = wire.reply(body, streamed=False)
    except BrokenReply:
        return
    assert wire.body(reply) == body
    assert reply.text == ""


@each
@pytest.mark.parametrize("body", [b'{"error": {"message": "no"}}', b"{}"])
def test_what_is_no_answer(wire: Dialect, raw: bytes, body: bytes) -> None:
    with pytest.raises(BrokenReply, match="no"):
        wire.reply(body, streamed=False)


@each
def test_requests_leave_as_they_came(wire: Dialect, raw: bytes) -> None:
    call = Call.parse(b'{"stream": true,  "input": "a"}', dialect=wire.name, provider="p")
    assert wire.ask_usage(call) == call.raw
    assert call.max_tokens == 0
    assert wire.hide_usage(raw) == raw


def test_questions() -> None:
    messages = [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]

    def ask(name: str, system: str | None = None) -> dict[str, object]:
        wire = dialect(name)
        return wire.question(model="m", messages=messages, system=system, max_tokens=9, temperature=1, stream=True)

    assert ask("embeddings") == {"model": "m", "input": ["a", "b"]}
    assert ask("count_tokens") == {"model": "m", "messages": messages}
    assert ask("count_tokens", "s") == {"model": "m", "system": "s", "messages": messages}


class Said(httpx2.BaseTransport):
    """Answers every request with these bytes."""

    def __init__(self, status: int, body: bytes) -> None:
        self.status, self.body = status, body

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(self.status, content=self.body, headers={"content-type": "application/json"})


def web(body: bytes, status: int = 200) -> httpx2.Client:
    return httpx2.Client(transport=Said(status, body))


def test_the_official_clients_read_them() -> None:
    wire = dialect("embeddings")
    body = wire.body(wire.reply(VECTORS, streamed=False))
    with openai.OpenAI(api_key="k", http_client=web(body)) as sdk:
        found = sdk.embeddings.create(model="m", input=["a", "b"]).data
        assert [len(vector.embedding) for vector in found] == [3, 2]
    with anthropic.Anthropic(api_key="k", http_client=web(COUNT)) as sdk:
        assert sdk.messages.count_tokens(model="m", messages=[]).input_tokens == 2095


def test_a_refusal_raises_in_the_official_clients() -> None:
    status, body = dialect("embeddings").refusal(BudgetExceeded("too dear"), request_id="r")
    with (
        openai.OpenAI(api_key="k", http_client=web(body, status)) as sdk,
        pytest.raises(openai.APIStatusError, match="too dear"),
    ):
        sdk.embeddings.create(model="m", input="a")
    status, body = dialect("count_tokens").refusal(BudgetExceeded("too dear"), request_id="r")
    with (
        anthropic.Anthropic(api_key="k", http_client=web(body, status)) as sdk,
        pytest.raises(anthropic.APIStatusError, match="too dear"),
    ):
        sdk.messages.count_tokens(model="m", messages=[])
