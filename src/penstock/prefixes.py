"""The prompts of all calls on their way: where each is marked, who goes ahead, and what the provider says it read.

`policy.layout` decides and `leaders` knows who is under way; here both meet the clock and the calls of one engine.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import accumulate
from typing import Any

import msgspec

from penstock.clock import Clock
from penstock.laid import Laid
from penstock.leaders import Leaders
from penstock.meter import Rates
from penstock.policy.layout.blocks import Block, blocks
from penstock.policy.layout.breakpoints import breakpoints
from penstock.policy.layout.guard import ALLOWANCE
from penstock.policy.layout.interplay import COLD, Warm
from penstock.policy.layout.keys import Shards
from penstock.policy.layout.marking import marked_by_caller
from penstock.policy.layout.notebook import Notebook
from penstock.policy.layout.prices import priced
from penstock.policy.layout.reconciled import Reconciled
from penstock.policy.layout.settings import LayoutSettings
from penstock.policy.layout.sizes import Sizes
from penstock.policy.layout.tools import SteadyTools
from penstock.policy.layout.volatile import moved, volatile
from penstock.policy.layout.writes import Writes
from penstock.providers.prompt_cache import rules_for
from penstock.stores.later import Later
from penstock.stores.prefixes import Registry
from penstock.values import Call, Edit, Usage
from penstock.values.caching import CacheRules

__all__ = ["Prefixes"]

_GATHER_SECONDS = 0.01
"""How long a prompt of which nothing is cached waits for others like it: the calls of one fan-out come within that."""

_SHORTEST_TOKEN = 2
"""Bytes: a body with fewer than this for each token of the minimum cannot reach it."""

_NEWS_SECONDS = 1.0
"""How often the registry is told what is new, while there is something."""


class Prefixes:
    """Lays out the prompts of one engine."""

    def __init__(
        self,
        clock: Clock,
        *,
        settings: LayoutSettings | None = None,
        places: Mapping[str, str] | None = None,
        registry: Registry | None = None,
    ) -> None:
        self.seen = Reconciled()
        self._clock = clock
        self.settings = settings or LayoutSettings()
        self._places = places or {}
        self.writes = Writes(allowance=ALLOWANCE)
        self._registry = registry
        self._notebook = Notebook(self.writes)
        self._later = Later(self.exchange, _NEWS_SECONDS)
        self._leaders = Leaders(clock)
        self._shards = Shards()
        self._tools = SteadyTools()
        self._sizes = Sizes()

    async def exchange(self) -> None:
        """Tell the registry what is new here, and learn what is new there: at first, all that is known."""
        if self._registry is not None:
            known = await self._registry.exchange(self._notebook.news(), self._clock.now())
            self._notebook.learn(known, self._clock.now())

    async def close(self) -> None:
        """Leave what was learned to the others, and to the next run."""
        self._later.drop()
        await self.exchange()
        if self._registry is not None:
            await self._registry.close()

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
        laid = Laid(self, plain, rules, self._scaled(plain) if steadied else found, _family(plain), _bill(plain))
        laid.notes = self._notes(laid)
        try:
            await self._laid(laid, rules, by_caller=by_caller)
        except BaseException:  # it is called off while it waits for siblings: they must not wait for it
            laid.ended()
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
        elif rules.matching == "breakpoint":
            self._broken(laid, rules)
        elif rules.marker != "cache_control" or laid.call.dialect != "anthropic":
            laid.unasked(long, self._cold(long), self._keyed(laid.call, laid.found, rules))
        else:
            await self._marked(laid, long)

    def _broken(self, laid: Laid, rules: CacheRules) -> None:
        """At a provider that reads up to breakpoints: more of them, where it is known to take them."""
        known = len(self.writes.forest.known([laid.family + block.digest for block in laid.found]))
        taken = "openai" in self._place(laid.call)
        set_ = breakpoints(laid.call.body, laid.found, known, rules) if taken else []
        at = [laid.family + laid.found[at - 1].digest for at in (*(at for at, _ in set_), len(laid.found))]
        laid.unasked(at, self._cold(at), [*self._keyed(laid.call, laid.found, rules), *(edit for _, edit in set_)])

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
        # Agents go on where they were far more often than people do.
        shape = "tools" if laid.call.body.get("tools") else ""
        about: dict[str, Any] = {"family": laid.family, "bill": laid.bill, "shape": shape}
        decision = self.writes.decide(found, now, rules, **about)
        if not decision.reads and self.settings.wait_for_leader:
            await self._clock.sleep(_GATHER_SECONDS)
        promised = self._promised(laid, long)
        if promised:
            decision = self.writes.decide(found, now, rules, **about, promised=promised)
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
        place = self._place(call)
        if place == "off":
            return None
        rules = rules_for(place, call.model, datetime.fromtimestamp(self._clock.now(), UTC).date())
        return None if rules is None else priced(rules, rates)

    def _place(self, call: Call) -> str:
        """Where its provider runs: a name, a host or a URL."""
        return self._places.get(call.provider, call.origin or call.provider)

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
        if not rules.key or "openai" not in self._place(call) or rules.key in call.body or "user" in call.body:
            return []
        key = self._shards.key(_family(call).hex(), found, rules, self._clock.now())
        if key is None:
            return []
        return [Edit("layout", (rules.key,), "set", key, evidence={"busy": "more than one machine bears"})]

    # On its way -----------------------------------------------------------------------------------------------------

    async def turn(self, laid: Laid, deadline: float | None) -> tuple[Sequence[Edit] | None, float]:
        """Wait for whoever is writing what this call would read, then go ahead with what it writes itself.

        The edits to send it with in the place of those that it was laid out with, None: those very ones. Others come
        where the wait takes too long: it would pay for writing the same once more, and only reads then. And the seconds
        that it waited.
        """
        begun = self._clock.monotonic()
        instead: Sequence[Edit] | None = None
        readable: frozenset[bytes] = frozenset()
        waited = 0.0
        if self.settings.wait_for_leader and laid.keys:
            followed = await self._leaders.follow(laid.keys, laid.kind, deadline)
            readable = followed.readable
            waited = self._clock.monotonic() - begun if followed.waited else 0.0
            self.seen.followed += followed.waited
            laid.hears(readable)
            if followed.late and self._cold(laid.keys):
                instead = laid.reading()
        writes = [key for key in laid.keys if key not in readable]
        laid.goes(self._leaders.lead(writes, laid.kind, tells=laid.call.stream))
        if laid.decision is not None:
            rules, found = laid.ruled
            about = {"family": laid.family, "bill": laid.bill}
            laid.sent = self.writes.send(found, laid.decision, self._clock.now(), rules, **about)
        elif laid.found:
            self.writes.forest.send([laid.family + block.digest for block in laid.found], self._clock.now())
        if laid.found:
            self._news()
        return instead, waited

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
        now = self._clock.now()
        for prefix in laid.prefixes:
            node = self.writes.forest.changing(prefix)
            if node is not None:
                rules, _ = laid.ruled
                node.written(now, float(rules.ttl.seconds))

    def _news(self) -> None:
        if self._registry is not None:
            self._later.ask()

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
        self._news()
        self.seen.count(usage, expected=expected, verdict=verdict, first_token=laid.first_token)
        laid.verdict = verdict if verdict != "missed" else f"missed: {expected:,} tokens were expected to be read"


def _sized(call: Call) -> str:
    """Whose tokens are of one size."""
    return f"{call.provider} {call.model}"


def _family(call: Call) -> bytes:
    """Whose prefixes these are: those of one tenant, at one provider, on one key."""
    return _named(call.dialect, call.provider, call.origin, call.scope.tenant, _key(call))


def _bill(call: Call) -> bytes:
    """Who pays, and by which prices: one key at one provider, one model."""
    return _named(call.provider, call.origin, call.model, _key(call))


def _key(call: Call) -> str:
    return call.credential.key if call.credential is not None else ""


def _named(*parts: str) -> bytes:
    return hashlib.sha256(msgspec.json.encode(parts)).digest()[:8]
