"""When requests come: the gaps of a recorded trace of a language model service, or of a process that is as bursty."""

from __future__ import annotations

import csv
import itertools
import os
import random
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import msgspec

from penstock.bench.figure import Broken

__all__ = ["DATA", "Gaps", "even", "gaps"]

DATA = "PENSTOCK_DATA"
"""The variable that names the folder of the trace, or the one above it: ``traces/`` lies in that."""

TRACE = "azure_llm_2023_code.csv"
"""Of AzurePublicDataset (P. Patel et al., "Splitwise", ISCA 2024): requests for code, timed to a tenth of a µs."""

VARIATION = 14.1
"""Standard deviation of the gaps of that trace over their mean. Requests that come at random have 1."""

_SYNTHETIC = 5000
_SEED = 11


class Gaps(msgspec.Struct, frozen=True):
    """Gaps between requests whose mean is 1."""

    source: str
    each: tuple[float, ...]

    def times(self, rate: float, seconds: float) -> Iterator[float]:
        """Moments from 0 to ``seconds``, ``rate`` of them a second on average; the gaps come round again."""
        sums = itertools.accumulate(gap / rate for gap in itertools.cycle(self.each))
        return itertools.takewhile(lambda moment: moment < seconds, sums)


def even(rate: float, seconds: float) -> Iterator[float]:
    """Moments from 0 to ``seconds`` at equal distances."""
    return (number / rate for number in range(int(rate * seconds)))


def _found(folder: Path) -> Path:
    for place in (folder / TRACE, folder / "traces" / TRACE):
        if place.is_file():
            return place
    raise Broken(f"there is no {TRACE} in {folder}, nor in traces/ below it")


def gaps() -> Gaps:
    """Those of the trace in the folder that ``PENSTOCK_DATA`` names; without one, gamma-distributed ones.

    A gamma distribution of mean 1 has the shape 1 / variation squared. Raises `Broken` where the trace is not there.
    """
    folder = os.environ.get(DATA)
    if folder:
        return Gaps(TRACE, _scaled(_recorded(_found(Path(folder)))))
    chance = random.Random(_SEED)
    shape = VARIATION**-2
    made = [chance.gammavariate(shape, 1 / shape) for _ in range(_SYNTHETIC)]
    return Gaps(f"synthetic gaps, variation {VARIATION:g}", _scaled(made))


def _recorded(path: Path) -> list[float]:
    with path.open(encoding="utf-8", newline="") as lines:
        # Python reads microseconds: the digit beyond them is cut.
        times = [datetime.fromisoformat(row["TIMESTAMP"][:26]).timestamp() for row in csv.DictReader(lines)]
    return [later - sooner for sooner, later in itertools.pairwise(sorted(times))]


def _scaled(found: list[float]) -> tuple[float, ...]:
    mean = sum(found) / len(found)
    return tuple(gap / mean for gap in found)
