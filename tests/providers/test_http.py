"""What goes over the wire, and over which connection, when all is well."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from penstock.errors import ConfigError, KeyRefused
from penstock.providers.dialects import dialect
from penstock.providers.http import Connections, HttpProvider
from penstock.providers.port import Provider
from penstock.testing import Plan, Upstream
from penstock.values import Call, Credential

QUESTION = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Why is the sky blue?"}]}


def ask(name: str = "openai", *, stream: bool = False, **fields: Any) -> Call:
    body = {**QUESTION, "stream": True} if stream else QUESTION
    return Call.parse(msgspec.json.encode(body), dialect=name, provider="p", **fields)


@asynccontextmanager
async def provider(url: str, name: str = "openai", key: str = "sk-ours", **options: Any) -> AsyncIterator[HttpProvider]:
    it = HttpProvider("p", dialect(name), url, key, **options)
    try:
        yield it
    finally:
        await it.close()


async def whole(to: Provider, call: Call) -> bytes:
    async with to.send(call) as answer:
        return b"".join([chunk async for chunk in answer.chunks])


@pytest.mark.parametrize("suffix", ["", "/", "/v1", "/v1/"])
@pytest.mark.parametrize(("name", "path"), [("openai", "/v1/chat/completions"), ("anthropic", "/v1/messages")])
@pytest.mark.parametrize("stream", [False, True])
def test_one_exchange(name: str, path: str, suffix: str, stream: bool) -> None:
    async def main() -> None:
        plan = Plan("Because of Rayleigh scattering.", split=7 if stream else 0)
        async with Upstream(plan) as up, provider(up.url + suffix, name) as to:
            assert (to.name, to.dialect, to.origin) == ("p", name, (up.url + suffix).rstrip("/"))
            raw = await whole(to, ask(name, stream=stream))
            reply = dialect(name).reply(raw, streamed=stream)
            assert reply.text == "Because of Rayleigh scattering."
            assert reply.usage == up.exchanges[0].usage
            assert [exchange.path for exchange in up.exchanges] == [path]

    asyncio.run(main())


def test_the_very_bytes_go_out_when_all_is_left_out() -> None:
    async def main() -> None:
        raw = b'{ "model":"m","stream" :true,\n "messages":[], "new_field": 1.0 }'
        async with Upstream() as up, provider(up.url) as to:
            call = Call.parse(raw, dialect="openai", provider="p", off=frozenset({"all"}))
            await whole(to, call)
            assert up.exchanges[0].body == raw
            await whole(to, Call.parse(raw, dialect="openai", provider="p"))
            assert b"include_usage" in up.exchanges[1].body

    asyncio.run(main())


def test_headers_of_the_client_pass_and_secrets_and_ours_do_not() -> None:
    sent = (
        ("anthropic-beta", "a-1"),
        ("anthropic-beta", "b-2"),
        ("anthropic-version", "2031-01-01"),
        ("x-stainless-lang", "python"),
        ("user-agent", "claude-cli/9"),
        ("x-penstock-budget", "5c"),
        ("x-api-key", "sk-smuggled"),
        ("authorization", "Bearer sk-smuggled"),
        ("cookie", "session=smuggled"),
        ("host", "smuggled"),
        ("accept-encoding", "zstd"),
        ("content-length", "7"),
        ("connection", "close"),
    )

    async def main() -> None:
        async with Upstream() as up, provider(up.url, "anthropic") as to:
            await whole(to, ask("anthropic", headers=sent))
            got = up.exchanges[0].headers
            assert got["anthropic-beta"] == "a-1, b-2"
            assert got["anthropic-version"] == "2031-01-01"
            assert got["x-stainless-lang"] == "python"
            assert got["user-agent"] == "claude-cli/9"
            assert got["x-api-key"] == "sk-ours"
            assert got["content-type"] == "application/json"
            assert "zstd" not in got["accept-encoding"] or "gzip" in got["accept-encoding"]
            assert "smuggled" not in str(got)
            assert not [name for name in got if name.startswith("x-penstock")]
            assert up.open_connections == 1

    asyncio.run(main())


def test_the_clients_own_key_goes_before_ours() -> None:
    async def main() -> None:
        async with Upstream() as up, provider(up.url, key=" sk-ours\n") as to, provider(up.url, key="") as bare:
            await whole(to, ask())
            await whole(to, ask(credential=Credential("sk-theirs")))
            await whole(bare, ask())
            sent = [exchange.headers.get("authorization") for exchange in up.exchanges]
            assert sent == ["Bearer sk-ours", "Bearer sk-theirs", None]

    asyncio.run(main())


def test_reply_headers_are_handed_on_without_those_of_the_transport() -> None:
    async def main() -> None:
        plan = Plan("x", gzip=True, headers={"X-RateLimit-Remaining": "7", "Keep-Alive": "timeout=5"})
        async with Upstream(plan) as up, provider(up.url) as to, to.send(ask()) as answer:
            assert answer.headers == {
                "content-type": "application/json",
                "x-request-id": "req_0",
                "request-id": "req_0",
                "x-ratelimit-remaining": "7",
            }

    asyncio.run(main())


@pytest.mark.parametrize("stream", [False, True])
def test_a_compressed_body_is_read(stream: bool) -> None:
    async def main() -> None:
        async with Upstream(Plan("squeezed " * 500, gzip=True)) as up, provider(up.url) as to:
            raw = await whole(to, ask(stream=stream))
            assert dialect("openai").reply(raw, streamed=stream).text == "squeezed " * 500

    asyncio.run(main())


def test_events_are_there_as_they_come() -> None:
    async def main() -> None:
        async with Upstream(Plan("a b c", hang_after_event=1)) as up, provider(up.url) as to:
            async with to.send(ask(stream=True)) as answer:
                first = await anext(answer.chunks)
                assert b'"role":"assistant"' in first
                assert up.in_flight == 1
            await up.until(lambda: up.disconnects == 1)

    asyncio.run(main())


def test_a_connection_is_used_again_if_the_answer_was_read_to_its_end() -> None:
    async def main() -> None:
        async with Upstream("x" * 5000) as up, provider(up.url) as to:
            for stream in (False, True, False):
                await whole(to, ask(stream=stream))
            assert up.connections == 1

    asyncio.run(main())


def test_leaving_early_closes_the_connection_and_the_upstream_notices() -> None:
    async def main() -> None:
        async with Upstream(Plan("word " * 1000, drip=0.001)) as up, provider(up.url) as to:
            async with to.send(ask(stream=True)) as answer:
                await anext(answer.chunks)
            await up.until(lambda: up.disconnects == 1)
            assert up.exchanges[0].gone
            assert up.exchanges[0].share < 1
            up.reply = "fine"
            await whole(to, ask())
            assert up.connections == 2

    asyncio.run(main())


@pytest.mark.parametrize("plan", [Plan(hang=True), Plan("x", hang_after_event=1)])
def test_a_cancelled_call_is_seen_by_the_upstream(plan: Plan) -> None:
    async def main() -> None:
        async with Upstream(plan) as up, provider(up.url) as to:
            task = asyncio.create_task(whole(to, ask(stream=True)))
            await up.until(lambda: len(up.exchanges) == 1 and (plan.hang or up.exchanges[0].sent > 0))
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await up.until(lambda: up.disconnects == 1)
            await up.until(lambda: up.open_connections == 0)

    asyncio.run(main())


def test_connections_may_be_shared_and_keys_are_not() -> None:
    async def main() -> None:
        pool = Connections()
        async with Upstream() as one, Upstream() as two:
            first = HttpProvider("one", dialect("openai"), one.url, "sk-one", connections=pool)
            second = HttpProvider("two", dialect("anthropic"), two.url, "sk-two", connections=pool)
            await asyncio.gather(*(whole(first, ask()) for _ in range(3)), whole(second, ask("anthropic")))
            await first.close()
            await whole(second, ask("anthropic"))  # a shared pool outlives one of its users
            assert "sk-two" not in str([each.headers for each in one.exchanges])
            assert "sk-one" not in str([each.headers for each in two.exchanges])
            await pool.close()
            await pool.close()
            await one.until(lambda: one.open_connections == 0)

    asyncio.run(main())


def test_a_missing_key_is_told_before_anything_is_sent() -> None:
    async def main() -> None:
        async with provider("https://api.example.com", key="", key_env="EXAMPLE_API_KEY") as to:
            with pytest.raises(KeyRefused, match=r"p needs a key and has none \(set EXAMPLE_API_KEY\)"):
                await whole(to, ask())
        async with provider("https://api.example.com", key="") as to:
            with pytest.raises(KeyRefused, match="give an api_key"):
                await whole(to, ask())

    asyncio.run(main())


@pytest.mark.parametrize("key", ["sk-a b", "sk-a\nb", "sk-\x00"])
def test_a_key_that_cannot_be_sent_is_told_without_showing_it(key: str) -> None:
    with pytest.raises(ConfigError, match="check P_KEY") as told:
        HttpProvider("p", dialect("openai"), "http://127.0.0.1", key, key_env="P_KEY")
    assert "sk-" not in str(told.value)


def test_a_proxy_is_used_for_others_and_never_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with Upstream("by proxy") as proxy, Upstream("direct") as up:
            monkeypatch.setenv("http_proxy", proxy.url.replace("http://", "http://me:secret@"))
            monkeypatch.setenv("no_proxy", "near.example.com")
            async with provider("http://far.example.com/v1") as to:
                assert b"by proxy" in await whole(to, ask())
            assert proxy.exchanges[0].path == "http://far.example.com/v1/chat/completions"
            assert proxy.exchanges[0].headers["proxy-authorization"].startswith("Basic ")
            async with provider(up.url) as to:
                assert b"direct" in await whole(to, ask())
            assert len(proxy.exchanges) == 1

    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    asyncio.run(main())
