"""``python -m penstock.bench NAME... [--quick] [--json]``: run benchmarks, print their figures beside their goals."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Mapping

import msgspec

from penstock.bench.figure import Broken, Figure, table


def _engine(quick: bool) -> list[Figure]:
    from penstock.bench import engine

    return engine.run()


def _gateway(quick: bool) -> list[Figure]:
    from penstock.bench.gateway import suite

    return suite.run(quick=quick)


def _disconnects(quick: bool) -> list[Figure]:
    from penstock.bench import disconnects

    return disconnects.run(quick=quick)


def _hostile(quick: bool) -> list[Figure]:
    from penstock.bench.hostile import suite

    return suite.run(quick=quick)


def _overload(quick: bool) -> list[Figure]:
    from penstock.bench import overload

    return overload.run(quick=quick)


def _prefix(quick: bool) -> list[Figure]:
    from penstock.bench import prefix

    return prefix.run(quick=quick)


def _restore(quick: bool) -> list[Figure]:
    from penstock.bench import restore

    return restore.run(quick=quick)


def _window(quick: bool) -> list[Figure]:
    from penstock.bench import window

    return window.run(quick=quick)


def _writes(quick: bool) -> list[Figure]:
    from penstock.bench import writes

    return writes.run(quick=quick)


BENCHMARKS: Mapping[str, Callable[[bool], list[Figure]]] = {
    "engine": _engine,
    "gateway": _gateway,
    "disconnects": _disconnects,
    "hostile": _hostile,
    "overload": _overload,
    "window": _window,
    "writes": _writes,
    "restore": _restore,
    "prefix": _prefix,
}


def main() -> int:
    """Run the benchmarks that were named, or all of them; 1 when a goal is missed or something is broken."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}; absent: all")
    parser.add_argument(
        "--quick", action="store_true", help="a shorter run where there is one; its figures are rougher"
    )
    parser.add_argument("--data", metavar="DIR", help="the folder with the traces; default: $PENSTOCK_DATA")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"there is no benchmark {unknown[0]!r}; there are: {', '.join(BENCHMARKS)}")
    if options.data:
        os.environ["PENSTOCK_DATA"] = options.data
    # A benchmark that is told to stop ends what it has started, as on Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    figures: list[Figure] = []
    try:
        for name in options.names or BENCHMARKS:
            figures += BENCHMARKS[name](options.quick)
    except Broken as error:
        sys.stderr.write(f"bench: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("bench: stopped\n")
        return 130
    sys.stdout.write(msgspec.json.encode({"figures": figures}).decode() + "\n" if options.json else table(figures))
    return 0 if all(figure.met for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
