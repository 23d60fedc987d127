"""Who leaves, and what is left of it: clients at any point of an exchange, readers that do not read, and servers."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
import socket
import sqlite3
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from gatehouse import CHAT, gatehouse
from test_cuts import CHAT as STREAM
from test_cuts import WIRES, Answered, Caller, Cutting, Wire, answer, answered_all, cutting, events, until

from penstock.bench.disconnects import storm
from penstock.ledger import NOTHING
from penstock.testing import Plan
from penstock.testing.raw import LAST_CHUNK, RawConnection, RawUpstream, chunk, head

each_wire = pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.golden)


@pytest.mark.parametrize("keyed", [False, True], ids=["holds in memory", "keys, holds in a file"])
def test_clients_that_leave_anywhere_leave_nothing_behind(keyed: bool, tmp_path: Path) -> None:
    seen = asyncio.run(storm(400, 7, tmp_path, keyed=keyed))
    assert seen.remains == {}
    assert seen.left >= 400
    assert {"joined", "reuse", "refused", "openai", "anthropic"} <= set(seen.sources)
    assert 0 < seen.spent <= seen.bill


# One at a time --------------------------------------------------------------------------------------------------------


async def one_more(url: str) -> Caller:
    """A client with a connection of its own."""
    host, _, port = url.removeprefix("http://").partition(":")
    return Caller(*await asyncio.open_connection(host, int(port)))


class Held:
    """An upstream in the hands of a test: it says what it is told to, to whoever asked."""

    def __init__(self, gate: Cutting) -> None:
        self.to: list[RawConnection] = []
        self.gate = gate
        self.engine: Any = gate.runtime.engine
        gate.up.script = lambda to, body: self.to.append(to)

    async def hear(self, caller: Caller, wire: Wire, few: int) -> Answered:
        """Ask, have the first events said if nobody has asked before, and hear them."""
        caller.ask(wire.path, wire.body)
        said = b"".join(events(wire.raw)[:few])
        if not self.to:
            await until(lambda: bool(self.to))
            self.to[0].send(answer(said, 1 << 20, "no last chunk"))
        answered = await caller.heard()
        while len(answered.body) < len(said):
            answered.body += await caller.piece()
        return answered

    async def listeners(self, number: int) -> None:
        """Wait until so many follow the one flight there is."""
        await until(lambda: [len(flight._listeners) for flight in self.engine._flights] == [number])

    async def quiet(self) -> dict[str, int]:
        """Wait until nothing is under way; what was booked, by source."""
        await answered_all()
        assert not self.engine._flights
        account = await self.engine.admission.holds.account(("local",))
        found = await self.gate.runtime.records.recent(100)
        assert account.held == NOTHING
        assert account.spent.nano == sum(record.spent or 0 for record in found)
        return {record.source: record.spent or 0 for record in found}


@each_wire
def test_a_call_goes_on_for_those_who_stay(wire: Wire) -> None:
    async def main() -> None:
        async with cutting() as gate:
            held = Held(gate)
            await held.hear(gate.caller, wire, 3)
            other = await one_more(gate.url)
            joined = await held.hear(other, wire, 3)
            assert joined.headers["x-penstock-source"] == "joined"
            await held.listeners(2)
            gate.caller.writer.transport.abort()
            await held.listeners(1)
            held.to[0].send(chunk(b"".join(events(wire.raw)[3:])) + LAST_CHUNK)
            while piece := await other.piece():
                joined.body += piece
            assert joined.body == wire.raw
            booked = await held.quiet()
            assert booked["joined"] == 0
            assert booked["refused"] > 0  # who asked first has left, and pays
            assert (await other.call(wire.path, wire.body)).headers["x-penstock-source"] == "reuse"
            assert gate.up.served == 1
            other.writer.close()

    asyncio.run(main())


@each_wire
def test_the_last_to_leave_calls_it_off(wire: Wire) -> None:
    async def main() -> None:
        async with cutting() as gate:
            held = Held(gate)
            others = [await one_more(gate.url) for _ in range(3)]
            for caller in others:
                await held.hear(caller, wire, 4)
            await held.listeners(3)
            for caller in others:
                assert held.to[0].open
                caller.writer.transport.abort()
            await until(lambda: not held.to[0].open)
            booked = await held.quiet()
            assert list(booked) == ["refused"]
            gate.raw, gate.cut = wire.raw, len(wire.raw)
            gate.up.script = gate._script
            assert (await gate.call(wire.path, wire.body)).body == wire.raw  # nothing was stored: it is asked for anew

    asyncio.run(main())


@each_wire
def test_who_leaves_after_the_terminal_event_has_had_the_whole_answer(wire: Wire) -> None:
    """As OpenAI's client does: it closes at ``[DONE]``, and the last chunk of the upstream may still be on its way."""

    async def main() -> None:
        async with cutting() as gate:
            held = Held(gate)
            other = await one_more(gate.url)
            await held.hear(other, wire, len(events(wire.raw)))
            other.writer.transport.abort()
            booked = await held.quiet()
            assert "refused" not in booked
            assert (await gate.caller.call(wire.path, wire.body)).headers["x-penstock-source"] == "reuse"

    asyncio.run(main())


