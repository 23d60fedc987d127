"""The laws of the stores, as test classes: whoever writes a store inherits them and says how to make one.

    class TestMyHolds(HoldsLaws):
        @asynccontextmanager
        async def make(self):
            yield MyHolds()

Needs hypothesis, which is no dependency of the package.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TypeAlias

from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.ledger import DIMENSIONS, NOTHING, Account, Amounts, Fits, Limits, Never, Wait, decide
from penstock.stores.holds import Hold, Holds
from penstock.stores.records import CallRecord, Learned, Records
from penstock.stores.replies import Replies
from penstock.values import Reply, Usage

__all__ = ["HoldsLaws", "LearnedLaws", "RecordsLaws", "RepliesLaws", "SharedHoldsLaws", "record_of", "reply_of"]

_Path: TypeAlias = tuple[str, ...]
_Step: TypeAlias = tuple[str, _Path, Amounts, Amounts, int]

# Holds ----------------------------------------------------------------------------------------------------------------

_PATHS: Sequence[_Path] = [("a",), ("a", "b"), ("a", "b", "c"), ("a", "b", "d"), ("a", "e"), ("f",), ("f", "b")]
_LEAF = ("a", "b", "c")

_amounts = st.builds(Amounts, *(st.integers(0, 40) for _ in DIMENSIONS))
_limits = st.builds(Limits, *(st.none() | st.integers(0, 150) for _ in DIMENSIONS), depth=st.none() | st.integers(0, 2))
_trees = st.dictionaries(st.sampled_from(_PATHS), _limits, min_size=1)
_steps = st.lists(
    st.tuples(
        st.sampled_from(["hold", "hold", "hold", "settle", "settle", "release", "charge", "open"]),
        st.sampled_from(_PATHS),
        _amounts,
        _amounts,
        st.integers(0, 99),
    ),
    max_size=40,
)


class _Model:
    """What the accounts must stand at, by the slowest way of finding out: adding up everything that happened."""

    def __init__(self) -> None:
        self.opened: dict[_Path, tuple[Limits, int]] = {}
        self.booked: list[tuple[_Path, Amounts]] = []
        self.held: dict[str, Hold] = {}

    def open(self, path: _Path, limits: Limits) -> None:
        if path not in self.opened:
            self.opened[path] = (limits, len(self.booked))

    def settle(self, hold: Hold, used: Amounts) -> None:
        del self.held[hold.id]
        self.booked.append((hold.path, used))

    def account(self, path: _Path) -> Account:
        limits, since = self.opened.get(path, (Limits(), len(self.booked)))
        spent = sum((used for place, used in self.booked[since:] if place[: len(path)] == path), NOTHING)
        held = sum((hold.want for hold in self.held.values() if hold.path[: len(path)] == path), NOTHING)
        return Account(path, limits, spent, held, 0.0)

    def line(self, path: _Path) -> list[Account]:
        return [self.account(path[:length]) for length in range(1, len(path) + 1)]


class HoldsLaws(ABC):
    """What every `Holds` keeps."""

    @abstractmethod
    def make(self) -> AbstractAsyncContextManager[Holds]:
        """A fresh, empty store; leaving the context closes it."""

    @given(_trees, _steps)
    @settings(deadline=None)
    def test_every_number_is_the_sum_of_what_happened(self, tree: dict[_Path, Limits], steps: list[_Step]) -> None:
        """The verdict is that of `ledger.decide`, spent and held are sums over the leaves, no limit is exceeded."""

        async def law() -> None:
            async with self.make() as store:
                model = _Model()
                for path, limits in tree.items():
                    await store.open(path, limits, 0.0)
                    model.open(path, limits)
                for step in steps:
                    await _step(store, model, step)
                    for path in model.opened:
                        account = await store.account(path)
                        assert account == model.account(path)
                        assert not _overdrawn(account) or step[0] == "charge" or _overdrawn_by_charge(model, path)

        asyncio.run(law())
