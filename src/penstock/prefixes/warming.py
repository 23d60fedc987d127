"""Keeping prefixes warm: reading one once more before it expires, where somebody is likely to come back for it.

Off unless ``keep_warm = true``. A read for its own sake is a call of ours: its whole price is the mechanism's loss.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec

from penstock.clock import Clock
from penstock.flow import Settle
from penstock.policy.layout.writes import Writes
from penstock.prefixes.laid import Laid
from penstock.ticket import Outcome
from penstock.values import Call
from penstock.values.caching import CacheRules

__all__ = ["Warming"]

_EARLY_SECONDS = 15.0
"""How long before the end of its life a prefix is read: the request has to begin before that."""

_MOST = 64
"""Prefixes that are seen to at once."""


class _Kept(msgspec.Struct, frozen=True):
    """One prefix, and the call that reads it."""

    digest: bytes
    tokens: int
    rules: CacheRules
    call: Call
    bill: bytes


class Warming:
    """Sees to the prefixes of one engine. ``run`` asks a call, ``writes`` knows what reading a prefix would bring."""

    def __init__(self, clock: Clock, writes: Writes, run: Callable[[Call], Awaitable[Outcome]]) -> None:
        self._clock = clock
        self._writes = writes
        self._run = run
        self._seen_to: dict[bytes, asyncio.Task[None]] = {}

    def see_to(self, laid: Laid) -> None:
        """The longest marked prefix of a call that has ended, in the place of those that it goes on from."""
        call = _reading(laid.call)
        if call is None or laid.decision is None or not laid.decision.marks:
            return
        last = laid.decision.marks[-1]
        tokens = sum(block.tokens for block in laid.found[:last])
        kept = _Kept(laid.digests[last - 1], tokens, laid.rules, call, laid.bill)
        for mark in laid.decision.marks:
            before = self._seen_to.pop(laid.digests[mark - 1], None)
            if before is not None:
                before.cancel()
        if len(self._seen_to) < _MOST:
            self._seen_to[kept.digest] = asyncio.create_task(self._keep(kept))

    async def close(self) -> None:
        """See to nothing any more."""
        tasks, self._seen_to = list(self._seen_to.values()), {}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _keep(self, kept: _Kept) -> None:
        """Read it as often as that is expected to pay, and it is there."""
        there = True
        while there:
            node = self._writes.forest.nodes.get(kept.digest)
            left = 0.0 if node is None else node.until - _EARLY_SECONDS - self._clock.now()
            if left <= 0:
                break
            await self._clock.sleep(left)
            worth = self._writes.keeping(kept.digest, kept.tokens, self._clock.now(), kept.rules, kept.bill)
            there = worth > 0 and await self._read(kept)
        self._seen_to.pop(kept.digest, None)

    async def _read(self, kept: _Kept) -> bool:
        outcome = await self._run(kept.call)
        usage = next((state.usage for _, state in outcome.log if isinstance(state, Settle)), None)
        if usage is None:
            return False
        written = usage.cache_write_5m + usage.cache_write_1h
        share = (kept.rules.read * usage.cache_read + usage.input + kept.rules.ttl.write * written) / usage.prompt
        self._writes.kept(kept.digest, outcome.at, lost=share * kept.tokens, there=usage.cache_read > 0, bill=kept.bill)
        return usage.cache_read > 0


def _reading(call: Call) -> Call | None:
    """The call that reads the same prompt and is answered with one token; None where that cannot be asked.

    With thinking an answer has to be longer, and without it the prompt would be another one.
    """
    if call.dialect != "anthropic" or call.body.get("thinking"):
        return None
    body = {name: value for name, value in call.body.items() if name != "stream"}
    return msgspec.structs.replace(
        call,
        raw=msgspec.json.encode({**body, "max_tokens": 1}),
        body={**body, "max_tokens": 1},
        edits=(),
        reuse="off",
        off=frozenset({"all"}),
        deadline=None,
        fitting=False,
        charged_to="layout",
    )
