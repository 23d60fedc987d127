"""The states themselves. What `next` and `explain` mean is told by the door of this room."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import msgspec

from penstock.errors import BudgetExceeded, Cancelled, DeadlineExceeded, PenstockError
from penstock.flow.observed import Answered, Failed, Granted, Hit, InFlight, Landed, Miss
from penstock.flow.refusals import too_dear, unpriced
from penstock.flow.rules import Rules, cuts_of, reused
from penstock.ledger import NOTHING, Amounts, Cut, Limits, Never, Receipt, book, charge
from penstock.meter import Quote, count, fit, price, quote, unbounded
from penstock.policy.layout.interplay import Warm, paying
from penstock.policy.layout.salt import salted
from penstock.policy.reuse import Eligible, eligible, worth_storing
from penstock.values import Call, Edit, Reply, Usage, identity

__all__ = [
    "AMPLE_TOKENS",
    "FEWEST_TOKENS",
    "Admit",
    "Done",
    "Flying",
    "Follow",
    "Lookup",
    "Refused",
    "Send",
    "Settle",
    "Shape",
    "State",
    "begin",
]

FEWEST_TOKENS = 1024
"""A fitted ``max_tokens`` below this would cut many answers short: the call is refused instead."""

AMPLE_TOKENS = 16_384
"""A fitted ``max_tokens`` need not be higher: what it holds is not left for others."""


class Lookup(msgspec.Struct, frozen=True):
    """Is this very call answered, or in flight?"""

    call: Call
    key: bytes
    eligible: Eligible
    at: float

    def next(self, found: Hit | InFlight | Miss, rules: Rules) -> Done | Follow:
        if isinstance(found, Hit):
            reply = found.reply
            return Done(self.call, reply, reused(self.call, reply.usage, rules, self.at), source="reuse")
        return Follow(self, found.leader if isinstance(found, InFlight) else "")

    def explain(self) -> dict[str, Any]:
        return {"key": self.key.hex(), "reads": self.eligible.reads, "why": self.eligible.why}


class Follow(msgspec.Struct, frozen=True):
    """Someone walks to the upstream for this call: the caller's own walk, or that of an earlier caller."""

    lookup: Lookup
    leader: str
    """The id of the earlier caller; empty for a walk of one's own."""

    def next(self, landed: Landed) -> Done | Refused | Lookup:
        """The outcome: as it is for who asked first, at no cost for the others.

        A leader's own limits are not those of who joined it: refused by them, the joiner asks for itself.
        """
        outcome = landed.outcome
        if not self.leader:
            return outcome
        if isinstance(outcome, Refused):
            own = isinstance(outcome.error, BudgetExceeded | DeadlineExceeded | Cancelled)
            return self.lookup if own and not landed.heard else Refused(self.lookup.call, outcome.error)
        cuts = [] if outcome.price is None else [Cut("reuse", outcome.price)]
        return Done(self.lookup.call, outcome.reply, book(0, cuts), source="joined")

    def explain(self) -> dict[str, Any]:
        return {"joined": self.leader} if self.leader else {"found": "nothing stored, nothing in flight"}


class Shape(msgspec.Struct, frozen=True):
    """Which edits does the call get?"""

    call: Call
    at: float
    layout: Mapping[str, Any] = {}
    """What was seen of the prompt when it was laid out."""
    took: float = 0.0
    """Seconds that it took to shorten what is in it."""

    def salted(self, rules: Rules) -> Shape:
        """The same, kept apart from other tenants' calls at the provider, where that is wanted."""
        return msgspec.structs.replace(self, call=salted(self.call, rules.salt)) if rules.salt else self

    def shaped(self, rules: Rules, warm: Callable[[Call], Warm]) -> Call:
        """The call with the edits of all policies, but those that lose more at the provider's cache than they win.

        ``warm`` tells what of the call the provider would read; it is asked for where there is something to lose.
        """
        call = self.call
        for mechanism, policy in rules.policies:
            if call.allows(mechanism) and not call.tried:  # one that another provider failed has its edits
                edits = policy(call)
                call = call.edited(*paying(edits, warm(self.call))) if edits else call
        return call

    def next(self, call: Call, rules: Rules, limits: Limits | None) -> Admit | Send | Refused:
        """``call`` is as shaped, and laid out for the provider's prompt cache.

        ``limits`` are the tightest of all accounts on the path, None when there are none at all.
        """
        if limits is None:
            return Send(call, None, "", self.at)
        estimate = rules.quote(call, self.at)
        if limits.nano is not None and not estimate.firm and not limits.allow_unpriced:
            return Refused(call, unpriced(call, estimate))
        return Admit(call, estimate, self.at)

    def explain(self) -> dict[str, Any]:
        seen = {"layout": self.layout} if self.layout else {}
        took = {"shaped_in_ms": round(self.took * 1000, 1)} if self.took else {}
        return {"model": self.call.model, "bytes": len(self.call.raw), **seen, **took}


