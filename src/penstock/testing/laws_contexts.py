"""What every store of contexts keeps."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penstock.stores.contexts import Contexts, Missing

__all__ = ["ContextsLaws"]

_NOW = 1000.0

_inherited = settings(deadline=None, suppress_health_check=[HealthCheck.differing_executors])
"""One law is run by every class that inherits it."""


class ContextsLaws(ABC):
    """What every `Contexts` keeps."""

    @abstractmethod
    def make(self) -> AbstractAsyncContextManager[Contexts]:
        """A fresh, empty store. Leaving closes it."""

    def test_the_last_state_is_loaded(self) -> None:
        """Nothing is loaded of a session that was never saved."""

        async def law(store: Contexts) -> None:
            assert await store.load("a") is None
            assert await store.save("a", b"1", {}, (), _NOW)
            assert await store.save("a", b"2", {}, (), _NOW + 1)
            assert await store.load("a") == b"2"

        self._obeys(law)

    def test_no_session_sees_another(self) -> None:
        """Neither its state nor its texts, even under the same digest."""

        async def law(store: Contexts) -> None:
            assert await store.save("a", b"1", {b"x": "one"}, (), _NOW)
            assert await store.save("b", b"2", {b"y": "two"}, (), _NOW)
            assert store.text("a", b"x") == "one"
            with pytest.raises(Missing):
                store.text("b", b"x")
            assert await store.save("b", b"2", {}, [b"x"], _NOW)
            assert store.text("a", b"x") == "one"

        self._obeys(law)

    @_inherited
    @given(st.dictionaries(st.binary(min_size=1, max_size=3), st.text(st.characters()), max_size=6), st.data())
    def test_texts_stay_until_they_are_dropped(self, texts: dict[bytes, str], data: st.DataObject) -> None:
        """Word for word, lone surrogates and all; a text that is there already may be saved again."""
        dropped = data.draw(st.sets(st.sampled_from(sorted(texts)))) if texts else set[bytes]()

        async def law(store: Contexts) -> None:
            assert await store.save("a", b"1", texts, (), _NOW)
            assert await store.save("a", b"2", texts, (), _NOW)
            assert await store.save("a", b"3", {}, dropped, _NOW)
            for digest, text in texts.items():
                if digest not in dropped:
                    assert store.text("a", digest) == text
                    continue
                with pytest.raises(Missing):
                    store.text("a", digest)

        self._obeys(law)

    def test_old_sessions_are_forgotten(self) -> None:
        """Those that were last saved before a moment, with their texts."""

        async def law(store: Contexts) -> None:
            assert await store.save("a", b"1", {b"x": "one"}, (), _NOW)
            assert await store.save("b", b"2", {b"x": "two"}, (), _NOW)
            assert await store.save("b", b"2", {}, (), _NOW + 10)
            assert await store.forget(_NOW + 10) == 1
            assert await store.load("a") is None
            with pytest.raises(Missing):
                store.text("a", b"x")
            assert store.text("b", b"x") == "two"
            assert await store.save("a", b"3", {}, (), _NOW)
            with pytest.raises(Missing):
                store.text("a", b"x")

        self._obeys(law)

    def _obeys(self, law: Callable[[Contexts], Coroutine[None, None, None]]) -> None:
        async def run() -> None:
            async with self.make() as store:
                await law(store)

        asyncio.run(run())
