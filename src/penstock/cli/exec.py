"""``penstock run -- CMD``: one command, with a gateway of its own in front of its models for as long as it runs.

The gateway lives on the event loop of this process, so nothing can be left behind: it ends when the command does, and
dies when this process is killed. Nothing but the home folder is written; the environment is that of the child alone.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Collection, Mapping, Sequence

from penstock.cli.run import say
from penstock.config import Settings, home, load
from penstock.errors import BadInput
from penstock.gateway.clients import PLACEHOLDER
from penstock.gateway.serve import reachable, serving
from penstock.runtime import build

__all__ = ["arguments", "environment", "run"]

EXAMPLES = """examples:
  penstock run -- claude
  penstock run -- aider --model gpt-5-mini
  penstock run -- python agent.py

The command sees OPENAI_BASE_URL, OPENAI_API_BASE and ANTHROPIC_BASE_URL. The exit code is its own."""

_FORWARDED = [
    getattr(signal, name)
    for name in ("SIGINT", "SIGQUIT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2")
    if hasattr(signal, name)
]
_OF_THE_TERMINAL = {signal.SIGINT, getattr(signal, "SIGQUIT", signal.SIGINT)}
"""What a terminal sends to the command by itself, since it is in the same process group."""

_KEYS = {"openai": ("OPENAI_API_KEY",), "anthropic": ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN")}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.epilog = EXAMPLES
    parser.add_argument("--config", metavar="FILE", help="read FILE instead of ./penstock.toml")
    parser.add_argument("words", metavar="-- CMD", nargs=argparse.REMAINDER, help="the command and its arguments")
    parser.set_defaults(json=False)


def run(options: argparse.Namespace) -> int:
    """Run the command; its exit code."""
    words: list[str] = options.words[1:] if options.words[:1] == ["--"] else options.words
    if not words:
        raise BadInput("no command is named", mend="write it behind two dashes: penstock run -- CMD")
    return asyncio.run(_run(words, load(options.config)))


def environment(address: str, given: Mapping[str, str], families: Collection[str]) -> dict[str, str]:
    """The environment of a command whose model calls go to the gateway at ``address``.

    An SDK insists on a key: where the gateway serves a family of clients and they have none, a placeholder stands in.
    Proxies are for hosts elsewhere.

    >>> environment("http://127.0.0.1:1", {}, ["openai"])["OPENAI_BASE_URL"]
    'http://127.0.0.1:1/v1'
    """
    root = address.rstrip("/")
    made = {**given, "OPENAI_BASE_URL": f"{root}/v1", "OPENAI_API_BASE": f"{root}/v1", "ANTHROPIC_BASE_URL": root}
    for family, names in _KEYS.items():
        if family in families and not any(given.get(name) for name in names):
            made[names[0]] = PLACEHOLDER
    for name in ("NO_PROXY", "no_proxy"):
        made[name] = ",".join([*filter(None, [given.get(name)]), "127.0.0.1", "localhost"])
    return made


async def _run(words: Sequence[str], settings: Settings) -> int:
    """The gateway and the command. It knows no virtual keys: who runs the command is its only client."""
    runtime = await build(reachable(settings), shared=True)
    try:
        async with serving(runtime, "127.0.0.1", 0, at=home() / "run") as address:
            families = {described.dialect for described in settings.providers.values()}
            code = await _attached(words, environment(address, os.environ, families))
    finally:
        await runtime.close()
    say(f"penstock: {runtime.receipts.total('')}")
    return code


async def _attached(words: Sequence[str], variables: Mapping[str, str]) -> int:
    """Run a command on this terminal; its exit code as a shell tells it: 128 and the signal that ended it."""
    try:
        child = await asyncio.create_subprocess_exec(*words, env=variables)
    except (FileNotFoundError, NotADirectoryError):
        say(f"penstock: there is no command {words[0]!r}")
        return 127
    except (OSError, ValueError) as error:
        say(f"penstock: {words[0]!r} cannot be run: {getattr(error, 'strerror', None) or error}")
        return 126
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
