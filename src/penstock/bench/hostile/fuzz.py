"""One fuzzer in a process of its own: ``python -m penstock.bench.hostile.fuzz TARGET FOLDER RUNS``.

Atheris (libFuzzer for Python) changes the input so as to reach code that it has not seen. Where it cannot be had,
random bytes drive the engine of Hypothesis instead, which does not look at coverage; the log says which of them it was.
"""

from __future__ import annotations

import random
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from penstock.bench.hostile.bodies import FIELDS

__all__ = ["BLIND", "DONE", "main"]

DONE = "stat::number_of_executed_units:"
"""What stands in the log before the number of runs."""
BLIND = "without coverage"
"""Stands in the log where atheris could not be had."""

_WORDS = (
    *FIELDS,
    "data: ",
    "event: ",
    "[DONE]",
    "\r\n\r\n",
    "9" * 40,
    "1e400",
    "null",
    "[[[[",
    '{"a":',
    "\\ud800",
    "true",
)
_LONGEST = 4096


def main(name: str, folder: str, runs: str) -> None:
    """Fuzz one parser of `parsers.TARGETS` so many times. A finding ends the process with a status other than 0."""
    try:
        atheris: Any = import_module("atheris")
    except ImportError:
        _blindly(name, int(runs))
        return
    with atheris.instrument_imports(include=["penstock"], enable_loader_override=False):
        from penstock.bench.hostile.parsers import TARGETS
    target = TARGETS[name]()
    corpus = Path(folder) / "corpus"
    corpus.mkdir(parents=True)
    for number, seed in enumerate(target.seeds):
        (corpus / f"seed-{number}").write_bytes(seed)
    words = Path(folder) / "words"
    words.write_text("".join(f'"{_escaped(word)}"\n' for word in _WORDS if word))
    options = [
        f"-runs={runs}",
        "-seed=11",
        f"-max_len={_LONGEST}",
        "-timeout=20",
        "-print_final_stats=1",
        f"-dict={words}",
    ]
    atheris.Setup([name, *options, f"-artifact_prefix={folder}/", str(corpus)], target.read)
    atheris.Fuzz()


def _escaped(word: str) -> str:
    """A word as libFuzzer's dictionaries write it."""
    return "".join(f"\\x{byte:02x}" for byte in word.encode())


def _blindly(name: str, runs: int) -> None:
    from hypothesis import given
    from hypothesis import strategies as st

    from penstock.bench.hostile.parsers import TARGETS

    target = TARGETS[name]()

    @given(st.binary(max_size=_LONGEST) | st.sampled_from(target.seeds))
    def read(data: bytes) -> None:
        target.read(data)

    fuzz: Any = read.hypothesis.fuzz_one_input  # type: ignore[attr-defined]
    chance = random.Random(11)
    for _ in range(runs):
        fuzz(chance.randbytes(chance.randrange(_LONGEST)))
    sys.stdout.write(f"{BLIND}\n{DONE} {runs}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
