"""Long tool outputs are compressed as they come in, through the real flow."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from tests.engine.rig import SCOPE, Rig
from tests.engine.test_prefixes import used

from penstock.flow import Done
from penstock.policy.compress import entry
from penstock.policy.compress.entry import KEEP, entering
from penstock.policy.compress.markers import names_in
from penstock.policy.compress.settings import CompressSettings
from penstock.testing import FakeClock, ScriptedProvider, SimulatedCache
from penstock.ticket import Outcome
from penstock.values import Call

LOG = "".join(
    f"12:{at // 60 % 60:02}:{at % 60:02} worker {at % 7} took job {at} from the queue\n" for at in range(3000)
)
FAILED = "12:50:01 worker 3 gave up job 1490: disk quota exceeded\n"
OUTPUT = LOG[:80_000] + FAILED + LOG[80_000:]
CODE = "".join(f"def f{at}(x: int) -> int:\n    return x * {at} + {at % 7}\n\n\n" for at in range(900))


def called(number: int, name: str = "run") -> list[dict[str, Any]]:
    """A call of a tool, as chat completions, messages and responses tell of it."""
    return [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": f"t{number}", "type": "function", "function": {"name": name, "arguments": '{"cmd": "tail"}'}}
            ],
        },
        {
            "role": "assistant",
            "content": [{"type": "tool_use", "id": f"t{number}", "name": name, "input": {"cmd": "tail"}}],
        },
        {"type": "function_call", "call_id": f"t{number}", "name": name, "arguments": '{"cmd": "tail"}'},
    ]


def answered(number: int, output: str) -> list[dict[str, Any]]:
    """What it wrote, in the same three formats."""
    return [
        {"role": "tool", "tool_call_id": f"t{number}", "content": output},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": f"t{number}", "content": output}]},
        {"type": "function_call_output", "call_id": f"t{number}", "output": output},
    ]


DIALECTS = ("openai", "anthropic", "responses")


def turn(*outputs: str, dialect: str = "anthropic", tool: str = "run", off: frozenset[str] = frozenset()) -> Call:
    """The request of an agent that has called a tool so many times."""
    at = DIALECTS.index(dialect)
    messages: list[dict[str, Any]] = [{"role": "user", "content": "Why did job 1490 fail?"}]
    for number, output in enumerate(outputs):
        messages += [called(number, tool)[at], answered(number, output)[at]]
    field = "input" if dialect == "responses" else "messages"
    body = {"model": "claude-sonnet-4-5", "max_tokens": 100, field: messages}
    return Call.parse(msgspec.json.encode(body), dialect=dialect, provider="p", origin="script", scope=SCOPE, off=off)


def rig(clock: FakeClock, dialect: str = "anthropic", **settings: Any) -> Rig:
    provider = ScriptedProvider("The quota.", name="p", dialect=dialect, cache=SimulatedCache("anthropic"), clock=clock)
    found = Rig(provider, clock=clock)
    chosen = CompressSettings(**settings)
    found.engine.rules = msgspec.structs.replace(
        found.engine.rules, policies=(("compress", lambda call: entering(call, chosen)),)
    )
    return found


async def ask(at: Rig, call: Call) -> Outcome:
    """The outcome of a call. Compressing takes its time on a thread, so the clock waits for that."""
    clock = at.engine.clock
    assert isinstance(clock, FakeClock)
    task = asyncio.create_task(at.engine.run(call))
    while not task.done():
        await asyncio.wait([task], timeout=0.02)
        await clock.advance(0.05)
    assert isinstance(task.result().state, Done)
    return task.result()


@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_output_comes_in_short_and_can_be_had_back(dialect: str) -> None:
    async def main() -> None:
        clock = FakeClock()
        async with rig(clock, dialect) as at:
            outcome = await ask(at, turn(OUTPUT, dialect=dialect))
            sent = at.provider.seen[-1]
            told = next(each.text for each in sent.segments() if each.kind == "tool_result")
            assert FAILED in told
            assert len(told) < len(OUTPUT) / 10
            (name,) = names_in(told)
            assert await at.engine.originals.get(name, clock.now()) == OUTPUT
            assert int(outcome.state.receipt.saved["compress"]) > 0
            assert used(outcome).prompt < 4000

    asyncio.run(main())


def test_the_bytes_stay_from_turn_to_turn() -> None:
    async def main() -> None:
        clock = FakeClock()
        async with rig(clock) as at:
            for turns in range(1, 5):
                await ask(at, turn(*(OUTPUT + f"turn {number}\n" for number in range(turns))))
            before: list[Any] = []
            for call in at.provider.seen:
                messages = call.body["messages"]
                plain = msgspec.json.decode(
                    msgspec.json.encode(messages).replace(b',"cache_control":{"type":"ephemeral"}', b"")
                )
                assert plain[: len(before)] == before
                before = plain

    asyncio.run(main())


def test_what_is_to_be_exact_is_left_alone() -> None:
    def shortened(call: Call, **settings: Any) -> bool:
        return bool(entering(call, CompressSettings(**settings)))

    assert shortened(turn(OUTPUT))
    assert not shortened(turn(OUTPUT[:9000]))
    assert not shortened(turn(CODE))
    assert not shortened(turn(KEEP + "\n" + OUTPUT))
    assert not shortened(turn(OUTPUT, tool="fetch"), leave=("fetch",))
    assert shortened(turn(OUTPUT, tool="fetch"), leave=("Write",))
    for tool in ("Read", "read_file", "mcp__files__read_text_file", "view", "cat", "str_replace_based_edit_tool"):
        assert not shortened(turn(OUTPUT, tool=tool))  # it may be edited next
    assert shortened(turn(OUTPUT, tool="read_pod_logs"))
    assert not shortened(turn("iVBORw0KGgo" * 20_000))  # an image, encoded
    assert not shortened(turn(OUTPUT), share=0.0)
    assert not shortened(turn(OUTPUT), above_tokens=100_000)
    (again,) = entering(turn(OUTPUT), CompressSettings())
    assert not shortened(turn(again.value), above_tokens=1000, target_tokens=500)  # it was compressed before


def test_what_was_cached_long_stays_long_as_long_as_it_is_warm() -> None:
    async def main() -> None:
        clock = FakeClock()
        async with rig(clock) as at:
            off = frozenset({"compress"})
            marked = turn(OUTPUT, off=off)
            marked.body["messages"][-1]["content"][0]["cache_control"] = {"type": "ephemeral"}
            whole = Call.parse(
                msgspec.json.encode(marked.body),
                dialect="anthropic",
                provider="p",
                origin="script",
                scope=SCOPE,
                off=off,
            )
            await ask(at, whole)
            again = msgspec.structs.replace(turn(OUTPUT, OUTPUT + "more\n"), reuse="off")
            outcome = await ask(at, again)
            told = [each.text for each in at.provider.seen[-1].segments() if each.kind == "tool_result"]
            assert told[0] == OUTPUT  # it would have to be written anew
            assert len(told[1]) < len(OUTPUT) / 10
            assert used(outcome).cache_read > 0.8 * used(outcome).prompt
            await clock.advance(400.0)
            await ask(at, again)
            told = [each.text for each in at.provider.seen[-1].segments() if each.kind == "tool_result"]
            assert max(map(len, told)) < len(OUTPUT) / 10

    asyncio.run(main())


def test_no_more_is_claimed_than_was_saved() -> None:
    """Of a session whose client marks its prompts: what is read from the cache would have been read without, too."""

    async def session(*, enabled: bool) -> tuple[float, int]:
        clock = FakeClock()
        async with rig(clock, above_tokens=5000 if enabled else 10**9) as at:
            spent, saved = 0, 0
            for turns in range(1, 7):
                call = turn(*(OUTPUT[: 60_000 + number] for number in range(turns)))
                call.body["messages"][-1]["content"][0]["cache_control"] = {"type": "ephemeral"}
                outcome = await ask(at, msgspec.structs.replace(call, raw=msgspec.json.encode(call.body)))
                spent += int(outcome.state.receipt.spent)
                saved += int(outcome.state.receipt.saved.get("compress", 0))
            return spent, saved

    whole, _ = asyncio.run(session(enabled=False))
    short, claimed = asyncio.run(session(enabled=True))
    assert claimed == pytest.approx(whole - short, rel=0.05)


def test_no_more_is_remembered_than_that() -> None:
    (before,) = entering(turn(OUTPUT), CompressSettings())
    known = next(iter(entry._memo.values()))
    entry._memo.update({number.to_bytes(4, "big"): known for number in range(3000)})
    (after,) = entering(turn(OUTPUT, off=frozenset({"layout"})), CompressSettings(target_tokens=1999))
    assert len(entry._memo) <= 1024
    assert before.evidence["original"] == after.evidence["original"]
