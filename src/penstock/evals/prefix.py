"""How well the write policy does on a recorded trace, between no caching at all and one who knows the future."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

import msgspec

from penstock.evals.pricing import Pricing, Request
from penstock.policy.layout.writes import Decision, Writes
from penstock.values.caching import CacheRules

__all__ = ["BASELINES", "Calibration", "Marks", "Outcome", "Report", "evaluate", "relative_cost"]


class Marks(msgspec.Struct, frozen=True):
    """What is asked of the provider for one request."""

    marks: list[int]
    """Blocks from the start that each mark covers."""
    ttl: str | None
    """The time to live of what is written; None: nothing is marked."""


class Outcome(msgspec.Struct, frozen=True):
    """What one way to mark came to."""

    name: str
    relative_cost: float
    """Input cost with these marks over the cost without caching."""
    read_share: float
    """Tokens read from the cache, of all."""
    written_share: float
    calls_read: float
    """Requests that read something, of all."""


class Calibration(msgspec.Struct, frozen=True):
    """Prefixes whose odds of being read in time were alike: what was foretold, and what came."""

    lowest: float
    prefixes: int
    foretold: float
    came: float


class Report(msgspec.Struct, frozen=True):
    """A trace under the policy. Rows of ``marks`` are in the order of the trace."""

    requests: int
    tokens: int
    outcomes: list[Outcome]
    calibration: list[Calibration]
    to_oracle: float | None
    """The share of the way from ``shared`` to ``oracle`` that the policy goes; None: there is no way."""
    lowest_account: float
    """The worst that the running account came to, as a share of all input: what stood ahead in writes not read yet."""
    marks: list[Marks]


def evaluate(
    trace: Sequence[Request],
    rules: CacheRules,
    *,
    allowance: float = 0.0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Report:
    """Send a trace through the policy, which sees each request and what came before it, and through the baselines.

    ``allowance``: tokens that the policy may lose once to learn early (see `Guard`).
    """
    order = sorted(range(len(trace)), key=lambda row: trace[row].at)
    requests = [trace[row] for row in order]
    decisions, pricing, lowest = _run(requests, rules, progress, allowance)
    outcomes = [
        *(_outcome(name, _priced(requests, rules, ways(requests, rules))) for name, ways in BASELINES.items()),
        _outcome("policy", pricing),
        _outcome("oracle", _priced(requests, rules, oracle(requests, rules))),
    ]
    cost = {outcome.name: outcome.relative_cost for outcome in outcomes}
    way = cost["shared"] - cost["oracle"]
    marks = [Marks([], None)] * len(trace)
    for row, decision in zip(order, decisions, strict=True):
        marks[row] = Marks(list(decision.marks), decision.ttl.name if decision.ttl else None)
    return Report(
        requests=len(trace),
        tokens=sum(request.tokens for request in trace),
        outcomes=outcomes,
        calibration=_calibration(requests, decisions, rules),
        to_oracle=(cost["shared"] - cost["policy"]) / way if way > 1e-9 else None,
        lowest_account=lowest,
        marks=marks,
    )


def relative_cost(trace: Sequence[Request], rules: CacheRules) -> float:
    """What the policy pays for a trace in the order of time, over what it costs without caching."""
    requests = sorted(trace, key=lambda request: request.at)
    return _run(requests, rules, lambda done, total: None)[1].relative


def _run(
    requests: Sequence[Request], rules: CacheRules, progress: Callable[[int, int], None], allowance: float = 0.0
) -> tuple[list[Decision], Pricing, float]:
    """Decisions on each request, the bills, and the lowest point of the account over all tokens."""
    policy, pricing = Writes(allowance=allowance), Pricing(rules)
    decisions: list[Decision] = []
    lowest = 0.0
    for done, request in enumerate(requests):
        if done % 100 == 0:
            progress(done, len(requests))
        decision = policy.decide(request.blocks, request.at, rules)
        sent = policy.send(request.blocks, decision, request.at, rules)
        bill = pricing.send(request, decision.marks, decision.ttl)
        policy.observe(sent, request.at, read=bill.read, written=bill.written)
        lowest = min(lowest, policy.guard().won)
        decisions.append(decision)
    progress(len(requests), len(requests))
    return decisions, pricing, lowest / max(sum(request.tokens for request in requests), 1)


def _priced(requests: Sequence[Request], rules: CacheRules, ways: Iterable[Sequence[int]]) -> Pricing:
    pricing = Pricing(rules)
    for request, marks in zip(requests, ways, strict=True):
        pricing.send(request, marks)
    return pricing


def _outcome(name: str, pricing: Pricing) -> Outcome:
    bills = pricing.bills
    total, calls = max(sum(bill.total for bill in bills), 1), max(len(bills), 1)
    return Outcome(
        name=name,
        relative_cost=pricing.relative,
        read_share=sum(bill.read for bill in bills) / total,
        written_share=sum(bill.written for bill in bills) / total,
        calls_read=sum(bill.read > 0 for bill in bills) / calls,
    )


def seen(requests: Iterable[Request], seconds: float) -> Iterable[int]:
    """For each request: the blocks at its start that were sent within ``seconds`` before, in this order."""
    last: dict[bytes, float] = {}
    for request in requests:
        known = 0
        for block in request.blocks:
            if request.at - last.get(block.digest, float("-inf")) > seconds:
                break
            known += 1
        yield known
        for block in request.blocks:
            last[block.digest] = request.at


def never(requests: Sequence[Request], rules: CacheRules) -> Iterable[Sequence[int]]:
    """No marks."""
    del rules
    return ([] for _ in requests)


def end(requests: Sequence[Request], rules: CacheRules) -> Iterable[Sequence[int]]:
    """The end of every prompt."""
    del rules
    return ([len(request.blocks)] if request.blocks else [] for request in requests)


def end_if_seen(requests: Sequence[Request], rules: CacheRules) -> Iterable[Sequence[int]]:
    """The end of a prompt of whose prefix more than the minimum was seen within the time to live."""
    for request, known in zip(requests, seen(requests, rules.ttl.seconds), strict=True):
        tokens = sum(block.tokens for block in request.blocks[:known])
        yield [len(request.blocks)] if tokens > rules.minimum else []


def shared(requests: Sequence[Request], rules: CacheRules) -> Iterable[Sequence[int]]:
    """As far as a prompt was seen within the time to live."""
    return ([known] if known else [] for known in seen(requests, rules.ttl.seconds))


def oracle(requests: Sequence[Request], rules: CacheRules) -> Iterable[Sequence[int]]:
    """What was seen within the time to live before, and what will be within it: a write only where a read follows."""
    times: defaultdict[bytes, list[float]] = defaultdict(list)
    for request in requests:
        for block in request.blocks:
            times[block.digest].append(request.at)
    for request, known in zip(requests, seen(requests, rules.ttl.seconds), strict=True):
        again = 0
        for block in request.blocks:
            later = times[block.digest]
            following = bisect_right(later, request.at)
            if following == len(later) or later[following] - request.at > rules.ttl.seconds:
                break
            again += 1
        yield sorted({known, again} - {0})


BASELINES = {"off": never, "end": end, "end if seen": end_if_seen, "shared": shared}
"""Ways to mark that anyone could write down in a line."""

BANDS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8)


def _calibration(requests: Sequence[Request], decisions: Sequence[Decision], rules: CacheRules) -> list[Calibration]:
    """Odds of the time to live against what came, of all weighed places whose time to live ends within the trace."""
    if not requests:
        return []
    times: defaultdict[bytes, list[float]] = defaultdict(list)
    for request in requests:
        for block in request.blocks:
            times[block.digest].append(request.at)
    bands: dict[int, list[tuple[float, bool]]] = defaultdict(list)
    for request, decision in zip(requests, decisions, strict=True):
        if request.at > requests[-1].at - rules.ttl.seconds:
            break
        for point in decision.points:
            later = times[request.blocks[point.position - 1].digest]
            following = bisect_right(later, request.at)
            came = following < len(later) and later[following] - request.at <= rules.ttl.seconds
            bands[bisect_right(BANDS, point.odds[0]) - 1].append((point.odds[0], came))
    return [
        Calibration(
            lowest=BANDS[band],
            prefixes=len(pairs),
            foretold=sum(odds for odds, _ in pairs) / len(pairs),
            came=sum(came for _, came in pairs) / len(pairs),
        )
        for band, pairs in sorted(bands.items())
    ]