def test_who_leaves_the_queue_is_never_asked_for() -> None:
    async def main() -> None:
        async with gatehouse(Plan(hang=True), seats=1) as gate:

            async def waiting(number: int) -> None:
                while msgspec.json.decode((await gate.get("/health"))[2])["waiting"] != number:
                    pass

            first, second = [await one_more(gate.url) for _ in range(2)]
            first.ask("/v1/chat/completions", msgspec.json.encode(CHAT))
            await gate.up.until(lambda: len(gate.up.exchanges) == 1)
            second.ask("/v1/chat/completions", msgspec.json.encode({**CHAT, "user": "second"}))
            await waiting(1)
            second.writer.transport.abort()
            await waiting(0)
            first.writer.transport.abort()
            await gate.up.until(lambda: gate.up.disconnects == 1)
            gate.up.reply = "Because."
            assert (await gate.post({**CHAT, "user": "third"}))[0] == 200
            assert len(gate.up.exchanges) == 2

    asyncio.run(main())


@pytest.mark.parametrize("shared", [False, True], ids=["holds in memory", "holds in a file"])
def test_who_leaves_while_the_budget_is_held_by_others_holds_nothing(shared: bool) -> None:
    async def main() -> None:
        async with gatehouse(Plan(hang=True), budget="$0.00015", shared=shared) as gate:
            engine: Any = gate.runtime.engine
            first, second = [await one_more(gate.url) for _ in range(2)]
            first.ask("/v1/chat/completions", msgspec.json.encode(CHAT))
            await gate.up.until(lambda: len(gate.up.exchanges) == 1)
            second.ask("/v1/chat/completions", msgspec.json.encode({**CHAT, "user": "second"}))
            await until(lambda: bool(engine.admission._lines))
            second.writer.transport.abort()
            await until(lambda: not engine.admission._lines)
            account = await engine.admission.holds.account(("local",))
            assert account.held.calls == 1
            first.writer.transport.abort()
            await gate.quiet()
            account = await engine.admission.holds.account(("local",))
            assert account.held == NOTHING
            gate.up.reply = "Because."
            assert (await gate.post({**CHAT, "user": "third"}))[0] == 200

    asyncio.run(main())


def test_the_budget_of_one_request_is_dropped_also_when_the_file_is_busy() -> None:
    """Another worker writes to the accounts in the moment in which the answer has gone out."""

    async def main() -> None:
        async with gatehouse("Because.", shared=True) as gate:
            file = sqlite3.connect(Path(os.environ["PENSTOCK_HOME"]) / "holds.sqlite", isolation_level=None)
            asked: Any = gate.runtime.engine

            async def write(outcome: object) -> None:
                file.execute("BEGIN IMMEDIATE")
                asyncio.get_running_loop().call_later(0.02, file.execute, "COMMIT")

            asked.sinks = (*asked.sinks, write)
            assert (await gate.post(CHAT, headers={"x-penstock-budget": "$1"}))[0] == 200
            await answered_all()
            _, _, metrics = await gate.get("/metrics")
            left = file.execute("SELECT count(*) FROM accounts").fetchone()
            file.close()
            assert b"penstock_disconnects_total 0" in metrics
            assert left == (0,)

    asyncio.run(main())


# Readers that do not read ---------------------------------------------------------------------------------------------


