"""Answers that break off: at every byte, in every way a connection can end, through the gateway as it is served.

What has to come out of a cut, wherever it falls:

* the client learns of it: an error status while nothing has been relayed, else an error event of its own protocol as
  the last thing in a response that ends in good order. The official clients raise from both, and from nothing else;
* what it was given before are whole events, the first ones of the answer, and never the terminal one;
* nothing is stored: each cut below is asked for with the very same request, so a stored answer would show as a request
  that the upstream never saw. The same count shows that an answer which has begun is not asked for again;
* it is booked as refused, with what was heard as an estimate, and its hold is gone.

When is a stream whole? When its terminal event came: ``[DONE]``, ``message_stop``, ``response.completed``. All that an
answer says stands before it, usage included, so what becomes of the connection after it is of no interest. The event
has come when its line is there: some servers leave out the last empty line and close, so at the clean end of a body the
last event counts without it, and is relayed with it. Where the connection broke instead, an event without its empty
line is half an event. And ``finish_reason`` alone ends nothing: usage is still to come.
"""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeAlias

import anthropic
import msgspec
import openai
import pytest

from penstock.config import BudgetSettings, ProviderSettings, Settings
from penstock.gateway.serve import serving
from penstock.gateway.server import loop_factory
from penstock.ledger import NOTHING
from penstock.runtime import Runtime, build
from penstock.stores.records import CallRecord
from penstock.testing.raw import LAST_CHUNK, RawConnection, RawUpstream, chunk, head

GOLDEN = Path(__file__).parents[1] / "golden"
STREAM = "text/event-stream"
ASK: dict[str, Any] = {"model": "mine", "messages": [{"role": "user", "content": "Why?"}]}

Style: TypeAlias = Literal["no last chunk", "last chunk", "reset", "end of connection", "length"]
"""How an answer ends after its last byte: FIN or RST inside a chunked body, as if it were whole (what a proxy makes of
a cut), with the connection that it has no other end than, or short of its content-length."""


@cache
def recorded(name: str) -> bytes:
    return (GOLDEN / name).read_bytes()


class Wire(msgspec.Struct, frozen=True):
    """One wire format, and an answer in it that says something besides text."""

    path: str
    golden: str
    body: bytes
    """The request; it asks for usage itself, so that what comes is relayed byte by byte."""
    terminal: bytes

    @property
    def raw(self) -> bytes:
        return recorded(f"{self.golden}.sse")


def encoded(**fields: Any) -> bytes:
    return msgspec.json.encode({**ASK, **fields})


CHAT = Wire(
    "/v1/chat/completions",
    "openai_reasoning",
    encoded(max_tokens=50, stream=True, stream_options={"include_usage": True}),
    b"data: [DONE]\n\n",
)
RESPONSES = Wire(
    "/v1/responses",
    "responses_reasoning",
    msgspec.json.encode({"model": "mine", "max_output_tokens": 90, "input": "Why?", "stream": True}),
    b"event: response.completed\n",
)
MESSAGES = Wire(
    "/v1/messages", "anthropic_tools", encoded(max_tokens=50, stream=True), b'event: message_stop\ndata: {"type": "mess'
)
WIRES = [CHAT, RESPONSES, MESSAGES]
each_wire = pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.golden)


def events(raw: bytes) -> list[bytes]:
    """The whole events at the start of some bytes, as strictly as our own answers are written."""
    return re.findall(rb"(?:event: [^\n]+\n)?data: [^\n]+\n\n", raw)


def answer(raw: bytes, cut: int, style: Style, kind: str = STREAM) -> bytes:
    """The first ``cut`` bytes of an answer, as they travel."""
    if style == "length":
        return head(kind, length=len(raw)) + raw[:cut]
    if style == "end of connection":
        return head(kind) + raw[:cut]
    return head(kind, chunked=True) + chunk(raw[:cut]) + (LAST_CHUNK if style == "last chunk" else b"")


