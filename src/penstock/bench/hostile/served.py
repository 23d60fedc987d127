"""A gateway as its users start it, looked at from outside: memory, log, holds, health."""

from __future__ import annotations

import asyncio
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec

from penstock.bench.gateway.processes import Process, clean, spawned
from penstock.bench.hostile.shot import Shot, fire, request
from penstock.values.shape import mapping

__all__ = ["Gate", "gate"]

_CONFIG = """
[providers.openai]
dialect = "openai"
base_url = "{url}"
key_env = "BENCH_KEY"
models = ["mine"]
small = "mine-small"
large = "mine-large"

[providers.anthropic]
dialect = "anthropic"
base_url = "{url}"
key_env = "BENCH_KEY"
models = ["mine"]
small = "mine-small"
large = "mine-large"

[prices.mine]
input = "1.00"
output = "2.00"
"""

_URL = re.compile(r'"url":"http://127\.0\.0\.1:(\d+)"')
_HOST = b"\r\nhost: localhost\r\n"


class Gate(msgspec.Struct, frozen=True):
    """A gateway that runs."""

    process: Process
    port: int
    home: Path
    keys: tuple[str, ...] = ()
    """Its virtual keys: one without limits, and one that may do little. None: it serves without."""

    @property
    def url(self) -> str:
        """Its base URL."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        return "127.0.0.1", self.port

    def key(self, number: int) -> str:
        """The key of request ``number``: the poor one for every eighth. Empty where none is needed."""
        return self.keys[number % 8 == 7] if self.keys else ""

    def shown(self, shot: Shot, number: int) -> Shot:
        """The shot with a key in each whole head that says where it goes."""
        if not self.keys:
            return shot
        told = _HOST + f"authorization: Bearer {self.key(number)}\r\n".encode()
        return msgspec.structs.replace(shot, pieces=tuple(piece.replace(_HOST, told) for piece in shot.pieces))

    async def call(self, body: bytes) -> int:
        """The status of one ordinary call."""
        shot = Shot((request("POST", "/v1/chat/completions", [("connection", "close")], body),))
        (answer,) = await fire(self.address, self.shown(shot, 0))
        return answer.status

    async def health(self) -> dict[str, Any]:
        """What it says of itself."""
        (answer,) = await fire(self.address, Shot((request("GET", "/health"),)))
        return mapping(msgspec.json.decode(answer.body))

    async def busy(self) -> int:
        """Exchanges that run or wait now."""
        health = await self.health()
        return int(health["in_flight"]) + int(health["waiting"])

    async def quiet(self) -> None:
        """Wait until nothing runs or waits any more."""
        while await self.busy():  # noqa: ASYNC110  it is another process
            await asyncio.sleep(0.01)

    def holds(self) -> int:
        """Amounts that are set aside now."""
        with closing(sqlite3.connect(f"file:{self.home / 'holds.sqlite'}?mode=ro", uri=True)) as connection:
            found: int = connection.execute("SELECT count(*) FROM holds").fetchone()[0]
            return found

    def complaints(self) -> list[str]:
        """Lines of its log that say that something went wrong inside."""
        lines = self.process.log.read_text(errors="replace").splitlines()
        return [line for line in lines if "Traceback" in line or "never retrieved" in line or " failed" in line]


@contextmanager
def gate(folder: Path, upstream: str, *, keyed: bool) -> Generator[Gate]:
    """A gateway in front of an upstream, with virtual keys or without, until the context ends."""
    folder.mkdir(parents=True)
    config = folder / "penstock.toml"
    config.write_text(_CONFIG.format(url=upstream))
    env = clean(PENSTOCK_HOME=str(folder / "home"), BENCH_KEY="sk-bench")
    made = (_key(env, "free"), _key(env, "poor", "--budget", "1c", "--rpm", "60")) if keyed else ()
    command = [sys.executable, "-m", "penstock", "serve", "--port", "0", "--json", "--config", str(config)]
    name = "gateway with keys" if keyed else "gateway"
    with spawned(name, command, folder, env) as process:
        yield Gate(process, _port(process), folder / "home", made)


def _port(process: Process) -> int:
    """Where it listens, as it says when it is ready. Raises `Broken` when it ends before that."""
    while not (found := _URL.search(process.log.read_text())):
        process.check()
        time.sleep(0.05)
    return int(found[1])


def _key(env: dict[str, str], name: str, *options: str) -> str:
    """A new virtual key."""
    command = [sys.executable, "-m", "penstock", "key", "add", name, "--json", *options]
    told = subprocess.run(command, env=env, check=True, capture_output=True).stdout
    key: str = msgspec.json.decode(told)["key"]
    return key
