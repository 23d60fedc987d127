"""All measurements of the gateway in one run: about eight minutes with all peers, three with ``quick``."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import msgspec

from penstock.bench.figure import Broken, Figure, measured
from penstock.bench.gateway.cost import costs
from penstock.bench.gateway.gateways import PEERS, Gateway, penstock, upstream
from penstock.bench.gateway.latency import latencies
from penstock.bench.gateway.measuring import Bench
from penstock.bench.gateway.memory import after_many, resident
from penstock.bench.gateway.start import first_answer, starts

__all__ = ["run"]


class _Plan(msgspec.Struct, frozen=True):
    """How much is measured."""

    rounds: int = 5
    cost_seconds: float = 0.7
    """CPU of a round of one gateway."""
    latency_seconds: float = 10.0
    starts: int = 7
    calls: int = 100_000
    """Before memory is looked at."""


_QUICK = _Plan(rounds=2, cost_seconds=0.3, latency_seconds=4.0, starts=3, calls=10_000)


def run(*, quick: bool = False) -> list[Figure]:
    """All figures of this benchmark. Raises `Broken` for a wrong answer of anyone."""
    if sys.platform != "linux":
        raise Broken("this benchmark needs Linux: it reads CPU and memory of other processes from /proc")
    say = _Progress()
    plan = _QUICK if quick else _Plan()
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        up = stack.enter_context(upstream(folder / "upstream"))
        first_answer(up)
        bench = Bench(up)
        say("first answers after a start")
        figures = starts(folder, up.url, plan.starts)
        gateways, started = _gateways(stack, folder, up.url, say)
        figures += started
        say("added latency")
        figures += latencies(bench, gateways, rounds=plan.rounds, seconds=plan.latency_seconds)
        figures += costs(bench, gateways, rounds=plan.rounds, seconds=plan.cost_seconds, say=say)
        figures += resident(bench, gateways[1:])
        say(f"memory after {plan.calls:,} calls")
        figures += after_many(bench, folder, plan.calls)
        say("done")
    return figures


def _gateways(
    stack: ExitStack, folder: Path, upstream: str, say: Callable[[str], None]
) -> tuple[list[Gateway], list[Figure]]:
    """Penstock and the peers that are installed, each of them answering, and how long a peer took until it did."""
    gateways = [stack.enter_context(penstock(folder / "penstock", upstream))]
    first_answer(gateways[0])
    figures: list[Figure] = []
    for peer in PEERS:
        if not peer.there():
            say(f"{peer.name} is not installed and left out; scripts/peers installs it")
            continue
        say(f"starting {peer.name}")
        gateways.append(stack.enter_context(peer.start(folder / peer.name.replace(" ", "-"), upstream)))
        took = first_answer(gateways[-1])
        figures.append(measured(f"{peer.name}: from start to first answer", [took], unit="s"))
    return gateways, figures


class _Progress:
    """Tells on standard error what is measured now, and since when."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def __call__(self, what: str) -> None:
        sys.stderr.write(f"bench: {time.monotonic() - self._began:4.0f} s  {what}\n")
        sys.stderr.flush()