def test_readers_that_do_not_read_keep_nobody_waiting() -> None:
    """Each of them gets more than the sockets on the way can hold, and reads none of it."""

    async def main() -> None:
        async with cutting() as gate:
            event = events(STREAM.raw)[2]
            large = answer(event * ((4 << 20) // len(event)), 1 << 30, "no last chunk")
            held = Held(gate)
            sleepers: list[socket.socket] = []
            for number in range(6):
                sleeper = socket.socket()
                sleeper.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                host, _, port = gate.url.removeprefix("http://").partition(":")
                sleeper.connect((host, int(port)))
                body = STREAM.body.replace(b"Why?", b"Why? %d" % number)
                top = f"POST {STREAM.path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(body)}\r\n\r\n"
                sleeper.sendall(top.encode() + body)
                sleepers.append(sleeper)
            await until(lambda: len(held.to) == 6)
            for to in held.to:
                to.send(large)
            gate.raw, gate.cut, gate.up.script = STREAM.raw, len(STREAM.raw), gate._script
            assert (await gate.call(STREAM.path, STREAM.body)).body == STREAM.raw
            for to in held.to:
                to.close()
            await until(lambda: not held.engine._flights)  # what they do not read is settled all the same
            for sleeper in sleepers:
                sleeper.close()
            await until(lambda: len(asyncio.all_tasks()) <= 3)

    asyncio.run(main())


# Servers --------------------------------------------------------------------------------------------------------------

_SERVE = """
import sys
from msgspec.structs import replace
from penstock.config import GatewaySettings, load
from penstock.gateway.serve import reachable, serve
from penstock.gateway.server import address, bind

sock = bind("127.0.0.1", 0)
told = address(sock)
workers, drain = map(int, sys.argv[1:])
settings = replace(reachable(load(None)), gateway=GatewaySettings(drain=drain))
sys.exit(serve(settings, sock, workers=workers, ready=lambda: print(told, flush=True)))
"""


@asynccontextmanager
async def server(
    up: str, workers: int = 1, folder: Path | None = None, drain: int = 1
) -> AsyncGenerator[tuple[asyncio.subprocess.Process, str]]:
    """A real server that gives what is under way ``drain`` seconds to end; its configuration is that of ``folder``."""
    env = {**os.environ, "PENSTOCK_OPENAI_BASE_URL": up, "OPENAI_API_KEY": "k"}
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _SERVE, str(workers), str(drain), stdout=pipe, stderr=pipe, env=env, cwd=folder
    )
    assert process.stdout is not None
    try:
        yield process, (await process.stdout.readline()).decode().strip()
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


def recorded(home: Path) -> list[str]:
    """The sources of all calls, by the file."""
    with contextlib.closing(sqlite3.connect(home / "records.sqlite")) as file:
        return [msgspec.json.decode(row[0])["source"] for row in file.execute("SELECT record FROM records")]


def priced(wire: Wire) -> bytes:
    """The request, for a model whose price is known."""
    return wire.body.replace(b'"mine"', b'"gpt-4o-mini"')


@asynccontextmanager
async def stopping(workers: int = 1, drain: int = 1) -> AsyncGenerator[tuple[RawConnection, Caller, Answered, int]]:
    """A server that has been told to stop, a client that has heard one event of a stream, and who is to say the rest.

    The number is the server's port.
    """
    upstreams: list[RawConnection] = []
    async with (
        RawUpstream(lambda to, body: upstreams.append(to)) as up,
        server(up.url, workers, drain=drain) as (process, url),
    ):
        caller, idle = await one_more(url), await one_more(url)
        caller.ask(STREAM.path, priced(STREAM))
        await up.until(lambda: bool(upstreams))
        upstreams[0].send(answer(events(STREAM.raw)[0], 1 << 20, "no last chunk"))
        answered = await caller.heard()
        answered.body = await caller.piece()
        process.send_signal(signal.SIGTERM)
        assert await idle.reader.read() == b""  # those who ask nothing are sent away first
        try:
            yield upstreams[0], caller, answered, int(url.rpartition(":")[2])
            assert await process.wait() == 0
        finally:
            caller.writer.close()
            idle.writer.close()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_stream_under_way_may_end_when_the_server_stops(workers: int, home: Path) -> None:
    async def main() -> None:
        async with stopping(workers) as (upstream, caller, answered, _):
            upstream.send(chunk(b"".join(events(STREAM.raw)[1:])) + LAST_CHUNK)
            while piece := await caller.piece():
                answered.body += piece
            assert answered.body == STREAM.raw
        assert recorded(home) == ["openai"]

    asyncio.run(main())


@pytest.mark.parametrize("workers", [1, 2])
def test_a_stream_that_does_not_end_in_time_ends_with_an_error(workers: int) -> None:
    async def main() -> None:
        async with stopping(workers) as (_, caller, answered, _):
            while piece := await caller.piece():
                answered.body += piece
            assert events(answered.body)[-1].startswith(b'data: {"error":')

    asyncio.run(main())


def test_what_a_stopping_server_calls_off_is_recorded(home: Path) -> None:
    async def main() -> None:
        async with stopping() as (_, caller, _, _):
            await caller.reader.read()
        assert recorded(home) == ["refused"]

    asyncio.run(main())


def is_closed(port: int) -> bool:
    """Whether nobody listens there any more."""
    with socket.socket() as late:
        return late.connect_ex(("127.0.0.1", port)) == errno.ECONNREFUSED


@pytest.mark.parametrize(
    "workers",
    [1, 2],
)
def test_a_stopping_server_takes_no_more_connections(workers: int) -> None:
    async def main() -> None:
        async with stopping(workers, drain=4) as (upstream, caller, answered, port):
            await comes(is_closed, port)
            upstream.send(chunk(b"".join(events(STREAM.raw)[1:])) + LAST_CHUNK)  # what is under way goes on
            while piece := await caller.piece():
                answered.body += piece
            assert answered.body == STREAM.raw

    asyncio.run(main())


BECAUSE = msgspec.json.encode(
    {
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Because."}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11},
    }
)


def children(process: int) -> set[int]:
    """The processes that this one has started."""
    return {int(each) for each in Path(f"/proc/{process}/task/{process}/children").read_text().split()}


def age(process: int) -> float:
    """How many seconds ago a process was started."""
    ticks = int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[19])
    return float(Path("/proc/uptime").read_text().split()[0]) - ticks / os.sysconf("SC_CLK_TCK")


