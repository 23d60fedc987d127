"""``penstock why``: what was asked, who answered, what that cost, and what each state of the call decided."""

from __future__ import annotations

import argparse
import asyncio
import sys
from datetime import datetime
from typing import Any

import msgspec

from penstock.cli.explained import answer, cost, savings, steps
from penstock.cli.run import print_json, say, shared
from penstock.config import home
from penstock.errors import BadInput
from penstock.stores.records import CallRecord, SqliteRecords
from penstock.values import Money

__all__ = ["arguments", "run"]


def arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.epilog = "examples:\n  penstock why\n  penstock why c_0123456789abcdef --json"
    parser.add_argument("id", metavar="ID", nargs="?", help="the id of an answer; absent: the last call")
    shared(parser)


def run(options: argparse.Namespace) -> int:
    """Print the explanation of one call."""
    record = asyncio.run(_find(options.id))
    if options.json:
        print_json(_as_json(record))
    else:
        sys.stdout.write(_as_text(record))
    return 0


async def _find(wanted: str | None) -> CallRecord:
    path = home() / "records.sqlite"
    if not path.exists():
        raise BadInput(f"nothing has been recorded in {path.parent}", mend="ask something first")
    records = await SqliteRecords.at(path, warn=say)
    try:
        found = await records.get(wanted) if wanted else next(iter(await records.recent(1)), None)
    finally:
        await records.close()
    if found is None and wanted is None:
        raise BadInput(f"nothing has been recorded in {path.parent}", mend="ask something first")
    if found is None:
        raise BadInput(f"no call {wanted!r} is recorded", mend="the id stands below each answer; old calls are dropped")
    return found


def _as_json(record: CallRecord) -> dict[str, Any]:
    return {
        "id": record.id,
        "at": record.at,
        "model": record.model,
        "provider": record.provider,
        "source": record.source,
        "asked_nano": record.asked,
        "spent_nano": record.spent,
        "spent": "unpriced" if record.spent is None else str(Money(record.spent)),
        "saved_nano": record.saved,
        "usage": None if record.usage is None else msgspec.structs.asdict(record.usage),
        "seconds": record.seconds,
        "steps": record.steps,
    }


def _as_text(record: CallRecord) -> str:
    at = datetime.fromtimestamp(record.at).astimezone().isoformat(" ", "seconds")
    facts = [
        ("call", f"{record.id}, {at}, {record.seconds:.3f} s"),
        ("asked", f"{record.model} of {record.provider}"),
        ("answer", answer(record)),
        ("cost", cost(record)),
        *(("saved", each) for each in savings(record)),
    ]
    lines = [f"{name:<8}{told}" for name, told in facts]
    lines += ["", *(f"{after:>12}  {state:<8}{told}" for after, state, told in steps(record))]
    return "\n".join(lines) + "\n"
