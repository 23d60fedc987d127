"""Several real processes on one budget."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

from penstock.ledger import Account, Amounts, Limits, Wait
from penstock.stores.holds import Hold
from penstock.stores.holds_sqlite import LEASE_SECONDS, SqliteHolds
from penstock.stores.owners import is_alive, this_owner

ROOT = ("shared",)
LEAF = ("shared", "run")


def refuse(message: str) -> None:
    raise AssertionError(message)


def start(file: Path, *arguments: str) -> subprocess.Popen[str]:
    program = Path(__file__).with_name("spender.py")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(
        [sys.executable, str(program), str(file), *arguments],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


async def opened(file: Path, limit: int) -> SqliteHolds:
    store = await SqliteHolds.at(file, warn=refuse, patience=60.0)
    await store.open(ROOT, Limits(nano=limit), 0.0)
    return store


def test_four_processes_use_up_a_budget_and_no_more(tmp_path: Path) -> None:
    """400 calls ask for half as much again as there is."""
    file, limit = tmp_path / "holds.db", 100_000

    async def account() -> Account | None:
        return await (await opened(file, limit)).account(ROOT)

    asyncio.run(account())
    spenders = [start(file, "spend", str(seed)) for seed in range(4)]
    told = [json.loads(spender.communicate(timeout=120)[0]) for spender in spenders]
    assert [spender.returncode for spender in spenders] == [0] * 4
    assert asyncio.run(account()) == Account(ROOT, Limits(nano=limit), Amounts(sum(one["used"] for one in told)))
    assert 0.9 * limit <= sum(one["used"] for one in told) <= limit
    assert max(one["most"] for one in told) <= limit


def test_the_hold_of_a_killed_process_is_reaped(tmp_path: Path) -> None:
    """At once, by whoever would have to wait for it."""
    file = tmp_path / "holds.db"

    async def before() -> SqliteHolds:
        return await opened(file, 1000)

    async def after(store: SqliteHolds) -> None:
        want = Amounts(900)
        assert isinstance(await store.hold(LEAF, want, Amounts(), 1.0), Hold)
        account = await store.account(ROOT)
        assert account is not None
        assert (account.spent, account.held) == (Amounts(70), want)
        await store.close()

    async def while_alive(store: SqliteHolds) -> None:
        assert await store.hold(LEAF, Amounts(900), Amounts(), LEASE_SECONDS) == Wait(ROOT, "nano")

    store = asyncio.run(before())
    with start(file, "hold") as victim:
        assert victim.stdout is not None
        assert victim.stdout.readline() == "held\n"
        asyncio.run(while_alive(store))
        victim.kill()
    asyncio.run(after(store))


def test_a_process_knows_itself() -> None:
    assert is_alive(this_owner())
    host, pid, started = this_owner().rsplit("-", 2)
    assert int(pid) == os.getpid()
    assert not is_alive(f"{host}-{pid}-{int(started) + 1}"), "an earlier process with the same id"
    assert not is_alive(f"another.machine-{pid}-{started}"), "nothing is known of other machines"


def test_without_start_times_the_process_id_alone_speaks() -> None:
    host = this_owner().rsplit("-", 2)[0]
    child = subprocess.Popen([sys.executable, "-c", ""])
    assert is_alive(f"{host}-{os.getpid()}-0")
    child.wait()
    assert not is_alive(f"{host}-{child.pid}-0")


def test_a_process_nobody_waited_for_is_dead() -> None:
    """A zombie settles nothing."""
    host = this_owner().rsplit("-", 2)[0]
    with subprocess.Popen([sys.executable, "-c", "print(end='x')"], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        stat = Path(f"/proc/{child.pid}/stat").read_text(encoding="utf-8")
        started = stat.rpartition(")")[2].split()[19]
        assert is_alive(f"{host}-{child.pid}-{started}")
        assert child.stdout.read() == b"x"
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert not is_alive(f"{host}-{child.pid}-{started}")
