"""The laws of `stores.records`. See `testing.laws`."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penstock.stores.records import CallRecord, Learned, Records
from penstock.values import Usage

__all__ = ["LearnedLaws", "RecordsLaws", "record_of"]

# One law runs under many classes, each with a store of its own.
_inherited = settings(deadline=None, suppress_health_check=[HealthCheck.differing_executors])


def record_of(name: str, *, at: float = 0.0) -> CallRecord:
    """A record with something in every field."""
    return CallRecord(
        id=name,
        at=at,
        model="m",
        provider="p",
        source="upstream",
        scope=("a", "b"),
        asked=10,
        spent=12,
        saved={"route": -2},
        usage=Usage(1, 2, 3, 4, 5, 6),
        seconds=0.25,
        steps=[{"state": "Lookup", "why": "no variety was asked for"}],
    )


class RecordsLaws(ABC):
    """What every `Records` keeps."""

    @abstractmethod
    def make(self, max_records: int) -> AbstractAsyncContextManager[Records]:
        """A fresh, empty store of at most so many records; leaving the context closes it."""

    @given(st.lists(st.integers(0, 300), max_size=200), st.integers(0, 10))
    @_inherited
    def test_the_newest_are_found_written_or_not(self, numbers: list[int], count: int) -> None:
        """By id and in order; one that is added again is the newest."""

        async def law(store: Records) -> None:
            for at, number in enumerate(numbers):
                await store.add(record_of(str(number), at=at / 100))
            newest = {number: at for at, number in enumerate(numbers)}
            for number, at in newest.items():
                assert await store.get(str(number)) == record_of(str(number), at=at / 100)
            order = sorted(newest, key=newest.__getitem__, reverse=True)[:count]
            assert [record.id for record in await store.recent(count)] == [str(number) for number in order]
            assert await store.get("never") is None

        self._obeys(law)

    def test_the_oldest_go(self) -> None:
        """At the latest with the next batch."""

        async def law(store: Records) -> None:
            for number in range(300):
                await store.add(record_of(str(number)))
            await store.flush()
            assert [record.id for record in await store.recent(1000)] == [str(n) for n in range(299, 199, -1)]
            assert await store.get("199") is None

        self._obeys(law, max_records=100)

    def test_an_explanation_may_hold_anything(self) -> None:
        """What cannot be written as it is never fails the call that it explains."""

        async def law(store: Records) -> None:
            steps = [{"error": ValueError("x"), "lone": "\udc80"}]
            await store.add(msgspec.structs.replace(record_of("odd"), steps=steps))
            await store.add(record_of("plain"))
            await store.flush()
            assert await store.get("plain") == record_of("plain")
            assert [record.id for record in await store.recent(2)] == ["plain", "odd"]

        self._obeys(law)

    def _obeys(self, law: Callable[[Records], Coroutine[None, None, None]], max_records: int = 1000) -> None:
        async def run() -> None:
            async with self.make(max_records) as store:
                await law(store)

        asyncio.run(run())


class LearnedLaws(ABC):
    """What every `Learned` keeps."""

    @abstractmethod
    def make_learned(self) -> AbstractAsyncContextManager[Learned]:
        """A fresh, empty store; leaving the context closes it."""

    def test_the_last_value_is_found(self) -> None:
        """And no other name's."""

        async def law() -> None:
            async with self.make_learned() as store:
                assert await store.load("factors") is None
                await store.save("factors", b"1")
                await store.save("factors", b"\x002")
                await store.save("other", b"3")
                assert await store.load("factors") == b"\x002"

        asyncio.run(law())
