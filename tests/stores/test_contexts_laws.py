"""Stores of contexts under their laws, and one whose file fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from penstock.stores.contexts import Contexts, MemoryContexts, Missing
from penstock.stores.contexts_sqlite import SqliteContexts
from penstock.testing.laws_contexts import ContextsLaws


def refuse(message: str) -> None:
    """No law may set off a warning."""
    raise AssertionError(message)


MEMORY = Path("/dev/shm") if Path("/dev/shm").is_dir() else None
"""A folder in memory where there is one: every close waits for the disk."""


class TestMemoryContexts(ContextsLaws):
    @asynccontextmanager
    async def make(self) -> AsyncIterator[Contexts]:
        store = MemoryContexts()
        yield store
        await store.close()


class TestSqliteContexts(ContextsLaws):
    @asynccontextmanager
    async def make(self) -> AsyncIterator[Contexts]:
        with TemporaryDirectory(dir=MEMORY) as name:
            store = await SqliteContexts.at(Path(name) / "contexts.db", warn=refuse)
            yield store
            await store.close()


def test_what_one_process_saved_the_next_one_loads(tmp_path: Path) -> None:
    async def run() -> None:
        one = await SqliteContexts.at(tmp_path / "contexts.db", warn=refuse)
        assert await one.save("a", b"1", {b"x": "one"}, (), 1.0)
        await one.close()
        two = await SqliteContexts.at(tmp_path / "contexts.db", warn=refuse)
        assert await two.load("a") == b"1"
        assert two.text("a", b"x") == "one"
        await two.close()

    asyncio.run(run())


def test_without_a_file_nothing_is_kept_and_it_is_said_once(tmp_path: Path) -> None:
    file = tmp_path / "contexts.db"
    file.mkdir()
    said: list[str] = []

    async def run() -> None:
        store = await SqliteContexts.at(file, warn=said.append)
        assert not await store.save("a", b"1", {b"x": "one"}, (), 1.0)
        assert await store.load("a") is None
        assert await store.forget(2.0) == 0
        with pytest.raises(Missing):
            store.text("a", b"x")
        await store.close()

    asyncio.run(run())
    assert len(said) == 1


def test_a_file_that_is_damaged_meanwhile_is_told_as_missing(tmp_path: Path) -> None:
    file = tmp_path / "contexts.db"
    said: list[str] = []

    async def run() -> None:
        store = await SqliteContexts.at(file, warn=said.append)
        assert await store.save("a", b"1", {b"x": "one" * 9000}, (), 1.0)
        await store.close()
        raw = bytearray(file.read_bytes())
        raw[4096:] = b"garbage!" * ((len(raw) - 4096) // 8)
        file.write_bytes(raw)
        again = await SqliteContexts.at(file, warn=said.append)
        with pytest.raises(Missing):
            again.text("a", b"x")
        assert await again.load("a") is None
        assert not await again.save("a", b"2", {}, (), 2.0)
        await again.close()

    asyncio.run(run())
    assert len(said) == 1
