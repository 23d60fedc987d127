"""A call in a person's words, from its record. What a state tells of itself is its ``explain``, in `penstock.flow`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import chain, pairwise
from typing import Any

import msgspec

from penstock.stores.records import CallRecord
from penstock.values import Money, Usage

__all__ = ["answer", "cost", "savings", "steps"]

Step = Mapping[str, Any]

_NOTICED_MS = 50.0
"""A wait below this is none."""


def answer(record: CallRecord) -> str:
    """Where the answer came from, or why there is none."""
    match record.source:
        case "refused":
            return f"none: {record.steps[-1].get('message', 'it is not known why')}"
        case "reuse":
            return "a stored one, which an earlier call got for the same request"
        case "joined":
            return "shared with an earlier call, which was asking the same at that moment"
        case "parts":
            return f"put together in {len(record.steps)} calls, since the files do not fit one"
        case source:
            return f"from {source}"


def cost(record: CallRecord) -> str:
    """What was paid, for what, and how that follows from what it would have cost."""
    used = _tokens(record.usage) if record.usage else ""
    if record.spent is None or record.asked is None:
        return f"unknown, as the price of this model is{used and f'; it took {used}'}"
    paid = f"{Money(record.spent)}{used and f' for {used}'}"
    saved = record.asked - record.spent
    return f"{paid}; without savings it would have been {Money(record.asked)}" if saved else paid


def savings(record: CallRecord) -> list[str]:
    """What each mechanism saved, or lost."""
    return [
        f"{Money(nano)} by {mechanism}" + (", which cost more than it saved" if nano < 0 else "")
        for mechanism, nano in record.saved.items()
        if nano
    ]


def steps(record: CallRecord) -> Iterator[tuple[str, str, str]]:
    """When each state was entered, its name, and what it decided and why."""
    for step, following in pairwise(chain(record.steps, [{}])):
        after = f"{step['after_ms']:.1f} ms" if "after_ms" in step else ""
        told = _TOLD.get(step["state"], _fields)(step, following)
        yield after, step["state"], told


def _tokens(usage: Usage) -> str:
    """What was used.

    >>> _tokens(Usage(input=1000, cache_read=200, output=50, reasoning=30))
    '1,200 tokens in (200 read from the prompt cache) and 80 out (30 of them reasoning)'
    """
    written = usage.cache_write_5m + usage.cache_write_1h
    cached = [f"{usage.cache_read:,} read from"] * bool(usage.cache_read) + [f"{written:,} written to"] * bool(written)
    within = f" ({' and '.join(cached)} the prompt cache)" if cached else ""
    thought = f" ({usage.reasoning:,} of them reasoning)" if usage.reasoning else ""
    return f"{usage.prompt:,} tokens in{within} and {usage.completion:,} out{thought}"


def _lookup(step: Step, following: Step) -> str:
    if not step["reads"]:
        return f"no stored answer is looked for: {step['why']}"
    found = {"Done": "there is one", "Follow": "there is none"}.get(following.get("state", ""), "left before the end")
    if "joined" in following:
        found = "there is none yet"
    return f"is there a stored answer? {found} ({step['why']})"


def _follow(step: Step, following: Step) -> str:
    if "joined" in step:
        return f"{step['joined']} is asking the same: its answer is waited for"
    return "nothing to share: the call goes its own way"


def _shape(step: Step, following: Step) -> str:
    asked = f"a request of {step['bytes']:,} bytes for {step['model']}"
    seen = step.get("layout")
    if not seen:
        return asked
    new = f", new from {seen['new_from']}" if seen["new_from"] else ""
    changing = f"; its beginning holds {', '.join(seen['volatile'])}" if "volatile" in seen else ""
    return f"{asked}; {seen['known']} of its {seen['blocks']} blocks were sent before{new}{changing}"


def _admit(step: Step, following: Step) -> str:
    worst = "an unknown price" if step["worst_nano"] is None else str(Money(step["worst_nano"]))
    most = f"at worst {step['input_bound']:,} tokens in and {step['output_bound']:,} out, for {worst}"
    waited = following.get("after_ms", 0.0) - step["after_ms"]
    after = f" after {waited / 1000:.1f} s of waiting" if waited >= _NOTICED_MS else ""
    match following.get("state"):
        case "Send":
            return f"{most}: it fits the budget{after}"
        case "Admit":
            return f"{most}: it does not fit the budget{after}; a shorter answer may"
        case _:
            return f"{most}: it does not fit the budget{after}"


def _send(step: Step, following: Step) -> str:
    waited = step.get("waited_seconds")
    first = f"waited {waited:.1f} s for the first call with the same prefix; " if waited else ""
    return first + "; ".join([f"asked {step['provider']} for {step['model']}", *map(_edit, step["edits"])])


def _edit(edit: Step) -> str:
    """One change of a request. Each mechanism tells why in fields of its own."""
    what = ".".join(map(str, edit["path"]))
    match edit["mechanism"]:
        case "budget":
            return f"{what} set to {edit['max_tokens']:,}, since {Money(edit['left'])} of the budget was left"
        case "alias":
            return f"the client called it {edit['asked']!r}"
        case "fallback":
            return f"in place of {edit['asked']}"
        case mechanism:
            why = {name: value for name, value in edit.items() if name not in {"mechanism", "path", "op"}}
            return f"{mechanism}: {edit['op']} {what} {_fields(why, {})}"


def _settle(step: Step, following: Step) -> str:
    if "failed" in step:
        return f"{step['failed']}; {step['next']} is asked instead"
    if step["usage"] is None:
        return "nothing was used, and nothing is charged"
    about = ", as an estimate, since the provider did not tell" if step["estimated"] else ""
    cache = f"; the prompt cache: {step['cache']}" if step.get("cache") else ""
    return f"used {_tokens(msgspec.convert(step['usage'], Usage))}{about}{cache}"


def _done(step: Step, following: Step) -> str:
    return f"the answer ended with {step['finish']!r}" if step["finish"] else "answered"


def _refused(step: Step, following: Step) -> str:
    return f"no answer ({step['error']})"


def _part(step: Step, following: Step) -> str:
    spent = f", {Money(step['spent_nano'])}" if step["spent_nano"] else ""
    return f"{step['id']} from {step['source']}{spent}"


def _fields(step: Step, following: Step) -> str:
    return " ".join(f"{name}={value}" for name, value in step.items() if name not in {"state", "after_ms"})


_TOLD: Mapping[str, Callable[[Step, Step], str]] = {
    "Lookup": _lookup,
    "Follow": _follow,
    "Shape": _shape,
    "Admit": _admit,
    "Send": _send,
    "Settle": _settle,
    "Done": _done,
    "Refused": _refused,
    "Part": _part,
}
