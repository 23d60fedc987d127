"""The walks of a call, told as scenarios."""

from __future__ import annotations

import msgspec
import pytest
from tests.flow.scenario import NOW, RULES, call, reply, walk

from penstock.errors import BudgetExceeded, Cancelled, DeadlineExceeded, Overloaded, Unpriced
from penstock.flow import FEWEST_TOKENS, Admit, Follow, Lookup, Refused, Send
from penstock.ledger import NOTHING, Amounts, Limits
from penstock.values import Edit, Undo, Usage

MONEY = Limits(nano=10**9)


def test_a_plain_call() -> None:
    walking = walk().misses().admitted().answered(Usage(input=10, output=5))
    assert walking.settling.used == Amounts(20_000, 10, 5, calls=1)
    assert walking.settling.hold == ""
    assert walking.settling.stores
    done = walking.ends()
    assert done.source == "p"
    assert (done.receipt.asked, done.receipt.spent, dict(done.receipt.saved)) == (20_000, 20_000, {})
    assert not done.receipt.estimated


def test_a_stored_reply_costs_nothing_and_saves_its_price() -> None:
    done = walk().hits(reply(Usage(input=10, output=5))).ends()
    assert done.source == "reuse"
    assert (done.receipt.asked, done.receipt.spent, done.receipt.saved) == (20_000, 0, {"reuse": 20_000})


@pytest.mark.parametrize(("model", "usage"), [("mine", None), ("unheard-of", Usage(input=10))])
def test_no_saving_is_claimed_where_the_price_is_not_known(model: str, usage: Usage | None) -> None:
    done = walk({"model": model}).hits(reply(usage)).ends()
    assert (done.receipt.asked, done.receipt.spent, done.receipt.saved) == (0, 0, {})


def test_a_joiner_pays_nothing() -> None:
    paid = walk().misses().admitted().answered(Usage(input=10)).ends()
    done = walk().joins().lands(paid).ends()
    assert done.source == "joined"
    assert (done.receipt.spent, done.receipt.saved) == (0, {"reuse": 10_000})


def test_a_joiner_of_an_unpriced_call_claims_nothing() -> None:
    paid = walk({"model": "unheard-of"}).misses().admitted().answered(Usage(input=10)).ends()
    assert paid.price is None
    assert paid.receipt.unpriced == 1
    assert walk({"model": "unheard-of"}).joins().lands(paid).ends().receipt.saved == {}


@pytest.mark.parametrize("error", [BudgetExceeded("no money"), DeadlineExceeded("too late")])
def test_the_limits_of_a_leader_are_not_those_of_who_joined(error: BudgetExceeded | DeadlineExceeded) -> None:
    assert isinstance(walk().joins().lands(Refused(call(), error)).state, Lookup)
    assert walk().joins().lands(Refused(call(), error), heard=True).refused().error is error


def test_a_failure_of_the_upstream_is_shared_but_not_its_cost() -> None:
    failed = walk().misses().admitted().failed(Overloaded("busy"), billed=True, text="half an answer").refused()
    assert failed.receipt.spent > 0
    joined = walk().joins().lands(failed).refused()
    assert joined.error is failed.error
    assert joined.receipt.spent == 0


def test_worst_case_is_held_and_settled() -> None:
    walking = walk().misses().shaped(MONEY)
    assert isinstance(walking.state, Admit)
    assert walking.state.want.nano == walking.state.quote.worst_nano > 200_000
    assert walking.state.want.output_tokens == 100
    assert 0 < walking.state.floor.nano < walking.state.want.nano
    sent = walk().misses().admitted(MONEY)
    assert isinstance(sent.state, Send)
    assert sent.state.hold == "h1"
    assert sent.answered(Usage(input=9, output=1)).settling.hold == "h1"


