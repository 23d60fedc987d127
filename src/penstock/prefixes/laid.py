"""How one prompt was laid out, and what becomes of that while it waits for its turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from penstock.policy.layout.blocks import Block
from penstock.policy.layout.marking import marks
from penstock.policy.layout.writes import Decision
from penstock.values import Call, Edit
from penstock.values.caching import CacheRules

__all__ = ["Laid", "model_of"]


class Laid(msgspec.Struct, frozen=True, kw_only=True):
    """A prompt that a provider caches."""

    call: Call
    """The call to send."""
    plain: Call
    """The same before anything was done for its being cached."""
    rules: CacheRules
    found: Sequence[Block]
    """Its blocks."""
    family: bytes
    """Whose prefixes these are."""
    bill: bytes
    """Who pays, and by which prices."""
    notes: Mapping[str, Any]
    """What there is to tell of its prompt."""
    readable: Sequence[bytes] = ()
    """What can be read of it once it has begun to be answered, where that is not ours to say."""
    keys: Sequence[bytes] = ()
    """The prefixes that it writes if nobody else does, the longest first."""
    decision: Decision | None = None
    """Which of its prefixes are written, where that is ours to say."""

    @property
    def digests(self) -> list[bytes]:
        """The names of its prefixes, the shortest first."""
        return [self.family + block.digest for block in self.found]

    @property
    def kind(self) -> str:
        """What calls take about as long as this one to begin to be answered: of its model, with as long a prompt."""
        return f"{model_of(self.call)} {(sum(block.tokens for block in self.found) >> 10).bit_length()}"

    @property
    def edits(self) -> list[Edit]:
        """What was done to lay it out."""
        return [edit for edit in self.call.edits if edit.mechanism == "layout"]

    def unasked(self, prefixes: Sequence[bytes], cold: Sequence[bytes], edits: Sequence[Edit] = ()) -> Laid:
        """What is cached is not ours to say: the provider does that by itself, or the caller has said it."""
        call = self.plain.edited(*edits)
        return msgspec.structs.replace(self, call=call, readable=prefixes, keys=tuple(reversed(cold)))

    def decided(self, decision: Decision, *, siblings: bool) -> Laid:
        """It is marked as decided."""
        why = {
            "why": decision.why,
            "marks": list(decision.marks),
            "ttl": decision.ttl.name if decision.ttl else None,
            "expected_read": decision.read_tokens,
            "to_write": decision.written_tokens,
            "siblings": siblings,
        }
        new = [mark for mark in decision.marks if mark > decision.reads]
        keys = tuple(self.family + self.found[mark - 1].digest for mark in reversed(new))
        return msgspec.structs.replace(self._marked(decision, why), keys=keys)

    @property
    def writes(self) -> tuple[float, bool]:
        """The share of its prompt that it is to write, and whether for a longer time than the usual one."""
        decision = self.decision
        if decision is None or not decision.written_tokens:
            return 0.0, False
        return decision.written_tokens / decision.total, decision.ttl != self.rules.ttl

    def reading(self, why: str) -> Laid:
        """The same where it is not to write, and ``why``: it reads what is warm."""
        before = self.decision
        if before is None or not before.written_tokens:
            return msgspec.structs.replace(self, keys=())
        decision = msgspec.structs.replace(
            before,
            marks=(before.reads,) if before.reads else (),
            ttl=self.rules.ttl if before.reads else None,
            written_tokens=0,
            probe=False,
            vouched=False,
            why=why,
        )
        evidence = {"why": why, "expected_read": before.read_tokens}
        return msgspec.structs.replace(self._marked(decision, evidence), keys=())

    def hearing(self, readable: frozenset[bytes]) -> Laid:
        """The same where leaders have written some of it meanwhile: that is read, and not written."""
        before, digests = self.decision, self.digests
        if before is None:
            return self
        reads = max((at for at in before.marks if digests[at - 1] in readable), default=0)
        if reads <= before.reads:
            return self
        upto = sum(block.tokens for block in self.found[:reads])
        last = sum(block.tokens for block in self.found[: before.marks[-1]])
        decision = msgspec.structs.replace(
            before, reads=reads, read_tokens=upto, written_tokens=last - upto, ttl=before.ttl or self.rules.ttl
        )
        return msgspec.structs.replace(self, decision=decision)

    def _marked(self, decision: Decision, why: Mapping[str, Any]) -> Laid:
        at = [self.found[mark - 1] for mark in decision.marks]
        call = self.plain.edited(*marks(self.plain.body, at, decision.ttl, evidence=why))
        return msgspec.structs.replace(self, call=call, decision=decision)


def model_of(call: Call) -> str:
    """Whose tokens are of one size."""
    return f"{call.provider} {call.model}"
