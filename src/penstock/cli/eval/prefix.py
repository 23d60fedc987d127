"""``penstock eval prefix``: where prompts of a trace would be marked for the provider's cache, and what that saves."""

from __future__ import annotations

import argparse
import sys
from datetime import date
from pathlib import Path
from typing import Any

import msgspec

from penstock.cli.eval.rows import apart, write_rows
from penstock.cli.progress import progressing
from penstock.cli.run import print_json, say
from penstock.client.reading import Progress
from penstock.errors import BadInput
from penstock.evals.prefix import Report, evaluate
from penstock.evals.pricing import read_trace
from penstock.policy.layout.guard import ALLOWANCE
from penstock.providers.prompt_cache import TABLES, rules_for
from penstock.values.caching import CacheRules

__all__ = ["DESCRIPTION", "EPILOG", "HELP", "arguments", "run"]

MODELS = {"anthropic": "claude-sonnet-4-5"}
"""The model whose rules are applied where none is named."""

TOLD = {
    "off": "no caching",
    "end": "mark the end of every prompt",
    "end if seen": "mark the end if more than the minimum was seen before",
    "shared": "mark as far as was seen before",
    "policy": "the write policy",
    "oracle": "mark what will be read, knowing the future",
}


HELP = "where prompts of a trace would be marked for the provider's cache, and what that saves"
DESCRIPTION = "Mark each prompt of a trace by that prompt and the past alone, price it, and compare."
EPILOG = """examples:
  penstock eval prefix --trace trace.jsonl --out marks.jsonl
  penstock eval prefix --trace trace.jsonl --model claude-opus-4-6 --out marks.jsonl --json"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.add_argument(
        "--trace",
        type=Path,
        required=True,
        help='one request a line: {"timestamp": ms, "input_length": tokens, "hash_ids": [one for each 512 tokens]}',
    )
    parser.add_argument("--provider", default="anthropic", help="whose rules and prices (default: anthropic)")
    parser.add_argument("--model", help="a model of the provider (default: one with a minimum of 1,024 tokens)")
    parser.add_argument(
        "--allowance",
        type=float,
        default=0.0,
        metavar="TOKENS",
        help=f"what may be lost once to learn early (default: 0; a gateway that runs takes {ALLOWANCE:,.0f})",
    )
    parser.add_argument("--out", type=Path, required=True, help="one row a request: marks and time to live")


def run(options: argparse.Namespace) -> int:
    """Evaluate, write the rows, and print what came of it."""
    rules = _rules(options.provider, options.model)
    apart(options.out, options.trace)
    trace = read_trace(options.trace)
    with progressing(quiet=options.json) as show:
        report = evaluate(
            trace,
            rules,
            allowance=options.allowance,
            progress=lambda done, total: show(Progress("marking", done, total)),
        )
    write_rows(options.out, report.marks)
    if options.json:
        print_json(_as_json(report, rules, options.out))
    else:
        sys.stdout.write(_as_text(report, rules))
        say(f"marks of {report.requests:,} requests: {options.out}")
    return 0


def _rules(provider: str, model: str | None) -> CacheRules:
    name = model or MODELS.get(provider, "")
    found = rules_for(provider, name, date.today()) if name else None
    if found is None or found.matching != "look_back":
        others = ", ".join(sorted(_marking() - MODELS.keys()))
        raise BadInput(
            f"no rules of marked prompts are known for {f'model {name!r}' if name else 'any model'} at {provider!r}",
            mend=f"use --provider {', '.join(MODELS)}; with a --model also {others}",
        )
    return found


def _marking() -> set[str]:
    """The providers of whose models at least one has its prompts marked."""
    return {name for name, rows in TABLES.items() if any(rules.matching == "look_back" for _, rules in rows)}


def _as_json(report: Report, rules: CacheRules, out: Path) -> dict[str, Any]:
    told = {name: value for name, value in msgspec.structs.asdict(report).items() if name != "marks"}
    policy = next(outcome for outcome in report.outcomes if outcome.name == "policy")
    return {"relative_cost": policy.relative_cost, **msgspec.to_builtins(told), "rules": rules.family, "out": str(out)}


def _as_text(report: Report, rules: CacheRules) -> str:
    lines = [
        f"{report.requests:,} requests, {report.tokens:,} tokens; rules of {rules.family}",
        "",
        f"{'input cost':>10} {'read':>7} {'written':>8} {'calls':>7}",
    ]
    lines += [
        f"{outcome.relative_cost:>10.3f} {outcome.read_share:>7.1%} {outcome.written_share:>8.1%}"
        f" {outcome.calls_read:>7.1%}  {TOLD[outcome.name]}"
        for outcome in report.outcomes
    ]
    if report.to_oracle is not None and 0 <= report.to_oracle <= 1:
        lines += ["", f"the policy goes {report.to_oracle:.0%} of the way from marking what was seen to the oracle"]
    lines += [f"at worst {-report.lowest_account:.1%} of all input stood ahead in writes that were not read yet"]
    if report.calibration:
        lines += ["", "how often a marked prefix was read again in time, by what the policy foretold:"]
        lines += [f"{'prefixes':>10} {'foretold':>9} {'came':>6}"]
        lines += [f"{band.prefixes:>10,} {band.foretold:>9.1%} {band.came:>6.1%}" for band in report.calibration]
    return "\n".join(lines) + "\n"
