"""Where a request's prefixes are written and looked for, by its marks and those that the provider sets itself."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import msgspec

from penstock.testing.caching.prompt import Mark, Prompt
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
    own = _own(prompt, rules, default)
    error = _refused(prompt, rules, default, own)
    if error:
        return Placed(error=error)
    explicit = {block: _lives(mark, rules, default) for block, mark in prompt.marks}
    kept = rules.most_marks - bool(own) if rules.surplus == "oldest_dropped" else len(explicit)
    latest = dict(sorted(explicit.items())[max(0, len(explicit) - kept) :])
    writes = _long_enough(prompt, rules, own | latest)
    if rules.matching == "look_back":
        return Placed(writes, frozenset(look for mark in writes for look in _window(mark, rules.look_back)))
    turns = () if prompt.wish.explicit else prompt.turns
    return Placed(writes, frozenset(sorted({*explicit, *turns})[-rules.remembered :]))


def _lives(mark: Mark, rules: CacheRules, default: Ttl) -> Ttl:
    """How long what a mark writes is kept; the default for a name that is not known, which is refused."""
    return (rules.named(mark.ttl) if mark.ttl else None) or default


def _window(mark: int, look_back: int) -> range:
    """The blocks that are looked at from a mark backwards."""
    return range(max(0, mark + 1 - look_back) if look_back else 0, mark + 1)


def _long_enough(prompt: Prompt, rules: CacheRules, marks: Mapping[int, Ttl]) -> dict[int, Ttl]:
    return {block: ttl for block, ttl in sorted(marks.items()) if rules.cacheable(prompt.ends[block].tokens)}


def _own(prompt: Prompt, rules: CacheRules, default: Ttl) -> dict[int, Ttl]:
    """The mark that the provider sets itself: where it was asked to, or unless it was asked not to."""
    if rules.placing == "asked" and prompt.wish.automatic is not None:
        last = max(prompt.markable, default=-1)
        return {last: _lives(prompt.wish.automatic, rules, default)} if last >= 0 else {}
    if rules.placing == "unless_explicit" and not prompt.wish.explicit:
        return dict.fromkeys(prompt.turns[-1:], default)
    return {}


def _refused(prompt: Prompt, rules: CacheRules, default: Ttl, own: Mapping[int, Ttl]) -> str:
    """Why the request is an error; empty if it is none."""
    for mark in (*(mark for _, mark in prompt.marks), *filter(None, (prompt.wish.automatic,))):
        if mark.wrong:
            return f"{mark.place}: {mark.wrong}"
        if mark.ttl and rules.named(mark.ttl) is None:
            return f"{mark.place}: there is no time to live {mark.ttl!r} here"
    explicit = [(block, mark.place, _lives(mark, rules, default)) for block, mark in prompt.marks]
    if rules.placing == "asked" and any(own.get(block, ttl) != ttl for block, _, ttl in explicit):
        return "the last block has a mark with another time to live than the automatic one"
    number = len(explicit) + len(own)
    if rules.surplus == "refused" and number > rules.most_marks:
        return f"at most {rules.most_marks} blocks can have a mark, and there are {number}"
    marks = sorted(
        [*explicit, *((block, "cache_control", ttl) for block, ttl in own.items())], key=lambda each: each[0]
    )
    for (_, _, before), (_, place, ttl) in pairwise(marks) if rules.ordered else ():
        if ttl.seconds > before.seconds:
            return f"{place}: a mark with a longer time to live stands behind one with a shorter"
    return ""
