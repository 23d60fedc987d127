"""Savings telescope exactly, over thousands of random call histories."""

from __future__ import annotations

import random

import msgspec
from tests.flow.scenario import RULES, reply, walk

from penstock.errors import Cancelled
from penstock.ledger import Receipt, total
from penstock.values import Call, Edit, Undo, Usage

HISTORIES = 5_000
MECHANISMS = ["layout", "prune", "compress", "route"]


def a_receipt(chance: random.Random) -> Receipt:
    """The receipt of a call with random edits, usage, price and fate."""
    edits = [
        Edit(
            chance.choice(MECHANISMS),
            ("model",),
            "set",
            chance.choice(["mine", "dear", "unheard-of"]),
            Undo(
                chance.randint(-500, 5000), chance.randint(-50, 50), chance.choice([None, "mine", "dear", "unheard-of"])
            ),
        )
        for _ in range(chance.randrange(5))
    ]

    def policy(_: Call) -> list[Edit]:
        return edits

    rules = msgspec.structs.replace(RULES, policies=(("all of them", policy),))
    walking = walk({"model": chance.choice(["mine", "dear"])}, rules, charged_to=chance.choice(["", "", "compress"]))
    usage = Usage(*(chance.randrange(3000) for _ in range(6)))
    match chance.randrange(5):
        case 0:
            return walking.hits(reply(usage)).ends().receipt
        case 1:
            return (
                walking.misses()
                .admitted()
                .failed(Cancelled("x"), billed=chance.random() < 0.5, usage=usage)
                .refused()
                .receipt
            )
        case 2:
            paid = walking.misses().admitted().answered(usage).ends()
            return total([paid.receipt, walk().joins().lands(paid).ends().receipt])
        case _:
            return walking.misses().admitted().answered(chance.choice([usage, None])).ends().receipt


def test_savings_add_up_in_every_history() -> None:
    chance = random.Random(20261121)
    for _ in range(HISTORIES):
        history = [a_receipt(chance) for _ in range(chance.randrange(1, 4))]
        ledger = total(history)
        for receipt in [*history, ledger]:
            assert receipt.asked - receipt.spent == sum(receipt.saved.values())
        assert ledger.spent == sum(receipt.spent for receipt in history)