@pytest.mark.parametrize(
    ("dimension", "words"),
    [
        ("nano", r"may cost up to \$.* and the budget of scope 's' has \$0\.000000005 left"),
        ("calls", "the budget of scope 's' has 5 calls left and the call may take 10"),
        ("seconds", "the budget of scope 's' allowed 5 s, which are over"),
        ("depth", "in the budget of scope 's' may be 5 deep, this one is 10"),
    ],
)
def test_what_does_not_fit_is_refused_and_says_how_to_mend_it(dimension: str, words: str) -> None:
    refused = walk().misses().shaped(MONEY).barred(dimension).refused()
    assert isinstance(refused.error, BudgetExceeded)
    with pytest.raises(BudgetExceeded, match=words):
        raise refused.error


def test_an_unknown_price_is_refused_under_a_money_budget_only() -> None:
    unheard = {"model": "unheard-of"}
    refused = walk(unheard).misses().shaped(MONEY).refused()
    assert isinstance(refused.error, Unpriced)
    assert "[prices]" in str(refused.error)
    assert "allow_unpriced" in str(refused.error)
    hosted = walk({"tools": [{"type": "web_search"}]}).misses().shaped(MONEY).refused()
    assert "'web_search' is billed beyond the tokens of the call" in str(hosted.error)
    assert "ask without it" in str(hosted.error)
    assert isinstance(walk(unheard).misses().shaped(Limits(calls=5)).state, Admit)
    assert isinstance(walk(unheard).misses().shaped(Limits(nano=1, allow_unpriced=True)).state, Admit)
    hosted = {"tools": [{"type": "web_search_20250305", "name": "web_search"}]}
    assert "web_search_20250305" in str(walk(hosted).misses().shaped(MONEY).refused().error)


