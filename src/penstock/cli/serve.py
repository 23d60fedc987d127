"""``penstock serve``: the gateway."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys

import msgspec

from penstock.cli.run import say, shared
from penstock.config import Settings, load
from penstock.errors import BadInput
from penstock.gateway.clients import PLACEHOLDER
from penstock.gateway.serve import SEATS, check_host, reachable, serve
from penstock.gateway.server import address, bind

__all__ = ["arguments", "run"]

EXAMPLES = """examples:
  penstock serve
  penstock serve --port 0 --json
  penstock serve --host 0.0.0.0 --workers 4      # needs a key: penstock key add NAME

Clients need no change but their base URL:
  OPENAI_BASE_URL=http://127.0.0.1:8080/v1  ANTHROPIC_BASE_URL=http://127.0.0.1:8080"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.epilog = EXAMPLES
    parser.add_argument("--host", metavar="ADDRESS", default="127.0.0.1", help="where to listen (127.0.0.1)")
    parser.add_argument("--port", metavar="N", type=int, default=8080, help="0: any free one (8080)")
    parser.add_argument("--workers", metavar="N", type=int, default=1, help="processes that share the work (1)")
    parser.add_argument(
        "--max-concurrency", metavar="N", type=int, default=SEATS, help=f"exchanges at once in each process ({SEATS})"
    )
    shared(parser)


def run(options: argparse.Namespace) -> int:
    """Serve until SIGTERM or Ctrl-C; then what is under way may end."""
    if options.workers < 1 or options.max_concurrency < 1:
        raise BadInput("--workers and --max-concurrency are at least 1")
    if not 0 <= options.port <= 65535:
        raise BadInput(f"--port {options.port} is no port", mend="use 1 to 65535, or 0 for any free one")
    settings = reachable(load(options.config))
    keyed = asyncio.run(check_host(options.host))
    sock = bind(options.host, options.port)
    url = address(sock)  # asked now: the socket is closed when the server stops
    return serve(
        settings,
        sock,
        seats=options.max_concurrency,
        workers=options.workers,
        ready=lambda: _tell(url, keyed, settings, options),
    )


def _tell(url: str, keyed: bool, settings: Settings, options: argparse.Namespace) -> None:
    """Say where it listens, and what to export."""
    exports = {"OPENAI_BASE_URL": f"{url}/v1", "ANTHROPIC_BASE_URL": url}
    if options.json:
        told = {"url": url, "export": exports, "keys": keyed, "workers": options.workers}
        sys.stdout.write(msgspec.json.encode(told).decode() + "\n")
        sys.stdout.flush()
        return
    say(f"penstock: serving at {url}")
    with_key = {name: each.key_env for name, each in settings.providers.items() if os.environ.get(each.key_env)}
    for name, described in settings.providers.items():
        key = f"the key in {with_key[name]}" if name in with_key else "the key that a client shows"
        say(f"penstock: upstream {name}: {described.base_url}, with {key}")
    if keyed:
        say("penstock: each client needs a key of this gateway: penstock key list")
    else:
        say("penstock: there are no keys, so this machine alone is served; penstock key add NAME makes one")
    word = f" (one that insists on a key takes the word {PLACEHOLDER!r})" if with_key and not keyed else ""
    say(f"penstock: in the shell of a client{word}:")
    for name, value in exports.items():
        sys.stdout.write(f"export {name}={value}\n")
    sys.stdout.flush()
