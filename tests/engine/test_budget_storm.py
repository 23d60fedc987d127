"""Two hundred calls at once, with random costs, cancels and crashes: no budget is ever exceeded, and it is used."""

from __future__ import annotations

import asyncio
import random

import pytest
from tests.engine.rig import SCOPE, Rig, scripted

from penstock.ledger import Limits
from penstock.stores import MemoryHolds
from penstock.testing import Plan
from penstock.values import Call, Scope, Usage

CALLS = 200
BUDGET = 5_000_000
LIMITS = Limits(nano=BUDGET)
TEAM_LIMITS = Limits(nano=BUDGET * 7 // 10, calls=80)


class WatchedHolds(MemoryHolds):
    """Checks every limit after every change."""

    async def hold(self, *args, **kwargs):  # type: ignore[no-untyped-def]
        verdict = await super().hold(*args, **kwargs)
        for path in (SCOPE.path, (*SCOPE.path, "team")):
            account = await self.account(path)
            assert account is not None
            taken = account.spent + account.held
            assert taken.nano <= (account.limits.nano or 0)
            assert account.limits.calls is None or taken.calls <= account.limits.calls
        return verdict


@pytest.mark.parametrize("seed", range(10))
def test_no_budget_is_exceeded_and_it_is_used(seed: int) -> None:
    chance = random.Random(seed)

    def script(call: Call) -> Plan | Exception:
        if chance.random() < 0.05:
            return RuntimeError("crash")
        usage = Usage(input=chance.randint(1, 9), output=chance.randint(0, call.max_tokens or 0))
        return Plan("Because.", usage=usage, latency=chance.random() / 500)

    async def main() -> None:
        async with Rig(scripted(script), limits=LIMITS, holds=WatchedHolds()) as rig:
            team = Scope(SCOPE.tenant, SCOPE.session, ("team",))
            await rig.engine.admission.open(team.path, TEAM_LIMITS)
            tasks = []
            for number in range(CALLS):
                scope = team if chance.random() < 0.5 else SCOPE
                long = {"max_tokens": chance.randint(20, 50)} | ({"stream": True} if chance.random() < 0.3 else {})
                tasks.append(asyncio.create_task(rig.ask(f"Why {number}?", scope=scope, body=long)))
            for task in chance.sample(tasks, 20):
                await asyncio.sleep(chance.random() / 1000)
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            spent, held = await rig.account()
            assert held == 0
            assert spent <= BUDGET
            assert spent == sum(outcome.state.receipt.spent for outcome in rig.outcomes)
            assert spent >= 0.9 * BUDGET

    asyncio.run(main())
