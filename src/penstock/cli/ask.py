"""``penstock ask``: a question about files and folders."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any

import msgspec

from penstock.cli.progress import progressing
from penstock.cli.run import print_json, say, shared, shown
from penstock.client.lm import LM, open
from penstock.client.reading import Reading, read
from penstock.config import EMBEDDED, KNOWN
from penstock.context import Skipped
from penstock.errors import PenstockError

__all__ = ["arguments", "run"]

_CUT = frozenset({"length", "max_tokens", "max_output_tokens"})

_WHY = " · why: "


def _tiers(provider: str) -> str:
    return f"large is {KNOWN[provider].large}, small is {KNOWN[provider].small}"


EXAMPLES = f"""examples:
  penstock ask "Where is the session token checked?" src/
  penstock ask "Which requests failed, and why?" logs/ --budget 5c
  penstock ask "What does this do?" main.py --model small --json

The model is the one that --model names, of the provider that --provider names. By default it is the model "large" of
the provider that penstock.toml names, or of the first one that there is a key for:
  OPENAI_API_KEY       {_tiers("openai")}
  ANTHROPIC_API_KEY    {_tiers("anthropic")}
Where there is none the embedded reader answers: it quotes, and asks no model. The last line tells which it was."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.epilog = EXAMPLES
    parser.add_argument("question", metavar="QUESTION")
    parser.add_argument("paths", metavar="PATH", nargs="*", default=[], help="files and folders to answer from, if any")
    parser.add_argument("--budget", metavar="AMOUNT", help="the most it may cost, such as 5c, 0.50 or '$2.00'")
    parser.add_argument("--scope", metavar="NAME", help="share the budget with all that name this scope")
    parser.add_argument("--model", metavar="NAME", help="small, large, or the provider's own name (large)")
    parser.add_argument("--provider", metavar="NAME", help="one of penstock.toml, openai, anthropic or embedded")
    parser.add_argument("--max-tokens", metavar="N", type=int, help="the most tokens of the answer")
    parser.add_argument("--timeout", metavar="SECONDS", type=float, help="give up after that time")
    parser.add_argument("--fresh", action="store_true", help="ask anew even if the answer is stored")
    shared(parser)


def run(options: argparse.Namespace) -> int:
    """Answer, and print the receipt."""
    return asyncio.run(_run(options))


async def _run(options: argparse.Namespace) -> int:
    opened = open(
        provider=options.provider,
        budget=options.budget,
        scope=options.scope,
        model=options.model,
        config=options.config,
    )
    async with opened as lm:
        task = asyncio.current_task()
        if task is not None and hasattr(signal, "SIGTERM"):
            # A polite end is settled like Ctrl-C: what is under way is called off and booked.
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        try:
            reading = await _answer(lm, options)
        except asyncio.CancelledError:
            await lm.runtime.engine.close()
            say(f"penstock: interrupted; {lm.ledger}" + (f"{_WHY}penstock why" if lm.ledger.calls else ""))
            raise KeyboardInterrupt from None
        except PenstockError as error:
            error.spent_nano = int(lm.ledger.spent)
            if error.call_id:
                say(f"{lm.ledger}{_WHY}penstock why {error.call_id}")
            raise
        chosen = _chosen(lm, options)
    _print(reading, chosen, options)
    return 0


def _chosen(lm: LM, options: argparse.Namespace) -> str:
    """Which model was to answer, of whom, and why that one."""
    settings = lm.runtime.settings
    provider, _ = settings.resolve(options.model)
    if provider == EMBEDDED:
        return "--provider embedded" if options.provider else "no key is set, and no provider is described"
    model = f"--model {options.model}" if options.model else "large"
    if options.provider:
        return f"{model} of --provider {provider}"
    described, known = settings.providers[provider], KNOWN.get(provider)
    if known is None or described != msgspec.structs.replace(known, base_url=described.base_url):
        return f"{model} of {provider}, which {options.config or 'penstock.toml'} describes"
    variables = (known.key_env, f"PENSTOCK_{provider.upper()}_BASE_URL", f"{provider.upper()}_BASE_URL")
    return f"{model} of {provider}, since {next(filter(os.environ.get, variables), 'it')} is set"


async def _answer(lm: LM, options: argparse.Namespace) -> Reading:
    chosen: dict[str, Any] = {"max_tokens": options.max_tokens, "timeout": options.timeout, "fresh": options.fresh}
    if not options.paths:
        reply = await lm(options.question, **chosen)
        return Reading(reply, (), 0, (), 1)
    with progressing(quiet=options.json) as progress:
        return await read(lm, options.question, options.paths, progress=progress, **chosen)


def _by_reason(skipped: Sequence[Skipped]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for one in skipped:
        found.setdefault(one.reason, []).append(one.path)
    return found


def _print(reading: Reading, chosen: str, options: argparse.Namespace) -> None:
    reply, receipt = reading.reply, reading.reply.receipt
    if options.json:
        print_json(
            {
                "text": reply.text,
                "cost_usd": None if reply.cost is None else int(reply.cost) / 1e9,
                "saved_usd": {mechanism: int(amount) / 1e9 for mechanism, amount in receipt.saved.items()},
                "asked_usd": None if receipt.unpriced else int(receipt.asked) / 1e9,
                "estimated": receipt.estimated > 0,
                "source": reply.source,
                "model": reply.model,
                "model_chosen": chosen,
                "id": reply.id,
                "finish": reply.finish,
                "citations": [{"path": cited.path, "line": cited.line} for cited in reading.citations],
                "files": reading.files,
                "parts": reading.parts,
                "skipped": [{"path": skipped.path, "reason": skipped.reason} for skipped in reading.skipped],
            }
        )
        return
    sys.stdout.write(shown(reply.text.rstrip()) + "\n")
    sys.stdout.flush()
    if reply.finish in _CUT:
        say(f"the answer was cut: the model stopped for {reply.finish!r} (allow more with --max-tokens)")
    elif not reply.text.strip():
        say(f"the model answered nothing (finish: {reply.finish!r})")
    for reason, paths in _by_reason(reading.skipped).items():
        more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
        say(f"skipped, {reason}: {paths[0]}{more}")
    parts = [str(receipt), f"{reply.model} ({chosen})"]
    if reply.source in {"reuse", "joined"}:
        parts.append(reply.source)
    if options.paths:
        parts.append(f"{reading.files} file{'' if reading.files == 1 else 's'}")
    say(" · ".join(parts) + f"{_WHY}penstock why {reply.id}")
