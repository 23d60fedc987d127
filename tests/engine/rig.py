"""An engine of real parts around a scripted provider, with everything in memory."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec

from penstock.admission import Admission
from penstock.clock import Clock, SystemClock
from penstock.engine import Engine
from penstock.flow import Policy, Rules
from penstock.ledger import Limits
from penstock.meter import Factors, PriceBook
from penstock.providers.gate import Gate
from penstock.providers.port import Provider
from penstock.stores import Holds, MemoryHolds, MemoryReplies
from penstock.testing import ScriptedProvider
from penstock.ticket import Outcome
from penstock.values import Call, Scope

__all__ = ["PRICES", "SCOPE", "Rig"]

PRICES = {"mine": {"input": "1.00", "output": "2.00"}}
SCOPE = Scope("tenant", "session")


class Rig:
    """An engine, and what it told its sinks."""

    def __init__(
        self,
        provider: Provider,
        *,
        limits: Limits | None = None,
        holds: Holds | None = None,
        clock: Clock | None = None,
        slots: int = 1000,
        policies: tuple[tuple[str, Policy], ...] = (),
        fit: bool = False,
    ) -> None:
        clock = clock or SystemClock()
        self.provider = provider
        self.outcomes: list[Outcome] = []
        self.replies = MemoryReplies()
        self.holds = holds or MemoryHolds()
        self.limits = limits
        numbers = itertools.count(1)
        self.engine = Engine(
            providers={provider.name: provider},
            rules=Rules(PriceBook(PRICES), Factors(), policies, fit),
            replies=self.replies,
            admission=Admission(self.holds, clock),
            slots=Gate.fixed(slots, clock),
            clock=clock,
            ids=lambda: f"c{next(numbers)}",
            sinks=[self._note],
        )

    async def _note(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)

    async def __aenter__(self) -> Rig:
        if self.limits is not None:
            await self.engine.admission.open(SCOPE.path, self.limits)
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.engine.close()

    def call(
        self, text: str = "Why?", *, stream: bool = False, scope: Scope = SCOPE, body: Any = None, **fields: Any
    ) -> Call:
        whole = {"model": "mine", "max_tokens": 50, "messages": [{"role": "user", "content": text}], **(body or {})}
        if stream:
            whole["stream"] = True
        return Call.parse(
            msgspec.json.encode(whole),
            dialect=self.provider.dialect,
            provider=self.provider.name,
            origin=self.provider.origin,
            scope=scope,
            **fields,
        )

    async def ask(self, text: str = "Why?", **fields: Any) -> Outcome:
        return await self.engine.run(self.call(text, **fields))

    async def hear(self, text: str = "Why?", **fields: Any) -> bytes:
        """The bytes of a stream, to its end."""
        async with self.engine.ask(self.call(text, stream=True, **fields)) as ticket:
            return b"".join([delta.raw async for delta in ticket.events()])

    async def account(self) -> tuple[int, int]:
        """Nano-dollars spent and held on the session."""
        account = await self.holds.account(SCOPE.path)
        assert account is not None
        return account.spent.nano, account.held.nano


def scripted(*args: Any, **fields: Any) -> ScriptedProvider:
    return ScriptedProvider(*args, name="p", **fields)
