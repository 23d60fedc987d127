"""``penstock eval compress``: what would be left of texts of one's own."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from penstock.cli.eval.rows import apart, write_rows
from penstock.cli.progress import progressing
from penstock.cli.run import print_json, say
from penstock.client.reading import Progress
from penstock.errors import BadInput
from penstock.evals.compress import Compression, compressions, read

if TYPE_CHECKING:
    from penstock.policy.compress.likeness import Similar

__all__ = ["DESCRIPTION", "EPILOG", "HELP", "arguments", "run"]

HELP = "what is left of texts, documents and tool outputs in a fraction of their tokens, and how long that takes"
DESCRIPTION = "Compress each row of a file for its query, where it has one; without a model, but for --similar."
EPILOG = """examples:
  penstock eval compress --test outputs.jsonl --ratio 4 --out compressed.jsonl
  penstock eval compress --test outputs.jsonl --ratio 8 --out compressed.jsonl --json
  penstock eval compress --test documents.jsonl --similar --out compressed.jsonl"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.add_argument(
        "--test",
        type=Path,
        required=True,
        help='one row a line: {"text": ..., "query": ... or null, "kind": ... or null}; or {"docs": [...], ...}',
    )
    parser.add_argument("--ratio", type=float, default=4.0, help="how many times fewer tokens (default: 4)")
    parser.add_argument(
        "--similar",
        nargs="?",
        type=Path,
        const=Path(),
        metavar="FOLDER",
        help="have a small local model look again at the best sentences: all-MiniLM-L6-v2, as installed or in FOLDER",
    )
    parser.add_argument("--out", type=Path, required=True, help="one row a text: what is left of it, tokens, kind, ms")


def run(options: argparse.Namespace) -> int:
    """Compress, write the rows, and print what came of it."""
    if not options.ratio >= 1:
        raise BadInput(f"--ratio {options.ratio:g}", mend="a number from 1 on")
    apart(options.out, options.test)
    rows = read(options.test)
    similar = None if options.similar is None else _similar(options.similar)
    with progressing(quiet=options.json) as show:

        def progress(done: int) -> None:
            show(Progress("compressing", done, len(rows)))

        found = list(compressions(rows, options.ratio, progress, similar))
    write_rows(options.out, found)
    if options.json:
        print_json(_as_json(found, options.out))
    else:
        sys.stdout.write(_as_text(found))
        say(f"what is left of {len(found):,} texts: {options.out}")
    return 0


def _similar(folder: Path) -> Similar:
    from penstock.config import home
    from penstock.embedding import minilm, similar

    return similar(minilm(home(), None if folder == Path() else folder))


def _by_kind(found: Sequence[Compression]) -> dict[str, list[Compression]]:
    kinds: dict[str, list[Compression]] = {}
    for each in found:
        kinds.setdefault(each.kind, []).append(each)
    return dict(sorted(kinds.items()))


def _figures(found: Sequence[Compression]) -> dict[str, Any]:
    before, after = (
        sum(each) for each in zip(*((each.tokens_before, each.tokens_after) for each in found), strict=True)
    )
    times = sorted(each.ms for each in found)
    return {
        "texts": len(found),
        "tokens_before": before,
        "tokens_after": after,
        "ratio": round(before / max(after, 1), 2),
        "ms_p50": round(median(times), 1),
        "ms_p95": round(times[min(len(times) - 1, int(0.95 * len(times)))], 1),
    }


def _as_json(found: Sequence[Compression], out: Path) -> dict[str, Any]:
    kinds = {kind: _figures(each) for kind, each in _by_kind(found).items()}
    return {**_figures(found), "kinds": kinds, "out": str(out)}


def _as_text(found: Sequence[Compression]) -> str:
    lines = [f"{'texts':>6} {'before':>10} {'after':>10} {'ratio':>6} {'ms p50':>7} {'ms p95':>7}  kind"]
    for kind, of in (*_by_kind(found).items(), ("all", found)):
        told = _figures(of)
        lines.append(
            f"{told['texts']:>6,} {told['tokens_before']:>10,} {told['tokens_after']:>10,} {told['ratio']:>6.1f}"
            f" {told['ms_p50']:>7.1f} {told['ms_p95']:>7.1f}  {kind}"
        )
    return "\n".join(lines) + "\n"