class Answered(msgspec.Struct):
    """What a client got."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["x-penstock-id"]


class Caller:
    """A client with one connection that is kept alive. It reads strictly: a body that breaks off raises."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def ask(self, path: str, body: bytes, *headers: str) -> None:
        more = "".join(f"{each}\r\n" for each in headers)
        top = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(body)}\r\n{more}\r\n"
        self.writer.write(top.encode() + body)

    async def heard(self) -> Answered:
        """The head of an answer."""
        first, *lines = (await self.reader.readuntil(b"\r\n\r\n")).decode().splitlines()
        headers = dict(line.split(": ", 1) for line in lines if line)
        return Answered(int(first.split()[1]), headers, b"")

    async def piece(self) -> bytes:
        """The next chunk of a stream; empty: the last one."""
        size = int(await self.reader.readuntil(b"\r\n"), 16)
        piece = await self.reader.readexactly(size + 2)
        assert piece.endswith(b"\r\n")
        return piece[:-2]

    async def call(self, path: str, body: bytes, *headers: str) -> Answered:
        """One request and its whole answer."""
        self.ask(path, body, *headers)
        answered = await self.heard()
        if "content-length" in answered.headers:
            answered.body = await self.reader.readexactly(int(answered.headers["content-length"]))
            return answered
        while piece := await self.piece():
            answered.body += piece
        return answered


class Cutting:
    """A gateway before an upstream that answers with ``raw`` up to ``cut``, in this ``style``; and a client of it."""

    def __init__(self, up: RawUpstream, runtime: Runtime, url: str, caller: Caller) -> None:
        self.up, self.runtime, self.url, self.caller = up, runtime, url, caller
        self.raw = b""
        self.cut = 0
        self.style: Style = "last chunk"
        self.kind = STREAM
        self.spent = 0
        up.script = self._script

    def _script(self, to: RawConnection, body: bytes) -> None:
        to.send(answer(self.raw, self.cut, self.style, self.kind))
        if self.style == "reset":
            to.reset()
        elif self.style != "last chunk":
            to.close()

    async def call(self, path: str, body: bytes, *headers: str) -> Answered:
        """One request, which the upstream sees exactly once."""
        before = self.up.served
        answered = await self.caller.call(path, body, *headers)
        assert self.up.served == before + 1, f"asked {self.up.served - before} times for byte {self.cut}"
        return answered

    async def settled(self, id: str) -> CallRecord:
        """What was kept of a call, once the account is seen to hold nothing and to have paid just that."""
        record = await self.runtime.records.get(id)
        account = await self.runtime.engine.admission.holds.account(("local",))
        assert record is not None
        assert account is not None
        assert account.held == NOTHING
        self.spent += record.spent or 0
        assert account.spent.nano == self.spent
        return record

    async def refused(self, answered: Answered) -> CallRecord:
        """The record of a call that broke off: sent once, refused, and charged by an estimate."""
        record = await self.settled(answered.id)
        states = {step["state"]: step for step in record.steps}
        assert record.source == "refused"
        assert states["Refused"]["error"] == "BrokenReply"
        assert [step["state"] for step in record.steps].count("Send") == 1
        assert states["Settle"]["estimated"] is True
        assert states["Settle"]["spent_nano"] == record.spent
        return record


@asynccontextmanager
async def cutting(**options: Any) -> AsyncGenerator[Cutting]:
    """See `Cutting`."""
    async with RawUpstream(lambda to, body: to.close()) as up:
        described = {
            name: ProviderSettings(name, up.url, models=("mine",), small="mine", large="mine")  # type: ignore[arg-type]
            for name in ("openai", "anthropic")
        }
        prices = {"mine": {"input": "1.00", "output": "2.00"}}
        settings = Settings(
            providers=described, prices=prices, budget=BudgetSettings(money="$1000"), max_concurrency=100
        )
        runtime = await build(settings, keys={"openai": "k", "anthropic": "k"}, **options)
        try:
            async with serving(runtime, given=frozenset(described)) as url:
                host, _, port = url.removeprefix("http://").partition(":")
                reader, writer = await asyncio.open_connection(host, int(port), limit=1 << 20)
                try:
                    yield Cutting(up, runtime, url, Caller(reader, writer))
                finally:
                    writer.close()
        finally:
            await runtime.close()


