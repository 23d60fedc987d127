"""What a shared prefix is worth on a real engine: llama.cpp, a small model with random weights, one processor.

The calls go through Penstock as an application would send them, streamed. Time to first token of a prompt that the
engine has not seen, and of one whose context it has just read; then ten questions about one context, at once: with the
question in front of the context, and with the context in front of the question, the first of them sent ahead.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from penstock.bench.figure import Broken, Figure, measured
from penstock.bench.prefix.asking import Heard, ask, cached_share, fan_out, opened
from penstock.bench.prefix.llama import install, llama
from penstock.bench.prefix.words import context, question
from penstock.client import LM

__all__ = ["run"]

CONTEXT_WORDS = 4060
"""With a question some 4,100 tokens."""
CALLS = 10


def run(*, quick: bool = False) -> list[Figure]:
    """All figures of this benchmark: 90 s on a quiet machine, 30 s if ``quick``. Raises `Broken` without an engine."""
    if sys.platform != "linux":
        raise Broken("this benchmark needs Linux: its engine ends with it, whatever happens")
    install()
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as name, llama(Path(name)) as url:
        return asyncio.run(_figures(Path(name) / "home", url, rounds=3 if quick else 7, fan_outs=1 if quick else 3))


async def _figures(home: Path, url: str, *, rounds: int, fan_outs: int) -> list[Figure]:
    async with opened(home, url) as lm:
        await ask(lm, "Are you there?")  # connections, once
        return [*await _first_tokens(lm, rounds), *await _fan_outs(lm, fan_outs)]


async def _first_tokens(lm: LM, rounds: int) -> list[Figure]:
    cold: list[Heard] = []
    hits: list[Heard] = []
    for seed in range(rounds):
        text = context(seed, CONTEXT_WORDS)
        cold.append(await ask(lm, f"{text}\n\n{question(seed, 0)}"))
        hits.append(await ask(lm, f"{text}\n\n{question(seed, 1)}"))
    lower = [100 * (1 - hit.first / whole.first) for hit, whole in zip(hits, cold, strict=True)]
    return [
        measured("prompt of a call", [each.usage.prompt for each in cold], unit="tokens"),
        measured("first token, unseen prompt", [1000 * each.first for each in cold], unit="ms"),
        measured("first token, context just read", [1000 * each.first for each in hits], unit="ms"),
        measured("  lower by", lower, unit="%", goal=90, at_least=True),
        measured("  cached share of tokens", [cached_share([each]) for each in hits], unit="%"),
    ]


async def _fan_outs(lm: LM, rounds: int) -> list[Figure]:
    apart: list[tuple[float, list[Heard]]] = []
    shared: list[tuple[float, list[Heard]]] = []
    for seed in range(1000, 1000 + rounds):
        text, asked = context(seed, CONTEXT_WORDS), [question(seed, number) for number in range(CALLS)]
        apart.append(await fan_out(lm, [f"{each}\n\n{text}" for each in asked], leader_first=False))
        shared.append(await fan_out(lm, [f"{text}\n\n{each}" for each in asked], leader_first=True))
    faster = [slow / quick for (slow, _), (quick, _) in zip(apart, shared, strict=True)]
    return [
        measured(f"fan-out of {CALLS}, question first", [seconds for seconds, _ in apart], unit="s"),
        measured("  cached share of tokens, question first", [cached_share(heard) for _, heard in apart], unit="%"),
        measured(f"fan-out of {CALLS}, context first, leader ahead", [seconds for seconds, _ in shared], unit="s"),
        measured("  cached share of tokens, context first", [cached_share(heard) for _, heard in shared], unit="%"),
        measured("  faster than question first", faster, unit="times", goal=2, at_least=True),
    ]
