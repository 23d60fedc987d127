"""When a history is cut: what a step costs and saves, and that it is never dearer than none."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.policy.prune.cuts import Cut, Pruned
from penstock.policy.prune.steps import Account, Prices, Step, Warmth, decided


def sent(*tokens: int, before: int = 100_000, same: int | None = None) -> Pruned:
    """A list of messages of so many tokens; those before ``same`` are the ones that all lists begin with."""
    agree = len(tokens) if same is None else same
    messages: list[dict[str, Any]] = [{"at": i if i < agree else (i, tokens)} for i in range(len(tokens))]
    return Pruned(messages, list(tokens), before, 0, 0, 0, Cut())


WARM = Warmth(read=100_000, without=100_000)
RICH = Account(turns=100, won=1e6, regret=1e6)


def step(stay: Pruned, *offers: Pruned, warm: int = 100_000, account: Account = RICH, **fields: Any) -> Step:
    prices = Prices(**fields)
    return decided(stay, offers, warmth=Warmth(read=warm, without=warm), account=account, prices=prices)


def test_prices() -> None:
    assert Prices().cost(1_000, 600) == pytest.approx(60 + 500)
    assert Prices().cost(1_000, 2_000) == Prices().again(1_000) == pytest.approx(100)
    assert Prices(minimum=1_024).cost(1_000, 1_000) == 1_000
    assert Prices(minimum=1_024).cost(2_000, 1_000) == 2_500


STAY = sent(1_000, 90_000, 9_000)
CUT = sent(1_000, 500, 9_000, same=1)


def test_a_step_is_taken_when_it_pays_is_due_and_is_affordable() -> None:
    taken = step(STAY, CUT)
    assert taken.taken
    assert taken.sent is CUT
    assert taken.warm == 1_000
    assert taken.account == Account(101, pytest.approx(1e6 + 10_000 - 100 - 1.25 * 9_500), 0.0)


def test_no_step_without_turns_to_come() -> None:
    assert not step(STAY, CUT, account=Account(turns=0, won=1e6, regret=1e6)).taken


def test_no_step_before_its_price_was_paid_in_vain() -> None:
    left = step(STAY, CUT, account=Account(turns=100, won=1e6))
    saves = 0.1 * (100_000 - 10_500)
    extra = (100 + 1.25 * 9_500) - 10_000
    assert saves > extra
    assert left.taken
    small = sent(1_000, 80_000, 9_000, same=1)
    waiting = step(STAY, small, account=Account(turns=500, won=1e6))
    assert not waiting.taken
    assert waiting.account.regret == pytest.approx(0.1 * 10_000)
    assert waiting.sent is STAY
    assert step(STAY, small, account=Account(turns=5_000, won=1e6, regret=1e6)).taken


def test_no_step_that_the_account_cannot_bear() -> None:
    poor = Account(turns=100, won=0.0, regret=1e6)
    assert not step(STAY, CUT, account=poor).taken
    allowed = decided(STAY, [CUT], warmth=WARM, account=poor, prices=Prices(), allowance=2_500)
    assert allowed.taken
    assert allowed.account.won < 0


def test_a_cold_cache_makes_it_free() -> None:
    cold = step(STAY, CUT, warm=0, account=Account())
    assert cold.taken
    assert cold.account.won == pytest.approx(1.25 * (100_000 - 10_500))


def test_the_best_of_several() -> None:
    less = sent(1_000, 50_000, 9_000, same=1)
    assert step(STAY, less, CUT).sent is CUT
    assert step(STAY, CUT, less).sent is CUT


def test_nothing_is_cut_below_what_a_provider_caches() -> None:
    assert not step(STAY, CUT, minimum=20_000).taken


def test_a_longer_prompt_is_never_better() -> None:
    assert not step(STAY, sent(1_000, 90_000, 9_500, same=2)).taken


def test_what_stands_before_the_messages_is_lost_too_where_no_mark_keeps_it() -> None:
    account = Account(turns=100, won=15_000.0, regret=1e6)
    whole = Warmth(head=20_000, read=120_000, without=120_000)
    kept = decided(STAY, [CUT], warmth=whole, account=account, prices=Prices())
    assert kept.taken
    assert kept.warm == 21_000
    unmarked = Warmth(head=20_000, read=120_000, without=120_000, readable=lambda tokens: 0)
    lost = decided(STAY, [CUT], warmth=unmarked, account=account, prices=Prices())
    assert not lost.taken
    assert lost.warm == 109_000 + 11_000
