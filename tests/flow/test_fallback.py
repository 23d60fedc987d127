"""Who is asked when a provider fails."""

from __future__ import annotations

import msgspec
import pytest
from scenario import RULES, walk

from penstock.errors import BrokenReply, KeyRefused, Overloaded, PenstockError, Rejected, Unreachable
from penstock.flow import Admit, Fallback, Settle, Shape
from penstock.ledger import NOTHING, Limits
from penstock.values import Call, Credential, Usage

MONEY = Limits(nano=10**9)
TWO = msgspec.structs.replace(RULES, fallbacks={"p": Fallback("q", "https://q"), "q": Fallback("p", "https://p")})
DEAR = msgspec.structs.replace(RULES, fallbacks={"p": Fallback("q", "https://q", "dear")})


@pytest.mark.parametrize("error", [Overloaded("busy", status=529), Unreachable("gone")], ids=lambda error: str(error))
def test_another_provider_stands_in_within_the_same_budget(error: PenstockError) -> None:
    walking = walk(rules=TWO).misses().admitted(MONEY).failed(error)
    assert (walking.settling.used, walking.settling.hold) == (NOTHING, "h1")  # what was held is given back first
    assert walking.settling.explain() == {"failed": str(error), "next": "q"}
    walking._to(walking.settling.next())
    done = walking.admitted(MONEY).answered(Usage(input=10, output=5))
    assert not done.settling.stores  # it was asked under the key of the first provider
    assert (done.ends().source, done.ends().call.origin) == ("q", "https://q")
    assert done.ends().receipt.asked == done.ends().receipt.spent == 20_000


def test_its_model_may_have_another_name_and_price() -> None:
    walking = walk(rules=DEAR).misses().admitted(MONEY).failed(Unreachable("gone"))
    walking._to(walking.settling.next()).shaped(MONEY)
    assert isinstance(walking.state, Admit)
    assert walking.state.call.model == "dear"
    assert walking.state.want.nano > 2_000_000  # a hundred tokens of the dearer answer
    assert walking.state.call.edits[-1].evidence == {"asked": "mine"}


def test_when_all_have_failed_the_last_error_is_the_answer() -> None:
    walking = walk(rules=TWO).misses().admitted().failed(Unreachable("one"))
    walking._to(walking.settling.next()).admitted().failed(Overloaded("two"))
    assert str(walking.refused().error) == "two"


@pytest.mark.parametrize(
    "error",
    [Rejected("no", status=400), KeyRefused("who?", status=401), BrokenReply("cut")],
    ids=lambda error: str(error),
)
def test_what_another_would_refuse_as_well_is_the_answer(error: PenstockError) -> None:
    assert walk(rules=TWO).misses().admitted().failed(error).refused().error is error


def test_a_call_that_may_be_billed_is_not_asked_twice() -> None:
    walking = walk(rules=TWO).misses().admitted().failed(Unreachable("lost"), billed=True)
    assert walking.settling.onward is None


def test_a_clients_own_key_stays_with_its_provider() -> None:
    walking = walk(rules=TWO, credential=Credential("sk-own")).misses().admitted().failed(Unreachable("gone"))
    assert walking.settling.onward is None


def test_edits_are_made_once() -> None:
    asked: list[str] = []

    def policy(call: Call) -> list[object]:
        asked.append(call.provider)
        return []

    rules = msgspec.structs.replace(TWO, policies=(("layout", policy),))
    walking = walk(rules=rules).misses().admitted().failed(Unreachable("gone"))
    onward = walking.settling.next()
    assert isinstance(walking.state, Settle)
    assert isinstance(onward, Shape)
    walking._to(onward).admitted()
    assert asked == ["p"]
