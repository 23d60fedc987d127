"""A provider's prompt cache by its rules, without a clock: it is told when a request starts, and when its answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from penstock.meter import count
from penstock.testing.caching.entries import Entries, Entry, Machines
from penstock.testing.caching.marks import placed
from penstock.testing.caching.prompt import Count, Point, Prompt
from penstock.testing.caching.wire import prompt_of
from penstock.values import Usage
from penstock.values.caching import CacheRules, Ttl

__all__ = ["PromptCache", "Seen"]


class _Write(msgspec.Struct, frozen=True):
    """A prefix that will be kept once it is computed."""

    point: Point
    until: float
    ttl: float
    size: int = 0


class Seen(msgspec.Struct, frozen=True):
    """What the cache made of a request. The three counts are disjoint and add up to the prompt."""

    read: int = 0
    written: Mapping[str, int] = {}
    """Tokens that are charged as written, by the name of their time to live."""
    fresh: int = 0
    """Tokens at the plain price."""
    error: str = ""
    """Why the request is refused, with status 400; then nothing is read, written or charged."""
    machine: tuple[str, bytes, int] = ("", b"", 0)
    """Who answers: credential, route, and number of the machine."""
    writes: tuple[_Write, ...] = ()
    """What others can read once this answer has begun."""

    @property
    def prompt(self) -> int:
        """The tokens of the prompt."""
        return self.read + sum(self.written.values()) + self.fresh

    def usage(self, rules: CacheRules) -> Usage:
        """The prompt's part of what is reported. What is written for other than the default time stands for 1 h."""
        short = self.written.get(rules.ttl.name, 0)
        longer = sum(self.written.values()) - short
        return Usage(input=self.fresh, cache_read=self.read, cache_write_5m=short, cache_write_1h=longer)

    def cost(self, rules: CacheRules) -> float:
        """What the prompt costs by the factors of the rules, in tokens of uncached input."""
        factors = {ttl.name: ttl.write for ttl in rules.ttls}
        return self.fresh + self.read * rules.read + sum(factors[name] * n for name, n in self.written.items())


