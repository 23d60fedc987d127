"""The command line. Commands are loaded when they are used, so that ``--help`` costs next to nothing.

Exit codes: 0 answered; 1 an error of penstock itself; 2 what was given cannot be used; 3 the budget does not allow it;
4 the provider failed or refused; 5 the time was over; 130 interrupted.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from penstock import __version__

__all__ = ["main"]

COMMANDS = {
    "ask": "answer a question, from files and folders if any are named",
    "why": "tell how an answer came about",
    "restore": "print the original of a text that was compressed",
    "serve": "serve OpenAI and Anthropic clients that change nothing but their base URL",
    "key": "give clients of the gateway virtual keys, with budgets and rates",
    "mcp": "give agents the tool that gets originals back, over standard input and output",
    "run": "run a command whose model calls go through a gateway of its own",
    "eval": "try a mechanism on data of your own",
    "doctor": "check that everything works, and say how to mend what does not",
}

EXAMPLES = """examples:
  penstock ask "Where is the session token checked?" src/
  penstock ask "What failed last night?" logs/ --budget 5c --json
  penstock why c_0123456789abcdef
  penstock run --budget 50c -- claude
  penstock serve

Without a key the embedded reader answers: it quotes the passages that match, and asks no model.
OPENAI_API_KEY or ANTHROPIC_API_KEY in the environment, or a penstock.toml, make a model answer."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(
        prog="penstock",
        description="Cheaper and faster LLM calls, at held quality, inside a hard budget, with a receipt that adds up.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="store_true", help="show the version and exit")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    chosen = next((argument for argument in arguments if argument in COMMANDS), None)
    for name, summary in COMMANDS.items():
        command = commands.add_parser(
            name,
            help=summary,
            description=f"{summary[0].upper()}{summary[1:]}.",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if name == chosen:
            _module(name).arguments(command)
        if name == chosen == "ask":
            # Options may stand between the question and the paths, which only a parser of its own understands.
            command.prog = "penstock ask"
            command.set_defaults(command=name)
            at = arguments.index(name)
            if at == 0:
                return _run(command.parse_intermixed_args(arguments[1:]))
    options = parser.parse_args(arguments)
    if options.version:
        sys.stdout.write(f"penstock {__version__}\n")
        return 0
    if options.command is None:
        parser.print_help()
        return 0
    return _run(options)


def _run(options: argparse.Namespace) -> int:
    from penstock.cli.run import guarded

    return guarded(_module(options.command).run, options)


def _module(command: str) -> Any:
    """Where a command is written: in the file of its name, but for ``run``, which is what all commands share."""
    return import_module("penstock.cli." + ("exec" if command == "run" else command))
