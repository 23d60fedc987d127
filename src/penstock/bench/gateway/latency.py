"""What a gateway adds to the time of a call: questions to it and to the upstream itself, mixed in one load."""

from __future__ import annotations

from collections.abc import Sequence

from penstock.bench.figure import Figure, measured
from penstock.bench.gateway.gateways import Gateway
from penstock.bench.gateway.measuring import Bench

__all__ = ["latencies"]

_AFTER = 50
"""Milliseconds that the upstream takes."""
_RATE = 150.0
"""Questions a second of Penstock, and as many of the upstream itself: far from what it can do."""
_RATE_OF_ALL = 10.0
"""Questions a second of each gateway when all are asked at once: far from what the slowest one can do."""


def latencies(bench: Bench, gateways: Sequence[Gateway], *, rounds: int, seconds: float) -> list[Figure]:
    """Added milliseconds. ``gateways`` begins with Penstock; a round takes ``seconds``."""
    ours, *peers = gateways
    bench.ask("plain", [bench.upstream, ours], 300, after=_AFTER, rate=_RATE)  # connections, once
    found = [_added(bench, [ours], _RATE, seconds)[0] for _ in range(rounds)]
    figures = [
        measured("penstock: added latency, p50", [p50 for p50, _ in found], unit="ms", goal=1.0),
        measured("penstock: added latency, p99", [p99 for _, p99 in found], unit="ms", goal=5.0),
    ]
    if peers:
        for peer, (p50, p99) in zip(peers, _added(bench, peers, _RATE_OF_ALL, 2 * seconds), strict=True):
            figures.append(measured(f"{peer.name}: added latency, p50", [p50], unit="ms"))
            figures.append(measured(f"{peer.name}: added latency, p99", [p99], unit="ms"))
    return figures


def _added(bench: Bench, gateways: Sequence[Gateway], rate: float, seconds: float) -> list[tuple[float, float]]:
    """For each gateway what it adds at the median and at the 99th percentile."""
    results = bench.ask("plain", [bench.upstream, *gateways], round(rate * seconds), after=_AFTER, rate=rate)
    straight, *through = [result.seconds for result in results.targets]
    return [
        (_percentile(each, 50) - _percentile(straight, 50), _percentile(each, 99) - _percentile(straight, 99))
        for each in through
    ]


def _percentile(seconds: Sequence[float], percent: int) -> float:
    """Milliseconds, of sorted seconds."""
    return seconds[min(len(seconds) * percent // 100, len(seconds) - 1)] * 1000