class PromptCache:
    """The prompt cache of one provider and model family, all its machines and all who pay.

    ``tokens`` counts; ``capacity`` bounds what a machine keeps, in tokens, least recently used first.

    >>> from datetime import date
    >>> from penstock.providers.prompt_cache import rules_for
    >>> cache = PromptCache(rules_for("anthropic", "claude-opus-5", date(2026, 11, 20)), tokens=len)
    >>> mark = {"type": "ephemeral"}
    >>> body = {"system": [{"type": "text", "text": "x" * 600, "cache_control": mark}], "messages": []}
    >>> first = cache.ask(body, at=0.0)
    >>> cache.began(first, at=1.0)
    >>> dict(first.written), cache.ask(body, at=2.0).read
    ({'5m': 600}, 600)
    """

    def __init__(
        self, rules: CacheRules, *, dialect: str = "", tokens: Count = count, capacity: int | None = None
    ) -> None:
        self.rules = rules
        self._dialect = dialect or ("anthropic" if rules.accounting == "disjoint" else "openai")
        self._tokens = tokens
        self._capacity = capacity
        self._machines = Machines(rules.per_minute)
        self._entries: dict[tuple[str, bytes, int], Entries] = {}

    def ask(self, body: Mapping[str, Any], at: float, key: str = "", *, dialect: str = "") -> Seen:
        """A request starts. ``key`` is the credential it came with: what others have written is not there for it."""
        return self.see(prompt_of(body, dialect or self._dialect, self.rules, self._tokens), at, key)

    def see(self, prompt: Prompt, at: float, key: str = "") -> Seen:
        """The same for a prompt that was taken apart already."""
        name = prompt.wish.ttl if self.rules.marker else prompt.wish.retention
        ttl = self.rules.named(name) if name else self.rules.ttl
        if ttl is None:
            return Seen(error=f"there is no time to live {name!r} here")
        route = self._route(prompt)
        machine = (key, route, self._machines.choose(key.encode() + route, at))
        entries = self._entries.setdefault(machine, Entries(self._capacity))
        match self.rules.matching:
            case "look_back" | "breakpoint":
                seen = self._at_marks(prompt, entries, at, ttl)
            case "longest":
                seen = self._longest(prompt, entries, at, ttl)
            case "unit":
                seen = self._units(prompt, entries, at, ttl)
            case "reference":
                seen = Seen(fresh=prompt.tokens)
        return msgspec.structs.replace(seen, machine=machine)

    def began(self, seen: Seen, at: float) -> None:
        """The answer to a request has begun: what it wrote can be read from now on, or as soon as the rules say."""
        since = at + self.rules.lag
        for write in seen.writes:
            self._entries[seen.machine].write(write.point.digest, Entry(since, write.until, write.ttl, write.size))

    def _route(self, prompt: Prompt) -> bytes:
        """What chooses the machine: the start of the prompt, and the caller's key."""
        if not self.rules.routed:
            return b""
        start = b""
        for point in prompt.points:
            if point.tokens > self.rules.routed:
                break
            start = point.digest
        return start + prompt.wish.key.encode()

    def _at_marks(self, prompt: Prompt, entries: Entries, at: float, ttl: Ttl) -> Seen:
        """Prefixes are written at marks, and found at places that depend on them."""
        plan = placed(prompt, self.rules, ttl)
        if plan.error:
            return Seen(error=plan.error)
        found = [block for block in plan.looks if entries.alive(prompt.ends[block].digest, at)]
        start, past, lifetime = max(found, default=-1), 0, 0.0
        if found:
            digest, past = prompt.ends[start]
            lifetime = entries.read(digest, at, self.rules.refreshed)
        read = past
        written: dict[str, int] = {}
        writes: list[_Write] = []
        for block, asked in plan.writes.items():
            end, new = prompt.ends[block], 0
            if block > start:
                new = end.tokens - past
                written[asked.name] = written.get(asked.name, 0) + new
                past, seconds = end.tokens, float(asked.seconds)
            else:  # paid for by who wrote the longer prefix: it lives no longer than that one does
                seconds = min(asked.seconds, lifetime)
            writes.append(_Write(end, at + seconds, seconds, new))
        return Seen(read, _charged(written), prompt.tokens - past, writes=tuple(writes))

    def _longest(self, prompt: Prompt, entries: Entries, at: float, ttl: Ttl) -> Seen:
        """The longest common prefix is read, and the whole prompt is kept."""
        common: list[Point] = []
        for point in prompt.points:
            if not entries.alive(point.digest, at):
                break
            common.append(point)
        read = self.rules.cacheable(common[-1].tokens) if common else 0
        for point in reversed(common if read else ()):
            entries.read(point.digest, at, self.rules.refreshed)
        return Seen(read, {}, prompt.tokens - read, writes=self._whole(prompt, prompt.points, at, ttl))

    def _units(self, prompt: Prompt, entries: Entries, at: float, ttl: Ttl) -> Seen:
        """A persisted prefix is read as a whole; the prompt becomes one, and so does what it shares with another."""
        units = [point for point in prompt.points if entries.alive(point.digest, at)]
        read = self.rules.cacheable(units[-1].tokens) if units else 0
        if read:
            entries.read(units[-1].digest, at, self.rules.refreshed)
        shared = [point for point in prompt.points if point.digest in entries.passed]
        entries.passed.update(point.digest for point in prompt.points)
        writes = self._whole(prompt, (*shared[-1:], *prompt.points[-1:]), at, ttl)
        return Seen(read, {}, prompt.tokens - read, writes=writes)

    def _whole(self, prompt: Prompt, points: Iterable[Point], at: float, ttl: Ttl) -> tuple[_Write, ...]:
        """What is kept of a prompt that is long enough, its end first, so that it is the first to go."""
        if not self.rules.cacheable(prompt.tokens):
            return ()
        writes: list[_Write] = []
        before = 0
        for point in points:
            writes.append(_Write(point, at + ttl.seconds, float(ttl.seconds), point.tokens - before))
            before = point.tokens
        return tuple(reversed(writes))


def _charged(written: dict[str, int]) -> dict[str, int]:
    return {name: tokens for name, tokens in written.items() if tokens}
