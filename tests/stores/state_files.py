"""What the tests of state files share: a short run of each store on a file, and what was said meanwhile."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from penstock.ledger import NOTHING, Amounts, Limits, Never
from penstock.stores.holds import Hold
from penstock.stores.holds_sqlite import SqliteHolds
from penstock.stores.records import SqliteRecords
from penstock.stores.replies_sqlite import SqliteReplies
from penstock.testing.laws import record_of, reply_of

Use: TypeAlias = Callable[[Path, Callable[[str], None]], Coroutine[Any, Any, None]]

PATH = ("a", "b")


async def use_holds(file: Path, warn: Callable[[str], None]) -> None:
    store = await SqliteHolds.at(file, warn=warn, patience=0.0)
    await store.open(PATH, Limits(nano=100), 0.0)
    hold = await store.hold(PATH, Amounts(60), NOTHING, 0.0)
    assert isinstance(hold, Hold)
    await store.settle(hold.id, Amounts(60))
    assert await store.hold(PATH, Amounts(60), NOTHING, 0.0) == Never(PATH, "nano", 60, 40)
    await store.close()


async def use_replies(file: Path, warn: Callable[[str], None]) -> None:
    store = await SqliteReplies.at(file, warn=warn, patience=0.0)
    await store.put("t", b"k", reply_of("x"), expires=10.0, now=0.0)
    assert await store.get("t", b"k", now=0.0) == reply_of("x")
    await store.close()


async def use_records(file: Path, warn: Callable[[str], None]) -> None:
    store = await SqliteRecords.at(file, warn=warn, patience=0.0)
    await store.add(record_of("one"))
    await store.flush()
    assert await store.get("one") == record_of("one")
    await store.save("factors", b"1")
    assert await store.load("factors") == b"1"
    await store.close()


USES: list[Use] = [use_holds, use_replies, use_records]
every_store = pytest.mark.parametrize("use", USES)


def heard(use: Use, file: Path) -> list[str]:
    said: list[str] = []
    asyncio.run(use(file, said.append))
    assert all("\n" not in line for line in said)
    return said


def breaking(file: Path, *statements: str) -> None:
    """What another program does to the file."""
    connection = sqlite3.connect(file, isolation_level=None)
    for statement in statements:
        connection.execute(statement)
    connection.close()
