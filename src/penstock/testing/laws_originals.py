"""What every store of originals keeps."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager

from hypothesis import given
from hypothesis import strategies as st

from penstock.stores.originals import Originals

__all__ = ["OriginalsLaws"]


class OriginalsLaws(ABC):
    """What every `Originals` keeps."""

    @abstractmethod
    def make(self, max_bytes: int) -> AbstractAsyncContextManager[Originals]:
        """A fresh, empty store; leaving the context closes it."""

    def test_texts_come_back_as_they_were(self) -> None:
        """Whatever is in them."""

        @given(st.dictionaries(st.text("0123456789abcdef", min_size=4), st.text(), max_size=5))
        def each(texts: dict[str, str]) -> None:
            async def law(store: Originals) -> None:
                await store.put(texts, 1.0)
                for name, text in texts.items():
                    assert await store.get(name, 2.0) == text
                assert await store.get("nobody", 2.0) is None

            self._obeys(law)

        each()

    def test_what_is_had_back_is_counted(self) -> None:
        """And nothing else."""

        async def law(store: Originals) -> None:
            await store.put({"a": "one"}, 1.0)
            assert [await store.get(name, 2.0) for name in "aab"] == ["one", "one", None]
            assert store.restored == 2

        self._obeys(law)

    def test_a_text_that_is_half_a_character_comes_back(self) -> None:
        """What a broken client sent."""

        async def law(store: Originals) -> None:
            await store.put({"a": "half \ud83d"}, 1.0)
            assert await store.get("a", 2.0) == "half \ud83d"

        self._obeys(law)

    def test_those_not_asked_for_the_longest_time_make_room(self) -> None:
        """And no others."""

        async def law(store: Originals) -> None:
            for at, name in enumerate("abcd"):
                await store.put({name: _noise(name)}, float(at))
            assert await store.get("a", 10.0) is not None
            for at, name in enumerate("ef"):
                await store.put({name: _noise(name)}, 20.0 + at)
            there = [name for name in "abcdef" if await store.get(name, 30.0) is not None]
            assert there == ["a", "d", "e", "f"]

        self._obeys(law, 42_000)

    def _obeys(self, law: Callable[[Originals], Coroutine[None, None, None]], max_bytes: int = 1 << 20) -> None:
        async def run() -> None:
            async with self.make(max_bytes) as store:
                await law(store)

        asyncio.run(run())


def _noise(name: str) -> str:
    """About 10,000 bytes that cannot be packed into fewer."""
    state, found = ord(name), bytearray()
    while len(found) < 10_000:
        state = (1103515245 * state + 12345) % (1 << 31)
        found.append((state >> 16) & 0x7F)
    return found.decode("ascii")
