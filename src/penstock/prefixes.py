"""The prompts of all calls on their way: where each is marked, who goes ahead, and what the provider says it read.

`policy.layout` decides and `leaders` knows who is under way; here both meet the clock and the calls of one engine.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import accumulate, islice
from typing import Any

import msgspec

from penstock.clock import Clock
from penstock.leaders import Lead, Leaders
from penstock.meter import Rates
from penstock.policy.layout.blocks import Block, blocks
from penstock.policy.layout.guard import Guard
from penstock.policy.layout.interplay import COLD, Warm
from penstock.policy.layout.keys import Shards
from penstock.policy.layout.marking import marked_by_caller, marks
from penstock.policy.layout.prices import priced
from penstock.policy.layout.reconciled import Reconciled
from penstock.policy.layout.settings import LayoutSettings
from penstock.policy.layout.sizes import Sizes
from penstock.policy.layout.tools import SteadyTools
from penstock.policy.layout.volatile import moved, volatile
from penstock.policy.layout.writes import Decision, Memory, Sent, Writes
from penstock.providers.prompt_cache import rules_for
from penstock.values import Call, Edit, Usage
from penstock.values.caching import CacheRules

__all__ = ["Laid", "Prefixes"]

_GATHER_SECONDS = 0.01
"""How long a prompt of which nothing is cached waits for others like it: the calls of one fan-out come within that."""

_SHORTEST_TOKEN = 2
"""Bytes: a body with fewer than this for each token of the minimum cannot reach it."""

_KEPT = 10_000
"""Prefixes that are kept for the next run."""

_ALLOWANCE = 12_000.0
"""Tokens of input, a few cents, that may be lost once to learn early whether writes are read. Without any a
conversation has to be long before the first write is affordable; a probe of 48,000 tokens costs so much."""


class Prefixes:
    """Lays out the prompts of one engine."""

    def __init__(
        self,
        clock: Clock,
        *,
        settings: LayoutSettings | None = None,
        places: Mapping[str, str] | None = None,
        memory: Memory | None = None,
    ) -> None:
        self.seen = Reconciled()
        self._clock = clock
        self.settings = settings or LayoutSettings()
        self._places = places or {}
        self.writes = Writes(memory, guard=Guard(allowance=_ALLOWANCE))
        self._leaders = Leaders(clock)
        self._shards = Shards()
        self._tools = SteadyTools()
        self._sizes = Sizes()

    def memory(self) -> Memory:
        """What is known of prefixes, to be kept: of the last ones, since the next run begins by reading it."""
        memory = self.writes.memory()
        last = islice(reversed(memory.nodes.items()), _KEPT)
        return msgspec.structs.replace(memory, nodes=dict(reversed(list(last))))

    def warm(self, call: Call, rates: Rates | None) -> Warm:
        """The prefix of a call that its provider would read, as far as is known."""
        rules = self._rules(call, rates)
        if rules is None or len(call.raw) < _SHORTEST_TOKEN * rules.minimum:
            return COLD
        found = self._scaled(call)
        family, now = _family(call), self._clock.now()
        path = self.writes.forest.known([family + block.digest for block in found])
        deep = next((at for at in range(len(path), 0, -1) if path[at - 1].warm(now)), 0)
        return Warm(found[:deep], rules.read)

    async def lay(self, call: Call, rates: Rates | None) -> Laid:
        """The call with its prompt laid out, and its way to the provider. ``rates`` are its prices, where known."""
        rules = self._rules(call, rates)
        if rules is None or len(call.raw) < _SHORTEST_TOKEN * rules.minimum:
            return Laid(self, call)
        found = self._scaled(call)
        if sum(block.tokens for block in found) < rules.minimum or not self._shares(found):
            return Laid(self, call)
        by_caller = marked_by_caller(call.body, found)
        steadied = () if by_caller else self._steadied(call)
        plain = call.edited(*steadied)
        laid = Laid(self, plain, rules, self._scaled(plain) if steadied else found, _family(plain))
        laid.notes = self._notes(laid)
        try:
            await self._laid(laid, rules, by_caller=by_caller)
        except BaseException:  # it is called off while it waits for siblings: they must not wait for it
            laid.ended(None)
            raise
        return laid

    async def _laid(self, laid: Laid, rules: CacheRules, *, by_caller: bool) -> None:
        upto = accumulate(block.tokens for block in laid.found)
        long = [
            laid.family + each.digest for each, so_far in zip(laid.found, upto, strict=True) if so_far >= rules.minimum
        ]
        laid.comes(self._leaders, long)
        if by_caller:
            marked = [laid.family + block.digest for block in laid.found if block.marked]
            laid.unasked(marked, self._cold(marked))
        elif rules.marker != "cache_control" or laid.call.dialect != "anthropic":
            laid.unasked(long, self._cold(long), self._keyed(laid.call, laid.found, rules))
        else:
            await self._marked(laid, long)

    def _cold(self, prefixes: Sequence[bytes]) -> list[bytes]:
        """Those of which nobody has seen that they can be read."""
        now, nodes = self._clock.now(), self.writes.forest.nodes
        return [each for each in prefixes if each not in nodes or not nodes[each].warm(now)]

    def _notes(self, laid: Laid) -> Mapping[str, Any]:
        """How far the prompt goes the way of earlier ones, and what in its beginning will not stay as it is."""
        path = self.writes.forest.known([laid.family + block.digest for block in laid.found])
        new = laid.found[len(path)].path if len(path) < len(laid.found) else ()
        notes: dict[str, Any] = {"blocks": len(laid.found), "known": len(path), "new_from": ".".join(map(str, new))}
        changing = [each.found for each in volatile(laid.call.body)[:3]]
        return {**notes, "volatile": changing} if changing else notes

    async def _marked(self, laid: Laid, long: Sequence[bytes]) -> None:
        rules, found = laid.ruled
        now = self._clock.now()
        decision = self.writes.decide(found, now, rules, family=laid.family)
        if not decision.reads and self.settings.wait_for_leader:
            await self._clock.sleep(_GATHER_SECONDS)
        promised = self._promised(laid, long)
        if promised:
            decision = self.writes.decide(found, now, rules, family=laid.family, promised=promised)
        laid.decided(decision, siblings=bool(promised))

    def _promised(self, laid: Laid, long: Sequence[bytes]) -> dict[int, float]:
        """The longest prefix that others will read if this call writes it, or are writing; by its number of blocks."""
        first = len(laid.found) - len(long)
        for at in range(len(long) - 1, -1, -1):
            there = self._leaders.siblings(long[at]) > 1 or self._leaders.writing(long[at])
            if there and laid.found[first + at].markable:
                return {first + at + 1: 1.0}
        return {}

    def _rules(self, call: Call, rates: Rates | None) -> CacheRules | None:
        if not self.settings.enabled or not call.allows("layout") or call.dialect in {"embeddings", "count_tokens"}:
            return None
        place = self._places.get(call.provider, call.origin or call.provider)
        if place == "off":
            return None
        rules = rules_for(place, call.model, datetime.fromtimestamp(self._clock.now(), UTC).date())
        return None if rules is None else priced(rules, rates)

    def _steadied(self, call: Call) -> list[Edit]:
        """What makes the beginning of a prompt the same as it was."""
        tools = self._tools.steady(_family(call).hex(), call.body)
        edits = (
            [Edit("layout", ("tools",), "set", tools, evidence={"tools": "as they were first sent"})] if tools else []
        )
        if self.settings.move_volatile and call.dialect == "anthropic":
            edits += moved(call.body)
        return edits

    def _scaled(self, call: Call) -> list[Block]:
        """The blocks, with as many tokens as the provider has reported of prompts of that size."""
        scale = self._sizes.scale(_sized(call))
        return [msgspec.structs.replace(block, tokens=round(block.tokens * scale)) for block in blocks(call.body)]

    def _shares(self, found: Sequence[Block]) -> bool:
        """Whether this conversation is among those that are laid out."""
        first = next((block for block in found if block.level == "messages"), found[-1])
        return int.from_bytes(first.digest[-4:], "big") < self.settings.share * (1 << 32)

    def _keyed(self, call: Call, found: Sequence[Block], rules: CacheRules) -> list[Edit]:
        """The key that keeps a busy prefix from overflowing to machines that have nothing of it."""
        place = self._places.get(call.provider, call.origin or call.provider)
        if not rules.key or "openai" not in place or rules.key in call.body or "user" in call.body:
            return []
        key = self._shards.key(_family(call).hex(), found, rules, self._clock.now())
        if key is None:
            return []
        return [Edit("layout", (rules.key,), "set", key, evidence={"busy": "more than one machine bears"})]

    # On its way -----------------------------------------------------------------------------------------------------

    async def turn(self, laid: Laid, deadline: float | None) -> Sequence[Edit] | None:
        """Wait for whoever is writing what this call would read, then go ahead with what it writes itself.

        The edits to send it with in the place of those that it was laid out with, None: those very ones. Others come
        where the wait takes too long: it would pay for writing the same once more, and only reads then.
        """
        instead: Sequence[Edit] | None = None
        readable: frozenset[bytes] = frozenset()
        if self.settings.wait_for_leader and laid.keys:
            followed = await self._leaders.follow(laid.keys, laid.kind, deadline)
            readable = followed.readable
            self.seen.followed += followed.waited
            if followed.late and self._cold(laid.keys):
                instead = laid.reading()
        writes = [key for key in laid.keys if key not in readable]
        laid.goes(self._leaders.lead(writes, laid.kind, tells=laid.call.stream))
        if laid.decision is not None:
            rules, found = laid.ruled
            laid.sent = self.writes.send(found, laid.decision, self._clock.now(), rules, family=laid.family)
        elif laid.found:
            self.writes.forest.send([laid.family + block.digest for block in laid.found], self._clock.now())
        return instead

    def goes_out(self, laid: Laid) -> None:
        """Its request goes out now: from here on counts how long an answer takes to begin."""
        if laid.lead is not None:
            laid.lead.since = self._clock.monotonic()

    def begun(self, laid: Laid, usage: Usage | None) -> None:
        """The answer has begun; ``usage`` if the provider tells at its beginning what it read."""
        if laid.lead is not None and laid.first_token is None:
            now = self._clock.monotonic()
            laid.first_token = now - laid.lead.since
            laid.lead.begun(now)
            self._readable(laid)
        if usage is not None and usage.prompt:
            self.told(laid, usage)

    def _readable(self, laid: Laid) -> None:
        now, nodes = self._clock.now(), self.writes.forest.nodes
        for prefix in laid.prefixes:
            if prefix in nodes:
                rules, _ = laid.ruled
                nodes[prefix].written(now, float(rules.ttl.seconds))

    def told(self, laid: Laid, usage: Usage | None) -> None:
        """What the provider reported at last; None: the call failed, and nothing was read or written."""
        sent, laid.sent = laid.sent, None
        if usage is not None and laid.first_token is None:
            self._readable(laid)
        if sent is None or laid.decision is None:
            return
        if usage is None or not usage.prompt:
            self.writes.release(sent)
            return
        decision = laid.decision
        ratio = usage.prompt / max(decision.total, 1)
        expected, least = self._sizes.expected(sent.reads, decision.read_tokens * ratio)
        if not any(block.opaque for block in laid.found):
            self._sizes.learn(_sized(laid.call), ratio)
        written = usage.cache_write_5m + usage.cache_write_1h
        if decision.marks and usage.cache_read + written:
            self._sizes.tell(laid.family + laid.found[decision.marks[-1] - 1].digest, usage.cache_read + written)
        as_expected = expected and least <= usage.cache_read <= 2 * expected - least
        read = decision.read_tokens if as_expected else round(usage.cache_read / ratio)
        verdict = self.writes.observe(sent, self._clock.now(), read=read, written=round(written / ratio))
        self.seen.count(usage, expected=expected, verdict=verdict, first_token=laid.first_token)
        laid.verdict = verdict if verdict != "missed" else f"missed: {expected:,} tokens were expected to be read"


class Laid:
    """One call whose prompt was laid out. What it does not cache, or what it may not, passes through as it is."""

    def __init__(
        self,
        prefixes: Prefixes,
        plain: Call,
        rules: CacheRules | None = None,
        found: Sequence[Block] = (),
        family: bytes = b"",
    ) -> None:
        self.call = plain
        """The call to send."""
        self.found = found
        self.family = family
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

    async def turn(self, deadline: float | None) -> Sequence[Edit] | None:
        """Wait until it may go out (see `Prefixes.turn`)."""
        return await self._prefixes.turn(self, deadline)

    def goes_out(self) -> None:
        """Its request goes out."""
        self._prefixes.goes_out(self)

    def begun(self, usage: Usage | None) -> None:
        """The answer has begun."""
        self._prefixes.begun(self, usage)

    def ended(self, usage: Usage | None) -> None:
        """It is over; ``usage`` as reported, None if the call failed or nothing was reported."""
        self._prefixes.told(self, usage)
        if self.lead is not None:
            self.lead.over()
        self._held.close()


def _sized(call: Call) -> str:
    """Whose tokens are of one size."""
    return f"{call.provider} {call.model}"


def _family(call: Call) -> bytes:
    """Whose prefixes these are: those of one tenant, at one provider, on one key."""
    secret = call.credential.key if call.credential is not None else ""
    parts = [call.dialect, call.provider, call.origin, call.scope.tenant, secret]
    return hashlib.sha256(msgspec.json.encode(parts)).digest()[:8]
