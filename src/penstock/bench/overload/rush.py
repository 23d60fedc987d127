"""More calls than the gateway can bear: five times its peak for a while, then a little less than its peak.

The bottleneck is named. With few seats and an upstream that takes its time it is the seats: the peak is seats over
time. With an upstream that answers at once it is the processor: then what each refusal costs is taken from the answers,
and the share of the peak that is left follows from their prices alone. With prices of 1 and r, at five times the peak,
it is (1 - 5r) / (1 - r): 95% are left where a refusal costs an eightieth of an answer.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Sequence

import msgspec

from penstock.bench.figure import Figure, measured
from penstock.bench.overload.arrivals import Gaps, even, gaps
from penstock.bench.overload.crowd import Answer, Crowd
from penstock.bench.overload.stage import Gateway, Upstream, gateway

__all__ = ["Bottleneck", "run"]

TIMES = 5.0
"""The load offered, in peaks."""
NORMAL = 0.8
"""The load before and after, in peaks."""
AFTER = 5.0
ROUNDS = 8
_ROUND = 2.0


class Bottleneck(msgspec.Struct, frozen=True):
    """What limits the gateway."""

    name: str
    goal: float | None
    """The goodput aimed for, in per cent of the peak; None where what a refusal costs decides."""
    seats: int
    latency: float
    """Seconds that the upstream takes."""
    in_flight: int
    """Calls under way that make the gateway do its most."""


SEATS = Bottleneck("64 seats, upstream of 200 ms", goal=95, seats=64, latency=0.2, in_flight=64)
PROCESSOR = Bottleneck("processor, upstream at once", goal=None, seats=256, latency=0.0, in_flight=32)


def run(*, seconds: float = 20.0) -> list[Figure]:
    """The figures of both bottlenecks, ``seconds`` of overload each."""
    known = gaps()
    with asyncio.Runner(loop_factory=_loop()) as runner:
        return [figure for each in (SEATS, PROCESSOR) for figure in runner.run(_rush(each, known, seconds))]


def _loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """The fastest event loop there is."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


async def _rush(limit: Bottleneck, known: Gaps, seconds: float) -> list[Figure]:
    up = Upstream(limit.latency)
    async with up.listening() as url, gateway(url, seats=limit.seats) as gate:
        crowd = Crowd(*gate.place)
        try:
            peak, price = await _peak(crowd, limit.in_flight, gate)
            used = _Used(gate)
            rush = await crowd.offer(known.times(TIMES * peak, seconds))
            shares = used.shares()
            answers = sum(answer.served for answer in rush)
            dearer = used.seconds_of_gateway() / price / answers if answers else math.inf
            after = await crowd.offer(even(NORMAL * peak, AFTER))
        finally:
            crowd.close()
    return [
        *_figures(limit, known.source, peak, seconds, rush, after),
        measured("answers in a second of the gateway's processor", [100 / dearer], unit="% of those at the peak"),
        measured("processor, gateway", [100 * shares[0]], unit="%"),
        measured("processor, clients and upstream", [100 * shares[1]], unit="%"),
    ]


class _Used:
    """Processor time since it was made: of the gateway, and of this process, which is clients and upstream."""

    def __init__(self, gate: Gateway) -> None:
        self._gate = gate
        self._began = self._now()

    def _now(self) -> tuple[float, float, float]:
        return time.perf_counter(), self._gate.cpu_seconds(), time.process_time()

    def seconds_of_gateway(self) -> float:
        """Seconds of processor."""
        return self._now()[1] - self._began[1]

    def shares(self) -> tuple[float, float]:
        """In processors."""
        seconds, gate, here = (later - sooner for sooner, later in zip(self._began, self._now(), strict=True))
        return gate / seconds, here / seconds


async def _peak(crowd: Crowd, in_flight: int, gate: Gateway) -> tuple[float, float]:
    """Answers a second in the best of the rounds, each client asking again as soon as it has its answer.

    There are several because the gateway only gradually learns how much the upstream bears. The second figure is the
    processor time of the gateway for an answer, in seconds, which others who use the machine change less.
    """
    best = price = 0.0
    for _ in range(ROUNDS):
        used = _Used(gate)
        answers = await crowd.keep(in_flight, _ROUND)
        seconds = used.seconds_of_gateway()
        rate = sum(answer.served and answer.ended <= _ROUND for answer in answers) / _ROUND
        if rate > best:
            best, price = rate, seconds / len(answers)
    return best, price


def _figures(
    limit: Bottleneck,
    source: str,
    peak: float,
    seconds: float,
    rush: Sequence[Answer],
    after: Sequence[Answer],
) -> list[Figure]:
    served = sum(answer.served and answer.ended <= seconds for answer in rush)
    shed = [1000 * answer.seconds for answer in rush if answer.status == 503]
    lost = sum(answer.status not in {200, 503} for answer in rush)
    recovered = max((answer.due for answer in after if not answer.served), default=0.0)
    return [
        measured(f"{limit.name}; {source}: peak", [peak], unit="calls/s"),
        measured("offered", [len(rush) / seconds / peak], unit="peaks"),
        measured("goodput", [100 * served / seconds / peak], unit="% of the peak", goal=limit.goal, at_least=True),
        measured("refused: median", [_quantile(shed, 0.5)], unit="ms"),
        measured("refused: p99", [_quantile(shed, 0.99)], unit="ms", goal=50),
        measured("neither answered nor refused", [lost], unit="calls", goal=0),
        measured("recovered: the last refusal after", [recovered], unit="s", goal=2),
        measured("requests that went out late: p99", [_quantile([1000 * a.lag for a in rush], 0.99)], unit="ms"),
    ]


def _quantile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0
