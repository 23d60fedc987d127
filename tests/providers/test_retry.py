from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import BrokenReply, KeyRefused, Overloaded, ProviderError, Rejected, Unreachable
from penstock.providers.retry import GiveUp, Retry, RetryBudget, RetryPolicy, retry_after

NOW = 1_800_000_000.0
POLICY = RetryPolicy()


def decide(error: ProviderError, attempt: int = 1, policy: RetryPolicy = POLICY, **given: Any) -> Retry | GiveUp:
    known: dict[str, Any] = {"left": None, "budget": RetryBudget(), "jitter": 0.5, "now": NOW, **given}
    return policy.decide(attempt, error, **known)


def busy(**headers: str) -> Overloaded:
    return Overloaded("busy", status=429, headers={name.replace("_", "-"): value for name, value in headers.items()})


@pytest.mark.parametrize("kind", [Rejected, KeyRefused, BrokenReply, ProviderError])
def test_what_would_fail_again_is_not_tried_again(kind: type[ProviderError]) -> None:
    assert decide(kind("no")) == GiveUp("the same request would fail again")


@pytest.mark.parametrize("error", [busy(), Unreachable("gone")])
def test_the_delay_is_a_random_part_of_a_doubling_span(error: ProviderError) -> None:
    policy = RetryPolicy(tries=10)
    spans = [decide(error, attempt, policy, jitter=1.0) for attempt in range(1, 8)]
    assert spans == [Retry(0.5), Retry(1.0), Retry(2.0), Retry(4.0), Retry(8.0), Retry(8.0), Retry(8.0)]
    assert decide(error, 3, policy, jitter=0.0) == Retry(0.0)


def test_the_tries_are_counted() -> None:
    assert isinstance(decide(busy(), 2), Retry)
    assert decide(busy(), 3) == GiveUp("all 3 tries are spent")


def test_what_the_upstream_asks_for_is_waited_in_full_up_to_the_cap() -> None:
    assert decide(busy(retry_after="20"), jitter=0.0) == Retry(20.0)
    assert decide(busy(retry_after="2"), jitter=0.5) == Retry(2.25)
    assert decide(busy(retry_after_ms="1500", retry_after="9"), jitter=0.0) == Retry(1.5)
    assert decide(busy(retry_after="20.5")) == GiveUp("the upstream asks to wait 20 s")


def test_advice_against_a_retry_is_taken() -> None:
    assert decide(busy(x_should_retry="False")) == GiveUp("trying again was advised against")
    assert isinstance(decide(busy(x_should_retry="true")), Retry)
    assert isinstance(decide(Rejected("no", headers={"x-should-retry": "true"})), GiveUp)


@given(left=st.floats(0, 30), jitter=st.floats(0, 0.999), asked=st.none() | st.floats(0, 20))
def test_no_delay_passes_the_deadline(left: float, jitter: float, asked: float | None) -> None:
    error = busy() if asked is None else busy(retry_after=str(asked))
    decision = decide(error, left=left, jitter=jitter)
    assert decision == GiveUp("the deadline comes first") or (isinstance(decision, Retry) and decision.delay < left)


def test_an_empty_purse_allows_nothing() -> None:
    budget = RetryBudget(cap=1.5)
    assert isinstance(decide(busy(), budget=budget), Retry)
    assert budget.tokens == 1.5, "deciding is pure"
    budget.withdraw()
    assert decide(busy(), budget=budget) == GiveUp("the budget of retries is spent")


@given(st.lists(st.booleans(), max_size=2000))
def test_retries_stay_within_a_tenth_of_the_requests_and_the_first_purse(wants: list[bool]) -> None:
    budget, retries = RetryBudget(0.1, 10), 0
    for wanted in wants:
        budget.deposit()
        assert budget.tokens <= 10
        if wanted and isinstance(decide(busy(), budget=budget), Retry):
            budget.withdraw()
            retries += 1
    assert 0 <= retries <= 10 + 0.1 * len(wants)


@pytest.mark.parametrize("offset", [12, 0, -3600])
def test_a_date_counts_from_now(offset: int) -> None:
    date = datetime.fromtimestamp(NOW + offset, UTC)
    assert retry_after({"retry-after": format_datetime(date, usegmt=True)}, NOW) == max(0, offset)
    assert retry_after({"retry-after": format_datetime(date.replace(tzinfo=None))}, NOW) == max(0, offset)


@pytest.mark.parametrize("text", ["", "soon", "nan", "inf", "-inf", "Wed, 99 Foo 2015", "1e999"])
def test_what_cannot_be_read_says_nothing(text: str) -> None:
    assert retry_after({"retry-after": text}, NOW) is None
    assert retry_after({}, NOW) is None
    assert retry_after({"retry-after": "-5"}, NOW) == 0


@given(st.text(max_size=40), st.text(max_size=20))
def test_no_header_breaks_the_reader(after: str, milliseconds: str) -> None:
    asked = retry_after({"retry-after": after, "retry-after-ms": milliseconds}, NOW)
    assert asked is None or asked >= 0
