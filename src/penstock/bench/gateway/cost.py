"""CPU microseconds that a call takes, kind by kind; the gateways take turns, so that noise meets all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from penstock.bench.figure import Figure, measured
from penstock.bench.gateway.gateways import Gateway
from penstock.bench.gateway.measuring import Bench
from penstock.bench.gateway.questions import KINDS

__all__ = ["costs"]

TITLES = {
    "plain": "a call of 1.5 kB",
    "large": "a call of 100 kB",
    "stream": "a stream of 35 events",
    "paced": "the same, an event each 5 ms",
    "messages": "a call of Messages",
    "messages-stream": "a stream of Messages",
    "hit": "an exact hit",
}
GOALS = {"plain": 600.0, "large": 1000.0, "stream": 1500.0, "hit": 150.0}
"""CPU microseconds a call in Penstock."""
TIMES_LITELLM = {"plain": 15.0, "stream": 15.0}
"""How many times as much a call costs in litellm, at least."""

_FIRST = 128
"""Calls that warm up a gateway for a kind, and tell how many make a round."""
_FEWEST, _MOST = 64, 2000
"""Calls of a round."""

_Samples = Mapping[str, Sequence[float]]


def costs(
    bench: Bench, gateways: Sequence[Gateway], *, rounds: int, seconds: float, say: Callable[[str], None]
) -> list[Figure]:
    """Figures of each kind. ``gateways`` begins with Penstock, and a round takes each about ``seconds`` of CPU."""
    figures: list[Figure] = []
    for kind in (*KINDS, "hit"):
        say(f"CPU of {TITLES[kind]}")
        samples = _rounds(bench, kind, gateways[:1] if kind == "hit" else gateways, rounds, seconds)
        figures += _figures(kind, samples)
    return figures


def _rounds(bench: Bench, kind: str, gateways: Sequence[Gateway], rounds: int, seconds: float) -> _Samples:
    counts: dict[str, int] = {}
    for gateway in gateways:
        first = bench.cost(kind, gateway, _FIRST)
        counts[gateway.name] = min(max(round(seconds / first * 1e6), _FEWEST), _MOST)
    samples: dict[str, list[float]] = {gateway.name: [] for gateway in gateways}
    for _ in range(rounds):
        for gateway in gateways:
            samples[gateway.name].append(bench.cost(kind, gateway, counts[gateway.name]))
    return samples


def _figures(kind: str, samples: _Samples) -> list[Figure]:
    """What a call costs each, and how that compares; the least that it can cost is below Penstock, not above it."""
    ours = samples["penstock"]
    figures = [
        measured(f"{name}: {TITLES[kind]}", found, unit="µs CPU", goal=GOALS.get(kind) if found is ours else None)
        for name, found in samples.items()
    ]
    for name, found in samples.items():
        if name == "bare relay":
            figures.append(_times(f"penstock / {name}: {TITLES[kind]}", ours, found))
        elif found is not ours:
            goal = TIMES_LITELLM.get(kind) if name == "litellm" else None
            figures.append(_times(f"{name} / penstock: {TITLES[kind]}", found, ours, goal))
    return figures


def _times(name: str, dear: Sequence[float], cheap: Sequence[float], goal: float | None = None) -> Figure:
    """How many times as much, round by round."""
    times = [one / other for one, other in zip(dear, cheap, strict=True)]
    return measured(name, times, unit="times", goal=goal, at_least=True)
