"""An upstream that answers 529 to everything for a while, and the official SDKs as clients, as they are by default."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Any, NamedTuple

from penstock.bench.figure import Figure, measured
from penstock.bench.overload.stage import Upstream, gateway

__all__ = ["run"]

CLIENTS = 32
"""Half of them of OpenAI, half of Anthropic."""
EVERY = 0.5
"""Seconds between two calls of one client, whatever became of the first."""
LATENCY = 0.2
"""Seconds that the upstream takes for an answer while it is well."""
CALM, STORM, AFTER = 4.0, 15.0, 10.0

_Ask = Callable[[int], Awaitable[None]]


class _Call(NamedTuple):
    began: float
    ended: float
    answered: bool


def run() -> list[Figure]:
    """The figures of one storm."""
    return asyncio.run(_storm())


async def _storm() -> list[Figure]:
    up = Upstream(LATENCY)
    loop = asyncio.get_running_loop()
    async with up.listening() as url, gateway(url, seats=256) as gate, AsyncExitStack() as opened:
        clients = [await opened.enter_async_context(each) for each in _clients(gate.url)]
        calls: list[_Call] = []
        began = loop.time()
        loop.call_later(CALM, partial(setattr, up, "failing", True))
        loop.call_later(CALM + STORM, partial(setattr, up, "failing", False))
        async with asyncio.TaskGroup() as going:
            for number, client in enumerate(clients):
                going.create_task(_keep_asking(_asking(client), number, calls))
        calls = [_Call(call.began - began, call.ended - began, call.answered) for call in calls]
        return _figures(calls, [moment - began for moment in up.came])


def _clients(url: str) -> Sequence[Any]:
    """The SDKs, with everything that they do by default."""
    import anthropic
    import openai

    return [
        openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="sk-bench")
        if number % 2
        else anthropic.AsyncAnthropic(base_url=url, api_key="sk-bench")
        for number in range(CLIENTS)
    ]


def _asking(client: Any) -> _Ask:
    create = client.chat.completions.create if hasattr(client, "chat") else client.messages.create

    async def ask(number: int) -> None:
        asked = [{"role": "user", "content": f"Why is the sky blue on day {number}?"}]
        await create(model="small", max_tokens=50, messages=asked)

    return ask


async def _keep_asking(ask: _Ask, client: int, calls: list[_Call]) -> None:
    """One application: a call every so often, from a moment of its own on."""
    loop = asyncio.get_running_loop()
    begin = loop.time() + EVERY * client / CLIENTS
    async with asyncio.TaskGroup() as going:
        for number in range(int((CALM + STORM + AFTER) / EVERY)):
            await asyncio.sleep(begin + number * EVERY - loop.time())
            going.create_task(_call(ask, number * CLIENTS + client, calls))


async def _call(ask: _Ask, number: int, calls: list[_Call]) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        await ask(number)
        answered = True
    except Exception as error:  # the SDKs have no base class in common
        if getattr(error, "status_code", 0) != 529:
            raise
        answered = False
    calls.append(_Call(began, loop.time(), answered))


def _figures(calls: list[_Call], came: list[float]) -> list[Figure]:
    end = CALM + STORM
    offered = [call.began for call in calls if CALM <= call.began < end]
    reached = [moment for moment in came if CALM <= moment < end]
    seconds = [CALM + number for number in range(int(STORM))]
    worst = max(_within(reached, second) / _within(offered, second) for second in seconds)
    calm = sorted(call.ended - call.began for call in calls if call.ended < CALM)
    usual = 2 * calm[len(calm) // 2]
    after = [call for call in calls if call.began >= end]
    first = min(call.ended for call in after if call.answered) - end
    last_failed = max((call.began for call in after if not call.answered), default=end) - end
    last_slow = max((call.began for call in after if call.ended - call.began > usual), default=end) - end
    herd = _within(came, end + first) / (CLIENTS / EVERY)
    rate = CLIENTS / EVERY
    return [
        measured(f"529 for {STORM:g} s, {CLIENTS} SDK clients: offered", [rate], unit="calls/s"),
        measured("upstream load over offered", [len(reached) / len(offered)], unit="times", goal=1.1),
        measured("the same in the worst second", [worst], unit="times"),
        measured("recovered: the first answer after", [first], unit="s", goal=2.0),
        measured("the last call to fail began after", [last_failed], unit="s", goal=2.0),
        measured("the last call to take twice its time began after", [last_slow], unit="s"),
        measured("upstream load over offered in the second after", [herd], unit="times"),
    ]


def _within(moments: Sequence[float], second: float) -> int:
    return sum(second <= moment < second + 1 for moment in moments)
