"""``penstock eval``: what a mechanism would do on data of one's own, and how well."""

from __future__ import annotations

import argparse
from importlib import import_module

from penstock.cli.run import shared

__all__ = ["arguments", "run"]

_WHAT = ("prefix", "compress", "history")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    evals = parser.add_subparsers(dest="eval", metavar="WHAT", required=True)
    for name in _WHAT:
        module = import_module(f"{__name__}.{name}")
        what = evals.add_parser(
            name,
            help=module.HELP,
            description=module.DESCRIPTION,
            epilog=module.EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.arguments(what)
        shared(what)


def run(options: argparse.Namespace) -> int:
    """Evaluate, write the rows, and print what came of it."""
    done: int = import_module(f"{__name__}.{options.eval}").run(options)
    return done