def on_the_servers_loop(main: Coroutine[Any, Any, None]) -> None:
    """Run as ``penstock serve`` does: its loop reads from a socket otherwise than that of asyncio."""
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(main)


def check(wire: Wire, answered: Answered, cut: int, *, exactly: bool) -> None:
    """A client's answer that broke off after ``cut`` bytes; ``exactly``: all of them were still to be read."""
    whole = events(wire.raw[:cut])
    if answered.status != 200:
        relayed, error = [], answered.body
        assert answered.status == 502
        assert answered.headers["x-should-retry"] == "false"
        complaint = msgspec.json.decode(error)
    else:
        *relayed, error = events(answered.body)
        assert answered.headers["content-type"] == STREAM
        assert b"".join([*relayed, error]) == answered.body
        assert relayed
        named, _, data = error.rpartition(b"data: ")
        assert named == (b"" if wire.path == CHAT.path else b"event: error\n")
        complaint = msgspec.json.decode(data)
    assert relayed == whole[: len(relayed)], f"at byte {cut}"
    assert len(relayed) == len(whole) or not exactly, f"at byte {cut}"
    assert wire.terminal not in answered.body
    assert complaint["error"]["message"]
    typed = wire.path == MESSAGES.path or (wire.path == RESPONSES.path and answered.status == 200)
    assert complaint.get("type", "") == ("error" if typed else "")


# Every byte ----------------------------------------------------------------------------------------------------------


@each_wire
def test_a_stream_cut_at_any_byte(wire: Wire) -> None:
    async def main() -> None:
        async with cutting() as gate:
            gate.raw, length = wire.raw, len(wire.raw)
            asks = 0
            for gate.style in ("last chunk", "no last chunk"):
                clean = gate.style == "last chunk"
                paid = 0
                for gate.cut in range(length - 2 if clean else length):
                    asks += 1
                    answered = await gate.call(wire.path, wire.body)
                    check(wire, answered, gate.cut, exactly=clean)
                    record = await gate.refused(answered)
                    assert record.spent is not None
                    if clean:  # nothing that was heard is forgotten again
                        assert record.spent >= paid > 0 or gate.cut == 0
                        paid = record.spent
            gate.cut, gate.style = length, "last chunk"
            answered = await gate.call(wire.path, wire.body)
            assert answered.body == wire.raw
            record = await gate.settled(answered.id)
            assert record.spent is not None
            assert record.spent >= paid
            assert (await gate.caller.call(wire.path, wire.body)).headers["x-penstock-source"] == "reuse"
            assert gate.up.served == asks + 1

    on_the_servers_loop(main())


BODIES = [
    ("/v1/chat/completions", "openai_tools", encoded(max_tokens=50)),
    ("/v1/responses", "responses_refusal", msgspec.json.encode({"model": "mine", "input": "Why?"})),
    ("/v1/messages", "anthropic_thinking", encoded(max_tokens=50)),
    ("/v1/embeddings", "embeddings_floats", msgspec.json.encode({"model": "mine", "input": "Why?"})),
    ("/v1/messages/count_tokens", "count_tokens_plain", encoded()),
]


@pytest.mark.parametrize(("path", "golden", "body"), BODIES, ids=[golden for _, golden, _ in BODIES])
def test_a_body_cut_at_any_byte(path: str, golden: str, body: bytes) -> None:
    async def main() -> None:
        async with cutting() as gate:
            gate.raw, gate.kind = recorded(f"{golden}.json").rstrip(), "application/json"
            styles: dict[Style, int] = {"length": 1, "last chunk": 1, "no last chunk": 9, "end of connection": 9}
            for gate.style, step in styles.items():
                for cut in range(0, len(gate.raw), step):
                    gate.cut = cut
                    answered = await gate.call(path, body)
                    assert answered.status == 502
                    assert answered.headers["x-should-retry"] == "false"
                    complaint = msgspec.json.decode(answered.body)
                    assert complaint["error"]["message"]
                    assert ("type" in complaint) == ("messages" in path)
                    await gate.refused(answered)
            gate.cut, gate.style = len(gate.raw), "length"
            assert (await gate.call(path, body)).body == gate.raw

    on_the_servers_loop(main())