class Admit(msgspec.Struct, frozen=True):
    """Does the worst case of the final call fit every budget above it?"""

    call: Call
    quote: Quote
    at: float
    unfitted: Call | None = None
    """The call before its answer was fitted to the budget."""

    @property
    def want(self) -> Amounts:
        """The worst case, to be held."""
        q = self.quote
        return Amounts(q.worst_nano, q.input_bound, q.output_bound, calls=1)

    @property
    def floor(self) -> Amounts:
        """What is surely used if the call is lost after it was sent: its prompt."""
        return Amounts(self.quote.floor_nano, self.quote.input_estimate, calls=1)

    def next(self, verdict: Granted | Never, rules: Rules) -> Send | Admit | Refused:
        if isinstance(verdict, Granted):
            return Send(self.call, self.quote, verdict.hold, self.at, self.unfitted)
        fewest = FEWEST_TOKENS if self._may_be_fitted(rules) else 0
        return self._fitted(verdict, rules) or Refused(self.call, too_dear(self.quote, verdict, fewest=fewest))

    def _may_be_fitted(self, rules: Rules) -> bool:
        """Whether the length of the answer is left to us."""
        call = self.unfitted or self.call
        return rules.fit and (call.fitting or call.max_tokens is None)

    def _fitted(self, never: Never, rules: Rules) -> Admit | None:
        """The same call with as many answer tokens as the budget allows, where the user allows that."""
        call = self.unfitted or self.call
        if never.dimension != "nano" or not self._may_be_fitted(rules):
            return None
        tokens = min(fit(self.quote, int(never.left)), AMPLE_TOKENS)
        if tokens < FEWEST_TOKENS or tokens >= self.quote.max_tokens:
            return None
        why = {"left": int(never.left), "max_tokens": tokens}
        fitted = call.edited(Edit("budget", (call.max_tokens_field,), "set", tokens, evidence=why))
        return Admit(fitted, rules.quote(fitted, self.at), self.at, call)

    def explain(self) -> dict[str, Any]:
        q = self.quote
        return {
            "worst_nano": None if q.unpriced else q.worst_nano,
            "input_bound": q.input_bound,
            "output_bound": q.output_bound,
        }


class Send(msgspec.Struct, frozen=True):
    """The wire call."""

    call: Call
    quote: Quote | None
    hold: str
    at: float
    unfitted: Call | None = None
    """The call before its answer was fitted to the budget: another provider has other prices."""
    waited: float = 0.0
    """Seconds that it waited for another call with the same prefix to begin to be answered."""
    writes: float = 0.0
    """The share of its prompt that it is to write to the provider's cache."""
    lasting: bool = False
    """Whether for a longer time than the usual one."""

    def next(self, observed: Answered | Failed, rules: Rules) -> Settle:
        call = self.call
        if isinstance(observed, Failed) and not observed.billed:
            # Neither what fits the budget nor how the prompt is laid out is the same at another provider.
            instead = rules.instead((self.unfitted or call).without("layout"), observed.error)
            onward = Shape(instead, self.at) if instead else None
            return Settle(call, self.quote, self.hold, observed.error, NOTHING, None, Receipt(), onward)
        outcome = observed.reply if isinstance(observed, Answered) else observed.error
        usage, estimated = self._used(observed, rules)
        rates = rules.rates(call, self.at)
        tokens = None if rates is None else price(usage, rates)
        beyond = self.quote.unbounded if self.quote else unbounded(call, rates)
        spent = None if beyond else tokens  # with a hosted tool the tokens are not the whole bill
        receipt = book(spent, cuts_of(call, usage, spent, rules, self.at), estimated=estimated)
        if call.charged_to:
            receipt = charge(receipt, call.charged_to)
        used = Amounts(tokens or 0, usage.prompt, usage.completion, calls=1)
        return Settle(call, self.quote, self.hold, outcome, used, usage, receipt)

    def _used(self, observed: Answered | Failed, rules: Rules) -> tuple[Usage, bool]:
        """The usage, and whether it is an estimate: from what was sent, and from the text that came back.

        A stream reports its prompt when it begins and its answer when it ends; of one that broke off the prompt may
        be known, and what of the answer was heard.
        """
        if isinstance(observed, Failed):
            heard, text = observed.usage, observed.text
        elif observed.reply.usage is not None:
            return observed.reply.usage, False
        else:
            heard, text = None, observed.generated
        if heard is not None:
            return msgspec.structs.replace(heard, output=max(heard.output, count(text))), True
        prompt = (self.quote or quote(self.call, None, rules.factors)).input_estimate
        written = round(self.writes * prompt)
        short, long = (0, written) if self.lasting else (written, 0)
        return Usage(prompt - written, cache_write_5m=short, cache_write_1h=long, output=count(text)), True

    def explain(self) -> dict[str, Any]:
        edits = [{"mechanism": e.mechanism, "path": list(e.path), "op": e.op, **e.evidence} for e in self.call.edits]
        waited = {"waited_seconds": round(self.waited, 3)} if self.waited else {}
        return {"provider": self.call.provider, "model": self.call.model, "edits": edits, **waited}


