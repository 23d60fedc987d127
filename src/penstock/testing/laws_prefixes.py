"""What every registry of prefixes keeps."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from typing import TypeAlias

from hypothesis import given
from hypothesis import strategies as st

from penstock.stores.prefixes import Registry
from penstock.values.prefixes import Known, Prefix, Tally

__all__ = ["RegistryLaws"]

Join: TypeAlias = Callable[[], Coroutine[None, None, Registry]]

_NOW = 1000.0


class RegistryLaws(ABC):
    """What every `Registry` keeps."""

    @abstractmethod
    def make(self) -> AbstractAsyncContextManager[Join]:
        """A fresh, empty registry: each call of what comes lets one more process join. Leaving closes all."""

    def test_what_one_tells_the_other_hears_once(self) -> None:
        """Nobody hears of prefixes that only it has changed."""

        async def law(join: Join) -> None:
            one, two = await join(), await join()
            prefix = Prefix(b"a", _NOW, sent=1, turn=2, ready=_NOW, until=_NOW + 300, ttl=300.0, probe=True)
            assert await one.exchange(Known([prefix]), _NOW) == Known()
            assert (await two.exchange(Known(), _NOW)).prefixes == [prefix]
            assert await two.exchange(Known(), _NOW) == Known()
            assert await one.exchange(Known(), _NOW) == Known()

        self._obeys(law)

    def test_the_later_write_is_right(self) -> None:
        """Whoever tells last; what is there longer wins between equals."""

        async def law(join: Join) -> None:
            one, two, three = await join(), await join(), await join()
            await one.exchange(Known([Prefix(b"a", _NOW, 3, ready=_NOW, until=_NOW + 9, ttl=9.0)]), _NOW)
            await two.exchange(Known([Prefix(b"a", _NOW + 2, 1, ready=_NOW - 1, until=_NOW + 99, ttl=99.0)]), _NOW)
            heard = await three.exchange(Known(), _NOW)
            assert heard.prefixes == [Prefix(b"a", _NOW + 2, 3, ready=_NOW, until=_NOW + 9, ttl=9.0)]
            await two.exchange(Known([Prefix(b"a", _NOW, 1, ready=_NOW, until=_NOW + 20, ttl=9.0)]), _NOW)
            heard = await three.exchange(Known(), _NOW)
            assert heard.prefixes == [Prefix(b"a", _NOW + 2, 3, ready=_NOW, until=_NOW + 20, ttl=9.0)]

        self._obeys(law)

    def test_lives_are_taken_up_by_one(self) -> None:
        """The first process that begins after them."""

        async def law(join: Join) -> None:
            one = await join()
            await one.exchange(Known(), _NOW)
            await one.exchange(Known([Prefix(b"a", _NOW, life=b"x")]), _NOW)
            two, three = await join(), await join()
            assert [each.life for each in (await two.exchange(Known(), _NOW)).prefixes] == [b"x"]
            assert [each.life for each in (await three.exchange(Known(), _NOW)).prefixes] == [b""]

        self._obeys(law)

    def test_what_is_long_over_is_forgotten(self) -> None:
        """When somebody joins."""

        async def law(join: Join) -> None:
            one = await join()
            await one.exchange(Known([Prefix(b"a", _NOW), Prefix(b"b", _NOW + 7200)]), _NOW)
            two, three = await join(), await join()
            await two.exchange(Known(), _NOW + 7201)
            assert [each.digest for each in (await three.exchange(Known(), _NOW + 7201)).prefixes] == [b"b"]

        self._obeys(law)

    def test_tallies_add_up(self) -> None:
        """Whoever adds to them, in whatever order, all hear the sums."""

        @given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from("ab"), st.integers(-9, 9)), max_size=12))
        def each(added: list[tuple[int, str, int]]) -> None:

            async def law(join: Join) -> None:
                ends = [await join() for _ in range(3)]
                heard: list[dict[str, Tally]] = [{}, {}, {}]
                for at, (end, name, count) in enumerate(added):
                    known = await ends[end].exchange(Known([], {name: Tally((float(count), 1.0), 50.0 - at)}), _NOW)
                    heard[end] |= known.tallies
                for end in range(3):
                    heard[end] |= (await ends[end].exchange(Known(), _NOW)).tallies
                sums = {
                    name: Tally(
                        (float(sum(count for _, each, count in added if each == name)), float(names.count(name))),
                        50.0 - max(at for at, each in enumerate(names) if each == name),
                    )
                    for names in [[each for _, each, _ in added]]
                    for name in names
                }
                assert heard == [sums] * 3

            self._obeys(law)

        each()

    def _obeys(self, law: Callable[[Join], Coroutine[None, None, None]]) -> None:
        async def run() -> None:
            async with self.make() as join:
                await law(join)

        asyncio.run(run())