# Where a stream ends --------------------------------------------------------------------------------------------------


@each_wire
@pytest.mark.parametrize("missing", [1, 2])
def test_an_answer_that_lacks_only_its_last_empty_line_is_relayed_whole(wire: Wire, missing: int) -> None:
    async def main() -> None:
        async with cutting() as gate:
            gate.raw, gate.cut = wire.raw, len(wire.raw) - missing
            for gate.style in ("last chunk", "end of connection"):
                answered = await gate.call(wire.path, wire.body, "cache-control: no-cache")
                assert (await gate.settled(answered.id)).source != "refused"
                assert events(answered.body) == events(wire.raw)
                again = await gate.caller.call(wire.path, wire.body)
                assert events(again.body) == events(wire.raw)

    asyncio.run(main())


@each_wire
@pytest.mark.parametrize("end", ["close", "reset", "stall"])
def test_what_becomes_of_the_connection_after_the_terminal_event_changes_nothing(wire: Wire, end: str) -> None:
    """The client has the event before the connection breaks, so this does not depend on who is faster."""

    async def main() -> None:
        async with cutting() as gate:
            upstreams: list[RawConnection] = []

            def script(to: RawConnection, body: bytes) -> None:
                upstreams.append(to)
                to.send(answer(wire.raw, len(wire.raw), "no last chunk"))

            gate.up.script = script
            gate.caller.ask(wire.path, wire.body, "x-penstock-by: 0.5")
            answered = await gate.caller.heard()
            while wire.terminal not in answered.body:
                answered.body += await gate.caller.piece()
            if end != "stall":
                (upstreams[0].close if end == "close" else upstreams[0].reset)()
            while piece := await gate.caller.piece():
                answered.body += piece
            assert answered.body == wire.raw
            assert (await gate.settled(answered.id)).source != "refused"
            assert (await gate.caller.call(wire.path, wire.body)).headers["x-penstock-source"] == "reuse"

    asyncio.run(main())


# Everything else that is known to travel ------------------------------------------------------------------------------


def boundaries(raw: bytes) -> list[int]:
    """One place of each kind: inside each event, before its last byte, after it; none where the answer is whole."""
    ends = list(itertools.accumulate(map(len, events(raw))))
    around = {at for end in ends for at in (end - 1, end, end + 40)} | {0, ends[-1] - 3}
    return sorted(at for at in around if at < len(raw) - 2)


def goldens(*, whole: bool) -> list[Wire]:
    """Each recorded stream with a request that it answers: those that end well, or those that say that they do not."""
    return [
        msgspec.structs.replace(wire, golden=path.stem)
        for wire in WIRES
        for path in sorted(GOLDEN.glob(f"{wire.golden.partition('_')[0]}_*.sse"))
        if path.stem.endswith(("_midway", "_failed")) != whole
    ]


@pytest.mark.parametrize("wire", goldens(whole=True), ids=lambda wire: wire.golden)
def test_every_golden_cut_around_its_events_in_every_way(wire: Wire) -> None:
    async def main() -> None:
        async with cutting() as gate:
            gate.raw = wire.raw
            for gate.style in ("last chunk", "no last chunk", "end of connection", "reset"):
                clean = gate.style in {"last chunk", "end of connection"}
                for gate.cut in boundaries(wire.raw):
                    answered = await gate.call(wire.path, wire.body)
                    check(wire, answered, gate.cut, exactly=clean)
                    await gate.refused(answered)

    asyncio.run(main())


@pytest.mark.parametrize("wire", goldens(whole=False), ids=lambda wire: wire.golden)
def test_an_error_inside_a_stream_is_relayed_as_one_that_clients_raise_from(wire: Wire) -> None:
    """Also where it is followed by ``[DONE]``, or cut off after it; before its end it is a cut like any other."""

    async def main() -> None:
        async with cutting() as gate:
            gate.raw = wire.raw
            whole = events(wire.raw)
            wrong = error_among(whole)
            before, after = (len(b"".join(whole[:number])) for number in (wrong, wrong + 1))
            for gate.style in ("last chunk", "no last chunk", "end of connection"):
                for gate.cut in (before, after - 40, after, len(wire.raw)):
                    answered = await gate.call(wire.path, wire.body)
                    told = complained(whole[wrong], answered)
                    if gate.style != "no last chunk":
                        assert told == (gate.cut >= after)
                    if not told:
                        check(wire, answered, min(gate.cut, before), exactly=gate.style != "no last chunk")
                    await gate.refused(answered)

    asyncio.run(main())


