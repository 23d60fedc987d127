"""What the write policy costs on recorded traffic, as it came and turned against it: input cost, no caching = 100%.

With ``--data DIR`` on the traces of Mooncake (kvcache-ai/Mooncake, Apache-2.0) in ``DIR`` or ``DIR/traces``, else on a
made one. "Reuse that stops" gives every prompt from then on a prefix of its own.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from pathlib import Path

import msgspec

from penstock.bench.figure import Figure, measured
from penstock.evals.prefix import evaluate, relative_cost
from penstock.evals.pricing import BLOCK, Block, Pricing, Request, read_trace
from penstock.policy.layout.writes import Writes
from penstock.providers.prompt_cache import rules_for
from penstock.values.caching import CacheRules

__all__ = ["run"]

_GOALS = {"mooncake_conversation.jsonl": 93.0, "mooncake_synthetic.jsonl": 93.5}
_MODEL, _DAY = "claude-sonnet-4-5", date(2026, 11, 20)


def run(*, quick: bool = False) -> list[Figure]:
    """All figures of this benchmark."""
    rules = rules_for("anthropic", _MODEL, _DAY)
    assert rules is not None
    figures: list[Figure] = []
    for name, trace, goal in _traces():
        figures += _as_it_came(name, trace, goal, rules)
        figures += _turned(name, trace, rules, seeds=range(1 if quick else 3))
    return figures


def _traces() -> Iterator[tuple[str, list[Request], float | None]]:
    folder = Path(os.environ.get("PENSTOCK_DATA", ""))
    for name, goal in _GOALS.items():
        path = next((place for place in (folder / name, folder / "traces" / name) if place.is_file()), None)
        if path is not None:
            yield path.stem, read_trace(path), goal
            continue
        yield "a made trace", _made(), None
        return


def _as_it_came(name: str, trace: Sequence[Request], goal: float | None, rules: CacheRules) -> list[Figure]:
    report = evaluate(trace, rules)
    return [
        measured(
            f"{name}: {each.name}",
            [100 * each.relative_cost],
            unit="% of no caching",
            goal=goal if each.name == "policy" else None,
        )
        for each in report.outcomes
    ]


def _turned(name: str, trace: Sequence[Request], rules: CacheRules, *, seeds: range) -> list[Figure]:
    ways: dict[str, tuple[Callable[[int], Sequence[Request]], float | None]] = {
        "shuffled": (lambda seed: _shuffled(trace, seed), 100.0),
        "without reuse": (lambda seed: _stopping(trace, 0.0), 100.0),
        "reuse stops after 2 min": (lambda seed: _stopping(trace, 120.0), 100.0),
        "reuse stops after 5 min": (lambda seed: _stopping(trace, 300.0), 100.0),
        "each prompt sent twice, 10 s apart": (lambda seed: _twice(trace), 100.0),
        "15% of the conversations left out": (lambda seed: _without_some(trace, seed), None),
        "the first half alone": (lambda seed: _half(trace, first=True), 100.0),
        "the second half alone": (lambda seed: _half(trace, first=False), 100.0),
    }
    found: list[Figure] = []
    for what, (way, goal) in ways.items():
        costs = [100 * relative_cost(way(seed), rules) for seed in seeds]
        found.append(measured(f"  {name}, {what}", costs, unit="%", goal=goal))
    for what, all_of_it in (
        ("all reuse stops with the first write", True),
        ("a prefix stops once it is written", False),
    ):
        cost = 100 * _against(trace, rules, all_of_it=all_of_it)
        found.append(measured(f"  {name}, {what}", [cost], unit="%", goal=100.0))
    return found


def _half(trace: Sequence[Request], *, first: bool) -> list[Request]:
    rows = sorted(trace, key=lambda row: row.at)
    middle = len(rows) // 2
    return rows[:middle] if first else rows[middle:]


def _against(trace: Sequence[Request], rules: CacheRules, *, all_of_it: bool) -> float:
    """The cost where whoever asks sees what was written, and never asks for it again: or for nothing again."""
    policy, pricing = Writes(), Pricing(rules)
    written: set[bytes] = set()
    for number, row in enumerate(sorted(trace, key=lambda row: row.at)):
        spoilt = bool(written) if all_of_it else any(block.digest in written for block in row.blocks)
        asked = _alone(row, number) if spoilt else row
        decision = policy.decide(asked.blocks, asked.at, rules)
        sent = policy.send(asked.blocks, decision, asked.at, rules)
        bill = pricing.send(asked, decision.marks, decision.ttl)
        policy.observe(sent, asked.at, read=bill.read, written=bill.written)
        if bill.written:
            written.update(block.digest for block in asked.blocks[: decision.marks[-1]])
    return pricing.relative


def _shuffled(trace: Sequence[Request], seed: int) -> list[Request]:
    """The same prompts, each at the time of another."""
    prompts = list(trace)
    random.Random(seed).shuffle(prompts)
    return [msgspec.structs.replace(prompt, at=row.at) for prompt, row in zip(prompts, trace, strict=True)]


def _stopping(trace: Sequence[Request], seconds: float) -> list[Request]:
    begin = min((row.at for row in trace), default=0.0)
    return [row if row.at - begin < seconds else _alone(row, number) for number, row in enumerate(trace)]


def _twice(trace: Sequence[Request]) -> list[Request]:
    """No prefix is shared, but each prompt comes once more: who writes what was seen writes for nobody."""
    alone = [_alone(row, number) for number, row in enumerate(trace)]
    again = [msgspec.structs.replace(row, at=row.at + 10.0) for row in alone]
    return sorted(alone + again, key=lambda row: row.at)


def _without_some(trace: Sequence[Request], seed: int) -> list[Request]:
    chance = random.Random(seed)
    kept: dict[bytes, bool] = {}
    return [
        row
        for row in trace
        if kept.setdefault(
            row.blocks[min(2, len(row.blocks) - 1)].digest if row.blocks else b"", chance.random() > 0.15
        )
    ]


def _alone(row: Request, number: int) -> Request:
    """The same prompt with nothing that another one has."""
    blocks = tuple(msgspec.structs.replace(each, digest=b"%d " % number + each.digest) for each in row.blocks)
    return msgspec.structs.replace(row, blocks=blocks)


def _made(conversations: int = 400) -> list[Request]:
    """Conversations of one to eight turns, half a minute to two minutes apart."""
    chance = random.Random(11)
    rows: list[Request] = []
    for number in range(conversations):
        at, size = chance.uniform(0, 1800), chance.randrange(4, 40)
        for turn in range(chance.choice((1, 1, 1, 2, 3, 5, 8))):
            digests = [b"%d %d" % (number, block) for block in range(size)]
            blocks = (*(Block(digest, BLOCK) for digest in digests), Block(b"%d end %d" % (number, turn), 100))
            rows.append(Request(at, blocks, BLOCK * size + 100))
            at, size = at + chance.uniform(30, 120), size + chance.randrange(1, 6)
    return sorted(rows, key=lambda row: row.at)
