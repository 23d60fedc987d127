"""One call on its way to a provider that caches prompts, and what came of it."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from penstock.policy.layout.writes import Sent
from penstock.prefixes.laid import Laid, model_of
from penstock.prefixes.leaders import Lead
from penstock.prefixes.memory import Memory
from penstock.values import Edit, Usage

__all__ = ["Passage"]


class Passage:
    """Waits for its turn, tells when the answer begins, and reconciles what was expected with what was reported."""

    def __init__(self, memory: Memory, laid: Laid, *, waits: bool) -> None:
        self.laid = laid
        self.verdict = ""
        """What the provider's report says of what was expected."""
        self._memory = memory
        self._waits = waits
        self._scale = memory.sizes.scale(model_of(laid.call))  # by which it has just been laid out
        self._here = contextlib.ExitStack()
        self._lead: Lead | None = None
        self._sent: Sent | None = None
        self._first_token: float | None = None

    def comes(self, prefixes: Sequence[bytes]) -> None:
        """Be counted among those that are here, until it goes out or is over."""
        self._here.enter_context(self._memory.leaders.here(prefixes))

    async def turn(self, deadline: float | None) -> tuple[Sequence[Edit] | None, float]:
        """Wait for whoever is writing what this call would read, then go ahead with what it writes itself.

        The edits to send it with in the place of those that it was laid out with, None: those very ones. Others come
        where the wait takes too long, so that it would pay for writing the same once more, and where others have gone
        out meanwhile, so that the account does not bear its write any more: it only reads then. And the seconds that it
        waited.
        """
        memory, before = self._memory, self.laid
        begun = memory.clock.monotonic()
        readable: frozenset[bytes] = frozenset()
        waited = 0.0
        if (
            self._waits and before.keys and not before.rules.lag
        ):  # what comes later than the first token is not waited for
            followed = await memory.leaders.follow(before.keys, before.kind, deadline)
            readable = followed.readable
            waited = memory.clock.monotonic() - begun if followed.waited else 0.0
            memory.seen.followed += followed.waited
            self.laid = before.hearing(readable)
            if followed.late and memory.cold(before.keys):
                self.laid = self.laid.reading("the leader is late")
        decision = self.laid.decision
        if decision is not None and not memory.writes.bears(decision, self.laid.bill):
            self.laid = self.laid.reading("the loss guard: others have gone out meanwhile")
        self._goes([key for key in self.laid.keys if key not in readable])
        return None if self.laid.call is before.call else self.laid.edits, waited

    def _goes(self, writes: Sequence[bytes]) -> None:
        """From here on it reads nothing that another one may write for it."""
        memory, laid = self._memory, self.laid
        self._lead = memory.leaders.lead(writes, laid.kind, tells=laid.call.stream)
        self._here.close()
        now = memory.clock.now()
        if laid.decision is not None:
            about = {"family": laid.family, "bill": laid.bill}
            self._sent = memory.writes.send(laid.found, laid.decision, now, laid.rules, **about)
        else:
            memory.writes.forest.send(laid.digests, now)
        memory.news()

    def goes_out(self) -> None:
        """Its request goes out: from here on counts how long an answer takes to begin."""
        if self._lead is not None:
            self._lead.since = self._memory.clock.monotonic()

    def begun(self, usage: Usage | None) -> None:
        """The answer has begun; ``usage`` if the provider tells at its beginning what it read."""
        if self._lead is not None and self._first_token is None:
            now = self._memory.clock.monotonic()
            self._first_token = now - self._lead.since
            self._lead.begun(now)
            self._readable()
        if usage is not None and usage.prompt:
            self._told(usage)

    def ended(self, usage: Usage | None = None, *, answered: bool = False, billed: bool = False) -> None:
        """It is over; ``usage`` as reported, None if the call failed or nothing was reported.

        ``billed``: the provider charges for it all the same.
        """
        if usage is not None and self._first_token is None:
            self._readable()
        self._told(usage, billed=billed)
        if self._lead is not None:
            self._lead.over(answered=answered)
        self._here.close()

    def _readable(self) -> None:
        self._memory.readable(self.laid.readable, self.laid.rules)

    def _told(self, usage: Usage | None, *, billed: bool = True) -> None:
        """What the provider reported at last; None: nothing, and not ``billed`` nothing was read or written either."""
        sent, self._sent = self._sent, None
        memory, laid, decision = self._memory, self.laid, self.laid.decision
        if sent is None or decision is None:
            return
        if usage is None or not usage.prompt:
            if billed:
                memory.writes.presume(sent, memory.clock.now())
                memory.news()
            else:
                memory.writes.release(sent)
            return
        ratio = usage.prompt / max(decision.total, 1)
        expected, least = memory.sizes.expected(sent.reads, decision.read_tokens * ratio)
        if not any(block.opaque for block in laid.found):
            memory.sizes.learn(model_of(laid.call), self._scale * ratio)
        written = usage.cache_write_5m + usage.cache_write_1h
        if decision.marks and usage.cache_read + written:
            memory.sizes.tell(laid.digests[decision.marks[-1] - 1], usage.cache_read + written)
        as_expected = expected and least <= usage.cache_read <= 2 * expected - least
        read = decision.read_tokens if as_expected else round(usage.cache_read / ratio)
        verdict = memory.writes.observe(sent, memory.clock.now(), read=read, written=round(written / ratio))
        memory.news()
        memory.seen.count(usage, expected=expected, verdict=verdict, first_token=self._first_token)
        self.verdict = verdict if verdict != "missed" else f"missed: {expected:,} tokens were expected to be read"