def complained(said: bytes, answered: Answered) -> bool:
    """Whether the answer ends with the upstream's own event, or with ours in its words where no SDK raises from it."""
    last = events(answered.body)[-1]
    return last == said or b"broke off with an error" in last


def error_among(whole: list[bytes]) -> int:
    return next(number for number, event in enumerate(whole) if re.search(rb'"error": ?\{|"type": ?"error"', event))


@pytest.mark.parametrize("wire", goldens(whole=False), ids=lambda wire: wire.golden)
def test_an_error_inside_a_stream_waits_for_nothing(wire: Wire) -> None:
    """The upstream says it and then says nothing more, not even that the stream is over."""

    async def main() -> None:
        async with cutting() as gate:
            whole = events(wire.raw)
            said = answer(b"".join(whole[: error_among(whole) + 1]), 1 << 20, "no last chunk")
            gate.up.script = lambda to, body: to.send(said)
            answered = await gate.caller.call(wire.path, wire.body, "x-penstock-by: 1")
            assert complained(whole[error_among(whole)], answered)
            await gate.refused(answered)

    asyncio.run(main())


async def until(condition: Callable[[], bool], turns: int = 100_000) -> None:
    """Let the loop turn until something is so; it takes a few turns, and never more than ``turns``."""
    for _ in range(turns):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("it did not come to that")


async def answered_all() -> None:
    """Wait until the gateway has done all that it does for a request: some of it comes after the answer."""
    await until(lambda: not any("run_asgi" in repr(task) for task in asyncio.all_tasks()))


async def stalled(gate: Cutting, wire: Wire, heard: int, *headers: str) -> tuple[RawConnection, Answered]:
    """A stream of which so many events have come and been relayed; then nothing more comes."""
    upstreams: list[RawConnection] = []

    def script(to: RawConnection, body: bytes) -> None:
        upstreams.append(to)
        to.send(answer(b"".join(events(wire.raw)[:heard]) + b"event: mess", 1 << 20, "no last chunk"))

    gate.up.script = script
    gate.caller.ask(wire.path, wire.body, *headers)
    answered = await gate.caller.heard()
    while len(events(answered.body)) < heard:
        answered.body += await gate.caller.piece()
    return upstreams[-1], answered


@each_wire
def test_a_stream_that_stalls_is_relayed_so_far_and_then_cut(wire: Wire) -> None:
    async def main() -> None:
        async with cutting() as gate:
            for number, end in enumerate(("close", "reset", "finish")):
                upstream, answered = await stalled(gate, wire, number + 2)
                if end == "finish":
                    upstream.send(LAST_CHUNK)
                elif end == "reset":
                    upstream.reset()
                else:
                    upstream.close()
                while piece := await gate.caller.piece():
                    answered.body += piece
                at = len(b"".join(events(wire.raw)[: number + 2]))
                check(wire, answered, at, exactly=True)
                await gate.refused(answered)
            assert gate.up.served == 3

    asyncio.run(main())


@each_wire
def test_a_stream_that_stalls_until_the_deadline_ends_with_an_error(wire: Wire) -> None:
    async def main() -> None:
        async with cutting() as gate:
            upstream, answered = await stalled(gate, wire, 2, "x-penstock-by: 0.3")
            while piece := await gate.caller.piece():
                answered.body += piece
            check(wire, answered, len(b"".join(events(wire.raw)[:2])), exactly=True)
            await answered_all()
            assert (await gate.settled(answered.id)).steps[-1]["error"] == "DeadlineExceeded"
            await until(lambda: not upstream.open)  # it is broken off, not left to run
            assert gate.up.served == 1

    asyncio.run(main())


