"""``penstock run -- CMD``: one command, with a gateway of its own in front of its models for as long as it runs.

The gateway lives on the event loop of this process, so nothing can be left behind: it ends when the command does, and
dies when this process is killed. Nothing but the home folder is written; the environment is that of the child alone.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import re
import signal
import sys
from collections.abc import Generator, Mapping, Sequence

import msgspec

from penstock.admission import Admission
from penstock.cli.addresses import get
from penstock.cli.clients import adapted, environment, program
from penstock.cli.run import say
from penstock.cli.tally import Tally
from penstock.cli.upstreams import unfollowed, without_key
from penstock.config import BudgetSettings, Settings, home, load
from penstock.errors import BadInput
from penstock.gateway.serve import reachable, serving
from penstock.ledger import Account, Alert, Amounts, Limits, Never
from penstock.runtime import build
from penstock.values import parse_money

__all__ = ["arguments", "run"]

EXAMPLES = """examples:
  penstock run -- claude
  penstock run --budget 50c -- codex -c web_search=disabled
  penstock run --budget '$2' -- aider --model gpt-5-mini
  penstock run -- python agent.py

The command sees OPENAI_BASE_URL, ANTHROPIC_BASE_URL and their like; codex, which reads none, gets -c model_provider=...
The exit code is its own. Its last line tells what was asked, spent and saved, and how long calls waited for budget."""

_FORWARDED = [
    getattr(signal, name)
    for name in ("SIGINT", "SIGQUIT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2")
    if hasattr(signal, name)
]
_OF_THE_TERMINAL = {signal.SIGINT, getattr(signal, "SIGQUIT", signal.SIGINT)}
"""What a terminal sends to the command by itself, since it is in the same process group."""

_RUN = "run:"
"""The account that all others of a command lie below."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.usage = "penstock run [-h] [--budget AMOUNT] [--config FILE] -- CMD ..."
    parser.epilog = EXAMPLES
    parser.add_argument(
        "--budget", metavar="AMOUNT", help="the most all its calls may cost together, such as 50c or '$2'"
    )
    parser.add_argument("--config", metavar="FILE", help="read FILE instead of ./penstock.toml")
    parser.add_argument("words", metavar="-- CMD", nargs=argparse.REMAINDER, help="the command and its arguments")
    parser.set_defaults(json=False)


def run(options: argparse.Namespace) -> int:
    """Run the command; its exit code."""
    words: list[str] = options.words[1:] if options.words[:1] == ["--"] else options.words
    if not words:
        raise BadInput("no command is named", mend="write it behind two dashes: penstock run -- CMD")
    settings = load(options.config)
    if options.budget is not None:
        parse_money(options.budget)
        budget = msgspec.structs.replace(settings.budget, money=options.budget)
        settings = msgspec.structs.replace(settings, budget=budget)
    return asyncio.run(_run(words, settings))


class _Accounts(Admission):
    """The accounts of one command: those of all tenants lie below one, which has the limits."""

    async def open(self, path: tuple[str, ...], limits: Limits | None = None) -> Account:
        """See `Admission`; the path of the command itself is empty."""
        return await super().open((_RUN, *path), limits)

    async def drop(self, path: tuple[str, ...]) -> None:
        """See `Admission`."""
        await super().drop((_RUN, *path))

    async def limits(self, path: tuple[str, ...]) -> Limits | None:
        """See `Admission`."""
        return await super().limits((_RUN, *path))

    async def hold(self, path: tuple[str, ...], want: Amounts, floor: Amounts) -> str | Never:
        """See `Admission`."""
        return await super().hold((_RUN, *path), want, floor)

    async def settle(self, path: tuple[str, ...], hold: str, used: Amounts) -> list[Alert]:
        """See `Admission`."""
        return await super().settle((_RUN, *path), hold, used)


class _NoCommand(BadInput):
    """There is none of that name."""

    exit_code = 127


class _NotRun(BadInput):
    """It is there, and is not for running."""

    exit_code = 126


async def _run(words: Sequence[str], settings: Settings) -> int:
    """The gateway and the command. It knows no virtual keys: who runs the command is its only client."""
    tally, limits = Tally(), settings.budget.limits()
    free = msgspec.structs.replace(reachable(settings), budget=BudgetSettings())
    await _forewarn(words, free)
    runtime = await build(free, fit=True, sinks=[tally])
    accounts = runtime.engine.admission = _Accounts(runtime.engine.admission.holds, runtime.engine.clock)
    await accounts.open((), None if limits == Limits() else limits)
    try:
        async with serving(runtime, "127.0.0.1", 0, at=home() / "run") as address:
            families = {described.dialect for described in settings.providers.values()}
            variables = environment(address, os.environ, families, program(words))
            with _quiet():
                code = await _attached(adapted(words, variables), variables)
            requests = await _requests(address)
    finally:
        await runtime.close()
    for line in tally.causes():
        say(f"penstock: {line}")
    say(f"penstock: {tally.told(runtime.receipts.total(''), limits, requests)}")
    return code


async def _forewarn(words: Sequence[str], settings: Settings) -> None:
    """Say what a person may not expect, while the terminal is still ours."""
    for line in await unfollowed(settings, os.environ):
        say(f"penstock: {line}")
    if line := without_key(settings, os.environ, program(words)):
        say(f"penstock: {line}")


async def _requests(address: str) -> int:
    """How many requests have come to the gateway, as far as it tells."""
    with contextlib.suppress(OSError):
        _, told = await get(f"{address}/metrics")
        return sum(map(int, re.findall(rb"^penstock_requests_total\{.*\} (\d+)$", told, re.MULTILINE)))
    return 0


@contextlib.contextmanager
def _quiet() -> Generator[None]:
    """Warnings are said when the terminal is free again, each once: until then it is the command's own."""
    kept: dict[str, None] = {}
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: kept.setdefault(_line(record))  # type: ignore[method-assign]
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
        for message in kept:
            say(f"penstock: {message}")


def _line(record: logging.LogRecord) -> str:
    """What is logged, in one line."""
    failure = record.exc_info[1] if record.exc_info else None
    told = record.getMessage().strip()
    return told if failure is None else f"{told}: {type(failure).__name__}: {failure}"


async def _attached(words: Sequence[str], variables: Mapping[str, str]) -> int:
    """Run a command on this terminal; its exit code as a shell tells it: 128 and the signal that ended it."""
    try:
        child = await asyncio.create_subprocess_exec(*words, env=variables)
    except (FileNotFoundError, NotADirectoryError):
        raise _NoCommand(f"there is no command {words[0]!r}") from None
    except (OSError, ValueError) as error:
        raise _NotRun(f"{words[0]!r} cannot be run: {getattr(error, 'strerror', None) or error}") from None
    loop = asyncio.get_running_loop()
    for number in _FORWARDED:
        loop.add_signal_handler(number, _forward, child, number)
    try:
        code = await child.wait()
    finally:
        for number in _FORWARDED:
            loop.remove_signal_handler(number)
    return code if code >= 0 else 128 - code


def _forward(child: asyncio.subprocess.Process, number: int) -> None:
    if child.returncode is None and not (number in _OF_THE_TERMINAL and _in_foreground()):
        with contextlib.suppress(ProcessLookupError):
            child.send_signal(number)


def _in_foreground() -> bool:
    """Whether a terminal sends its signals to this process and its children."""
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (OSError, ValueError):
        return False
