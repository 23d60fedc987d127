"""The laws of `stores.holds`. See `testing.laws`."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TypeAlias

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penstock.ledger import DIMENSIONS, NOTHING, Account, Amounts, Fits, Limits, Never, Wait, decide
from penstock.stores.holds import Hold, Holds

__all__ = ["HoldsLaws", "SharedHoldsLaws"]

# One law runs under many classes, each with a store of its own.
_inherited = settings(deadline=None, suppress_health_check=[HealthCheck.differing_executors])

_Path: TypeAlias = tuple[str, ...]
_Step: TypeAlias = tuple[str, _Path, Amounts, Amounts, int]

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
    @_inherited
    def test_every_number_is_the_sum_of_what_happened(self, tree: dict[_Path, Limits], steps: list[_Step]) -> None:
        """The verdict is that of `ledger.decide`; spent and held are sums over the leaves; holds exceed no limit."""

        async def law() -> None:
            async with self.make() as store:
                model = _Model()
                for path, limits in tree.items():
                    await store.open(path, limits, 0.0)
                    model.open(path, limits)
                charged = False
                for step in steps:
                    charged = charged or step[0] == "charge"
                    await _take_step(store, model, step)
                    for path in model.opened:
                        account = await store.account(path)
                        assert account == model.account(path)
                        assert charged or not _overdrawn(account)

        asyncio.run(law())

    @given(st.lists(st.tuples(st.integers(1, 60), st.integers(0, 100)), min_size=1, max_size=40), st.integers(1, 300))
    @_inherited
    def test_concurrent_tasks_never_exceed_a_limit(self, calls: list[tuple[int, int]], limit: int) -> None:
        """Tasks that hold, use some or are cancelled, and wait for each other, as an engine's calls do."""

        async def law() -> None:
            async with self.make() as store:
                await store.open(("a",), Limits(nano=limit), 0.0)
                used: list[int] = []

                async def call(want: int, percent: int) -> None:
                    hold = await store.hold(("a", "b"), Amounts(want), NOTHING, 0.0)
                    while isinstance(hold, Wait):
                        await asyncio.sleep(0)
                        hold = await store.hold(("a", "b"), Amounts(want), NOTHING, 0.0)
                    assert not _overdrawn(await store.account(("a",)))
                    await asyncio.sleep(0)
                    if isinstance(hold, Hold):
                        used.append(want * percent // 100)
                        await store.settle(hold.id, Amounts(used[-1]))

                await asyncio.gather(*(call(*arguments) for arguments in calls))
                assert await store.account(("a",)) == Account(("a",), Limits(nano=limit), Amounts(sum(used)))

        asyncio.run(law())

    def test_a_hold_is_settled_once(self) -> None:
        """Settling and releasing again do nothing, nor does an id that never was."""

        async def law(store: Holds) -> None:
            await store.open(_LEAF, Limits(nano=100), 0.0)
            hold = await _held(store, Amounts(60))
            await store.settle(hold.id, Amounts(10))
            assert await store.settle(hold.id, Amounts(10)) == []
            await store.release(hold.id)
            assert await store.settle("never", Amounts(10)) == []
            assert await _stands(store) == (10, 0)

        self._obeys(law)

    def test_a_release_books_nothing(self) -> None:
        """What was held is there again."""

        async def law(store: Holds) -> None:
            await store.open(_LEAF, Limits(nano=100), 0.0)
            hold = await _held(store, Amounts(60))
            assert await store.hold(_LEAF, Amounts(60), NOTHING, 0.0) == Wait(_LEAF, "nano")
            await store.release(hold.id)
            assert await _stands(store) == (0, 0)
            await _held(store, Amounts(100))

        self._obeys(law)

    def test_more_than_was_held_is_booked_as_it_is(self) -> None:
        """A provider that used more than the worst case is a fact; the budget shows it."""

        async def law(store: Holds) -> None:
            await store.open(_LEAF, Limits(nano=100), 0.0)
            hold = await _held(store, Amounts(100))
            alerts = await store.settle(hold.id, Amounts(130))
            assert [alert.level for alert in alerts] == ["critical"]
            assert await _stands(store) == (130, 0)
            assert await store.hold(_LEAF, Amounts(1), NOTHING, 0.0) == Never(_LEAF, "nano", 1, -30)

        self._obeys(law)

    def test_an_account_opened_again_has_the_new_limits_and_the_old_spending(self) -> None:
        """Without limits it is only looked at."""

        async def law(store: Holds) -> None:
            assert await store.account(_LEAF) is None
            first = await store.open(_LEAF, Limits(nano=100), 1.0)
            assert first == Account(_LEAF, Limits(nano=100), opened=1.0)
            await store.charge(_LEAF, Amounts(40))
            again = await store.open(_LEAF, Limits(nano=70), 2.0)
            assert again == Account(_LEAF, Limits(nano=70), Amounts(40), NOTHING, 1.0)
            assert await store.open(_LEAF, None, 3.0) == await store.account(_LEAF) == again

        self._obeys(law)

    def test_an_account_opened_late_knows_what_is_in_flight(self) -> None:
        """And is settled to zero, not below."""

        async def law(store: Holds) -> None:
            hold = await _held(store, Amounts(60))
            assert (await store.open(("a",), Limits(nano=100), 0.0)).held == Amounts(60)
            await store.settle(hold.id, Amounts(20))
            account = await store.account(("a",))
            assert account is not None
            assert (account.spent, account.held) == (Amounts(20), NOTHING)

        self._obeys(law)

    def test_a_dropped_account_leaves_its_spending_above(self) -> None:
        """A hold that it took part in still settles."""

        async def law(store: Holds) -> None:
            await store.open(("a",), Limits(nano=100), 0.0)
            await store.open(_LEAF, Limits(nano=10), 0.0)
            hold = await _held(store, Amounts(10))
            await store.drop(_LEAF)
            await store.settle(hold.id, Amounts(10))
            assert await store.account(_LEAF) is None
            root = await store.account(("a",))
            assert root is not None
            assert root.spent == Amounts(10)

        self._obeys(law)

    def test_every_account_of_the_path_alerts_once(self) -> None:
        """Root first."""

        async def law(store: Holds) -> None:
            await store.open(("a",), Limits(nano=1000), 0.0)
            await store.open(_LEAF, Limits(nano=100), 0.0)
            assert [alert.threshold for alert in await store.charge(_LEAF, Amounts(85))] == [80]
            assert await store.charge(_LEAF, Amounts(1)) == []
            assert [alert.threshold for alert in await store.charge(_LEAF, Amounts(900))] == [800, 100]

        self._obeys(law)

    def test_amounts_have_no_width(self) -> None:
        """An absurd ``max_tokens`` is held where nothing limits it, and refused where something does."""

        async def law(store: Holds) -> None:
            await store.open(("a",), Limits(calls=10), 0.0)
            hold = await _held(store, Amounts(output_tokens=10**30))
            account = await store.account(("a",))
            assert account is not None
            assert account.held == Amounts(output_tokens=10**30)
            await store.settle(hold.id, Amounts(output_tokens=7))
            await store.open(_LEAF, Limits(output_tokens=100), 0.0)
            assert await store.hold(_LEAF, Amounts(output_tokens=10**30), NOTHING, 0.0) == Never(
                _LEAF, "output_tokens", 10**30, 100
            )

        self._obeys(law)

    def test_holds_of_the_living_are_not_reaped(self) -> None:
        """However long they take."""

        async def law(store: Holds) -> None:
            await store.open(_LEAF, Limits(nano=100), 0.0)
            hold = await _held(store, Amounts(60))
            assert await store.reap(1e12) == 0
            await store.settle(hold.id, Amounts(60))
            assert await _stands(store) == (60, 0)

        self._obeys(law)

    def _obeys(self, law: Callable[[Holds], Coroutine[None, None, None]]) -> None:
        async def run() -> None:
            async with self.make() as store:
                await law(store)

        asyncio.run(run())


class SharedHoldsLaws(ABC):
    """What a `Holds` that several processes share keeps besides."""

    lease: float = 900.0
    """How long the holds of a store that `join` makes are left alone."""

    @abstractmethod
    def join(self, alive: Callable[[str], bool]) -> AbstractAsyncContextManager[tuple[Holds, Holds]]:
        """Two stores on the same fresh state; their owners are named ``one`` and ``two``."""

    def test_what_one_holds_the_other_sees(self) -> None:
        """And settles, if need be."""

        async def law(one: Holds, two: Holds) -> None:
            await one.open(_LEAF, Limits(nano=100), 0.0)
            hold = await _held(one, Amounts(60))
            assert await two.hold(_LEAF, Amounts(60), NOTHING, 0.0) == Wait(_LEAF, "nano")
            await two.settle(hold.id, Amounts(30))
            assert await one.settle(hold.id, Amounts(60)) == []
            assert await _stands(one) == await _stands(two) == (30, 0)

        self._obey(law)

    def test_the_dead_are_settled_at_the_floor_by_who_waits(self) -> None:
        """Not before the lease is over; and only once."""

        async def law(one: Holds, two: Holds) -> None:
            await one.open(_LEAF, Limits(nano=100), 0.0)
            await _held(one, Amounts(60), floor=Amounts(25))
            assert await two.hold(_LEAF, Amounts(60), NOTHING, self.lease - 1) == Wait(_LEAF, "nano")
            mine = await two.hold(_LEAF, Amounts(60), NOTHING, self.lease)
            assert isinstance(mine, Hold)
            assert await _stands(two) == (25, 60)
            assert await two.reap(self.lease) == 0

        self._obey(law, dead={"one"})

    def test_the_living_keep_their_holds_beyond_the_lease(self) -> None:
        """A long call is no dead one."""

        async def law(one: Holds, two: Holds) -> None:
            await one.open(_LEAF, Limits(nano=100), 0.0)
            await _held(one, Amounts(60), floor=Amounts(25))
            assert await two.hold(_LEAF, Amounts(60), NOTHING, 10 * self.lease) == Wait(_LEAF, "nano")
            assert await two.reap(10 * self.lease) == 0

        self._obey(law, dead={"two"})

    def test_who_was_taken_for_dead_settles_the_difference(self) -> None:
        """So nothing is booked twice, and nothing is lost."""

        async def law(one: Holds, two: Holds) -> None:
            await one.open(_LEAF, Limits(nano=100), 0.0)
            late = await _held(one, Amounts(60), floor=Amounts(25))
            unused = await _held(one, Amounts(40), floor=Amounts(5))
            assert await two.reap(self.lease) == 2
            assert await _stands(two) == (30, 0)
            await one.settle(late.id, Amounts(50))
            await one.settle(late.id, Amounts(50))
            await one.release(unused.id)
            assert await _stands(two) == (50, 0)

        self._obey(law, dead={"one"})

    @given(st.lists(st.tuples(st.integers(0, 1), _amounts, st.integers(0, 100), st.booleans()), max_size=30), _limits)
    @_inherited
    def test_deaths_never_exceed_a_limit(self, calls: list[tuple[int, Amounts, int, bool]], limits: Limits) -> None:
        """Two owners hold and settle in turns; at the end both are dead and everything is reaped."""
        dead: set[str] = set()

        async def law(*stores: Holds) -> None:
            await stores[0].open(("a",), limits, 0.0)
            spent = NOTHING
            for who, want, percent, dies in calls:
                used = Amounts(*(getattr(want, dimension) * percent // 100 for dimension in DIMENSIONS))
                hold = await stores[who].hold(_LEAF, want, used, 0.0)
                if isinstance(hold, Hold):
                    spent += used
                    if not dies:
                        await stores[1 - who].settle(hold.id, used)
                assert not _overdrawn(await stores[1 - who].account(("a",)))
            dead.update({"one", "two"})
            await stores[0].reap(self.lease)
            assert await stores[1].account(("a",)) == Account(("a",), limits, spent)

        self._obey(law, dead=dead)

    def _obey(self, law: Callable[[Holds, Holds], Coroutine[None, None, None]], dead: set[str] | None = None) -> None:
        async def run() -> None:
            async with self.join(lambda owner: owner not in (dead or set())) as (one, two):
                await law(one, two)

        asyncio.run(run())


async def _take_step(store: Holds, model: _Model, step: _Step) -> None:
    """One step on both, and the same answer from both."""
    operation, path, want, floor, number = step
    now = float(number)
    if operation == "open":
        await store.open(path, None, 0.0)
        model.open(path, Limits())
    elif operation == "charge":
        await store.charge(path, want)
        model.booked.append((path, want))
    elif operation == "hold":
        outcome = await store.hold(path, want, floor, now)
        verdict = decide(model.line(path), want, now=now)
        if isinstance(outcome, Hold):
            assert verdict == Fits()
            assert (outcome.path, outcome.want) == (path, want)
            model.held[outcome.id] = outcome
        else:
            assert outcome == verdict
    elif model.held:
        hold = list(model.held.values())[number % len(model.held)]
        if operation == "release":
            await store.release(hold.id)
            model.settle(hold, NOTHING)
        else:
            used = Amounts(*(getattr(hold.want, dimension) * number // 100 for dimension in DIMENSIONS))
            await store.settle(hold.id, used)
            model.settle(hold, used)


async def _held(store: Holds, want: Amounts, floor: Amounts = NOTHING) -> Hold:
    hold = await store.hold(_LEAF, want, floor, 0.0)
    assert isinstance(hold, Hold)
    return hold


async def _stands(store: Holds) -> tuple[int, int]:
    """Nano-dollars spent and held on the leaf."""
    account = await store.account(_LEAF)
    assert account is not None
    return account.spent.nano, account.held.nano


def _overdrawn(account: Account | None) -> bool:
    assert account is not None
    return any((account.left(dimension) or 0) < 0 for dimension in DIMENSIONS)
