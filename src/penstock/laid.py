"""One call whose prompt was laid out, on its way to the provider and back."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from penstock.leaders import Lead, Leaders
from penstock.policy.layout.blocks import Block
from penstock.policy.layout.marking import marks
from penstock.policy.layout.writes import Decision, Sent
from penstock.values import Call, Edit, Usage
from penstock.values.caching import CacheRules

if TYPE_CHECKING:
    from penstock.prefixes import Prefixes

__all__ = ["Laid"]


class Laid:
    """One call whose prompt was laid out. What it does not cache, or what it may not, passes through as it is."""

    def __init__(
        self,
        prefixes: Prefixes,
        plain: Call,
        rules: CacheRules | None = None,
        found: Sequence[Block] = (),
        family: bytes = b"",
        bill: bytes = b"",
    ) -> None:
        self.call = plain
        """The call to send."""
        self.found = found
        self.family = family
        self.bill = bill
        self.prefixes: Sequence[bytes] = ()
        """What can be read of it once it has begun to be answered, where that is not ours to say."""
        self.keys: list[bytes] = []
        """The prefixes that it writes if nobody else does, the longest first."""
        self.decision: Decision | None = None
        self.lead: Lead | None = None
        self.sent: Sent | None = None
        self.notes: Mapping[str, Any] = {}
        """What there is to tell of its prompt; empty where nothing was looked at."""
        self.verdict = ""
        """What the provider's report says of what was expected."""
        self.first_token: float | None = None
        """Seconds until its answer began, if that is seen."""
        self._plain = plain
        self._prefixes = prefixes
        self._rules = rules
        self._held = contextlib.ExitStack()

    @property
    def ruled(self) -> tuple[CacheRules, Sequence[Block]]:
        """The rules of its provider, and its blocks."""
        assert self._rules is not None
        return self._rules, self.found

    def comes(self, leaders: Leaders, prefixes: Sequence[bytes]) -> None:
        """Be counted among those that are here."""
        self._held.enter_context(leaders.here(prefixes))

    def unasked(self, prefixes: Sequence[bytes], cold: Sequence[bytes], edits: Sequence[Edit] = ()) -> None:
        """What is cached is not ours to say: the provider does that by itself, or the caller has said it."""
        self.call = self._plain.edited(*edits)
        self.prefixes, self.keys = prefixes, list(reversed(cold))

    def decided(self, decision: Decision, *, siblings: bool) -> None:
        """The policy has."""
        found = self.found
        self.decision = decision
        at = [found[mark - 1] for mark in decision.marks]
        why = {
            "why": decision.why,
            "marks": list(decision.marks),
            "ttl": decision.ttl.name if decision.ttl else None,
            "expected_read": decision.read_tokens,
            "to_write": decision.written_tokens,
            "siblings": siblings,
        }
        self.call = self._plain.edited(*marks(self._plain.body, at, decision.ttl, evidence=why))
        new = [mark for mark in decision.marks if mark > decision.reads]
        self.keys = [self.family + found[mark - 1].digest for mark in reversed(new)]

    def goes(self, lead: Lead) -> None:
        """It goes out: from here on it reads nothing that another one may write for it."""
        self.lead = lead
        self._held.close()

    @property
    def kind(self) -> str:
        """What calls take about as long as this one to begin to be answered: of its model, with as long a prompt."""
        return (
            f"{self.call.provider} {self.call.model} {(sum(block.tokens for block in self.found) >> 10).bit_length()}"
        )

    def reading(self) -> Sequence[Edit]:
        """The edits with which it reads what is warm and writes nothing, where a write was decided on."""
        self.keys = []
        before = self.decision
        if before is None or not before.written_tokens:
            return [edit for edit in self.call.edits if edit.mechanism == "layout"]
        rules, found = self.ruled
        at = (before.reads,) if before.reads else ()
        self.decision = msgspec.structs.replace(
            before, marks=at, ttl=rules.ttl if at else None, written_tokens=0, probe=False, why="the leader is late"
        )
        own = [edit for edit in self._plain.edits if edit.mechanism == "layout"]
        why = {"why": self.decision.why, "expected_read": before.read_tokens}
        return [*own, *marks(self._plain.body, [found[mark - 1] for mark in at], self.decision.ttl, evidence=why)]

    def hears(self, readable: frozenset[bytes]) -> None:
        """What leaders have written meanwhile is read, and not written."""
        before = self.decision
        if before is None:
            return
        rules, found = self.ruled
        reads = max((at for at in before.marks if self.family + found[at - 1].digest in readable), default=0)
        if reads > before.reads:
            upto = sum(block.tokens for block in found[:reads])
            last = sum(block.tokens for block in found[: before.marks[-1]])
            self.decision = msgspec.structs.replace(
                before, reads=reads, read_tokens=upto, written_tokens=last - upto, ttl=before.ttl or rules.ttl
            )

    async def turn(self, deadline: float | None) -> tuple[Sequence[Edit] | None, float]:
        """Wait until it may go out (see `Prefixes.turn`)."""
        return await self._prefixes.turn(self, deadline)

    def goes_out(self) -> None:
        """Its request goes out."""
        self._prefixes.goes_out(self)

    def begun(self, usage: Usage | None) -> None:
        """The answer has begun."""
        self._prefixes.begun(self, usage)

    def ended(self, usage: Usage | None = None, *, answered: bool = False) -> None:
        """It is over; ``usage`` as reported, None if the call failed or nothing was reported."""
        self._prefixes.told(self, usage)
        if self.lead is not None:
            self.lead.over(answered=answered)
        self._held.close()
