"""A process that spends from a shared budget: run by test_holds_processes.

spender.py FILE spend SEED      100 calls of random size; prints the JSON of what it used
spender.py FILE hold            holds 600 of it, says so, and waits to be killed
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from pathlib import Path

from penstock.ledger import NOTHING, Amounts, Wait
from penstock.stores.holds import Hold
from penstock.stores.holds_sqlite import SqliteHolds

ROOT = ("shared",)
LEAF = ("shared", "run")


def refuse(message: str) -> None:
    raise AssertionError(message)


async def spend(file: Path, seed: int) -> None:
    chance = random.Random(seed)
    store = await SqliteHolds.at(file, warn=refuse, patience=60.0)
    used = most = 0

    async def call(want: int, use: int) -> None:
        nonlocal used, most
        hold = await store.hold(LEAF, Amounts(want), NOTHING, 0.0)
        while isinstance(hold, Wait):
            await asyncio.sleep(0.001)
            hold = await store.hold(LEAF, Amounts(want), NOTHING, 0.0)
        account = await store.account(ROOT)
        assert account is not None
        most = max(most, account.spent.nano + account.held.nano)
        if isinstance(hold, Hold):
            await asyncio.sleep(0)
            await store.settle(hold.id, Amounts(use))
            used += use

    for _ in range(25):
        wants = [chance.randint(1, 1000) for _ in range(4)]
        await asyncio.gather(*(call(want, chance.randint(want // 2, want)) for want in wants))
    await store.close()
    sys.stdout.write(json.dumps({"used": used, "most": most}))


async def hold(file: Path) -> None:
    store = await SqliteHolds.at(file, warn=refuse, patience=60.0)
    held = await store.hold(LEAF, Amounts(600), Amounts(70), 0.0)
    assert isinstance(held, Hold)
    sys.stdout.write("held\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    if sys.argv[2] == "spend":
        asyncio.run(spend(Path(sys.argv[1]), int(sys.argv[3])))
    else:
        asyncio.run(hold(Path(sys.argv[1])))
