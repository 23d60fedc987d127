"""``python -m penstock.bench NAME... [--json]``: run benchmarks and print their figures beside their goals."""

from __future__ import annotations

import argparse
import sys
from importlib import import_module

import msgspec

from penstock.bench.figure import Figure, table

NAMES = ("engine",)


def main() -> int:
    """Run the benchmarks that were named, or all of them; 1 when a goal is missed."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}; absent: all")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in NAMES]
    if unknown:
        parser.error(f"there is no benchmark {unknown[0]!r}; there are: {', '.join(NAMES)}")
    figures: list[Figure] = []
    for name in options.names or NAMES:
        figures += import_module(f"penstock.bench.{name}").run()
    sys.stdout.write(msgspec.json.encode({"figures": figures}).decode() + "\n" if options.json else table(figures))
    return 0 if all(figure.met for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
