"""The last line of a run: how its calls ended, and how long they waited for budget."""

from __future__ import annotations

import asyncio

from penstock.cli.tally import Tally
from penstock.errors import Cancelled, Overloaded
from penstock.flow import Admit, Done, Refused, Send, State
from penstock.ledger import Limits, Receipt
from penstock.meter import quote
from penstock.ticket import Outcome
from penstock.values import Call, Reply

CALL = Call.parse(b'{"model": "m", "messages": []}', dialect="openai", provider="openai")
QUOTE = quote(CALL, None)
DONE = Done(CALL, Reply("openai", b"{}", False, "At nine.", "stop", "m", None), Receipt(), source="openai")


def tallied(*ended: tuple[Done | Refused, tuple[tuple[float, State], ...]]) -> Tally:
    tally = Tally()

    async def main() -> None:
        for number, (state, log) in enumerate(ended):
            await tally(Outcome(f"c_{number}", 0.0, 1.0, state, log))

    asyncio.run(main())
    return tally


def admitted(*waits: float) -> tuple[tuple[float, State], ...]:
    """The states of a call that waited so long before each of its worst cases was held or refused."""
    at = 0.0
    log: list[tuple[float, State]] = []
    for wait in waits:
        log.append((at, Admit(CALL, QUOTE, 0.0)))
        at += wait
    return (*log, (at, Send(CALL, QUOTE, "", 0.0)), (at + 60.0, DONE))


def test_waiting_for_budget_is_told() -> None:
    tally = tallied((DONE, admitted(0.001)), (DONE, admitted(12.0, 0.25)), (DONE, admitted(3.0)))
    told = tally.told(Receipt(), Limits(nano=10), 3)
    assert told.endswith("; 3 calls answered, 2 waited for budget (15.2 s in all)")
    assert "waited" not in tallied((DONE, admitted(0.001))).told(Receipt(), Limits(), 1)


def test_each_end_without_an_answer_has_its_last_cause() -> None:
    left = Refused(CALL, Cancelled("the caller left before the end"))
    busy = Refused(CALL, Overloaded("the upstream answered 529: busy", mend="try again later"))
    tally = tallied((left, ()), (busy, ()), (Refused(CALL, Overloaded("an earlier one")), ()), (busy, ()))
    assert tally.causes() == [
        "left by the command, last: the caller left before the end",
        "failed, last: the upstream answered 529: busy (try again later)",
    ]
    assert tally.told(Receipt(), Limits(), 4).endswith("; 0 calls answered, 1 left by the command, 3 failed")