async def comes(condition: Any, *arguments: Any) -> None:
    """Look at another process until something is so of it, for ten seconds at most."""
    for _ in range(1000):
        if condition(*arguments):
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come to that")


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds the workers in /proc")
def test_a_worker_that_is_killed_is_replaced_and_its_holds_are_reaped(home: Path) -> None:
    """Its call held more than the half of a budget, so the next one fits only when that is given back."""
    (home.parent / "penstock.toml").write_text('[budget]\nmoney = "$0.00011"\n')

    async def main() -> None:
        upstreams: list[RawConnection] = []
        async with (
            RawUpstream(lambda to, body: upstreams.append(to)) as up,
            server(up.url, 2, home.parent) as (process, url),
        ):
            workers = children(process.pid)
            assert len(workers) == 2
            await comes(lambda: all(age(worker) > 1.2 for worker in workers))  # who dies younger ends them all
            body = msgspec.json.encode({"model": "gpt-4o-mini", "max_tokens": 90, "messages": CHAT["messages"]})
            lost = await one_more(url)
            lost.ask("/v1/chat/completions", body)
            await up.until(lambda: len(upstreams) == 1)
            with contextlib.closing(sqlite3.connect(home / "holds.sqlite")) as file:
                (owner,) = file.execute("SELECT owner FROM holds").fetchone()
                killed = int(owner.split("-")[-2])
                assert killed in workers
                os.kill(killed, signal.SIGKILL)
                with contextlib.suppress(ConnectionError):
                    assert await lost.reader.read() == b""
                lost.writer.close()
                await comes(lambda: len(children(process.pid) - {killed}) == 2)
                up.script = lambda to, body: to.send(head(length=len(BECAUSE)) + BECAUSE)
                for number in range(20):
                    caller = await one_more(url)
                    asked = body.replace(b"Why?", b"Why? %d" % number)
                    assert (await caller.call("/v1/chat/completions", asked)).status == 200
                    caller.writer.close()
                held = [msgspec.json.decode(row[0])["held"] for row in file.execute("SELECT account FROM accounts")]
                assert held == [dict.fromkeys(held[0], 0)]
            process.terminate()
            _, told = await process.communicate()
            assert b"ended with -9" in told

    asyncio.run(main())