def test_whoever_joined_a_call_learns_of_its_cut_as_well() -> None:
    async def main() -> None:
        async with cutting() as gate:
            upstream, first = await stalled(gate, CHAT, 3)
            host, _, port = gate.url.removeprefix("http://").partition(":")
            others = [Caller(*await asyncio.open_connection(host, int(port))) for _ in range(3)]
            for other in others:
                other.ask(CHAT.path, CHAT.body)
            joined = [await other.heard() for other in others]
            upstream.close()
            for caller, answered in zip([gate.caller, *others], [first, *joined], strict=True):
                while piece := await caller.piece():
                    answered.body += piece
                check(CHAT, answered, len(b"".join(events(CHAT.raw)[:3])), exactly=True)
            await gate.refused(first)
            assert [answered.headers["x-penstock-source"] for answered in joined] == ["joined"] * 3
            assert gate.up.served == 1
            for other in others:
                other.writer.close()

    asyncio.run(main())


def test_an_answer_cut_inside_its_head_has_not_begun_and_is_asked_for_again() -> None:
    async def main() -> None:
        async with cutting() as gate:
            whole = answer(CHAT.raw, len(CHAT.raw), "last chunk")
            top = whole.index(b"\r\n\r\n") + 3
            cuts = [0, 20, top, None, top, 1, top]

            def script(to: RawConnection, body: bytes) -> None:
                cut = cuts[gate.up.served - 1]
                to.send(whole[:cut])
                if cut is not None:
                    to.close()

            gate.up.script = script
            lost = await gate.caller.call(CHAT.path, CHAT.body)
            assert (lost.status, lost.headers["x-should-retry"]) == (502, "false")
            assert (await gate.settled(lost.id)).source == "refused"
            assert (await gate.caller.call(CHAT.path, CHAT.body)).body == CHAT.raw
            assert gate.up.served == 4

    asyncio.run(main())


# The official clients -------------------------------------------------------------------------------------------------


async def handed_out(client: openai.AsyncOpenAI, other: anthropic.AsyncAnthropic, wire: Wire, seen: list[Any]) -> None:
    """What the official client hands out of a stream, until it raises."""
    asked = msgspec.json.decode(wire.body)
    create: Any = {CHAT: client.chat.completions, RESPONSES: client.responses, MESSAGES: other.messages}[wire].create
    async for event in await create(**asked):
        seen.append(event)  # noqa: PERF401 - those before the error are kept


@each_wire
def test_the_official_clients_raise_wherever_it_is_cut(wire: Wire) -> None:
    async def main() -> None:
        async with (
            cutting() as gate,
            openai.AsyncOpenAI(base_url=f"{gate.url}/v1", api_key="penstock") as client,
            anthropic.AsyncAnthropic(base_url=gate.url, api_key="penstock") as other,
        ):
            gate.raw = wire.raw
            for gate.style in ("last chunk", "no last chunk"):
                for gate.cut in boundaries(wire.raw):
                    before = gate.up.served
                    seen: list[Any] = []
                    with pytest.raises((openai.APIError, anthropic.APIError)):
                        await handed_out(client, other, wire, seen)
                    assert gate.up.served == before + 1  # neither they nor the gateway try again
                    whole = len(events(wire.raw[: gate.cut]))
                    assert len(seen) == whole or (len(seen) < whole and gate.style == "no last chunk")

    asyncio.run(main())


@pytest.mark.parametrize("style", ["length", "last chunk"])
def test_the_official_clients_raise_from_half_a_body(style: Style) -> None:
    async def main() -> None:
        async with (
            cutting() as gate,
            openai.AsyncOpenAI(base_url=f"{gate.url}/v1", api_key="penstock") as client,
            anthropic.AsyncAnthropic(base_url=gate.url, api_key="penstock") as other,
        ):
            gate.style, gate.kind, gate.cut = style, "application/json", 200
            gate.raw = recorded("openai_tools.json")
            with pytest.raises(openai.InternalServerError):
                await client.chat.completions.create(**ASK)
            with pytest.raises(openai.InternalServerError):
                await client.responses.create(model="mine", input="Why?")
            with pytest.raises(anthropic.InternalServerError):
                await other.messages.create(**ASK, max_tokens=50)
            assert gate.up.served == 3

    asyncio.run(main())
