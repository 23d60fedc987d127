from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from penstock.errors import BadInput, BrokenReply, Overloaded, PenstockError, Unreachable
from penstock.providers.dialects import dialect
from penstock.providers.port import Provider
from penstock.testing import FakeClock, Plan, ScriptedProvider, ToolCall
from penstock.values import Call, Usage

BOTH = pytest.mark.parametrize("name", ["openai", "anthropic"])
EITHER_WAY = pytest.mark.parametrize("stream", [False, True])


def ask(name: str = "openai", *, stream: bool = False, text: str = "Hello there", **more: Any) -> Call:
    body = {"model": "m", "stream": stream, "messages": [{"role": "user", "content": text}], **more}
    return Call.parse(msgspec.json.encode(body), dialect=name, provider="scripted")


async def whole(to: Provider, call: Call) -> bytes:
    async with to.send(call) as answer:
        return b"".join([chunk async for chunk in answer.chunks])


@BOTH
@EITHER_WAY
def test_every_kind_of_answer_can_be_read_by_the_codecs(name: str, stream: bool) -> None:
    usage = Usage(input=5, cache_read=7, cache_write_5m=3 if name == "anthropic" else 0, output=11)
    tool = ToolCall("lookup", '{"name":"Ada"}')
    plan = Plan("I will look.", thinking="Let me see.", tools=(tool,), usage=usage, piece=3, split=5)
    call = ask(name, stream=stream, stream_options={"include_usage": True})
    provider = ScriptedProvider(plan, dialect=name)
    reply = dialect(name).reply(asyncio.run(whole(provider, call)), streamed=stream)
    assert (reply.text, reply.model, reply.usage) == ("I will look.", "m", usage)
    assert reply.finish == ("tool_calls" if name == "openai" else "tool_use")
    body = dialect(name).body(reply)
    assert all(part in body for part in (b"lookup", b"Ada", b"Let me see."))
    assert (provider.name, provider.dialect, provider.seen) == ("scripted", name, [call])


@BOTH
@EITHER_WAY
def test_the_echo_depends_on_the_prompt_alone_and_counts_its_tokens(name: str, stream: bool) -> None:
    def said(text: str, **more: Any) -> tuple[str, Usage | None]:
        call = ask(name, stream=stream, text=text, stream_options={"include_usage": True}, **more)
        provider = ScriptedProvider(dialect=name, count=lambda text: len(text.split()))
        reply = dialect(name).reply(asyncio.run(whole(provider, call)), streamed=stream)
        return reply.text, reply.usage

    text, usage = said("one two three")
    assert text.endswith(": one two three")
    assert usage is not None
    assert usage.output == 5
    assert usage.input >= 3
    assert said("one two three", user="somebody") == (text, usage)
    assert said("one two four")[0] != text


def test_usage_may_be_left_out() -> None:
    for name in ("openai", "anthropic"):
        for stream in (False, True):
            raw = asyncio.run(whole(ScriptedProvider(Plan("x", usage=None), dialect=name), ask(name, stream=stream)))
            assert b"usage" not in raw


def test_scripts_of_every_form() -> None:
    async def main() -> None:
        listed = ScriptedProvider(["first", b"raw bytes", {"id": 1}, Overloaded("full"), ValueError("a bug")])
        assert b'"first"' in await whole(listed, ask())
        assert await whole(listed, ask(stream=True)) == b"raw bytes"
        assert await whole(listed, ask()) == b'{"id":1}'
        with pytest.raises(Overloaded, match="full"):
            await whole(listed, ask())
        with pytest.raises(ValueError, match="a bug"):
            await whole(listed, ask())
        with pytest.raises(BadInput, match="no answer number 6"):
            await whole(listed, ask())
        called = ScriptedProvider(lambda call: call.model * 3)
        assert b'"mmm"' in await whole(called, ask())
        with pytest.raises(BadInput, match="streams"):
            await whole(ScriptedProvider({"id": 1}), ask(stream=True))

    asyncio.run(main())


@BOTH
def test_errors_are_those_of_the_dialect(name: str) -> None:
    async def main() -> None:
        told: list[bool] = []
        provider = ScriptedProvider(Plan("slow down", status=429, headers={"retry-after": "3"}), dialect=name)
        with pytest.raises(Overloaded, match="slow down") as error:
            async with provider.send(ask(name), told.append):
                pass
        assert (error.value.status, error.value.headers["retry-after"]) == (429, "3")
        assert told == [True, False]
        with pytest.raises(Unreachable):
            await whole(ScriptedProvider(Plan(drop=True), dialect=name), ask(name))
        assert provider.cancelled == 0

    asyncio.run(main())


@BOTH
def test_a_stream_may_end_in_an_error_event(name: str) -> None:
    raw = asyncio.run(whole(ScriptedProvider(Plan("x", error_after_event=1), dialect=name), ask(name, stream=True)))
    with pytest.raises(BrokenReply, match="overloaded in mid-stream"):
        dialect(name).reply(raw, streamed=True)


@pytest.mark.parametrize("plan", [Plan("a b c d", cut_after=50, split=20), Plan("a b c d", cut_after_event=1)])
def test_a_cut_stream_raises_where_it_is_cut(plan: Plan) -> None:
    async def main() -> None:
        provider = ScriptedProvider(plan)
        got = bytearray()

        async def read() -> None:
            async with provider.send(ask(stream=True)) as answer:
                async for chunk in answer.chunks:
                    got.extend(chunk)

        with pytest.raises(BrokenReply, match="broke off"):
            await read()
        assert len(got) == 50 if plan.cut_after else got.count(b"data:") == 1
        assert (provider.cancelled, provider.in_flight) == (0, 0)

    asyncio.run(main())


def test_latency_gaps_and_drips_pass_on_the_clock() -> None:
    async def main() -> None:
        clock = FakeClock()
        provider = ScriptedProvider(Plan("abcd", piece=2, gap=10, drip=1), latency=100, clock=clock)
        task = asyncio.create_task(whole(provider, ask(stream=True)))
        await clock.advance(1000)
        raw = await task
        events = raw.count(b"data:")
        assert sum(clock.slept) == 100 + 11 * events
        assert events == 6  # the role, two pieces, the finish, the usage, the end

    asyncio.run(main())


def test_it_counts_who_is_in_flight_and_who_was_called_off() -> None:
    async def main() -> None:
        provider = ScriptedProvider([Plan(hang=True), Plan("a b", hang_after_event=1), Plan("whole"), Plan("left")])
        tasks = [asyncio.create_task(whole(provider, ask(stream=True))) for _ in range(3)]
        await asyncio.sleep(0.01)
        assert (provider.in_flight, provider.most_in_flight) == (2, 3)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert [task.cancelled() for task in tasks] == [True, True, False]
        assert (provider.in_flight, provider.cancelled) == (0, 2)
        async with provider.send(ask(stream=True)) as answer:
            await anext(answer.chunks)
        assert provider.cancelled == 3
        await provider.close()
        assert provider.closed

    asyncio.run(main())


def test_an_answer_read_to_its_last_chunk_was_not_called_off() -> None:
    async def main() -> None:
        provider = ScriptedProvider("x")
        async with provider.send(ask()) as answer:
            await anext(answer.chunks)
        assert provider.cancelled == 0

    asyncio.run(main())


def test_every_error_is_one_of_ours() -> None:
    provider = ScriptedProvider([])
    with pytest.raises(PenstockError):
        asyncio.run(whole(provider, ask()))
