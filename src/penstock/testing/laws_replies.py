"""The laws of `stores.replies`. See `testing.laws`."""

from __future__ import annotations

import asyncio
import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penstock.stores.replies import Replies
from penstock.values import Reply, Usage

__all__ = ["RepliesLaws", "reply_of"]

# One law runs under many classes, each with a store of its own.
_inherited = settings(deadline=None, suppress_health_check=[HealthCheck.differing_executors])


def reply_of(text: str, *, copies: int = 1) -> Reply:
    """A reply whose body is its text, so many times."""
    return Reply("openai", text.encode() * copies, False, text, "stop", "m", Usage(1, 2, 3, 4, 5, 6))


_tenants = st.sampled_from(["", "a", "b", "b\x00", "ä", "\udc80"])
_keys = st.sampled_from([b"", b"k", b"k\x00", b"\xff" * 16])
_moves = st.lists(
    st.tuples(
        st.sampled_from(["put", "put", "get", "get", "forget", "clear"]),
        _tenants,
        _keys,
        st.text(st.characters(exclude_categories=["Cs"]), max_size=30),
        st.sampled_from([1, 1000]),
        st.integers(-1, 5),
    ),
    max_size=40,
)


class RepliesLaws(ABC):
    """What every `Replies` keeps."""

    @abstractmethod
    def make(self, max_bytes: int) -> AbstractAsyncContextManager[Replies]:
        """A fresh, empty store of at most so many bytes; leaving the context closes it."""

    @given(_moves)
    @_inherited
    def test_a_hit_is_what_was_stored_there_last(self, moves: list[tuple[str, str, bytes, str, int, int]]) -> None:
        """For this tenant and key, whole, before it expires; with room for all there is no other miss."""

        async def law(store: Replies) -> None:
            model: dict[tuple[str, bytes], tuple[Reply, float]] = {}
            for now, (operation, tenant, key, text, copies, seconds) in enumerate(moves):
                if operation == "put":
                    reply = reply_of(f"{tenant!r} {key!r} {now} {text}", copies=copies)
                    await store.put(tenant, key, reply, expires=now + seconds, now=now)
                    model[tenant, key] = (reply, now + seconds)
                elif operation == "forget":
                    await store.forget(tenant, key)
                    model.pop((tenant, key), None)
                elif operation == "clear":
                    await store.clear(tenant if seconds else None)
                    model = {place: kept for place, kept in model.items() if seconds and place[0] != tenant}
                reply_there, expires = model.get((tenant, key), (None, 0.0))
                assert await store.get(tenant, key, now=now) == (reply_there if expires > now else None)

        self._obeys(law, max_bytes=64 << 20)

    @given(st.lists(st.tuples(st.integers(0, 400), st.integers(1, 4000)), max_size=60))
    @_inherited
    def test_the_bytes_are_bounded(self, puts: list[tuple[int, int]]) -> None:
        """After every put; and what is there is never another's."""
        bound = 256 << 10

        async def law(store: Replies) -> None:
            for now, (number, copies) in enumerate(puts):
                key = number.to_bytes(16, "big")
                reply = reply_of(f"{number:08}", copies=copies)
                await store.put("a", key, reply, expires=1e9, now=now)
                assert await store.size() <= bound
                assert await store.get("a", key, now=now) in {reply, None}
            for number in range(400):
                found = await store.get("a", number.to_bytes(16, "big"), now=len(puts))
                assert found is None or found.text == f"{number:08}"

        self._obeys(law, max_bytes=bound)

    def test_what_is_used_stays(self) -> None:
        """The least recently used go first."""
        bound = 256 << 10

        async def law(store: Replies) -> None:
            reply = reply_of(_noise(3000))
            await store.put("a", b"used", reply, expires=1e9, now=0)
            for now in range(1, 200):
                await store.put("a", now.to_bytes(16, "big"), reply, expires=1e9, now=now)
                assert await store.get("a", b"used", now=now) == reply
                assert await store.size() <= bound
            assert await store.get("a", (1).to_bytes(16, "big"), now=200) is None
            assert await store.get("a", (199).to_bytes(16, "big"), now=200) == reply

        self._obeys(law, max_bytes=bound)

    def test_what_would_take_most_of_the_room_is_not_stored(self) -> None:
        """And what was there under its key is not served in its place."""

        async def law(store: Replies) -> None:
            await store.put("a", b"k", reply_of("old"), expires=1e9, now=0)
            await store.put("a", b"other", reply_of("other"), expires=1e9, now=0)
            await store.put("a", b"k", reply_of(_noise(200 << 10)), expires=1e9, now=1)
            assert await store.get("a", b"k", now=1) is None
            assert await store.get("a", b"other", now=1) == reply_of("other")

        self._obeys(law, max_bytes=256 << 10)

    def _obeys(self, law: Callable[[Replies], Coroutine[None, None, None]], max_bytes: int) -> None:
        async def run() -> None:
            async with self.make(max_bytes) as store:
                await law(store)

        asyncio.run(run())


def _noise(length: int) -> str:
    """Text that no compressor makes small."""
    return "".join(hashlib.sha256(str(number).encode()).hexdigest() for number in range(length // 64 + 1))[:length]
