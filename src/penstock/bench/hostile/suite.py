"""The whole run: two gateways, one upstream, all shots, then the fuzzers."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

from penstock.bench.figure import Figure, measured
from penstock.bench.hostile.bodies import VALID, bomb
from penstock.bench.hostile.described import Described
from penstock.bench.hostile.fuzzers import RUNS, fuzz_all
from penstock.bench.hostile.packages import installed
from penstock.bench.hostile.served import Gate, gate
from penstock.bench.hostile.shot import Answer, Shot, fire, request
from penstock.bench.hostile.shots import KINDS, shots
from penstock.bench.hostile.verdicts import MISHAP, Tally
from penstock.testing import Plan, Upstream
from penstock.testing.upstream import Exchange

__all__ = ["besiege", "run"]

REQUESTS = 10_000
ROUNDS = 20
DESCRIBED = 0.3
"""The part that schemathesis makes."""
SHARES = {"bodies": 0.25, "packed bodies": 0.06, "headers": 0.19, "paths and methods": 0.1, "framing": 0.1}
"""The parts of the others."""
CROWD = 8
"""Requests under way at once."""
STALLED = 20
"""Clients of each gateway that begin a request at the start of the run and say no more."""
GROWTH = 15
"""Percent that memory may grow between a tenth of the run and its end.

Not 0: stored replies are kept in memory up to a limit of their own (64 MiB), which the few thousand of a run do not
reach, and an allocator does not give back all that the largest body took.
"""


def run(*, quick: bool = False) -> list[Figure]:
    """All figures of this benchmark; a quick run throws and fuzzes a tenth."""
    packages = installed()
    part = 10 if quick else 1
    with tempfile.TemporaryDirectory() as folder:
        served = asyncio.run(besiege(Path(folder), packages, REQUESTS // part))
        return [*served, *fuzz_all(Path(folder), packages, RUNS // part)]


async def besiege(folder: Path, packages: Path, requests: int) -> list[Figure]:
    """The figures of so many requests against gateways whose state lies in ``folder``."""
    async with Upstream(_reply) as up:
        with gate(folder / "open", up.url, keyed=False) as free, gate(folder / "keyed", up.url, keyed=True) as keyed:
            siege = _Siege((free, keyed), up, Described(packages), requests)
            await siege.lay()
            return [*siege.judged(), *await siege.afterwards()]


def _reply(exchange: Exchange) -> Plan:
    """Every fortieth answer is a failure, which is not to be tried again."""
    if exchange.number % 40 == 39:
        return Plan(MISHAP, status=500, headers={"x-should-retry": "false"})
    return Plan("Because.")


class _Siege:
    """The run against all gateways, and what came of it."""

    def __init__(self, gates: tuple[Gate, ...], up: Upstream, described: Described, requests: int) -> None:
        self._gates = gates
        self._up = up
        self._described = described
        self._each = requests / ROUNDS
        self._tally = Tally()
        self._memory: dict[str, list[float]] = {each.process.name: [] for each in gates}
        self._stalled: list[tuple[Shot, asyncio.Task[list[Answer]]]] = []

    async def lay(self) -> None:
        """All rounds; memory is looked at after each."""
        for each in self._gates:
            await _warm(each)
            for number in range(STALLED):
                head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n"
                shot = Shot((head + b"content-length: 9\r\n\r\n{" if number % 2 else head,), framed=False)
                self._stalled.append((shot, asyncio.create_task(fire(each.address, each.shown(shot, 0)))))
        for chance in range(ROUNDS):
            await self._round(chance)
            for each in self._gates:
                await each.quiet()
                self._memory[each.process.name].append(each.process.rss())
            sys.stderr.write(f"hostile: {chance + 1} of {ROUNDS} rounds: {dict(self._tally.counts)}\n")
        for shot, task in self._stalled:
            self._tally.add(shot, await task, "stalled")

    async def _round(self, chance: int) -> None:
        await asyncio.to_thread(self._describe, round(self._each * DESCRIBED), chance)
        for kind in KINDS:
            found = enumerate(shots(kind, round(self._each * SHARES[kind]), chance))
            await asyncio.gather(*(self._shoot(found, kind) for _ in range(CROWD)))

    async def _shoot(self, found: Iterator[tuple[int, Shot]], kind: str) -> None:
        """One of the crowd: takes the next shot as long as there is one."""
        for number, plain in found:
            target = self._gates[number % len(self._gates)]
            shot = target.shown(plain, number // len(self._gates))
            self._tally.add(shot, await fire(target.address, shot), kind)

    def _describe(self, number: int, chance: int) -> None:
        for place, case in enumerate(self._described.cases(number, chance)):
            target = self._gates[place % len(self._gates)]
            self._described.send(case, target, place // len(self._gates), self._tally)

    def judged(self) -> list[Figure]:
        """What was answered."""
        tally = self._tally
        for finding in tally.findings[:50]:
            sys.stderr.write(f"hostile: {finding}\n")
        counted = [_figure(f"answers: {name}", number) for name, number in sorted(tally.counts.items())]
        return [
            _figure("requests", tally.sent),
            *counted,
            _figure("5xx of our own", tally.wrong("5xx of our own"), goal=0),
            _figure("4xx that its client cannot read", tally.wrong("4xx in no shape"), goal=0),
            _figure("requests without an answer", tally.wrong("silence", "dropped"), goal=0),
            _figure("answers against the description", tally.wrong("against the description"), goal=0),
        ]

    async def afterwards(self) -> list[Figure]:
        """What is left behind: nothing."""
        self._up.reply = "Because."
        healthy = msgspec.json.encode({**VALID["chat/completions"], "temperature": 1, "user": "afterwards"})
        figures: list[Figure] = []
        for each in self._gates:
            memory = self._memory[each.process.name]
            tenth, half, end = memory[ROUNDS // 10 - 1], memory[ROUNDS // 2 - 1], memory[-1]
            lost = [status for status in [await each.call(healthy) for _ in range(3)] if status != 200]
            left = each.holds() + await each.busy() + self._up.in_flight
            complaints = each.complaints()
            sys.stderr.writelines(f"hostile: {each.process.name}: {line}\n" for line in complaints[:20])
            name = each.process.name
            figures += [
                _figure(f"{name}: memory at a tenth", tenth / 2**20, unit="MiB"),
                _figure(f"{name}: memory at half", half / 2**20, unit="MiB"),
                _figure(f"{name}: memory at the end", end / 2**20, unit="MiB"),
                _figure(f"{name}: growth after a tenth", 100 * (end / tenth - 1), unit="%", goal=GROWTH),
                _figure(f"{name}: holds, calls, connections left", left, goal=0),
                _figure(f"{name}: healthy calls refused after it", len(lost), goal=0),
                _figure(f"{name}: complaints in its log", len(complaints), goal=0),
            ]
        return figures


async def _warm(target: Gate) -> None:
    """What is loaded once, such as a vocabulary for a budget, and room for the largest body, are no growth."""
    dear = msgspec.json.encode({**VALID["chat/completions"], "user": "before"})
    for header, body in ((("x-penstock-budget", "$1"), dear), (("content-encoding", "gzip"), bomb())):
        shot = Shot((request("POST", "/v1/chat/completions", [header], body),))
        await fire(target.address, target.shown(shot, 0))


def _figure(name: str, value: float, *, unit: str = "", goal: float | None = None) -> Figure:
    return measured(name, [value], unit=unit, goal=goal)
