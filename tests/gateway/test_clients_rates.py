"""Rates: what passes in any stretch of time, alone and among processes."""

from __future__ import annotations

import asyncio
import math
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path

from gatehouse import CHAT, gatehouse
from hypothesis import given
from hypothesis import strategies as st

from penstock.gateway.rates import Buckets, MemoryBuckets, SqliteBuckets, pour
from penstock.stores.keys import Key, digest, id_of, new_key
from penstock.stores.keys_sqlite import SqliteKeys

NOW = 1_795_262_400.0
ARRIVALS = st.lists(st.tuples(st.integers(0, 40_000_000_000), st.integers(0, 50)), max_size=60)


@given(st.integers(1, 100), ARRIVALS)
def test_no_stretch_of_time_sees_more_than_the_bucket_and_its_refill(
    limit: int, arrivals: list[tuple[int, int]]
) -> None:
    at, full = int(NOW * 1e9), 0
    passed: list[tuple[int, int]] = []
    for gap, amount in arrivals:
        at += gap
        after, wait = pour(full, (amount, limit), at)
        if not wait:
            full = after
            passed.append((at, amount))
    for first in range(len(passed)):
        total = 0
        for when, amount in passed[first:]:
            total += amount
            assert total * 60_000_000_000 <= limit * (60_000_000_000 + when - passed[first][0])


@given(st.integers(1, 100), ARRIVALS, st.data())
def test_what_is_given_back_was_as_good_as_never_taken(
    limit: int, arrivals: list[tuple[int, int]], data: st.DataObject
) -> None:
    at, full, without = int(NOW * 1e9), 0, 0
    for gap, amount in arrivals:
        at += gap
        after, wait = pour(full, (amount, limit), at)
        if wait:
            continue
        if data.draw(st.booleans()):
            at += gap
            full, wait = pour(after, (-amount, limit), at)
            assert wait == 0.0
        else:
            full = after
            without, _ = pour(without, (amount, limit), at)
        # Never less is left to wait for; a nanosecond more for each that was given back is the rounding.
        assert 0 <= max(full, at) - max(without, at) <= len(arrivals)


@given(st.integers(1, 1000), ARRIVALS)
def test_who_waits_as_long_as_told_is_let_in(limit: int, arrivals: list[tuple[int, int]]) -> None:
    at, full = int(NOW * 1e9), 0
    for gap, amount in arrivals:
        at += gap
        after, wait = pour(full, (amount, limit), at)
        if math.isinf(wait):
            assert amount > limit
            continue
        at += math.ceil(wait * 1e9) + 1
        after, wait = pour(full, (amount, limit), at)
        assert wait == 0.0
        full = after


@given(st.integers(1, 1000), st.integers(0, 1000), st.integers(-(10**9), 10**9))
def test_nobody_waits_longer_than_a_minute_whatever_the_clock_does(limit: int, amount: int, jump: int) -> None:
    at = int(NOW * 1e9)
    full, _ = pour(0, (limit, limit), at)
    _, wait = pour(full, (min(amount, limit), limit), at + jump * 1_000_000_000)
    assert 0 <= wait <= 60.0


def test_more_than_the_bucket_holds_waits_for_ever_and_takes_nothing() -> None:
    assert pour(7, (11, 10), 5) == (7, math.inf)


def on_both(tmp_path: Path, law: Callable[[Buckets], Awaitable[None]]) -> None:
    async def run() -> None:
        for buckets in (MemoryBuckets(), await SqliteBuckets.at(tmp_path / "rates.sqlite", warn=fail)):
            await law(buckets)
            await buckets.close()

    asyncio.run(run())


def fail(line: str) -> None:
    raise AssertionError(line)


def test_all_buckets_are_taken_from_or_none(tmp_path: Path) -> None:
    async def law(buckets: Buckets) -> None:
        assert await buckets.take({"r": (1, 60), "t": (100, 100)}, NOW) == 0.0
        assert await buckets.take({"r": (1, 60), "t": (50, 100)}, NOW) == 30.0
        assert await buckets.take({"r": (59, 60)}, NOW) == 0.0
        assert await buckets.take({"r": (1, 60)}, NOW) == 1.0
        assert await buckets.take({"r": (1, 60), "t": (50, 100)}, NOW + 30) == 0.0
        assert await buckets.take({}, NOW) == 0.0
        assert await buckets.take({"r": (-1, 60), "t": (-50, 100)}, NOW + 30) == 0.0
        assert await buckets.take({"r": (1, 60), "t": (50, 100)}, NOW + 30) == 0.0

    on_both(tmp_path, law)


def test_processes_share_a_bucket(tmp_path: Path) -> None:
    async def run() -> None:
        workers = [await SqliteBuckets.at(tmp_path / "rates.sqlite", warn=fail) for _ in range(4)]
        waits = [await worker.take({"r": (1, 10)}, NOW) for _ in range(5) for worker in workers]
        assert waits.count(0.0) == 10
        for worker in workers:
            await worker.close()

    asyncio.run(run())


def test_a_file_that_breaks_leaves_each_process_its_own_bucket(tmp_path: Path) -> None:
    async def run() -> None:
        said: list[str] = []
        buckets = await SqliteBuckets.at(tmp_path / "rates.sqlite", warn=said.append)
        connection = sqlite3.connect(tmp_path / "rates.sqlite")
        connection.execute("DROP TABLE buckets")
        connection.close()
        assert await buckets.take({"r": (10, 10)}, NOW) == 0.0
        assert await buckets.take({"r": (1, 10)}, NOW) == 6.0
        assert len(said) == 1
        await buckets.close()

    asyncio.run(run())


def test_a_request_that_is_refused_before_it_is_sent_uses_up_no_rate(tmp_path: Path) -> None:
    async def run() -> None:
        key, keys = new_key(), SqliteKeys(tmp_path, warn=fail)
        allowed = Key(name="ci", id=id_of(key), digest=digest(await keys.pepper(), key), rpm=2, models=("mine",))
        await keys.add(allowed)
        await keys.close()
        async with gatehouse("Because.", at=tmp_path) as gate:
            shown = {"authorization": f"Bearer {key}", "x-penstock-off": "reuse"}
            dear, other = {**shown, "x-penstock-budget": "$0.000001"}, {**CHAT, "model": "others"}
            for _ in range(5):
                assert (await gate.post(CHAT, headers=dear))[0] == 402
                assert (await gate.post(other, headers=shown))[0] == 403
            answers = [await gate.post(CHAT, headers=shown) for _ in range(3)]
            assert [status for status, _, _ in answers] == [200, 200, 429]

    asyncio.run(run())
