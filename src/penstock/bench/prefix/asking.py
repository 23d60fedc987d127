"""Questions to a real engine through Penstock: when the first token of an answer came, and what was read for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from penstock.bench.figure import Broken
from penstock.client import LM
from penstock.config import ProviderSettings, Settings
from penstock.runtime import build
from penstock.values import Scope, Usage

__all__ = ["Heard", "ask", "cached_share", "fan_out", "opened"]

ANSWER_TOKENS = 8


class Heard(msgspec.Struct, frozen=True):
    """What one call took."""

    first: float
    """Seconds from the question to the first text of its answer."""
    usage: Usage
    """As the engine reported it."""


@asynccontextmanager
async def opened(home: Path, url: str) -> AsyncGenerator[LM]:
    """Penstock in front of the engine at ``url``; what is set in this shell does not count."""
    engine = ProviderSettings("openai", url, models=("llama",), large="llama")
    runtime = await build(Settings(provider="llama", providers={"llama": engine}), at=home, keys={"llama": "unused"})
    try:
        yield LM(runtime, model="llama", scope=Scope("local", "bench"))
    finally:
        await runtime.close()


async def ask(lm: LM, prompt: str, begun: Callable[[], object] = lambda: None) -> Heard:
    """Ask, and hear the answer to its end; ``begun`` is called at its first text. Raises `Broken` for a poor answer."""
    messages = [{"role": "user", "content": prompt}]
    call = lm.call(messages, max_tokens=ANSWER_TOKENS, temperature=0.0, reuse="off", stream=True)
    asked, first = time.perf_counter(), 0.0
    async with lm.runtime.engine.ask(call) as ticket:
        async for delta in ticket.events():
            if delta.text and not first:
                first = time.perf_counter() - asked
                begun()
        usage = (await ticket.outcome()).done().reply.usage
    if not first or usage is None or usage.completion != ANSWER_TOKENS:
        raise Broken(f"an answer without text, or not of {ANSWER_TOKENS} tokens: {usage}")
    return Heard(first, usage)


async def fan_out(lm: LM, prompts: Sequence[str], *, leader_first: bool) -> tuple[float, list[Heard]]:
    """Ask all; the seconds until the last answer was whole. With a leader the others wait for its first token."""
    began = time.perf_counter()
    warm = asyncio.Event()
    leader = asyncio.create_task(ask(lm, prompts[0], warm.set))
    leader.add_done_callback(lambda _: warm.set())  # one that fails holds nobody up
    if leader_first:
        await warm.wait()
    heard = await asyncio.gather(leader, *(ask(lm, prompt) for prompt in prompts[1:]))
    return time.perf_counter() - began, heard


def cached_share(heard: Sequence[Heard]) -> float:
    """Of all prompt tokens, the percentage that the engine read from its cache."""
    return 100 * sum(each.usage.cache_read for each in heard) / sum(each.usage.prompt for each in heard)
