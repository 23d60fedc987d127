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
from penstock.values.prefixes import PAGE, Known, Prefix, Tally

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
            prefix = Prefix(b"a", _NOW, turn=2, ready=_NOW, until=_NOW + 300, ttl=300.0, probe=True)
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

    def test_what_is_long_over_is_forgotten(self) -> None:
        """Whether or not somebody joins; and so is what a clock that goes wrong has told."""

        async def law(join: Join) -> None:
            one = await join()
            await one.exchange(Known([Prefix(b"a", _NOW), Prefix(b"b", _NOW + 7200), Prefix(b"c", 9e9)]), _NOW)
            await one.exchange(Known(), _NOW + 7201)
            two = await join()
            assert [each.digest for each in (await two.exchange(Known(), _NOW + 3)).prefixes] == [b"b"]

        self._obeys(law)

    def test_no_more_than_a_page_is_heard_at_once(self) -> None:
        """Of prefixes and of tallies: all of it, and nothing twice, though it changes meanwhile."""

        async def law(join: Join) -> None:
            one, two = await join(), await join()
            prefixes = [Prefix(at.to_bytes(2, "big"), _NOW) for at in range(2 * PAGE + 7)]
            tallies = {f"t {at}": Tally((float(at),)) for at in range(PAGE + 7)}
            await one.exchange(Known(prefixes, tallies), _NOW)
            heard = [await two.exchange(Known(), _NOW)]
            await one.exchange(Known([Prefix(prefixes[-1].digest, _NOW + 1)], {"t 0": Tally((1.0,))}), _NOW)
            while heard[-1].more:
                heard.append(await two.exchange(Known(), _NOW))
            assert [len(page.prefixes) for page in heard] == [PAGE, PAGE, 7]
            assert [len(page.tallies) for page in heard] == [PAGE, 8, 0]
            last = {prefix.digest: prefix.seen for page in heard for prefix in page.prefixes}
            assert last == {prefix.digest: prefix.seen for prefix in prefixes} | {prefixes[-1].digest: _NOW + 1}
            sums = {name: tally for page in heard for name, tally in page.tallies.items()}
            assert sums == tallies | {"t 0": Tally((1.0,))}

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
