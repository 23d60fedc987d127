"""What a caller is told, and how often an upstream is asked, when all is not well."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from penstock.errors import (
    BrokenReply,
    DeadlineExceeded,
    KeyRefused,
    Overloaded,
    PenstockError,
    ProviderError,
    Rejected,
    Unreachable,
)
from penstock.providers.dialects import dialect
from penstock.providers.gate import Gates
from penstock.providers.http import ERROR_BYTES, Connections, HttpProvider
from penstock.providers.retry import RetryPolicy
from penstock.testing import FakeClock, Plan, Upstream
from penstock.values import Call, Credential

ONCE = RetryPolicy(tries=1)


def ask(*, stream: bool = False, **fields: Any) -> Call:
    raw = msgspec.json.encode({"model": "m", "messages": [{"role": "user", "content": "Hello"}], "stream": stream})
    return Call.parse(raw, dialect="openai", provider="p", **fields)


@asynccontextmanager
async def provider(url: str, **options: Any) -> AsyncIterator[HttpProvider]:
    it = HttpProvider("p", dialect("openai"), url, "sk-ours", **options)
    try:
        yield it
    finally:
        await it.close()


async def whole(to: HttpProvider, call: Call) -> bytes:
    async with to.send(call) as answer:
        return b"".join([chunk async for chunk in answer.chunks])


@asynccontextmanager
async def passing(clock: FakeClock) -> AsyncIterator[None]:
    """Time that passes as soon as somebody waits for it."""

    async def tick() -> None:
        while True:
            await clock.asleep()
            await clock.advance(0.25)

    ticker = asyncio.create_task(tick())
    try:
        yield
    finally:
        ticker.cancel()


@pytest.mark.parametrize(
    "first", [Plan(status=status) for status in (408, 409, 429, 500, 502, 529)] + [Plan(drop=True)]
)
def test_what_may_pass_is_tried_again(first: Plan) -> None:
    async def main() -> None:
        clock = FakeClock()
        plans = [first, first, Plan("at last")]
        async with Upstream(plans) as up, passing(clock), provider(up.url, clock=clock, jitter=lambda: 0.5) as to:
            assert b"at last" in await whole(to, ask())
        assert clock.slept == [0.25, 0.5]
        assert [exchange.body for exchange in up.exchanges] == [up.exchanges[0].body] * 3

    asyncio.run(main())


def test_after_three_tries_the_last_error_is_the_callers() -> None:
    async def main() -> None:
        clock = FakeClock()
        plans = [Plan(status=500), Plan(status=503), Plan("come back", status=529, headers={"x-last": "yes"})]
        async with Upstream(plans) as up, passing(clock), provider(up.url, clock=clock) as to:
            with pytest.raises(Overloaded, match="come back") as told:
                await whole(to, ask())
            assert (told.value.status, told.value.headers["x-last"]) == (529, "yes")
            assert b"overloaded_error" in told.value.body
            assert len(up.exchanges) == 3
            assert up.connections == 1, "an error that was read leaves the connection usable"

    asyncio.run(main())


@pytest.mark.parametrize(("status", "kind"), [(400, Rejected), (404, Rejected), (401, KeyRefused), (403, KeyRefused)])
def test_what_would_fail_again_is_asked_once(status: int, kind: type[ProviderError]) -> None:
    async def main() -> None:
        async with Upstream(Plan("never", status=status)) as up, provider(up.url, clock=FakeClock()) as to:
            with pytest.raises(kind, match="never"):
                await whole(to, ask())
            assert len(up.exchanges) == 1

    asyncio.run(main())


def test_retry_after_is_waited_for_up_to_the_cap() -> None:
    async def main() -> None:
        clock = FakeClock()
        plans = [Plan(status=429, headers={"Retry-After": "7"}), Plan(status=429, headers={"retry-after": "21"})]
        async with Upstream(plans) as up, passing(clock), provider(up.url, clock=clock, jitter=lambda: 0.0) as to:
            with pytest.raises(Overloaded) as told:
                await whole(to, ask())
            assert told.value.headers["retry-after"] == "21"
            assert clock.slept == [7.0]
            assert len(up.exchanges) == 2

    asyncio.run(main())


def test_advice_against_retries_is_taken() -> None:
    async def main() -> None:
        plan = Plan(status=500, headers={"x-should-retry": "false"})
        async with Upstream(plan) as up, provider(up.url, clock=FakeClock()) as to:
            with pytest.raises(Overloaded):
                await whole(to, ask())
            assert len(up.exchanges) == 1

    asyncio.run(main())


def test_an_outage_is_not_fed() -> None:
    async def main() -> None:
        clock, asked = FakeClock(), 300
        async with Upstream(Plan(status=503)) as up, passing(clock), provider(up.url, clock=clock) as to:
            results = await asyncio.gather(*(whole(to, ask()) for _ in range(asked)), return_exceptions=True)
            assert all(isinstance(each, Overloaded) for each in results)
            assert asked + 10 <= len(up.exchanges) <= 1.1 * asked + 10

    asyncio.run(main())


def test_the_gate_shrinks_on_refusals_and_bounds_what_is_on_the_wire() -> None:
    async def main() -> None:
        clock, far = FakeClock(), FakeClock()
        gates = Gates(clock, start=4, most=4)
        gate = gates.of("p", "m")
        async with (
            Upstream(Plan("ok", latency=1), clock=far) as up,
            provider(up.url, clock=clock, gates=gates, policy=ONCE) as to,
        ):
            calls = asyncio.gather(*(whole(to, ask()) for _ in range(10)))
            await far.asleep(4)
            assert (up.in_flight, gate.in_flight, gate.waiting) == (4, 4, 6)
            async with passing(far):
                await calls
            assert up.connections == 4
            up.reply = Plan(status=429)
            with pytest.raises(Overloaded):
                await whole(to, ask())
            assert (gate.limit, gate.in_flight) == (2, 0)

    asyncio.run(main())


def test_no_slot_is_held_between_tries_and_held_while_a_stream_is_read() -> None:
    async def main() -> None:
        clock = FakeClock()
        gates = Gates(clock)
        gate = gates.of("p", "m")
        async with Upstream([Plan(status=500), Plan("ok")]) as up, provider(up.url, clock=clock, gates=gates) as to:
            async with asyncio.TaskGroup() as group:
                task = group.create_task(whole(to, ask()))
                await clock.asleep()
                assert gate.in_flight == 0
                await clock.advance(1)
                await task
            up.reply = "a stream"
            async with to.send(ask(stream=True)) as answer:
                await anext(answer.chunks)
                assert gate.in_flight == 1
            assert gate.in_flight == 0

    asyncio.run(main())


def test_the_deadline_holds_for_the_wait_for_an_answer() -> None:
    async def main() -> None:
        clock = FakeClock()
        async with Upstream(Plan(hang=True)) as up, provider(up.url, clock=clock) as to:
            task = asyncio.create_task(whole(to, ask(deadline=30)))
            await up.until(lambda: len(up.exchanges) == 1)
            await clock.advance(29)
            assert not task.done()
            await clock.advance(1)
            with pytest.raises(DeadlineExceeded, match="p did not answer before the deadline"):
                await task
            await up.until(lambda: up.disconnects == 1)
            with pytest.raises(DeadlineExceeded):
                await whole(to, ask(deadline=30))
            assert len(up.exchanges) == 1, "what is late already is not sent"

    asyncio.run(main())


def test_the_deadline_holds_within_an_answer() -> None:
    async def main() -> None:
        clock = FakeClock()
        async with Upstream(Plan("never ending", hang_after_event=2)) as up, provider(up.url, clock=clock) as to:
            task = asyncio.create_task(whole(to, ask(stream=True, deadline=30)))
            await up.until(lambda: bool(up.exchanges) and up.exchanges[0].share > 0)
            await asyncio.sleep(0.05)
            await clock.advance(31)
            with pytest.raises(DeadlineExceeded, match="was answering"):
                await task
            await up.until(lambda: up.disconnects == 1)

    asyncio.run(main())


def test_a_try_that_would_start_after_the_deadline_is_not_made() -> None:
    async def main() -> None:
        clock = FakeClock()
        plan = Plan(status=429, headers={"retry-after": "10"})
        async with Upstream(plan) as up, provider(up.url, clock=clock) as to:
            with pytest.raises(Overloaded):
                await whole(to, ask(deadline=5))
            assert (len(up.exchanges), clock.slept) == (1, [])

    asyncio.run(main())


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("cut", [0, 1, 60])
def test_a_cut_answer_is_broken_and_not_asked_for_again(stream: bool, cut: int) -> None:
    async def main() -> None:
        async with Upstream(Plan("a long answer", cut_after=cut)) as up, provider(up.url) as to:
            got = bytearray()

            async def read() -> None:
                async with to.send(ask(stream=stream)) as answer:
                    async for chunk in answer.chunks:
                        got.extend(chunk)

            with pytest.raises(BrokenReply, match="p broke off in the middle"):
                await read()
            assert len(got) <= cut
            assert len(up.exchanges) == 1

    asyncio.run(main())


def test_an_answer_that_is_not_what_its_encoding_says_is_broken() -> None:
    async def main() -> None:
        plan = Plan(body=b"not compressed at all", headers={"content-encoding": "gzip"})
        async with Upstream(plan) as up, provider(up.url) as to:
            with pytest.raises(BrokenReply):
                await whole(to, ask())

    asyncio.run(main())


def test_html_is_no_answer() -> None:
    async def main() -> None:
        page = Plan(body=b"<html>Welcome</html>", content_type="text/html; charset=utf-8")
        async with Upstream(page) as up, provider(up.url, clock=FakeClock()) as to:
            with pytest.raises(BrokenReply, match=r"HTML instead of JSON \(is base_url http://127.0.0.1") as told:
                await whole(to, ask())
            assert told.value.body == b"<html>Welcome</html>"
            assert len(up.exchanges) == 1

    asyncio.run(main())


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_no_redirect_is_followed_so_the_key_stays(status: int) -> None:
    async def main() -> None:
        async with Upstream() as elsewhere:
            away = elsewhere.url + "/v1/chat/completions"
            async with Upstream(Plan(status=status, headers={"location": away})) as up, provider(up.url) as to:
                with pytest.raises(Rejected, match="p redirects to http"):
                    await whole(to, ask())
                assert (len(up.exchanges), elsewhere.connections) == (1, 0)

    asyncio.run(main())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_nobody_listens() -> None:
    async def main() -> None:
        clock, url = FakeClock(), f"http://127.0.0.1:{free_port()}"
        async with passing(clock), provider(url, clock=clock) as to:
            with pytest.raises(Unreachable, match=rf"p cannot be reached \(is the server running at {url}\?\)") as told:
                await whole(to, ask())
            assert told.value.status == 0
            assert len(clock.slept) == 2

    asyncio.run(main())


def test_a_host_without_an_address() -> None:
    async def main() -> None:
        async with provider("http://no-such-host.invalid", policy=ONCE) as to:
            with pytest.raises(Unreachable, match=r"the host of http://no-such-host.invalid is not known"):
                await whole(to, ask())

    asyncio.run(main())


def test_no_tls_where_none_is_spoken() -> None:
    async def main() -> None:
        async with Upstream() as up, provider(up.url.replace("http", "https"), clock=FakeClock()) as to:
            with pytest.raises(Unreachable, match="does the server speak https"):
                await whole(to, ask())

    asyncio.run(main())


@pytest.mark.skipif(not shutil.which("openssl"), reason="makes a certificate with openssl")
def test_a_certificate_that_nobody_vouches_for(tmp_path: Path) -> None:
    async def main() -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tmp_path / "cert", tmp_path / "key")
        async with Upstream(tls=context) as up, provider(up.url, clock=FakeClock()) as to:
            with pytest.raises(Unreachable, match=r"is not trusted: self.signed certificate.*SSL_CERT_FILE"):
                await whole(to, ask())
            assert up.served == 0

    new = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -keyout key -out cert"
    subprocess.run(new.split(), cwd=tmp_path, check=True, capture_output=True)
    asyncio.run(main())


def test_what_is_not_http() -> None:
    async def main() -> None:
        async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"220 mail.example.com ESMTP ready\r\n\r\n")
            writer.close()

        async with await asyncio.start_server(babble, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            async with provider(f"http://127.0.0.1:{port}", policy=ONCE) as to:
                with pytest.raises(BrokenReply, match="p does not answer in HTTP"):
                    await whole(to, ask())

    asyncio.run(main())


def test_a_proxy_that_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
        async with provider("http://far.example.com", policy=ONCE) as to:
            with pytest.raises(Unreachable, match="the proxy on the way to http"):
                await whole(to, ask())

    asyncio.run(main())


def test_an_endless_error_is_read_in_part_and_a_cut_one_as_far_as_it_came() -> None:
    async def main() -> None:
        plans = [Plan(status=500, body=b"x" * (3 * ERROR_BYTES)), Plan("half of it", status=500, cut_after=20)]
        async with Upstream(plans) as up, provider(up.url, policy=ONCE) as to:
            with pytest.raises(Overloaded) as told:
                await whole(to, ask())
            assert len(told.value.body) == ERROR_BYTES
            with pytest.raises(Overloaded) as told:
                await whole(to, ask())
            assert told.value.status == 500
            assert len(told.value.body) <= 20

    asyncio.run(main())


class Impatient(Connections):
    """Gives up on a silent upstream after a moment instead of ten minutes."""

    def session(self) -> aiohttp.ClientSession:
        session = super().session()
        session._timeout = aiohttp.ClientTimeout(total=None, sock_read=0.05)
        return session


def test_an_upstream_that_falls_silent() -> None:
    async def main() -> None:
        pool = Impatient()
        async with Upstream(Plan(hang=True)) as up, provider(up.url, connections=pool, clock=FakeClock()) as to:
            with pytest.raises(Unreachable, match="p sent nothing for 600 s"):
                await whole(to, ask())
            assert len(up.exchanges) == 1, "it may be at work: it is not asked twice"
            up.reply = Plan("x y", hang_after_event=1)
            with pytest.raises(BrokenReply):
                await whole(to, ask(stream=True))
            await pool.close()

    asyncio.run(main())


def test_messages_are_one_line_and_hold_no_key() -> None:
    async def main() -> None:
        plans = [
            Plan("sk-ours\nis\nwrong", status=401),
            Plan("sk-ours?", status=400),
            Plan(status=302),
            Plan(body=b"", status=404),
        ]
        async with Upstream(plans) as up, provider(up.url) as to:
            for _ in plans:
                with pytest.raises(PenstockError) as told:
                    await whole(to, ask())
                assert "\n" not in str(told.value)
                assert "sk-ours" not in str(told.value)
                assert b"sk-ours" not in getattr(told.value, "body", b"")

    asyncio.run(main())


def test_whose_key_was_refused_is_told() -> None:
    async def main() -> None:
        async with Upstream(key="another") as up, provider(up.url, key_env="P_API_KEY") as to:
            with pytest.raises(KeyRefused, match=r"\(check P_API_KEY\)"):
                await whole(to, ask())
            with pytest.raises(KeyRefused, match=r"\(check the key that you send\)"):
                await whole(to, ask(credential=Credential("sk-theirs")))
        async with Upstream(key="another") as up, provider(up.url) as to:
            with pytest.raises(KeyRefused, match=r"\(check its api_key\)"):
                await whole(to, ask())

    asyncio.run(main())
