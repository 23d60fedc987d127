"""What a call may cost at worst, and what it has surely cost once it was sent.

The worst case is held before the call; the floor is charged when the call is lost after it was sent.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import msgspec

from penstock.meter.factors import Factors
from penstock.meter.models import FALLBACK_WINDOW, family, output_limit
from penstock.meter.rates import MILLION, Rates
from penstock.meter.tallies import Tally, tally
from penstock.meter.tokens import Counter, count
from penstock.values import Call
from penstock.values.shape import is_array, is_object

__all__ = ["Quote", "fit", "quote", "unbounded"]

_PRIOR = Factors()


class Quote(msgspec.Struct, frozen=True, kw_only=True):
    """The bounds of one call. Amounts are nano-dollars, and 0 where the call is unpriced: ask `firm` first."""

    worst_nano: int
    floor_nano: int
    """What was used if no answer ever came: the expected prompt at the plain price."""
    input_bound: int
    input_estimate: int
    output_bound: int
    """Tokens of all answers together."""
    max_tokens: int
    """The most tokens of one answer: the call's own limit, or else the model's."""
    answers: int = 1
    unpriced: bool = False
    """The price of the model is not known."""
    unbounded: str = ""
    """What makes the bill go beyond the tokens of this call: a hosted tool, an unlisted price. Empty: nothing does."""
    input_rate: int = 0
    """Nano-dollars per million tokens, at worst."""
    output_rate: int = 0
    per_call: int = 0
    tally: Tally = Tally()
    """What was counted, for `Factors.observe` once the provider has reported."""

    @property
    def firm(self) -> bool:
        """Whether ``worst_nano`` is a bound that a money budget can rely on."""
        return not self.unpriced and not self.unbounded


def quote(
    call: Call,
    rates: Rates | None,
    factors: Factors = _PRIOR,
    *,
    window: int | None = None,
    counter: Counter = count,
) -> Quote:
    """The quote of a call as it stands after its edits. ``rates`` None: unpriced.

    The prompt is bounded by `Factors.bound` and billed at the dearest rate that this call can incur: as a cache write
    where it marks one, or where the provider writes unasked and charges for it. ``window`` is the model's context
    window, where it is known; media are not bounded beyond it. With ``counter=by_size`` no vocabulary is needed, and
    the quote is several times too high.
    """
    weights = tally(call, counter)
    name = family(call.model)
    if window is not None and weights.media > window:
        weights = msgspec.structs.replace(weights, media=window)
    estimate, bound = factors.estimate(name, weights), factors.bound(name, weights)
    most = _most(call, window or FALLBACK_WINDOW, estimate)
    output = most * call.answers
    worst = floor = input_rate = output_rate = per_call = 0
    if rates is not None:
        input_rate, output_rate, per_call = _dearest(call, rates, bound)
        worst = _round(bound * input_rate + output * output_rate) + per_call
        floor = _round(estimate * rates.at(estimate).input) + rates.per_call
    return Quote(
        worst_nano=worst,
        floor_nano=floor,
        input_bound=bound,
        input_estimate=estimate,
        output_bound=output,
        max_tokens=most,
        answers=call.answers,
        unpriced=rates is None,
        unbounded=unbounded(call, rates),
        input_rate=input_rate,
        output_rate=output_rate,
        per_call=per_call,
        tally=weights,
    )


def fit(quote: Quote, left_nano: int) -> int:
    """The largest ``max_tokens``, up to the quote's own, whose worst case fits ``left_nano``; 0 when none does."""
    room = (left_nano - quote.per_call) * MILLION + (MILLION - MILLION // 2 - 1) - quote.input_bound * quote.input_rate
    if room < 0:
        return 0
    if quote.output_rate == 0:
        return quote.max_tokens
    return min(quote.max_tokens, room // quote.output_rate // quote.answers)


def _round(amount: int) -> int:
    return (amount + MILLION // 2) // MILLION


def _most(call: Call, window: int, estimate: int) -> int:
    """The most tokens of one answer: what the call says, what the model can, or what its window leaves."""
    if call.max_tokens is not None:
        return max(call.max_tokens, 0)
    return output_limit(call.model) or max(window - estimate, 1)


def _dearest(call: Call, rates: Rates, bound: int) -> tuple[int, int, int]:
    """The highest input and output rates, and fee, that a prompt of at most ``bound`` tokens can meet."""
    steps = [rates, *(tier.rates for tier in rates.tiers if tier.above < bound)]
    marks = _cache_marks(call)
    fields = ["input", "cache_read"]
    if marks or call.dialect != "anthropic":
        fields.append("cache_write_5m")
    if "1h" in marks:
        fields.append("cache_write_1h")
    return (
        max(int(getattr(step, field)) for step in steps for field in fields),
        max(max(step.output, step.reasoning) for step in steps),
        max(step.per_call for step in steps),
    )


def _cache_marks(call: Call) -> set[str]:
    """The times to live of the cache markers in a call, wherever they stand."""
    if not call.edits and b'"cache_control"' not in call.raw:
        return set()
    found: set[str] = set()
    todo: list[Any] = [call.body]
    while todo:
        node = todo.pop()
        if is_object(node):
            mark = node.get("cache_control")
            if is_object(mark):
                found.add("1h" if mark.get("ttl") == "1h" else "5m")
            todo.extend(node.values())
        elif is_array(node):
            todo.extend(node)
    return found


_OWN_TOOLS = re.compile(r"function|custom|(bash|text_editor|computer|memory)_20\d+|local_shell|apply_patch")
"""Tools that the caller runs: billed by their tokens alone. Any other type may be hosted, and billed beyond them."""

_SEARCHING = re.compile(r"-search(-|$)|deep-research")
"""Models that search the web on their own account."""


@lru_cache(maxsize=1024)
def _searches(model: str) -> bool:
    return _SEARCHING.search(model) is not None


_BEYOND = ("web_search_options", "mcp_servers", "inference_geo", "prediction")
"""Fields that bring fees, hosted tools, surcharges, or answer tokens beyond the limit."""


def unbounded(call: Call, rates: Rates | None) -> str:
    """The first thing that is billed beyond the tokens of this call; empty when there is none."""
    if hosted := _hosted(call.body.get("tools")):
        return hosted
    if _searches(call.model):
        return "web_search"
    for field in _BEYOND:
        if call.body.get(field):
            return field
    return _apart(call, rates.apart) if rates and rates.apart else ""


def _hosted(tools: Any) -> str:
    """The first tool that may be hosted. A namespace is the tools in it; a search for tools may be the caller's own."""
    for tool in tools if is_array(tools) else ():
        kind = tool.get("type") if is_object(tool) else None
        if kind == "namespace":
            kind = _hosted(tool.get("tools"))
        own = kind == "tool_search" and tool.get("execution") == "client"
        if isinstance(kind, str) and kind and not own and not _OWN_TOOLS.fullmatch(kind):
            return kind
    return ""


def _apart(call: Call, apart: tuple[str, ...]) -> str:
    """A modality of this call whose tokens have a price of their own, which the usage does not tell apart."""
    asked = call.body.get("modalities")
    used = {str(kind) for kind in asked} if is_array(asked) else set[str]()
    for segment in call.segments():
        if segment.kind == "image":
            used.add("image")
        elif '"input_audio"' in segment.text and segment.kind == "document":
            used.add("audio")
    return next((kind for kind in apart if kind in used), "")
