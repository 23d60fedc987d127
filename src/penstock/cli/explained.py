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
        f"{Money(nano)} by {_KNOWN_AS.get(mechanism, mechanism)}{', which cost more than it saved' if nano < 0 else ''}"
        for mechanism, nano in record.saved.items()
        if nano
    ]


_KNOWN_AS = {
    "layout": "layout (the provider's prompt cache)",
    "compress": "compress (shorter tool outputs)",
    "prune": "prune (shorter histories)",
    "salt": "salt (tenants kept apart)",
}


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
    return "no other call's answer is waited for"


def _shape(step: Step, following: Step) -> str:
    asked = f"a request of {step['bytes']:,} bytes for {step['model']}"
    seen = step.get("layout")
    if not seen:
        return asked
    known = f"{seen['known']} of {seen['blocks']} parts" if seen["known"] else "nothing"
    new = f", new from {seen['new_from']}" if seen["known"] and seen["new_from"] else ""
    changing = ", ".join(seen.get("volatile", ()))
    warned = f"; its system prompt holds {changing}: if that changes, what follows is paid in full" if changing else ""
    return f"{asked}; {known} of its prompt sent before{new}{warned}"


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
    waited = step.get("waited_seconds", 0.0)
    took = f"{waited:.1f} s" if waited >= 1 else f"{waited * 1000:.0f} ms"
    first = [f"waited {took} for an earlier call that begins alike"] if waited else []
    told = [*first, f"asked {step['provider']} for {step['model']}", *map(_edit, step["edits"])]
    return "; ".join(filter(None, told))


def _edit(edit: Step) -> str:
    """One change of a request. Each mechanism tells why in fields of its own; empty: another change has told it."""
    what = ".".join(map(str, edit["path"]))
    why = {name: value for name, value in edit.items() if name not in {"mechanism", "path", "op"}}
    match edit["mechanism"]:
        case "budget":
            return f"{what} set to {edit['max_tokens']:,}, since {Money(edit['left'])} of the budget was left"
        case "alias":
            return f"the client called it {edit['asked']!r}"
        case "fallback":
            return f"in place of {edit['asked']}"
        case "layout":
            return _laid(what, why)
        case "prune":
            when = "now" if edit["step"] else "as before"
            became = f"{edit['tokens_before']:,} tokens became {edit['tokens_after']:,}"
            return f"its history cut {when} ({edit['level']}): {became}"
        case "salt":
            return "a short text before all others keeps this tenant's prompts apart"
        case "compress":
            return (
                f"what a tool wrote ({edit['kind']}): {edit['tokens_before']:,} tokens became {edit['tokens_after']:,}"
                f" (penstock restore {edit['original']})"
            )
        case mechanism:
            return f"{mechanism}: {edit['op']} {what} {_fields(why, {})}"


_MARKED_WHY = {
    "the warm prefix is read": "it is there from an earlier call",
    "a probe: whether writes are read as foretold": "a short one, to see whether later calls read it",
    "the loss guard: no write until others were read": "no more is written until later calls have read what was",
    "other calls wait to read it": "unless another call just has: several begin alike",
    "the leader is late": "the earlier call took too long to wait for, and the same is not written twice",
}
"""Why a prompt is marked as it is, where the policy says it in words of its own."""


def _laid(what: str, why: Step) -> str:
    """What was done to a prompt for the provider's cache."""
    if "tools" in why:
        return "its tools in the order of the first time, so that the prompt cache knows them"
    if "busy" in why:
        return f"{what} set, since many calls begin alike"
    if "moved" in why:
        return f"behind the rest of the system prompt: {', '.join(why['moved'])}"
    if "breakpoint" in why:
        return f"the prompt cache: a breakpoint {why['breakpoint']}"
    if "why" not in why:
        return ""
    amounts = ((why.get("expected_read"), "read from it"), (why.get("to_write"), "write to it"))
    told = " and ".join(f"about {tokens:,} tokens to {verb}" for tokens, verb in amounts if tokens)
    return f"the prompt cache: {told or 'nothing is written'} ({_MARKED_WHY.get(why['why'], why['why'])})"


def _settle(step: Step, following: Step) -> str:
    if "failed" in step:
        return f"{step['failed']}; {step['next']} is asked instead"
    if step["usage"] is None:
        return "nothing was used, and nothing is charged"
    about = ", as an estimate, since the provider did not tell" if step["estimated"] else ""
    return f"used {_tokens(msgspec.convert(step['usage'], Usage))}{about}{_expected(step.get('cache', ''))}"


def _expected(verdict: str) -> str:
    """How that stands to what the provider was expected to read from its prompt cache; empty where that was nothing."""
    kind, _, told = verdict.partition(": ")
    match kind:
        case "hit":
            return "; as much was read as expected"
        case "more":
            return "; more was read than expected"
        case "missed":
            return f"; {told} from the prompt cache"
        case _:
            return ""


def _done(step: Step, following: Step) -> str:
    return f"the answer ended with {step['finish']!r}" if step["finish"] else "answered"


def _refused(step: Step, following: Step) -> str:
    return f"no answer ({step['error']})"


def _part(step: Step, following: Step) -> str:
    spent = f", {Money(step['spent_nano'])}" if step["spent_nano"] else ""
    source = "no answer" if step["source"] == "refused" else f"from {step['source']}"
    return f"{step['id']} {source}{spent}"


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
