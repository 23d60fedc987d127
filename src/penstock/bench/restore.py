"""How soon an agent has an original back: `penstock mcp` asked over its pipes, with 10,000 originals in the file.

Each is a log of 5,000 to 20,000 tokens (``quick``: of 1,250 to 5,000), as tool outputs are that get compressed. They
are asked for at random, so most are read from a page of the file that nobody has touched.
"""

from __future__ import annotations

import asyncio
import math
import os
import random
import resource
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import msgspec

from penstock.bench.figure import Broken, Figure, measured
from penstock.policy.compress.markers import name_of
from penstock.stores.originals_sqlite import SqliteOriginals

__all__ = ["run"]

_ORIGINALS = 10_000
_ROUNDS, _ASKED = 7, 400
_LINES = (250, 1000)
"""Of a log, at about 20 tokens a line."""
_GOAL_MS = 5.0


def run(*, quick: bool = False) -> list[Figure]:
    """All figures of this benchmark."""
    with TemporaryDirectory() as folder:
        home = Path(folder)
        chance = random.Random(17)
        names = asyncio.run(_filled(home, chance, shorter=4 if quick else 1))
        starts = [_start(home) for _ in range(_ROUNDS)]
        before = _children_cpu()
        with _agent(home) as agent:
            agent.ask(names[0])  # the file is opened at the first question
            rounds = [[agent.ask(name) for name in chance.choices(names, k=_ASKED)] for _ in range(_ROUNDS)]
        cpu = (_children_cpu() - before - median(starts)) / (_ROUNDS * _ASKED)
    what = f"restore, {_ORIGINALS:,} originals"
    return [
        measured(f"{what}: p50", [_quantile(each, 0.5) for each in rounds], unit="ms"),
        measured(f"{what}: p99", [_quantile(each, 0.99) for each in rounds], unit="ms", goal=_GOAL_MS),
        measured(f"{what}: CPU of the server", [1000 * cpu], unit="µs"),
        measured("penstock mcp: CPU until it has answered and ended", starts, unit="ms"),
    ]


def _quantile(samples: Sequence[float], share: float) -> float:
    return sorted(samples)[math.ceil(share * len(samples)) - 1]


async def _filled(home: Path, chance: random.Random, *, shorter: int) -> list[str]:
    """The names of originals that now lie in ``home``."""
    originals = await SqliteOriginals.at(home / "originals.sqlite", warn=_broken, max_bytes=1 << 40)
    lines = [f"{chance.getrandbits(64):016x} worker {chance.randrange(99)} done in 12.5 ms" for _ in range(9999)]
    names: list[str] = []
    for _ in range(_ORIGINALS // 100):
        logs = ["\n".join(chance.choices(lines, k=chance.randint(*_LINES) // shorter)) for _ in range(100)]
        texts = {name_of(log): log for log in logs}
        names += texts
        await originals.put(texts, time.time())
    await originals.close()
    return names


def _broken(message: str) -> None:
    raise Broken(message)


class _Agent:
    """What an agent is to the server: somebody who writes a line and reads one."""

    def __init__(self, server: subprocess.Popen[bytes]) -> None:
        self._server = server

    def ask(self, name: str) -> float:
        """The milliseconds until the original was there."""
        params = {"name": "penstock_retrieve", "arguments": {"name": name}}
        begin = time.perf_counter()
        told = self.say({"jsonrpc": "2.0", "id": name, "method": "tools/call", "params": params})
        took = time.perf_counter() - begin
        text = msgspec.json.decode(told)["result"]["content"][0]["text"]
        if name_of(text) != name:
            raise Broken(f"the original {name} did not come back as it was: {text[:80]!r}")
        return 1000 * took

    def say(self, message: object) -> bytes:
        """The answer to a message."""
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(msgspec.json.encode(message) + b"\n")
        self._server.stdin.flush()
        return self._server.stdout.readline()


@contextmanager
def _agent(home: Path) -> Generator[_Agent]:
    command = [sys.executable, "-m", "penstock", "mcp"]
    where = {**os.environ, "PENSTOCK_HOME": str(home)}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=where) as server:
        yield _Agent(server)  # leaving closes its input, at which it ends


def _start(home: Path) -> float:
    """The milliseconds of CPU that a server takes which is asked for its tool and nothing else."""
    before = _children_cpu()
    with _agent(home) as agent:
        agent.say({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {}})
        agent.say({"jsonrpc": "2.0", "id": 2, "method": "tools/list"})
    return _children_cpu() - before


def _children_cpu() -> float:
    """The milliseconds of CPU that processes took which this one has started and seen end."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000 * (used.ru_utime + used.ru_stime)
