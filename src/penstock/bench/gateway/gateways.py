"""The gateways that are measured, each started as its own documentation says for production, with one worker.

Penstock     `penstock serve`, with all settings at their defaults
bare relay   `penstock.bench.gateway.relay`
litellm      its "best practices for production": one uvicorn worker, LITELLM_MODE=PRODUCTION, LITELLM_LOG=ERROR, no
             database, no debug logs. Prices from its package: it would wait for a download on machines without web
Portkey      its server for Node.js without the page for people, NODE_ENV=production. Headers name the upstream
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import msgspec

from penstock.bench.gateway.load import Target
from penstock.bench.gateway.processes import Process, clean, free_port, spawned

__all__ = ["PEERS", "Gateway", "Peer", "penstock", "upstream"]

_PEERS = Path(__file__).parents[4] / ".peers"
"""What `scripts/peers` makes."""
_LITELLM = _PEERS / "litellm"
_PORTKEY = _PEERS / "portkey/node_modules/@portkey-ai/gateway"

_KEY = "sk-bench"
_HEADERS = {"authorization": f"Bearer {_KEY}", "x-api-key": _KEY, "anthropic-version": "2023-06-01"}
_MODELS = {"openai": "gpt-4o-mini", "anthropic": "claude-haiku-4-5"}


class Gateway(msgspec.Struct, frozen=True):
    """A gateway that was started; whether it answers yet, `penstock.bench.gateway.start` finds out."""

    process: Process
    url: str
    headers: Mapping[str, Mapping[str, str]] = {}
    """Headers that its clients send besides the usual ones, by family of the request."""

    @property
    def name(self) -> str:
        """How figures call it."""
        return self.process.name

    def target(self, family: str) -> Target:
        """How the load asks it."""
        return Target(self.url, {**_HEADERS, **self.headers.get(family, {})}, _MODELS[family])


class Peer(msgspec.Struct, frozen=True):
    """Who is compared."""

    name: str
    start: Callable[[Path, str], AbstractContextManager[Gateway]]
    """Given a folder and the address of the upstream."""
    there: Callable[[], bool] = lambda: True
    """Whether it is installed."""


@contextmanager
def upstream(folder: Path) -> Generator[Gateway]:
    """The upstream of all; it is asked like a gateway."""
    port = free_port()
    command = [sys.executable, "-m", "penstock.bench.gateway.upstream", "--port", str(port)]
    with spawned("upstream", command, folder, clean()) as process:
        yield Gateway(process, f"http://127.0.0.1:{port}")


@contextmanager
def penstock(folder: Path, upstream: str) -> Generator[Gateway]:
    """Penstock as its users start it."""
    port = free_port()
    env = clean(
        PENSTOCK_HOME=str(folder / "home"),
        PENSTOCK_OPENAI_BASE_URL=f"{upstream}/v1",
        PENSTOCK_ANTHROPIC_BASE_URL=upstream,
        OPENAI_API_KEY=_KEY,
        ANTHROPIC_API_KEY=_KEY,
    )
    command: list[str | Path] = [Path(sys.executable).with_name("penstock"), "serve", "--port", str(port)]
    with spawned("penstock", command, folder, env) as process:
        yield Gateway(process, f"http://127.0.0.1:{port}")


@contextmanager
def _relay(folder: Path, upstream: str) -> Generator[Gateway]:
    port = free_port()
    command = [sys.executable, "-m", "penstock.bench.gateway.relay", "--port", str(port), "--upstream", upstream]
    with spawned("bare relay", command, folder, clean()) as process:
        yield Gateway(process, f"http://127.0.0.1:{port}")


@contextmanager
def _litellm(folder: Path, upstream: str) -> Generator[Gateway]:
    port = free_port()
    folder.mkdir(parents=True)
    bases = {"openai": f"{upstream}/v1", "anthropic": upstream}
    served = [
        {"model_name": model, "litellm_params": {"model": f"{name}/{model}", "api_base": bases[name], "api_key": _KEY}}
        for name, model in _MODELS.items()
    ]
    settings = {
        "model_list": served,
        "general_settings": {"master_key": _KEY},
        "litellm_settings": {"request_timeout": 600, "set_verbose": False, "json_logs": True},
    }
    config = folder / "config.yaml"
    config.write_bytes(msgspec.json.encode(settings))  # JSON is YAML
    env = clean(HOME=str(folder), LITELLM_MODE="PRODUCTION", LITELLM_LOG="ERROR", LITELLM_LOCAL_MODEL_COST_MAP="True")
    command: list[str | Path] = [_LITELLM / "bin/litellm", "--config", config, "--host", "127.0.0.1"]
    with spawned("litellm", [*command, "--port", str(port), "--num_workers", "1"], folder, env) as process:
        yield Gateway(process, f"http://127.0.0.1:{port}")


@contextmanager
def _portkey(folder: Path, upstream: str) -> Generator[Gateway]:
    port = free_port()
    env = clean(HOME=str(folder), NODE_ENV="production", TRUSTED_CUSTOM_HOSTS="127.0.0.1")
    command: list[str | Path] = ["node", _PORTKEY / "build/start-server.js", "--headless", f"--port={port}"]
    headers = {
        name: {"x-portkey-provider": name, "x-portkey-custom-host": f"{upstream}/v1"}
        for name in ("openai", "anthropic")
    }
    with spawned("Portkey", command, folder, env) as process:
        yield Gateway(process, f"http://127.0.0.1:{port}", headers)


PEERS = (
    Peer("bare relay", _relay),
    Peer("litellm", _litellm, lambda: (_LITELLM / "bin/litellm").exists()),
    Peer("Portkey", _portkey, lambda: _PORTKEY.exists() and shutil.which("node") is not None),
)
