"""Putting the gateway together: settings in, a server that answers out; in one process, or in several that share."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from penstock.config import EMBEDDED, KNOWN, Settings, home
from penstock.errors import BadInput
from penstock.gateway.app import App
from penstock.gateway.clients import Clients
from penstock.gateway.desk import Desk
from penstock.gateway.metrics import Metrics, Shared
from penstock.gateway.models import Models
from penstock.gateway.names import Names
from penstock.gateway.rates import SqliteBuckets
from penstock.gateway.server import Server, address, bind, is_loopback, loop_factory
from penstock.providers.breaker import Breaker
from penstock.providers.port import Fetcher
from penstock.runtime import Runtime, build
from penstock.stores.keys_sqlite import SqliteKeys

__all__ = ["application", "check_host", "reachable", "serve", "serving"]

_log = logging.getLogger("penstock")


def reachable(settings: Settings) -> Settings:
    """The same, with the vendor's own address for each family that nobody else serves.

    Its key is then the client's own, passed on.
    """
    if settings.provider == EMBEDDED:
        return settings
    spoken = {described.dialect for described in settings.providers.values()}
    missing = {name: known for name, known in KNOWN.items() if known.dialect not in spoken}
    return msgspec.structs.replace(settings, providers={**settings.providers, **missing})


@asynccontextmanager
async def application(
    runtime: Runtime,
    *,
    at: str | os.PathLike[str] | None = None,
    seats: int | None = None,
    most_bytes: int | None = None,
    counters: Shared | None = None,
    worker: int = 0,
    given: frozenset[str] = frozenset(),
) -> AsyncGenerator[App]:
    """The ASGI application in front of a runtime, whose providers get their circuit breakers here.

    ``at`` is the folder with the virtual keys. ``seats``, how many exchanges run at once, and ``most_bytes`` of a
    request are by default what the settings say under ``[gateway]``. ``worker`` is the row of ``counters`` that is this
    process's. ``given`` names providers whose key does not come from the environment.
    """
    engine, settings = runtime.engine, runtime.settings
    takes = settings.gateway
    folder = home(at)
    ring = SqliteKeys(folder, warn=_log.warning)
    buckets = await SqliteBuckets.at(folder / "rates.sqlite", warn=_log.warning)
    clients = Clients(ring, engine.admission, engine.clock, buckets=buckets)
    desk = Desk(engine.clock, seats=seats or takes.max_concurrency, most_waiting=takes.max_waiting)
    metrics = Metrics(
        counters,
        worker,
        lambda: desk.seated,
        engine.prefixes.memory.seen,
        restored=lambda: 0 if worker else engine.originals.restored,  # one tells what is known to all
    )
    engine.sinks = (*engine.sinks, metrics)
    providers = runtime.by_dialect()
    fetchers = {name: each for name, each in engine.providers.items() if isinstance(each, Fetcher)}
    keyed = frozenset(name for name, each in settings.providers.items() if os.environ.get(each.key_env))
    engine.providers = {name: Breaker(each, engine.clock) for name, each in engine.providers.items()}
    try:
        yield App(
            runtime,
            clients=clients,
            desk=desk,
            names=Names(providers, settings),
            models=Models(providers, settings, fetchers, engine.clock),
            metrics=metrics,
            keyed=keyed | given,
            most_bytes=most_bytes or takes.max_body_bytes,
        )
    finally:
        await clients.close()


@asynccontextmanager
async def serving(runtime: Runtime, host: str = "127.0.0.1", port: int = 0, **options: Any) -> AsyncGenerator[str]:
    """A gateway in front of a runtime, on the running loop, until the context ends: its address.

    ``options`` are those of `application`. Raises `BadInput` when the address cannot be had.
    """
    sock = bind(host, port)
    async with application(runtime, **options) as app:
        up = asyncio.Event()
        server = Server(app, ready=up.set)
        task = asyncio.create_task(server.serve([sock]))
        try:
            await up.wait()
            yield address(sock)
        finally:
            server.stop()
            await task


async def check_host(host: str, at: str | os.PathLike[str] | None = None) -> bool:
    """Whether clients need a key. Raises `BadInput` for an address that others reach while nobody has one."""
    ring = SqliteKeys(home(at), warn=_log.warning)
    try:
        keyed = bool((await ring.ring()).keys)
    finally:
        await ring.close()
    if not keyed and not is_loopback(host):
        hint = "make one: penstock key add NAME; or listen on 127.0.0.1"
        raise BadInput(
            f"without virtual keys nobody but this machine is served, and {host} is reached by others", mend=hint
        )
    return keyed


def serve(
    settings: Settings,
    sock: socket.socket,
    *,
    workers: int = 1,
    ready: Callable[[], None] = lambda: None,
) -> int:
    """Serve on a bound socket until SIGTERM or SIGINT, and let what is under way end; the exit code."""
    if workers > 1:
        from penstock.gateway.workers import supervise

        counters = Shared(workers)
        return supervise(workers, lambda worker, up: _run(settings, sock, up, counters, worker), ready, sock.close)
    _run(settings, sock, ready)
    return 0


def _run(
    settings: Settings,
    sock: socket.socket,
    ready: Callable[[], None],
    counters: Shared | None = None,
    worker: int = 0,
) -> None:
    """One process of the server, from beginning to end."""

    async def main() -> None:
        takes = settings.gateway
        wide = msgspec.structs.replace(settings, max_concurrency=takes.max_concurrency)
        runtime = await build(wide, shared=True, fit=True)
        try:
            async with application(runtime, counters=counters, worker=worker) as app:
                _settle_in()
                server = Server(app, ready=ready, drain=takes.drain)
                server.stop_on_signals()
                await server.serve([sock])
        finally:
            await runtime.close()

    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(main())


def _settle_in() -> None:
    """Take what is there now out of the garbage collector's sight, and let it look less often.

    A collection stops the world: at its usual pace it took a fifth of the time under load, and seconds of it at once.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)
