"""What the gateway counts, in the text format of Prometheus (https://prometheus.io/docs/instrumenting/exposition_formats/).

The counters lie in one block of memory that worker processes share: each has a row of its own and reads them all.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable, Mapping, Sequence

import msgspec

from penstock.errors import ProviderError
from penstock.flow import Done, Settle, Shape
from penstock.gateway.endpoints import ENDPOINTS
from penstock.ledger import Receipt
from penstock.policy.layout.reconciled import Reconciled
from penstock.ticket import Outcome
from penstock.values import Edit

__all__ = ["Metrics", "Shared"]

_OTHER = "other"
_STATUSES = ("2xx", "4xx", "5xx")
_SOURCES = ("upstream", "reuse", "joined", "refused")
_CACHED = ("read", "written", "none")
_MECHANISMS = ("reuse", "layout", "prune", "compress", "route", "bundle", "defer", _OTHER)

_FAMILIES: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    (
        "penstock_requests_total",
        "counter",
        "Requests by endpoint and class of status.",
        tuple(
            f'endpoint="{name}",status="{status}"'
            for name in (*(each.name for each in ENDPOINTS), _OTHER)
            for status in _STATUSES
        ),
    ),
    (
        "penstock_calls_total",
        "counter",
        "Calls by where the answer came from.",
        tuple(f'source="{s}"' for s in _SOURCES),
    ),
    ("penstock_spent_nanodollars_total", "counter", "Money spent, in nano-dollars.", ("",)),
    ("penstock_asked_nanodollars_total", "counter", "What it would have cost, in nano-dollars.", ("",)),
    (
        "penstock_saved_nanodollars",
        "gauge",
        "Money saved, in nano-dollars; negative where a mechanism lost money.",
        tuple(f'mechanism="{name}"' for name in _MECHANISMS),
    ),
    ("penstock_unpriced_calls_total", "counter", "Calls whose price is not known.", ("",)),
    ("penstock_shed_total", "counter", "Requests turned away because there was no seat in time.", ("",)),
    ("penstock_upstream_errors_total", "counter", "Calls that an upstream refused or failed.", ("",)),
    ("penstock_disconnects_total", "counter", "Clients that left before the end of their answer.", ("",)),
    (
        "penstock_prompt_tokens_total",
        "counter",
        "Prompt tokens that providers reported, by what their prompt cache did: read, written, or neither.",
        tuple(f'cache="{kind}"' for kind in _CACHED),
    ),
    ("penstock_prefix_expected_tokens_total", "counter", "Prompt tokens that were expected to be read.", ("",)),
    ("penstock_prefix_missed_total", "counter", "Calls whose warm prefix was not read.", ("",)),
    ("penstock_prefix_followed_total", "counter", "Calls that waited for the first one with their prefix.", ("",)),
    (
        "penstock_compressed_tokens_total",
        "counter",
        "Tokens of tool outputs that were compressed on their way, before and after.",
        ('side="before"', 'side="after"'),
    ),
    ("penstock_compress_microseconds_total", "counter", "Time that calls took to be compressed.", ("",)),
    ("penstock_restored", "gauge", "Originals of compressed texts that were asked for, by whichever process.", ("",)),
    (
        "penstock_first_token_microseconds_total",
        "counter",
        "Time to the first token of streams that were laid out, by whether they read from the cache.",
        ('cache="hit"', 'cache="miss"'),
    ),
    (
        "penstock_first_tokens_total",
        "counter",
        "Streams in penstock_first_token_microseconds_total.",
        ('cache="hit"', 'cache="miss"'),
    ),
    ("penstock_in_flight", "gauge", "Requests being answered now.", ("",)),
)

_PLACES = {
    (name, labels): place
    for place, (name, labels) in enumerate((name, each) for name, _, _, several in _FAMILIES for each in several)
}
_WIDTH = len(_PLACES)

_REQUESTS: Mapping[tuple[str, int], int] = {
    (name, hundred): _PLACES["penstock_requests_total", f'endpoint="{name}",status="{status}"']
    for name in (*(each.name for each in ENDPOINTS), _OTHER)
    for hundred, status in ((2, "2xx"), (4, "4xx"), (5, "5xx"))
}
_CALLS = {source: _PLACES["penstock_calls_total", f'source="{source}"'] for source in _SOURCES}
_SAVED = {name: _PLACES["penstock_saved_nanodollars", f'mechanism="{name}"'] for name in _MECHANISMS}
_SPENT = _PLACES["penstock_spent_nanodollars_total", ""]
_ASKED = _PLACES["penstock_asked_nanodollars_total", ""]
_UNPRICED = _PLACES["penstock_unpriced_calls_total", ""]
_COMPRESSED = {side: _PLACES["penstock_compressed_tokens_total", f'side="{side}"'] for side in ("before", "after")}
_TOOK = _PLACES["penstock_compress_microseconds_total", ""]
_RESTORED = _PLACES["penstock_restored", ""]
_IN_FLIGHT = _PLACES["penstock_in_flight", ""]
_FIRST = {how: _PLACES["penstock_first_token_microseconds_total", f'cache="{how}"'] for how in ("hit", "miss")}
_PROMPT = {kind: _PLACES["penstock_prompt_tokens_total", f'cache="{kind}"'] for kind in _CACHED}


class Shared:
    """The counters of ``workers`` processes. Make it before they part ways."""

    def __init__(self, workers: int = 1) -> None:
        self._cells = memoryview(mmap.mmap(-1, max(1, workers) * _WIDTH * 8)).cast("q")

    def row(self, worker: int) -> memoryview[int]:
        """The counters of one worker, to write. One that is started in the place of another goes on counting there."""
        return self._cells[worker * _WIDTH : (worker + 1) * _WIDTH]

    def sums(self) -> list[int]:
        """All counters, over all workers."""
        return [sum(self._cells[place::_WIDTH]) for place in range(_WIDTH)]


class Metrics:
    """The counters of one worker."""

    def __init__(
        self,
        shared: Shared | None = None,
        worker: int = 0,
        in_flight: Callable[[], int] = lambda: 0,
        seen: Reconciled | None = None,
        restored: Callable[[], int] = lambda: 0,
    ) -> None:
        self._shared = shared or Shared()
        self._cells = self._shared.row(worker)
        self._in_flight = in_flight
        self._restored = restored
        self._seen = seen or Reconciled()
        self._counted = Reconciled()
        self._cells[_IN_FLIGHT] = 0

    def request(self, endpoint: str, status: int) -> None:
        """A request has been answered; an ``endpoint`` that is not served counts as ``other``."""
        self._cells[_REQUESTS.get((endpoint, status // 100), _REQUESTS[_OTHER, 4])] += 1

    async def __call__(self, outcome: Outcome) -> None:
        """A sink of the engine: a call has ended."""
        state = outcome.state
        if isinstance(state, Done):
            self._cells[_CALLS[state.source if state.source in {"reuse", "joined"} else "upstream"]] += 1
        else:
            self._cells[_CALLS["refused"]] += 1
            if isinstance(state.error, ProviderError):
                self.count("upstream_errors")
        self._book(state.receipt)
        entered = outcome.log[-2][1] if len(outcome.log) > 1 else None
        if isinstance(entered, Settle) and entered.usage is not None:
            usage = entered.usage
            self._cells[_PROMPT["read"]] += usage.cache_read
            self._cells[_PROMPT["written"]] += usage.cache_write_5m + usage.cache_write_1h
            self._cells[_PROMPT["none"]] += usage.input
            self._compressed(entered.call.edits)
        self._cells[_TOOK] += sum(round(each.took * 1e6) for _, each in outcome.log if isinstance(each, Shape))
        if self._seen.calls != self._counted.calls:
            self._reconcile()

    def _compressed(self, edits: Sequence[Edit]) -> None:
        for edit in edits:
            if edit.mechanism == "compress":
                self._cells[_COMPRESSED["before"]] += edit.evidence.get("tokens_before", 0)
                self._cells[_COMPRESSED["after"]] += edit.evidence.get("tokens_after", 0)

    def _book(self, receipt: Receipt) -> None:
        self._cells[_SPENT] += receipt.spent
        self._cells[_ASKED] += receipt.asked
        self._cells[_UNPRICED] += receipt.unpriced
        for mechanism, amount in receipt.saved.items():
            if amount:
                self._cells[_SAVED.get(mechanism, _SAVED[_OTHER])] += amount

    def _reconcile(self) -> None:
        """Count what has come to be known of the providers' prompt caches since the last time."""
        seen, counted = self._seen, self._counted
        for place, now, before in (
            (_PLACES["penstock_prefix_expected_tokens_total", ""], seen.expected, counted.expected),
            (_PLACES["penstock_prefix_missed_total", ""], seen.missed, counted.missed),
            (_PLACES["penstock_prefix_followed_total", ""], seen.followed, counted.followed),
            (_PLACES["penstock_first_tokens_total", 'cache="hit"'], seen.hit_streams, counted.hit_streams),
            (_PLACES["penstock_first_tokens_total", 'cache="miss"'], seen.miss_streams, counted.miss_streams),
            (_FIRST["hit"], round(seen.hit_seconds * 1e6), round(counted.hit_seconds * 1e6)),
            (_FIRST["miss"], round(seen.miss_seconds * 1e6), round(counted.miss_seconds * 1e6)),
        ):
            self._cells[place] += now - before
        self._counted = msgspec.structs.replace(seen)

    def count(self, what: str) -> None:
        """One more of ``shed``, ``upstream_errors``, ``disconnects``."""
        self._cells[_PLACES[f"penstock_{what}_total", ""]] += 1

    def text(self) -> bytes:
        """All figures of all workers."""
        self.settle()
        sums = self._shared.sums()
        lines: list[str] = []
        for name, kind, help, several in _FAMILIES:
            lines += [f"# HELP {name} {help}", f"# TYPE {name} {kind}"]
            for labels in several:
                lines.append(
                    f"{name}{{{labels}}} {sums[_PLACES[name, labels]]}"
                    if labels
                    else f"{name} {sums[_PLACES[name, '']]}"
                )
        return ("\n".join(lines) + "\n").encode()

    def settle(self) -> None:
        """Bring what is a state rather than an event up to date."""
        self._cells[_RESTORED] = self._restored()
        self._cells[_IN_FLIGHT] = self._in_flight()
