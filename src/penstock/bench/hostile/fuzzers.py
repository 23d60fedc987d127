"""All fuzzers, one after the other, and what they found."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from penstock.bench.figure import Figure, measured
from penstock.bench.hostile.fuzz import BLIND, DONE
from penstock.bench.hostile.parsers import TARGETS

__all__ = ["RUNS", "fuzz_all"]

RUNS = 50_000
"""Inputs for each parser. A stream takes 0.5 ms of them, the others a tenth of that."""
SECONDS = 300.0
"""More than that and a fuzzer hangs."""

_RUNS = re.compile(re.escape(DONE) + r"\s*(\d+)")


def fuzz_all(folder: Path, packages: Path, runs: int = RUNS) -> list[Figure]:
    """How many inputs the parsers got, ``runs`` each, and how many of these raised what they should not."""
    ran, findings, blind = 0, 0, False
    for number, name in enumerate(TARGETS):
        place = folder / f"fuzz-{number}"
        place.mkdir()
        said, well = _fuzz(name, place, packages, runs)
        found = _RUNS.findall(said)
        ran += int(found[-1]) if found else 0
        blind = blind or BLIND in said
        if not well:
            findings += 1
            inputs = [file.read_bytes() for pattern in ("crash-*", "timeout-*") for file in place.glob(pattern)]
            sys.stderr.write(f"hostile: {name}: {inputs}\n{said[-3000:]}\n")
    how = "random bytes, no atheris here" if blind else "atheris"
    return [
        measured(f"inputs of {len(TARGETS)} parsers ({how})", [ran], unit=""),
        measured("parsers that raised what they should not", [findings], unit="", goal=0),
    ]


def _fuzz(name: str, place: Path, packages: Path, runs: int) -> tuple[str, bool]:
    """What a fuzzer said, and whether it found nothing."""
    command = [sys.executable, "-m", "penstock.bench.hostile.fuzz", name, str(place), str(runs)]
    env = {**os.environ, "PYTHONPATH": str(packages)}
    try:
        done = subprocess.run(command, env=env, capture_output=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired as late:
        return f"it hangs: {late}", False
    return (done.stdout + done.stderr).decode(errors="replace"), done.returncode == 0
