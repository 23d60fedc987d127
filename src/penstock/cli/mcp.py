"""``penstock mcp``: the tool that gets originals back, for agents that speak the Model Context Protocol."""

from __future__ import annotations

import argparse
import sys

from penstock import __version__
from penstock.cli.run import say
from penstock.config import home
from penstock.mcp.retrieve import Retrieve
from penstock.mcp.server import Server, serve

__all__ = ["arguments", "run"]

EXAMPLES = """examples:
  claude mcp add penstock -- penstock mcp
  codex mcp add penstock -- penstock mcp

It speaks over standard input and output, and ends when the input does. What it gives back lies in PENSTOCK_HOME, which
has to be that of the gateway."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.epilog = EXAMPLES
    parser.set_defaults(json=False)


def run(options: argparse.Namespace) -> int:
    """Serve until standard input ends."""
    retrieve = Retrieve(home() / "originals.sqlite", warn=say)
    try:
        serve(Server(retrieve.tool, __version__), sys.stdin.buffer, sys.stdout.buffer)
    finally:
        retrieve.close()
    return 0
