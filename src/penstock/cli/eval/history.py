"""``penstock eval history``: what would be sent of histories of one's own."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import msgspec

from penstock.cli.eval.rows import apart, write_rows
from penstock.cli.progress import progressing
from penstock.cli.run import print_json, say
from penstock.client.reading import Progress
from penstock.evals.histories import pruned
from penstock.evals.rows import read_rows
from penstock.meter import count
from penstock.policy.compress.compressed import shortened
from penstock.policy.prune.levels import LEVELS

__all__ = ["DESCRIPTION", "EPILOG", "HELP", "arguments", "run"]

HELP = "what is sent of long histories at a level of pruning, and how many tokens that takes"
DESCRIPTION = """Prune each row of a file: messages of OpenAI's chat completions or of Anthropic's format.

A row that goes on where an earlier one ended is the next request of that conversation, and is cut only where that pays;
any other is cut to the level at once."""
EPILOG = """examples:
  penstock eval history --test histories.jsonl --level medium --out pruned.jsonl
  penstock eval history --test histories.jsonl --level aggressive --out pruned.jsonl --json"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.add_argument("--test", type=Path, required=True, help='one history a line: {"messages": [...]}')
    parser.add_argument("--level", choices=tuple(LEVELS), default="medium", help="how much stays (default: medium)")
    parser.add_argument("--out", type=Path, required=True, help="one row a history: the messages that are sent")


def run(options: argparse.Namespace) -> int:
    """Prune, write the rows, and print what came of it."""
    apart(options.out, options.test)
    rows = [{"messages": row.messages} for _, row in read_rows(options.test, _Row, shape='{"messages": [...]}')]
    found: list[dict[str, Any]] = []
    with progressing(quiet=options.json) as show:
        for row in pruned(rows, LEVELS[options.level], count=count, shorten=shortened):
            found.append(row)
            show(Progress("pruning", len(found), len(rows)))
    write_rows(options.out, found)
    before, after = (sum(count(str(row.get("messages"))) for row in each) for each in (rows, found))
    changed = sum(row["messages"] != old.get("messages") for row, old in zip(found, rows, strict=True))
    told = {"histories": len(rows), "pruned": changed, "tokens_before": before, "tokens_after": after}
    if options.json:
        print_json({**told, "level": options.level, "out": str(options.out)})
    else:
        sys.stdout.write(f"{changed:,} of {len(rows):,} histories pruned: about {before:,} tokens became {after:,}\n")
        say(f"what is sent of them: {options.out}")
    return 0


class _Row(msgspec.Struct, frozen=True):
    messages: list[dict[str, Any]]
