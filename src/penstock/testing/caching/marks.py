"""Where a request's prefixes are written and looked for, by its marks and those that the provider sets itself."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from penstock.testing.caching.prompt import Prompt
from penstock.values.caching import CacheRules, Ttl

__all__ = ["Placed", "placed"]


class Placed(msgspec.Struct, frozen=True):
    """Blocks, by their number."""

    writes: Mapping[int, Ttl] = {}
    """Where prefixes are written, in order, and for how long."""
    looks: frozenset[int] = frozenset()
    """Where a prefix that was written earlier would be found."""
    error: str = ""


def placed(prompt: Prompt, rules: CacheRules, default: Ttl) -> Placed:
    """The places of a prompt. Marks on prefixes below the minimum do nothing, but count.

    ``default``: the time to live of a mark that names none.
    """
    asked = {block: rules.named(name) if name else default for block, name in prompt.marks.items()}
    explicit = {block: ttl for block, ttl in asked.items() if ttl is not None}
    own = _own(prompt, rules, default)
    error = _refused(prompt, rules, explicit, own)
    if error:
        return Placed(error=error)
    kept = rules.most_marks - bool(own) if rules.surplus == "oldest_dropped" else len(explicit)
    latest = dict(sorted(explicit.items())[max(0, len(explicit) - kept) :])
    writes = _long_enough(prompt, rules, own | latest)
    if rules.matching == "look_back":
        return Placed(writes, frozenset(look for mark in writes for look in _window(mark, rules.look_back)))
    turns = () if prompt.wish.explicit else prompt.turns
    return Placed(writes, frozenset(sorted({*explicit, *turns})[-rules.remembered :]))


def _window(mark: int, look_back: int) -> range:
    """The blocks that are looked at from a mark backwards."""
    return range(max(0, mark + 1 - look_back) if look_back else 0, mark + 1)


def _long_enough(prompt: Prompt, rules: CacheRules, marks: Mapping[int, Ttl]) -> dict[int, Ttl]:
    return {block: ttl for block, ttl in sorted(marks.items()) if rules.cacheable(prompt.ends[block].tokens)}


def _own(prompt: Prompt, rules: CacheRules, default: Ttl) -> dict[int, Ttl]:
    """The mark that the provider sets itself: where it was asked to, or unless it was asked not to."""
    if rules.placing == "asked" and prompt.wish.automatic is not None:
        ttl = rules.named(prompt.wish.automatic) if prompt.wish.automatic else default
        last = max(prompt.markable, default=-1)
        return {last: ttl} if ttl is not None and last >= 0 else {}
    if rules.placing == "unless_explicit" and not prompt.wish.explicit:
        return dict.fromkeys(prompt.turns[-1:], default)
    return {}


def _refused(prompt: Prompt, rules: CacheRules, explicit: Mapping[int, Ttl], own: Mapping[int, Ttl]) -> str:
    """Why the request is an error; empty if it is none."""
    names = [*prompt.marks.values(), prompt.wish.automatic or ""]
    unknown = next((name for name in names if name and rules.named(name) is None), None)
    if unknown is not None:
        return f"there is no time to live {unknown!r} here"
    if not prompt.marks.keys() <= prompt.markable:
        return "a mark cannot be set on an empty or a thinking block"
    if any(explicit.get(block, ttl) != ttl for block, ttl in own.items()) and rules.placing == "asked":
        return "the last block has a mark with another time to live than the automatic one"
    number = len(explicit) + len(own)
    if rules.surplus == "refused" and number > rules.most_marks:
        return f"at most {rules.most_marks} blocks can have a mark, and there are {number}"
    times = [ttl.seconds for _, ttl in sorted({**own, **explicit}.items())]
    if rules.ordered and times != sorted(times, reverse=True):
        return "a mark with a longer time to live stands behind one with a shorter"
    return ""
