"""``penstock doctor``: does everything work, and if not, how is it mended?"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

from penstock import __version__
from penstock.cli.addresses import PATIENCE, get, is_penstock, json_object, root, shown_address
from penstock.cli.clients import BYPASSES, KEYS, POINTERS
from penstock.cli.run import print_json, say, shared
from penstock.config import Settings, home, load
from penstock.errors import ConfigError, PenstockError
from penstock.values.shape import entries, mapping

__all__ = ["arguments", "run"]

EXAMPLES = """examples:
  penstock doctor
  penstock doctor --online
  OPENAI_BASE_URL=http://127.0.0.1:8080/v1 penstock doctor --json

Exits 1 when something does not work. Keys are looked for, never shown."""

_RELEASED = 1_793_491_200.0
"""November 2026: a clock before that is wrong."""
_SLOW_MS = 500.0
_USUAL = "http://127.0.0.1:8080"
"""Where ``penstock serve`` listens when nothing else is said."""


class Check(msgspec.Struct, frozen=True):
    """What was looked at, and how it is."""

    name: str
    state: Literal["ok", "note", "fails"]
    told: str
    mend: str = ""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.epilog = EXAMPLES
    parser.add_argument(
        "--online", action="store_true", help="ask for models as well: each provider, and whoever clients are led to"
    )
    shared(parser)


def run(options: argparse.Namespace) -> int:
    """Look at everything; 1 when something does not work."""
    checks = list(_here())
    try:
        settings = load(options.config)
        checks.append(Check("configuration", "ok", options.config or _found("penstock.toml")))
        checks += [*_providers(settings), *asyncio.run(_asked(settings, online=options.online))]
    except ConfigError as error:
        checks.append(Check("configuration", "fails", error.message, error.mend))
    fails = sum(check.state == "fails" for check in checks)
    if options.json:
        print_json({"ok": not fails, "checks": [msgspec.to_builtins(check) for check in checks]})
    else:
        for check in checks:
            mend = f"  ->  {check.mend}" if check.mend else ""
            sys.stdout.write(f"{check.state:<6} {check.name}: {check.told}{mend}\n")
    return 1 if fails else 0


# This machine ---------------------------------------------------------------------------------------------------------


def _here() -> Iterator[Check]:
    version = sys.version.split()[0]
    yield Check("python", "ok", f"Python {version}, penstock {__version__}")
    yield _start_up()
    folder = home()
    yield _clock(folder)
    yield _writable(folder)
    for file in sorted(folder.glob("*.sqlite")):
        yield _sound(file)
    aside = sorted(file.name for file in folder.glob("*.corrupt-[0-9]*") if not file.name.endswith(("-wal", "-shm")))
    if aside:
        yield Check(
            "set aside", "note", ", ".join(aside), "damaged files of the past: delete them when they are examined"
        )


def _start_up() -> Check:
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-m", "penstock", "--version"], check=False, capture_output=True, text=True)
    took = 1000 * (time.perf_counter() - began)
    if done.returncode:
        return Check(
            "start", "fails", (done.stderr.splitlines() or ["it does not start"])[-1], "install penstock again"
        )
    told = f"penstock starts in {took:.0f} ms"
    if took <= _SLOW_MS:
        return Check("start", "ok", told)
    return Check("start", "note", told, "a slow disk, a virus scanner, or PYTHONDONTWRITEBYTECODE may be why")


def _clock(folder: Path) -> Check:
    """Prices, budgets and expiry go by the clock."""
    now = time.time()
    newest = max((file.stat().st_mtime for file in folder.glob("*")), default=0.0)
    if now < _RELEASED or now < newest - 86_400:
        return Check("clock", "fails", time.strftime("it is %Y-%m-%d here", time.gmtime(now)), "set the clock")
    return Check("clock", "ok", time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(now)))


def _writable(folder: Path) -> Check:
    nearest = next(parent for parent in [folder, *folder.absolute().parents] if parent.exists())
    try:
        with tempfile.TemporaryFile(dir=nearest):
            pass
    except OSError as error:
        why = error.strerror or str(error)
        return Check(
            "home", "fails", f"{folder}: {why}", "check its permissions, or set PENSTOCK_HOME to another folder"
        )
    if nearest == folder and folder.stat().st_mode & 0o022 and os.name == "posix":
        return Check("home", "note", f"others may write to {folder}", f"chmod 700 {folder}")
    return Check("home", "ok", str(folder))


def _sound(file: Path) -> Check:
    try:
        uri = f"{file.absolute().as_uri()}?mode=ro"
        with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=2)) as connection:
            said = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
    except sqlite3.Error as error:
        said = str(error)
    if said == "ok":
        return Check(file.name, "ok", f"sound, {file.stat().st_size:,} bytes")
    if file.name == "keys.sqlite":
        return Check(
            file.name, "fails", f"{said}: the gateway lets nobody in", "restore it, or delete it and keys.pepper"
        )
    return Check(file.name, "fails", said, "end the program that uses it, or move the file away: a new one is begun")


def _found(name: str) -> str:
    return name if Path(name).is_file() else "the environment alone"


# What is configured, and what answers ---------------------------------------------------------------------------------


def _providers(settings: Settings) -> Iterator[Check]:
    if not settings.providers:
        told = "none: the embedded reader answers"
        yield Check("providers", "note", told, "set OPENAI_API_KEY or ANTHROPIC_API_KEY, or write a penstock.toml")
    for name, described in settings.providers.items():
        told = f"{described.dialect} at {shown_address(described.base_url)}"
        if not described.key_env:
            yield Check(name, "ok", f"{told}, without a key")
        elif os.environ.get(described.key_env):
            yield Check(name, "ok", f"{told}, {described.key_env} is set")
        else:
            yield Check(
                name, "note", f"{told}, {described.key_env} is not set", "clients have to send keys of their own"
            )


async def _asked(settings: Settings, *, online: bool) -> list[Check]:
    found = await _keys()
    pointed = {name: os.environ[name] for name in POINTERS if os.environ.get(name)}
    for name, address in pointed.items():
        found.append(await _pointed(name, address, online=online))
    if not pointed:
        found.append(await _unpointed())
    found += _past()
    return found + (await _online(settings) if online else [])


async def _keys() -> list[Check]:
    from penstock.stores.keys import KeysUnreadable
    from penstock.stores.keys_sqlite import SqliteKeys

    keys = SqliteKeys(home(), warn=say)
    try:
        count = len((await keys.ring()).keys)
    except KeysUnreadable as error:
        return [Check("virtual keys", "fails", error.message, error.mend)]
    finally:
        await keys.close()
    return [
        Check(
            "virtual keys", "ok", f"{count}: each request needs one" if count else "none: this machine alone is served"
        )
    ]


async def _unpointed() -> Check:
    """No variable leads anywhere: where would one?"""
    told = "no variable leads them to a gateway here"
    try:
        _, body = await get(f"{_USUAL}/health")
    except OSError:
        body = b""
    mend = "penstock serve tells what to export"
    if is_penstock(body):
        mend = f"one serves at {_USUAL}: export OPENAI_BASE_URL={_USUAL}/v1 ANTHROPIC_BASE_URL={_USUAL}"
    return Check("clients", "note", told, f"{mend}; or run one command: penstock run -- CMD")


def _past() -> Iterator[Check]:
    """What goes past a gateway though a variable leads there."""
    for name in BYPASSES:
        if os.environ.get(name):
            yield Check(name, "note", "it is set, so Claude Code asks that cloud and no gateway", f"unset {name}")
    if shutil.which("codex"):
        yield Check(
            "codex", "note", "it follows no variable", "penstock run -- codex; or a provider in its config.toml"
        )


async def _pointed(variable: str, address: str, *, online: bool) -> Check:
    """Whether clients that follow the variable come to a penstock that lets them in."""
    family = variable.partition("_")[0].lower()
    gateway = root(address)
    told = f"it leads to {shown_address(address)}"
    scheme, _, host = gateway.partition("://")
    if not host or scheme not in {"http", "https"}:
        return Check(variable, "fails", f"{told}, which is no address", f"write http:// before it: {_USUAL}")
    try:
        health, body = await get(f"{gateway}/health")
    except OSError as error:
        mend = "start it: penstock serve" if scheme == "http" else "a penstock is asked with http://, not https://"
        return Check(variable, "fails", f"{told}, where nobody answers ({error})", mend)
    if health != 200 or not is_penstock(body):
        mend = f"set it to what penstock serve tells; a server to ask is named in PENSTOCK_{family.upper()}_BASE_URL"
        return Check(variable, "fails", f"{told}, which is no penstock", mend)
    return await _let_in(variable, family, gateway, told, online=online)


async def _let_in(variable: str, family: str, gateway: str, told: str, *, online: bool) -> Check:
    """Whether the penstock at ``gateway`` serves a client with the keys that are set here."""
    names = KEYS[family]
    named = next((name for name in reversed(names) if os.environ.get(name)), "")
    shown = {"authorization": f"Bearer {os.environ[named]}"} if named else {}
    version = {"anthropic-version": "2023-06-01"} if family == "anthropic" else {}
    status, body = await get(f"{gateway}/{'v1/models' if online else 'metrics'}", {**shown, **version})
    if status != 200:
        said = str(mapping(json_object(body).get("error")).get("message") or "no word")
        mend = f"set {named or names[0]} to a virtual key of this gateway, or a key that its provider knows"
        return Check(variable, "fails", f"{told}, a penstock that answers {status} to this client: {said}", mend)
    if not named:
        mend = f"an SDK insists on one: export {names[0]}=penstock, or your own"
        return Check(variable, "note", f"{told}, a penstock; no key is set for it", mend)
    if _proxied(gateway):
        return Check(variable, "note", f"{told}, and a proxy is set for it", "export NO_PROXY=127.0.0.1,localhost")
    if not online:
        return Check(variable, "ok", f"{told}, a penstock that lets this client in")
    models = len(entries(json_object(body).get("data")))
    if not models:
        mend = "describe a provider of that family in its penstock.toml"
        return Check(variable, "fails", f"{told}, a penstock that lists no models of {family}", mend)
    return Check(variable, "ok", f"{told}, a penstock that lets this client in and lists {models} models")


def _proxied(address: str) -> bool:
    """Whether a client that follows the usual variables asks a proxy for this address."""
    from urllib.parse import urlsplit
    from urllib.request import getproxies, proxy_bypass

    parts = urlsplit(address)
    return parts.scheme in getproxies() and not proxy_bypass(parts.hostname or "")


async def _online(settings: Settings) -> list[Check]:
    """Each provider that there is a key for, asked for its models: that is free."""
    from penstock.providers.port import Fetcher
    from penstock.runtime import build

    found: list[Check] = []
    runtime = await build(settings)
    try:
        for name, provider in runtime.engine.providers.items():
            if not isinstance(provider, Fetcher):
                continue
            try:
                deadline = runtime.engine.clock.monotonic() + PATIENCE
                listed = await provider.fetch("models", deadline=deadline)
                models = len(entries(json_object(listed.body).get("data")))
                found.append(Check(f"{name} online", "ok", f"lists {models} models"))
            except PenstockError as error:
                found.append(Check(f"{name} online", "fails", error.message, error.mend))
    finally:
        await runtime.close()
    return found