class Settle(msgspec.Struct, frozen=True):
    """What was really used: the hold gives way to it."""

    call: Call
    quote: Quote | None
    hold: str
    outcome: Reply | PenstockError
    used: Amounts
    usage: Usage | None
    receipt: Receipt
    onward: Shape | None = None
    """The same call for the provider that stands in for the one that failed."""
    cache: str = ""
    """What the usage says of what was expected of the provider's prompt cache."""

    @property
    def stores(self) -> bool:
        """Whether the reply is worth storing, where the call lets it answer later ones."""
        reply = self.outcome
        if not isinstance(reply, Reply) or not worth_storing(reply) or self.call.tried:
            return False
        return reply.usage is not None or not reply.streamed  # a replay could not tell its usage to who asks for it

    def next(self) -> Shape | Done | Refused:
        if self.onward is not None:
            return self.onward
        if isinstance(self.outcome, Reply):
            return Done(self.call, self.outcome, self.receipt, source=self.call.provider)
        return Refused(self.call, self.outcome, self.receipt)

    def explain(self) -> dict[str, Any]:
        if self.onward is not None:
            return {"failed": str(self.outcome), "next": self.onward.call.provider}
        usage = msgspec.structs.asdict(self.usage) if self.usage else None
        spent = None if self.receipt.unpriced else int(self.receipt.spent)
        seen = {"cache": self.cache} if self.cache else {}
        return {"usage": usage, "spent_nano": spent, "estimated": bool(self.receipt.estimated), **seen}


class Done(msgspec.Struct, frozen=True):
    """Answered."""

    call: Call
    reply: Reply
    receipt: Receipt
    source: str
    """The provider's name, ``reuse`` for a stored reply, ``joined`` for one that an earlier caller paid."""

    @property
    def price(self) -> int | None:
        """What the reply cost whoever asked for it, in nano-dollars; None when unpriced."""
        return None if self.receipt.unpriced else int(self.receipt.spent)

    def explain(self) -> dict[str, Any]:
        saved = {mechanism: int(amount) for mechanism, amount in self.receipt.saved.items()}
        return {"source": self.source, "finish": self.reply.finish, "saved_nano": saved}


class Refused(msgspec.Struct, frozen=True):
    """Not answered. What it cost all the same stands in the receipt."""

    call: Call
    error: PenstockError
    receipt: Receipt = Receipt()

    def explain(self) -> dict[str, Any]:
        return {"error": type(self.error).__name__, "message": str(self.error)}


Flying: TypeAlias = Shape | Admit | Send | Settle
"""The states that are walked once for all who ask the same."""

State: TypeAlias = Lookup | Follow | Flying | Done | Refused


def begin(call: Call, at: float) -> Lookup:
    """The first state of a call that is asked at ``at`` (wall clock, seconds)."""
    return Lookup(call, identity(call), eligible(call), at)
