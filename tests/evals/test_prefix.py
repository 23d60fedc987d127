"""The policy on traces: never dearer than no caching, decided from the past alone, near what is possible."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.evals.prefix import BASELINES, Report, evaluate
from penstock.evals.pricing import BLOCK, Block, Pricing, Request, read_trace
from penstock.policy.layout.guard import AT_RISK, PROBED
from penstock.providers.prompt_cache import rules_for

FOUND = rules_for("anthropic", "claude-sonnet-4-5", date(2026, 11, 20))
assert FOUND is not None
RULES = FOUND

# `conftest` takes the product's variables away from tests; where the traces lie is asked before.
DATA = Path(os.environ.get("PENSTOCK_DATA", "")) / "traces"
TRACES = {
    "conversation": (0.930, {"end": 1.242, "end if seen": 1.077, "shared": 0.941, "oracle": 0.809}),
    "synthetic": (0.935, {"end": 1.237, "end if seen": 1.075, "shared": 0.952, "oracle": 0.776}),
}


def request(at: float, ids: Sequence[object]) -> Request:
    blocks = tuple(Block(str(each).encode(), BLOCK) for each in ids)
    return Request(at, blocks, BLOCK * len(blocks))


def cost(report: Report, name: str = "policy") -> float:
    return next(outcome.relative_cost for outcome in report.outcomes if outcome.name == name)


def conversations(count: int, turns: int, seed: int, blocks: int = 6) -> list[Request]:
    """Sessions that begin at random and go on every minute."""
    chance = random.Random(seed)
    found: list[Request] = []
    for session in range(count):
        begin = chance.random() * 3600
        for turn in range(chance.randint(1, turns)):
            ids = [f"{session}.{at}" for at in range(blocks + 2 * turn)]
            found.append(request(begin + 60 * turn * chance.random(), ids))
    return sorted(found, key=lambda each: each.at)


def once(trace: Sequence[Request], since: float = -1.0) -> list[Request]:
    """The same prompts, each with text of its own from some time on."""
    return [
        each if each.at < since else request(each.at, [f"once {row} {at}" for at in range(len(each.blocks))])
        for row, each in enumerate(trace)
    ]


def test_conversations_cost_less() -> None:
    report = evaluate(conversations(400, 8, 1), RULES)
    assert cost(report) < 0.6
    assert cost(report, "oracle") < cost(report) < cost(report, "shared") < cost(report, "off") == 1.0
    assert report.to_oracle is not None
    assert 0.5 < report.to_oracle < 1
    assert -AT_RISK <= report.lowest_account <= 0
    assert sum(band.prefixes for band in report.calibration) > 1000
    surest = report.calibration[-1]
    assert surest.foretold == pytest.approx(surest.came, abs=0.1)


def test_without_reuse_nothing_is_written() -> None:
    report = evaluate(once(conversations(300, 8, 2)), RULES)
    assert cost(report) == 1.0
    assert report.to_oracle is None
    assert all(marks.marks == [] and marks.ttl is None for marks in report.marks)


@pytest.mark.parametrize("seed", range(3))
def test_reuse_that_stops_with_the_first_write_costs_no_more_than_a_probe(seed: int) -> None:
    trace = conversations(300, 8, seed)
    rows = [each.at for each, marks in zip(trace, evaluate(trace, RULES).marks, strict=True) if marks.marks]
    report = evaluate(once(trace, since=rows[0] + 1e-6), RULES)
    assert 1.0 <= cost(report) <= 1.0 + PROBED


@pytest.mark.parametrize("gap", [301, 3601])
def test_reuse_just_after_the_time_to_live_is_not_bought(gap: int) -> None:
    trace = [
        request(17.0 * at + gap * turn, [at] * 1 + [f"{at} {i}" for i in range(7)])
        for at in range(90)
        for turn in range(3)
    ]
    assert cost(evaluate(sorted(trace, key=lambda each: each.at), RULES)) <= 1.0


def test_a_prefix_that_is_read_each_ten_minutes_is_kept_for_an_hour() -> None:
    trace = [request(600.0 * turn + 3 * at, [f"{at} {i}" for i in range(20)]) for turn in range(60) for at in range(40)]
    report = evaluate(trace, RULES)
    assert cost(report) < 0.5
    assert {marks.ttl for marks in report.marks[-40:]} <= {"1h", "5m"}


@given(st.lists(st.tuples(st.integers(0, 900), st.integers(0, 6), st.integers(0, 12), st.integers(0, 3)), max_size=120))
def test_no_trace_costs_more_than_the_purse_allows(rows: list[tuple[int, int, int, int]]) -> None:
    trace = [
        request(at, [*(f"{root} {i}" for i in range(shared)), *(f"{root} {at} {i}" for i in range(own))])
        for at, root, shared, own in sorted(rows)
    ]
    report = evaluate(trace, RULES)
    pricing = Pricing(RULES)
    for each, marks in zip(trace, report.marks, strict=True):
        assert marks.marks == sorted(set(marks.marks))
        pricing.send(each, marks.marks, RULES.named(marks.ttl or "5m"))
        assert pricing.relative <= 1 + AT_RISK
    assert pricing.relative == pytest.approx(cost(report))


@settings(max_examples=12)
@given(st.integers(0, 50), st.integers(1, 400))
def test_a_decision_knows_the_past_alone(seed: int, row: int) -> None:
    trace = conversations(100, 6, seed)
    row = min(row, len(trace))
    whole = evaluate(trace, RULES).marks
    assert evaluate(trace[:row], RULES).marks == whole[:row]
    assert evaluate(once(trace, since=trace[row - 1].at + 1e-9), RULES).marks[:row] == whole[:row]


def test_rows_that_are_not_in_order_keep_their_place() -> None:
    trace = conversations(200, 6, 3)
    order = list(range(len(trace)))
    random.Random(4).shuffle(order)
    marks = evaluate([trace[row] for row in order], RULES).marks
    whole = evaluate(trace, RULES).marks
    assert marks == [whole[row] for row in order]


def test_an_empty_trace() -> None:
    report = evaluate([], RULES)
    assert (report.requests, report.marks, report.calibration, cost(report)) == (0, [], [], 1.0)


@pytest.mark.skipif(not DATA.is_absolute(), reason="PENSTOCK_DATA names the folder of traces")
@pytest.mark.parametrize("name", TRACES)
def test_the_bars_on_recorded_traces(name: str) -> None:
    trace = read_trace(DATA / f"mooncake_{name}.jsonl")
    bar, known = TRACES[name]
    report = evaluate(trace, RULES)
    assert cost(report) <= bar
    for way, figure in known.items():
        assert cost(report, way) == pytest.approx(figure, abs=0.0015)
    assert set(BASELINES) | {"policy", "oracle"} == {outcome.name for outcome in report.outcomes}
    assert cost(evaluate(once(trace), RULES)) == 1.0
    chance = random.Random(5)
    places = [each.at for each in trace]
    chance.shuffle(trace)
    shuffled = [Request(at, each.blocks, each.tokens) for at, each in zip(places, trace, strict=True)]
    assert cost(evaluate(shuffled, RULES)) <= 1.0
