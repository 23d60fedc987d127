"""The one rule of admission."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.ledger import DIMENSIONS, NOTHING, Account, Amounts, Fits, Limits, Never, Wait, alerts, decide, named

AMOUNTS = st.builds(Amounts, *[st.integers(0, 50)] * 5)
LIMITS = st.builds(Limits, *[st.none() | st.integers(0, 100)] * 5)


UNLIMITED = Limits()


def account(*path: str, limits: Limits = UNLIMITED, spent: Amounts = NOTHING, held: Amounts = NOTHING) -> Account:
    return Account(path, limits, spent, held)


def test_it_fits_waits_or_never_fits() -> None:
    tight = account("a", limits=Limits(nano=100), spent=Amounts(nano=30), held=Amounts(nano=40))
    assert decide([tight], Amounts(nano=30), now=0) == Fits()
    assert decide([tight], Amounts(nano=31), now=0) == Wait(("a",), "nano")
    assert decide([tight], Amounts(nano=71), now=0) == Never(("a",), "nano", 71, 70)
    assert tight.left("nano") == 30
    assert tight.left("calls") is None


def test_what_is_not_wanted_is_not_refused() -> None:
    full = account("a", limits=Limits(nano=0, calls=5))
    assert decide([full], Amounts(calls=1), now=0) == Fits()


def test_every_account_of_the_path_is_asked_and_never_wins_over_wait() -> None:
    waiting = account("a", limits=Limits(calls=2), held=Amounts(calls=2))
    never = account("a", "b", limits=Limits(calls=0))
    assert decide([waiting, account("a", "b")], Amounts(calls=1), now=0) == Wait(("a",), "calls")
    assert decide([waiting, never], Amounts(calls=1), now=0) == Never(("a", "b"), "calls", 1, 0)
    both = account("a", "b", limits=Limits(nano=1), held=Amounts(nano=1))
    assert decide([waiting, both], Amounts(nano=1, calls=1), now=0) == Wait(("a",), "calls")


def test_depth_and_time() -> None:
    path = [account("a", limits=Limits(depth=1)), account("a", "b"), account("a", "b", "c")]
    assert decide(path[:2], NOTHING, now=0) == Fits()
    assert decide(path, NOTHING, now=0) == Never(("a",), "depth", 2, 1)
    timed = msgspec.structs.replace(account("a", limits=Limits(seconds=5)), opened=100.0)
    assert decide([timed], NOTHING, now=104.9) == Fits()
    assert decide([timed], NOTHING, now=105.0) == Never(("a",), "seconds", 5.0, 5)


@given(LIMITS, AMOUNTS, AMOUNTS, AMOUNTS)
def test_what_fits_never_exceeds_a_limit(limits: Limits, spent: Amounts, held: Amounts, want: Amounts) -> None:
    verdict = decide([Account(("a",), limits, spent, held)], want, now=0)
    taken = spent + held + want
    over = [d for d in DIMENSIONS if limits.of(d) is not None and getattr(want, d) and getattr(taken, d) > limits.of(d)]
    assert isinstance(verdict, Fits) == (not over)
    hopeless = [d for d in over if getattr(spent + want, d) > limits.of(d)]  # type: ignore[operator]
    assert isinstance(verdict, Never) == bool(hopeless)


@given(AMOUNTS, AMOUNTS)
def test_amounts_add_and_take_away(one: Amounts, two: Amounts) -> None:
    assert one + two - two == one
    assert one + NOTHING == one


@pytest.mark.parametrize(
    ("limits", "before", "after", "expected"),
    [
        (Limits(nano=1000), Amounts(nano=799), Amounts(nano=800), [("warning", "nano", 800)]),
        (Limits(nano=1000), Amounts(nano=800), Amounts(nano=900), []),
        (Limits(nano=1000), Amounts(nano=0), Amounts(nano=1000), [("critical", "nano", 1000)]),
        (Limits(input_tokens=1000), NOTHING, Amounts(input_tokens=750), [("warning", "input_tokens", 750)]),
        (Limits(calls=10), Amounts(calls=7), Amounts(calls=8), [("warning", "calls", 8)]),
        (Limits(calls=10), Amounts(calls=6), Amounts(calls=7), []),
        (Limits(calls=1), NOTHING, Amounts(calls=1), [("critical", "calls", 1)]),
        (Limits(), NOTHING, Amounts(nano=10**12), []),
    ],
)
def test_each_threshold_speaks_once(
    limits: Limits, before: Amounts, after: Amounts, expected: list[tuple[str, str, int]]
) -> None:
    spoken = alerts(account("a", limits=limits, spent=before), account("a", limits=limits, spent=after))
    assert [(alert.level, alert.metric, alert.threshold) for alert in spoken] == expected


def test_an_alert_is_readable() -> None:
    (alert,) = alerts(
        account("a", limits=Limits(nano=10**9)), account("a", limits=Limits(nano=10**9), spent=Amounts(nano=9 * 10**8))
    )
    assert alert.message == "$0.90 of $1.00 used"
    (alert,) = alerts(
        account("a", limits=Limits(repl_steps=50)),
        account("a", limits=Limits(repl_steps=50), spent=Amounts(repl_steps=50)),
    )
    assert alert.message == "50 repl steps of 50 repl steps used: nothing is left"


@pytest.mark.parametrize(
    ("path", "words"),
    [
        (("local", "open:c_0123456789abcdef"), "the budget of this session"),
        (("local", "team-a"), "the budget of scope 'team-a'"),
        (("local", "team"), "the budget of scope 'team'"),
        (("local",), "the budget of this client"),
        (("0123456789abcdef",), "the budget of this client"),
        (("acme",), "the budget of scope 'acme'"),
        (("team",), "the budget of scope 'team'"),
        (("acme", "c_0123456789abcdef"), "the budget of this call"),
        (("run:", "local", "c_0123456789abcdef"), "the budget of this call"),
        (("run:",), "the budget of this run"),
        (("key:ci", "key:ci"), "the budget of key 'ci'"),
        (("key:ci", "key:ci", "2026-11-21T10"), "the budget of key 'ci' for 2026-11-21T10 (UTC)"),
        (("acme", "team"), "the budget of scope 'acme'"),
        (("acme", "team", "2026-W47"), "the budget of scope 'acme' for 2026-W47 (UTC)"),
        (("acme", "team", "2026-11", "key:ci", "2026-11-21"), "the budget of key 'ci' for 2026-11-21 (UTC)"),
        (("2026-11",), "the budget of scope '2026-11'"),
    ],
)
def test_a_budget_is_named_as_the_person_knows_it(path: tuple[str, ...], words: str) -> None:
    assert named(path) == words
