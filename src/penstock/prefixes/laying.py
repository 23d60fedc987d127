"""Laying prompts out: where each is marked, and what is done so that its provider finds it in its cache."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import accumulate
from typing import Any

import msgspec

from penstock.clock import Clock
from penstock.errors import BadInput
from penstock.meter import Rates
from penstock.policy.layout.blocks import Block, blocks
from penstock.policy.layout.breakpoints import breakpoints
from penstock.policy.layout.forest import warm_upto
from penstock.policy.layout.interplay import COLD, Warm
from penstock.policy.layout.keys import Shards
from penstock.policy.layout.marking import marked_by_caller
from penstock.policy.layout.prices import priced
from penstock.policy.layout.settings import LayoutSettings
from penstock.policy.layout.tools import SteadyTools
from penstock.policy.layout.volatile import moved, volatile
from penstock.prefixes.laid import Laid, model_of
from penstock.prefixes.memory import Memory
from penstock.prefixes.passage import Passage
from penstock.providers.prompt_cache import rules_for
from penstock.stores.prefixes import Registry
from penstock.values import Call, Edit
from penstock.values.caching import CacheRules

__all__ = ["Prefixes"]

_GATHER_SECONDS = 0.01
"""How long a prompt of which nothing is cached waits for others like it: the calls of one fan-out come within that."""

_SHORTEST_TOKEN = 2
"""Bytes: a body with fewer than this for each token of the minimum cannot reach it."""


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
        self.settings = settings or LayoutSettings()
        self.memory = Memory(clock, registry)
        self._clock = clock
        self._places = places or {}
        self._shards = Shards()
        self._tools = SteadyTools()

    def warm(self, call: Call, rates: Rates | None) -> Warm:
        """The prefix of a call that its provider would read, as far as is known."""
        rules = self._rules(call, rates)
        if rules is None or len(call.raw) < _SHORTEST_TOKEN * rules.minimum:
            return COLD
        found = self._scaled(call)
        path = self.memory.writes.forest.known([_family(call) + block.digest for block in found])
        return Warm(found[: warm_upto(path, self._clock.now())], rules.read)

    async def lay(self, call: Call, rates: Rates | None) -> Passage | None:
        """The way of a call to its provider, its prompt laid out; None: nothing of it can be cached, or may be.

        ``rates`` are its prices, where known.
        """
        rules = self._rules(call, rates)
        found = [] if rules is None or len(call.raw) < _SHORTEST_TOKEN * rules.minimum else self._scaled(call)
        if rules is None or sum(block.tokens for block in found) < rules.minimum or not self._shares(found):
            if call.warms:
                raise _not_cached(rules)
            return None
        by_caller = marked_by_caller(call.body, found)
        steadied = () if by_caller else self._steadied(call)
        plain = call.edited(*steadied)
        laid = self._plain(plain, rules, self._scaled(plain) if steadied else found)
        upto = accumulate(block.tokens for block in laid.found)
        long = [digest for digest, so_far in zip(laid.digests, upto, strict=True) if so_far >= rules.minimum]
        passage = Passage(self.memory, laid, waits=self.settings.wait_for_leader)
        passage.comes(long)
        try:
            passage.laid = await self._laid(laid, long, by_caller=by_caller)
        except BaseException:  # it is called off while it waits for siblings: they must not wait for it
            passage.ended()
            raise
        return passage

    def _plain(self, call: Call, rules: CacheRules, found: Sequence[Block]) -> Laid:
        """A prompt for which nothing has been done yet."""
        laid = Laid(call=call, plain=call, rules=rules, found=found, family=_family(call), bill=_bill(call), notes={})
        return msgspec.structs.replace(laid, notes=self._notes(laid))

    async def _laid(self, laid: Laid, long: Sequence[bytes], *, by_caller: bool) -> Laid:
        """The prompt laid out; ``long`` are those of its prefixes that can be cached."""
        if by_caller:
            marked = [digest for digest, block in zip(laid.digests, laid.found, strict=True) if block.marked]
            return laid.unasked(marked, self.memory.cold(marked))
        if laid.rules.matching == "breakpoint":
            return self._broken(laid)
        if laid.rules.marker != "cache_control" or laid.call.dialect != "anthropic":
            return laid.unasked(long, self.memory.cold(long), self._keyed(laid))
        return await self._marked(laid, long)

    def _broken(self, laid: Laid) -> Laid:
        """At a provider that reads up to breakpoints: more of them, where it is known to take them."""
        known = len(self.memory.writes.forest.known(laid.digests))
        taken = "openai" in self._place(laid.call)
        set_ = breakpoints(laid.call.body, laid.found, known, laid.rules) if taken else []
        at = [laid.digests[at - 1] for at in sorted({*(at for at, _ in set_), len(laid.found)})]
        return laid.unasked(at, self.memory.cold(at), [*self._keyed(laid), *(edit for _, edit in set_)])

    def _notes(self, laid: Laid) -> Mapping[str, Any]:
        """How far the prompt goes the way of earlier ones, and what in its beginning will not stay as it is."""
        path = self.memory.writes.forest.known(laid.digests)
        new = laid.found[len(path)].path if len(path) < len(laid.found) else ()
        notes: dict[str, Any] = {"blocks": len(laid.found), "known": len(path), "new_from": ".".join(map(str, new))}
        changing = [each.found for each in volatile(laid.call.body)[:3]]
        return {**notes, "volatile": changing} if changing else notes

    async def _marked(self, laid: Laid, long: Sequence[bytes]) -> Laid:
        """Marked where the write policy expects that to pay."""
        decide, now = self.memory.writes.decide, self._clock.now()
        # Agents go on where they were far more often than people do.
        shape = "tools" if laid.call.body.get("tools") else ""
        about: dict[str, Any] = {"family": laid.family, "bill": laid.bill, "shape": shape}
        decision = decide(laid.found, now, laid.rules, **about)
        if not decision.reads and self.settings.wait_for_leader and not laid.call.warms:
            await self._clock.sleep(_GATHER_SECONDS)
        promised = self._promised(laid, long)
        if promised:
            decision = decide(laid.found, now, laid.rules, **about, promised=promised)
        if laid.call.warms and not decision.marks:
            raise _not_cached(laid.rules)
        return laid.decided(decision, siblings=bool(promised))

    def _promised(self, laid: Laid, long: Sequence[bytes]) -> dict[int, float]:
        """The longest prefix that others will read if this call writes it, or are writing; by its number of blocks."""
        leaders, first = self.memory.leaders, len(laid.found) - len(long)
        for at in range(len(long) - 1 - laid.call.warms, -1, -1):
            there = laid.call.warms or leaders.siblings(long[at]) > 1 or leaders.writing(long[at])
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
        scale = self.memory.sizes.scale(model_of(call))
        return [msgspec.structs.replace(block, tokens=round(block.tokens * scale)) for block in blocks(call.body)]

    def _shares(self, found: Sequence[Block]) -> bool:
        """Whether this conversation is among those that are laid out."""
        first = next((block for block in found if block.level == "messages"), found[-1])
        return int.from_bytes(first.digest[-4:], "big") < self.settings.share * (1 << 32)

    def _keyed(self, laid: Laid) -> list[Edit]:
        """The key that keeps a busy prefix from overflowing to machines that have nothing of it."""
        call, rules = laid.call, laid.rules
        if not rules.key or "openai" not in self._place(call) or rules.key in call.body or "user" in call.body:
            return []
        key = self._shards.key(laid.family.hex(), laid.found, rules, self._clock.now())
        if key is None:
            return []
        return [Edit("layout", (rules.key,), "set", key, evidence={"busy": "more than one machine bears"})]


def _not_cached(rules: CacheRules | None) -> BadInput:
    """Of a call that is made for nothing else than being cached."""
    if rules is None:
        return BadInput("no prompt cache is known for this model here, or it is switched off", mend="ask as usual")
    return BadInput(
        f"nothing of this context would be cached: {rules.family} caches from {rules.minimum:,} tokens on",
        mend="pass a longer context, and no more than the budget of the mechanism bears (docs/prompt-caching.md)",
    )


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
