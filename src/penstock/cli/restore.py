"""``penstock restore``: the original of a text that was compressed."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time

from penstock.cli.run import say, shared, shown
from penstock.config import home
from penstock.policy.compress.markers import name_in
from penstock.retrieval import Asked, retrieve
from penstock.stores.originals import MemoryOriginals, Originals

__all__ = ["arguments", "run"]

EXAMPLES = """examples:
  penstock restore 5f0c1d2e3a4b > build.log
  penstock restore '[penstock_retrieve 5f0c1d2e3a4b: 18,300 more ...]' --query "disk full" --tokens 500"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.epilog = EXAMPLES
    parser.add_argument("name", metavar="NAME", help="the name in the last line of the compressed text, or that line")
    parser.add_argument("--query", metavar="TEXT", help="print what matters for this, instead of all")
    parser.add_argument("--tokens", metavar="N", type=int, help="print about so many tokens (2000 with --query)")
    shared(parser)


def run(options: argparse.Namespace) -> int:
    """Print the original byte for byte, or the part of it that is asked for."""
    asked = Asked(options.name, options.query, options.tokens)
    text = asyncio.run(_retrieved(asked))
    if options.json:
        # In ASCII, as half a character that a tool cut off has no other form.
        sys.stdout.write(json.dumps({"name": name_in(asked.name), "whole": asked.whole, "text": text}, indent=2) + "\n")
    elif sys.stdout.isatty():
        sys.stdout.write(shown(text) + "\n")
    else:
        end = "" if asked.whole else "\n"
        sys.stdout.buffer.write((text + end).encode("utf-8", "surrogatepass"))
        sys.stdout.buffer.flush()
    return 0


async def _retrieved(asked: Asked) -> str:
    file = home() / "originals.sqlite"
    originals: Originals = MemoryOriginals()
    if file.exists():
        from penstock.stores.originals_sqlite import SqliteOriginals

        originals = await SqliteOriginals.at(file, warn=say)
    try:
        return await retrieve(originals, asked, time.time())
    finally:
        await originals.close()
