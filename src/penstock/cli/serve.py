"""``penstock serve``: the gateway."""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import os
import socket
import sys

import msgspec

from penstock.cli.addresses import host, shown_address
from penstock.cli.run import say, shared
from penstock.cli.upstreams import unfollowed
from penstock.config import GatewaySettings, Settings, load
from penstock.errors import BadInput
from penstock.gateway.clients import PLACEHOLDER
from penstock.gateway.serve import check_host, reachable, serve
from penstock.gateway.server import address, bind, is_loopback

__all__ = ["arguments", "run"]

EXAMPLES = """examples:
  penstock serve
  penstock serve --port 0 --json
  penstock serve --host 0.0.0.0 --workers 4      # needs a virtual key: penstock key add NAME

Clients need no change but their base URL:
  OPENAI_BASE_URL=http://127.0.0.1:8080/v1  ANTHROPIC_BASE_URL=http://127.0.0.1:8080
The gateway itself does not follow these: PENSTOCK_OPENAI_BASE_URL, PENSTOCK_ANTHROPIC_BASE_URL or penstock.toml name
its upstreams. The last four options may also stand there, under [gateway], as max_concurrency = 64 and so on."""

_USUAL = GatewaySettings()
_LIMITS = {
    "max_concurrency": ("N", f"exchanges at once in each process ({_USUAL.max_concurrency})"),
    "max_waiting": ("N", "how many may wait for their turn (twice as many, at least 256)"),
    "max_body_bytes": ("BYTES", f"the longest request ({_USUAL.max_body_bytes})"),
    "drain": ("SECONDS", f"how long what is under way may go on after SIGTERM or Ctrl-C ({_USUAL.drain})"),
}
"""The options that are also settings."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.epilog = EXAMPLES
    parser.add_argument("--host", metavar="ADDRESS", default="127.0.0.1", help="where to listen (127.0.0.1)")
    parser.add_argument("--port", metavar="N", type=int, default=8080, help="0: any free one (8080)")
    parser.add_argument("--workers", metavar="N", type=int, default=1, help="processes that share the work (1)")
    shared(parser)
    for name, (value, text) in _LIMITS.items():
        parser.add_argument(f"--{name.replace('_', '-')}", metavar=value, type=int, help=text)


def run(options: argparse.Namespace) -> int:
    """Serve until SIGTERM or Ctrl-C; then what is under way may end."""
    if options.workers < 1:
        raise BadInput(f"--workers {options.workers} is too few", mend="at least 1")
    if not 0 <= options.port <= 65535:
        raise BadInput(f"--port {options.port} is no port", mend="use 1 to 65535, or 0 for any free one")
    settings = _with_limits(reachable(load(options.config)), options)
    keyed = asyncio.run(_looked_at(settings, options.host))
    sock = bind(options.host, options.port)
    listening, url = address(sock), _connectable(sock)  # asked now: the socket is closed when the server stops
    return serve(settings, sock, workers=options.workers, ready=lambda: _tell(listening, url, keyed, settings, options))


def _with_limits(settings: Settings, options: argparse.Namespace) -> Settings:
    """The settings with those limits that are options of this command. Raises `ConfigError`."""
    given = {name: value for name in _LIMITS if (value := getattr(options, name)) is not None}
    return msgspec.structs.replace(settings, gateway=msgspec.structs.replace(settings.gateway, **given).checked())


async def _looked_at(settings: Settings, host: str) -> bool:
    """Whether clients need a virtual key. What a person may not expect is said before anything is served."""
    keyed = await check_host(host)
    for line in await unfollowed(settings, os.environ):
        say(f"penstock: {line}")
    return keyed


def _connectable(sock: socket.socket) -> str:
    """The base URL to connect to: for a socket that listens everywhere, with an address by which others find it."""
    url, here = address(sock), sock.getsockname()[0]
    if not ipaddress.ip_address(here.partition("%")[0]).is_unspecified:
        return url
    six = sock.family == socket.AF_INET6
    # Addresses for documentation (RFC 5737, RFC 3849): it is asked by which way they would be reached, nothing is sent.
    anywhere, loopback = ("2001:db8::1", "::1") if six else ("192.0.2.1", "127.0.0.1")
    with socket.socket(sock.family, socket.SOCK_DGRAM) as way:
        try:
            way.connect((anywhere, 9))
            found = way.getsockname()[0]
        except OSError:
            found = loopback
    return url.replace(f"[{here}]" if six else here, f"[{found}]" if six else found)


def _everywhere(url: str) -> str:
    """What it means to listen at all addresses, for whoever wants to connect."""
    alone = "the only one that is known, for this machine alone" if is_loopback(host(url)) else "for others too"
    return f", every address of this machine; one to connect to, {alone}: {url}"


def _tell(listening: str, url: str, keyed: bool, settings: Settings, options: argparse.Namespace) -> None:
    """Say where it listens, and what to export."""
    exports = {"OPENAI_BASE_URL": f"{url}/v1", "ANTHROPIC_BASE_URL": url}
    if options.json:
        told = {"url": url, "export": exports, "keys": keyed, "workers": options.workers}
        sys.stdout.write(msgspec.json.encode(told).decode() + "\n")
        sys.stdout.flush()
        return
    say(f"penstock: serving at {listening}{_everywhere(url) if listening != url else ''}")
    with_key = {name: each.key_env for name, each in settings.providers.items() if os.environ.get(each.key_env)}
    for name, described in settings.providers.items():
        key = f"the key in {with_key[name]}" if name in with_key else "the key that a client shows"
        say(f"penstock: upstream {name}: {shown_address(described.base_url)}, with {key}")
    if keyed:
        say("penstock: each client needs a virtual key of this gateway: penstock key list")
    else:
        say("penstock: there are no virtual keys, so this machine alone is served; penstock key add NAME makes one")
    word = f" (one that insists on a key takes the word {PLACEHOLDER!r})" if with_key and not keyed else ""
    say(f"penstock: in the shell of a client{word}:")
    for name, value in exports.items():
        sys.stdout.write(f"export {name}={value}\n")
    sys.stdout.flush()
