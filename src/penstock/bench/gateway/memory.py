"""Resident memory after many calls."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from penstock.bench.figure import Figure, measured
from penstock.bench.gateway.gateways import Gateway, penstock
from penstock.bench.gateway.measuring import Bench
from penstock.bench.gateway.start import first_answer

__all__ = ["after_many", "resident"]

_SLICES = 10


def after_many(bench: Bench, folder: Path, calls: int) -> list[Figure]:
    """A new Penstock after ``calls``: half of them plain, three tenths hits, a fifth streams, in turns."""
    part = calls // _SLICES
    with penstock(folder / "memory", bench.upstream.url) as gateway:
        first_answer(gateway)
        for _ in range(_SLICES):
            bench.ask("plain", [gateway], part // 2)
            bench.again(gateway, part * 3 // 10 - 1)
            bench.ask("stream", [gateway], part // 5)
        return [_figure(gateway, calls, goal=100.0)]


def resident(bench: Bench, peers: Sequence[Gateway]) -> list[Figure]:
    """The peers after what they were asked in this run, which is less."""
    return [_figure(peer, bench.asked[peer.name]) for peer in peers]


def _figure(gateway: Gateway, calls: int, goal: float | None = None) -> Figure:
    found = gateway.process.rss() / 1e6
    return measured(f"{gateway.name}: resident after {calls:,} calls", [found], unit="MB", goal=goal)
