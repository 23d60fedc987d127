"""Clients that leave: at every point of an exchange, by the thousand, and then nothing may be left of them.

Clients, gateway and upstream are in this process, on real sockets. All who take part go by turns of the event loop and
not by the clock, and leave when something is seen to be so; where, is drawn from a seed. Two stages: one without keys
whose holds lie in memory, one with keys and budgets whose holds lie in a file, as several workers would share them.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import random
import sqlite3
import tempfile
from pathlib import Path
from typing import Any

import msgspec

from penstock.bench.disconnects.stage import SEATS, Stage, stage
from penstock.bench.disconnects.visits import Visit, arrive, turns, visits
from penstock.bench.figure import Figure, measured
from penstock.flight import Flight
from penstock.gateway.server import loop_factory
from penstock.ledger import NOTHING
from penstock.stores.holds import above
from penstock.ticket import Ticket

__all__ = ["Aftermath", "run", "storm"]

DEPARTURES = 5000
CROWD = 60
"""Clients at once: more than there are seats, so that some leave while they queue."""
TURNS = 100_000
"""Turns of the loop within which all has to come to rest."""


_REMAINS = (
    "broken", "tasks", "files", "objects", "flights", "seated", "waiting", "slots", "upstream", "holds", "accounts",
    "unanswered",
)  # fmt: skip


class Aftermath(msgspec.Struct, kw_only=True):
    """What is there when the last client has left and all has come to rest."""

    left: int = 0
    """Clients that left before their answer was whole."""
    stayed: int = 0
    """Clients that waited for their answer."""
    broken: int = 0
    """Of these, those whose answer was neither whole nor a refusal."""
    exchanges: int = 0
    """Requests that the upstream saw: the others were refused, joined, or answered from the store."""
    sources: dict[str, int] = {}
    """Calls by where their answer came from, as the records have it."""
    tasks: int = 0
    """Tasks beyond those of a gateway at rest."""
    files: int = 0
    """File descriptors beyond those of a gateway at rest and of the upstream connections kept for the next call."""
    objects: int = 0
    """Flights and tickets still in memory."""
    flights: int = 0
    seated: int = 0
    waiting: int = 0
    slots: int = 0
    """Places among the calls in flight that were not given back."""
    upstream: int = 0
    """Exchanges that the upstream is still at work on."""
    holds: int = 0
    """Holds in the store, and accounts that say something is held."""
    accounts: int = 0
    """Accounts of single requests that were not dropped, and accounts that do not say what the records do."""
    unanswered: int = 0
    """Of the clients that come afterwards, those who do not get their answer."""
    spent: int = 0
    """Nano-dollars by the records, which the accounts agree with."""
    bill: int = 0
    """Nano-dollars that the upstream asks for all that it sent."""
    resident: list[int] = []
    """Bytes of memory after each wave."""

    @property
    def remains(self) -> dict[str, int]:
        """What is left that should not be, by name; nothing when all is well."""
        told = {name: getattr(self, name) for name in _REMAINS}
        return {name: number for name, number in told.items() if number}

    @property
    def growth(self) -> float:
        """MiB of memory that the second half of the way took more than the first, at their peaks."""
        half = len(self.resident) // 2
        return (max(self.resident[half:]) - max(self.resident[:half])) / (1 << 20) if half else 0.0


async def storm(departures: int, seed: int, home: Path, *, keyed: bool) -> Aftermath:
    """Let so many clients leave, and look at what is left. ``home`` is the folder of the gateway's state."""
    chance = random.Random(seed)
    seen = Aftermath()
    async with stage(home, seed, tight=departures // CROWD if keyed else 0) as there:
        await _pass(there, visits(chance, 0, CROWD, there.keys), Aftermath())
        await _rest(there)
        tasks, files = asyncio.all_tasks(), _files(there)
        wave = 1
        while seen.left < departures:
            await _pass(there, visits(chance, wave, CROWD, there.keys), seen)
            seen.resident.append(_resident())
            wave += 1
        await _rest(there)
        seen.tasks, seen.files = len(asyncio.all_tasks() - tasks), _files(there) - files
        await _look(there, seen)
        coming = visits(chance, wave, SEATS, there.keys)
        calm = [msgspec.structs.replace(each, place="nowhere") for each in coming if not each.endless]
        calm_seen = Aftermath()
        await _pass(there, calm, calm_seen)
        seen.unanswered = calm_seen.broken
    return seen


async def _pass(there: Stage, coming: list[Visit], seen: Aftermath) -> None:
    """One wave, from the first who comes to the last who goes."""
    stays = [each.stays for each in coming]
    served = await asyncio.gather(*(arrive(there, each) for each in coming))
    seen.stayed += sum(stays)
    seen.left += len(stays) - sum(stays)
    seen.broken += served.count(False)


async def _rest(there: Stage) -> None:
    """Turn the loop until nothing moves any more, or until it has had its time."""
    engine = there.engine
    mine = {asyncio.current_task()}

    def still() -> bool:
        busy = any("run_asgi" in repr(task) or "_listen" in repr(task) for task in asyncio.all_tasks() - mine)
        return not (engine._flights or there.pacing.tasks or busy)

    await turns(still, TURNS)
    await turns(lambda: False, 200)  # transports close in the turns after that
    gc.collect()
    await turns(lambda: False, 10)


async def _look(there: Stage, seen: Aftermath) -> None:
    """Everything that may be left behind."""
    engine = there.engine
    health = await there.health()
    seen.seated, seen.waiting = health["in_flight"], health["waiting"]
    seen.slots = engine._slots.in_flight + engine._slots.waiting
    seen.flights = len(engine._flights) + len(engine._joinable)
    seen.upstream = len(there.pacing.tasks)
    seen.exchanges, seen.bill = there.up.served, there.pacing.bill
    seen.objects = sum(isinstance(each, Flight | Ticket) for each in gc.get_objects())
    await _balance(there, seen)


async def _balance(there: Stage, seen: Aftermath) -> None:
    """The accounts beside the records of all calls."""
    holds: Any = there.engine.admission.holds
    paid: dict[tuple[str, ...], int] = {}
    for record in await there.runtime.records.recent(1 << 20):
        seen.spent += record.spent or 0
        seen.sources[record.source] = seen.sources.get(record.source, 0) + 1
        for path in above(record.scope):
            paid[path] = paid.get(path, 0) + (record.spent or 0)
    for path, spent in paid.items():
        account = await holds.account(path)
        if account is not None:
            seen.holds += account.held != NOTHING
            seen.accounts += account.spent.nano != spent or path[-1].startswith("c_")
    if holds.shared:
        seen.holds += (await holds._database.read(_held))[0]
    else:
        seen.holds += len(holds._holds)


def _held(connection: sqlite3.Connection) -> Any:
    return connection.execute("SELECT count(*) FROM holds").fetchone()


def _files(there: Stage) -> int:
    """Open file descriptors, without both ends of the connections between gateway and upstream; 0 where unknown."""
    try:
        return len(os.listdir("/proc/self/fd")) - 2 * len(there.up.connections)
    except OSError:
        return 0


def _resident() -> int:
    """Bytes of memory in use; 0 where unknown."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def run(*, quick: bool = False) -> list[Figure]:
    """All figures of this benchmark. What remains has to be nothing."""
    figures: list[Figure] = []
    logging.getLogger("penstock").setLevel(logging.ERROR)  # of all the budgets that are nearly used
    for keyed, name in ((False, "holds in memory"), (True, "keys, holds in a file")):
        with tempfile.TemporaryDirectory() as home, asyncio.Runner(loop_factory=loop_factory()) as runner:
            seen = runner.run(storm(DEPARTURES // (20 if quick else 2), 1 + keyed, Path(home), keyed=keyed))
        figures += [
            measured(f"clients that left: {name}", [seen.left], unit="clients"),
            measured("  requests that the upstream saw", [seen.exchanges], unit="requests"),
            *(measured(f"  {each} left", [getattr(seen, each)], unit="pieces", goal=0) for each in _REMAINS),
            measured("  spent of what the upstream asks", [100 * seen.spent / seen.bill], unit="%", goal=100),
            measured("  memory that the second half took", [seen.growth], unit="MiB", goal=8),
        ]
    return figures
