"""What is known of prefixes: by all calls of one engine, and by the processes that share a registry."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from penstock.clock import Clock
from penstock.policy.layout.guard import ALLOWANCE
from penstock.policy.layout.notebook import Notebook
from penstock.policy.layout.reconciled import Reconciled
from penstock.policy.layout.sizes import Sizes
from penstock.policy.layout.writes import Writes
from penstock.prefixes.leaders import Leaders
from penstock.stores.later import Later
from penstock.stores.prefixes import Registry
from penstock.values.caching import CacheRules
from penstock.values.prefixes import Known

__all__ = ["Memory"]

_NEWS_SECONDS = 1.0
"""How often the registry is told what is new, while there is something."""


class Memory:
    """One for each engine."""

    def __init__(self, clock: Clock, registry: Registry | None = None) -> None:
        self.clock = clock
        self.writes = Writes(allowance=ALLOWANCE)
        """What was sent, what is warm, and which writes pay."""
        self.leaders = Leaders(clock)
        """Who is under way with which prefix."""
        self.sizes = Sizes()
        """How many tokens the provider makes of a prompt."""
        self.seen = Reconciled()
        """What was expected of the providers' caches, beside what they reported."""
        self._registry = registry
        self._notebook = Notebook(self.writes)
        self._later = Later(self.exchange, _NEWS_SECONDS)
        self._turn = asyncio.Lock()

    def cold(self, prefixes: Sequence[bytes]) -> list[bytes]:
        """Those of which nobody has seen that they can be read."""
        now, nodes = self.clock.now(), self.writes.forest.nodes
        return [each for each in prefixes if each not in nodes or not nodes[each].warm(now)]

    def readable(self, prefixes: Sequence[bytes], rules: CacheRules) -> None:
        """These can be read from now on, or as soon as the rules say, for as long as they say."""
        now = self.clock.now() + rules.lag
        for prefix in prefixes:
            node = self.writes.forest.changing(prefix)
            if node is not None:
                node.written(now, float(rules.ttl.seconds), refreshes=rules.refreshed)

    def news(self) -> None:
        """There is something to tell the registry."""
        if self._registry is not None:
            self._later.ask()

    async def exchange(self) -> None:
        """Learn what is new in the registry, at first all that is known, and tell it what is new here.

        A page at a time, so that calls go on meanwhile.
        """
        async with self._turn:
            if self._registry is not None:
                while await self._page(self._registry, Known()):
                    pass
                for page in self._notebook.news():
                    await self._page(self._registry, page)

    async def _page(self, registry: Registry, page: Known) -> bool:
        """Whether there is more to hear."""
        heard = await registry.exchange(page, self.clock.now())
        self._notebook.learn(heard)
        await asyncio.sleep(0)
        return heard.more

    async def close(self) -> None:
        """Leave what was learned to the others, and to the next run."""
        await self._later.drop()
        await self.exchange()
        registry, self._registry = self._registry, None
        if registry is not None:
            await registry.close()
