"""Prompt caches behind a scripted upstream: its answers report what the provider's rules make of each request."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import msgspec
from msgspec import UNSET

from penstock.meter import count
from penstock.providers.prompt_cache import rules_for
from penstock.testing.caching.cache import PromptCache, Seen
from penstock.testing.plan import Count, Plan, Question
from penstock.values.caching import CacheRules

__all__ = ["Cached", "SimulatedCache"]


class Cached(msgspec.Struct, frozen=True):
    """One request, and the cache that saw it."""

    cache: PromptCache
    seen: Seen

    def began(self, at: float) -> None:
        """Its answer has begun."""
        self.cache.began(self.seen, at)


class SimulatedCache:
    """The prompt caches of a provider, one for each family of models; for `Upstream` and `ScriptedProvider`.

    ``provider`` finds the rules of each model on ``day``, or is the rules for all of them. ``first_token``: seconds to
    the first token by the number of tokens that were not read, besides the latency of the plan. ``capacity``: tokens
    that a machine keeps. A model without rules is answered as if there were no cache.

    >>> from datetime import date
    >>> SimulatedCache("anthropic", day=date(2026, 11, 20), first_token=lambda uncached: uncached / 10_000)
    SimulatedCache('anthropic')
    """

    def __init__(
        self,
        provider: str | CacheRules,
        *,
        day: date = date.max,
        tokens: Count = count,
        first_token: Callable[[int], float] = lambda uncached: 0.0,
        capacity: int | None = None,
    ) -> None:
        self._provider = provider
        self._day = day
        self._tokens = tokens
        self._first_token = first_token
        self._capacity = capacity
        self._caches: dict[str, PromptCache] = {}

    def __repr__(self) -> str:
        """With whose rules these are."""
        return f"SimulatedCache({getattr(self._provider, 'family', self._provider)!r})"

    def answer(
        self, question: Question, plan: Plan, output: Count, *, key: str, at: float
    ) -> tuple[Plan, Cached | None]:
        """A request that starts now: the plan with what the cache makes of it.

        A plan that fails is left as it is, and a usage that it names wins. ``output`` counts the tokens of the answer.
        """
        rules = self._rules(question.model)
        if rules is None or plan.status != 200 or not question.generates:
            return plan, None
        cache = self._caches.get(rules.family)
        if cache is None:
            cache = self._caches[rules.family] = PromptCache(rules, tokens=self._tokens, capacity=self._capacity)
        seen = cache.ask(question.body, at, key, dialect=question.dialect)
        if seen.error:
            return Plan(seen.error, status=400), None
        latency = plan.latency + self._first_token(seen.prompt - seen.read)
        usage = plan.usage
        if usage is UNSET:
            told = question.usage(plan, output)
            usage = msgspec.structs.replace(seen.usage(rules), output=told.output, reasoning=told.reasoning)
        return msgspec.structs.replace(plan, latency=latency, usage=usage), Cached(cache, seen)

    def _rules(self, model: str) -> CacheRules | None:
        return rules_for(self._provider, model, self._day) if isinstance(self._provider, str) else self._provider