def test_max_tokens_is_fitted_only_where_the_user_allows_it() -> None:
    allowing = msgspec.structs.replace(RULES, fit=True)
    unlimited = {"max_tokens": None}
    enough = 2 * 1000 * FEWEST_TOKENS + 100_000
    fitted = walk(unlimited, allowing).misses().shaped(MONEY).barred(needed=10**9, left=enough).state
    assert isinstance(fitted, Admit)
    assert fitted.call.max_tokens is not None
    assert FEWEST_TOKENS <= fitted.call.max_tokens <= 2 * FEWEST_TOKENS
    assert fitted.want.nano <= enough
    assert fitted.call.edits[0].mechanism == "budget"
    assert walk(unlimited, allowing).misses().shaped(MONEY).barred(left=enough // 2).refused()
    assert walk(unlimited, allowing).misses().shaped(MONEY).barred("calls").refused()
    assert walk({}, allowing).misses().shaped(MONEY).barred(left=enough).refused()
    assert walk(unlimited).misses().shaped(MONEY).barred(left=enough).refused()


def test_the_window_bounds_an_answer_that_nothing_else_bounds() -> None:
    walking = walk({"max_tokens": None, "model": "gpt-4o-mini"}).misses().shaped(Limits(output_tokens=10**6))
    assert isinstance(walking.state, Admit)
    assert walking.state.want.output_tokens == 16_384
    free = walk({"max_tokens": None, "model": "any"}, provider="embedded").misses().shaped(MONEY)
    assert isinstance(free.state, Admit)
    assert free.state.want.nano == 0


def test_a_call_that_was_never_billed_costs_nothing() -> None:
    walking = walk().misses().admitted(MONEY).failed(Overloaded("busy"))
    assert walking.settling.used == NOTHING
    assert not walking.settling.stores
    assert walking.refused().receipt.calls == 0


def test_a_call_that_broke_off_is_charged_by_what_was_heard() -> None:
    silent = walk().misses().admitted(MONEY).failed(Cancelled("gone"), billed=True).refused()
    assert silent.receipt.estimated == 1
    assert silent.receipt.spent == 9_000  # the nine tokens of its prompt
    begun = (
        walk().misses().admitted().failed(Cancelled("gone"), billed=True, usage=Usage(input=50), text="one two three")
    )
    assert begun.refused().receipt.spent == 50_000 + 3 * 2_000
    told = (
        walk().misses().admitted().failed(Cancelled("gone"), billed=True, usage=Usage(input=50, output=9), text="one")
    )
    assert told.refused().receipt.spent == 50_000 + 9 * 2_000


def test_a_provider_that_reports_no_usage_is_estimated_and_says_so() -> None:
    done = walk().misses().admitted().answered(None, text="one two three").ends()
    assert done.receipt.estimated == 1
    assert done.receipt.spent > 3 * 2_000


def test_edits_are_priced_in_order() -> None:
    def route(call: object) -> list[Edit]:
        return [Edit("route", ("model",), "set", "mine", Undo(model="dear"), {"score": 12})]

    def compress(call: object) -> list[Edit]:
        return [Edit("compress", ("messages", 0, "content"), "set", "W?", Undo(input_tokens=1000))]

    rules = msgspec.structs.replace(RULES, policies=(("compress", compress), ("route", route)))
    walking = walk({"model": "dear"}, rules).misses().admitted().answered(Usage(input=500, output=100))
    done = walking.ends()
    assert done.call.model == "mine"
    assert done.receipt.asked == 1500 * 10_000 + 100 * 20_000
    assert done.receipt.saved == {"compress": 1000 * 10_000, "route": 500 * 9_000 + 100 * 18_000}
    off = walk({"model": "dear"}, rules, off=frozenset({"route"})).misses().admitted().answered(Usage(input=500)).ends()
    assert off.call.model == "dear"
    assert off.receipt.saved == {"compress": 1000 * 10_000}


def test_an_edit_whose_undone_price_is_not_known_claims_nothing() -> None:
    rules = msgspec.structs.replace(
        RULES, policies=(("route", lambda _: [Edit("route", ("model",), "set", "mine", Undo(model="unheard-of"))]),)
    )
    done = walk({"model": "unheard-of"}, rules).misses().admitted().answered(Usage(input=500)).ends()
    assert done.receipt.saved == {"route": 0}
    unpriced = walk(
        {"model": "mine"},
        msgspec.structs.replace(
            RULES, policies=(("route", lambda _: [Edit("route", ("model",), "set", "unheard-of")]),)
        ),
    )
    assert unpriced.misses().admitted().answered(Usage(input=5)).ends().receipt.unpriced == 1


def test_a_call_made_for_a_mechanism_is_its_loss() -> None:
    done = walk(charged_to="compress").misses().admitted().answered(Usage(input=10)).ends()
    assert (done.receipt.asked, done.receipt.spent, done.receipt.saved) == (0, 10_000, {"compress": -10_000})


def test_what_a_provider_reports_is_learned() -> None:
    long = {"messages": [{"role": "user", "content": "The quick brown fox jumps over the lazy dog. " * 50}]}
    settling = walk(long).misses().admitted(MONEY).answered(Usage(input=900, output=1)).settling
    learned = RULES.learning("mine", settling.quote, settling.usage)
    assert learned.factors != RULES.factors
    assert learned.quote(call(long), NOW).input_estimate > RULES.quote(call(long), NOW).input_estimate
    assert RULES.learning("mine", None, settling.usage) is RULES
    assert RULES.learning("mine", settling.quote, None) is RULES


def test_every_state_explains_itself() -> None:
    answered = walk().misses().admitted(MONEY).answered(Usage(input=10))
    answered.ends()
    joined = walk().joins()
    refused = walk().misses().shaped(MONEY).barred()
    estimated = walk().misses().admitted().failed(Overloaded("x"))
    for state in [*answered.log, *joined.log, *refused.log, *estimated.log]:
        assert msgspec.json.encode(state.explain())
    assert joined.log[-1].explain() == {"joined": "c1"}
    assert isinstance(joined.state, Follow)
    assert refused.log[-1].explain()["error"] == "BudgetExceeded"
