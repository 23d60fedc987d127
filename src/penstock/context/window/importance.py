"""Which segments a request needs, and what says so: a list of rules, of which the first that applies decides."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set

import msgspec

from penstock.context.window.graph import PRUNING_DISTANCE, Hop, Links, way
from penstock.context.window.held import Held
from penstock.context.window.search import relevance
from penstock.context.window.segment import Importance
from penstock.context.window.tags import mentioned

__all__ = ["About", "Judged", "about", "judged"]

STRONG, WEAK = 0.6, 0.3
"""How well a segment answers the request beside the best one, to be important and to be worth a look."""

LEADS, STRONGEST = 3, 8
"""Of the segments that answer best: how many a request is about, and how many are important."""

RECENT = 6
"""Turns at the end of a conversation that the next one rests on."""

LAST_ERRORS = 20
"""Turns within which a failure is taken to be still open."""


class About(msgspec.Struct, frozen=True):
    """What a request is about."""

    focus: Set[str]
    """Segments that the client named."""
    named: Mapping[str, str]
    """Segments that the request names: which word of it does."""
    strong: Set[str]
    """Segments that answer it best."""
    relevance: Mapping[str, float]
    """How well each segment answers it that does, beside the best (1.0)."""
    leads: Set[str]
    """Where it starts: those two, and what answers best."""
    firm: Set[str]
    """Those of them that are not guessed: what is beside them matters as well."""
    hops: Mapping[str, Hop]
    turns: Mapping[str, int]
    """What was said, counted from the last (0)."""
    asked: str
    """The last message of the user; empty when there is none."""
    hot: Set[str]


class Judged(msgspec.Struct, frozen=True):
    """What a segment is to a request, and why."""

    held: Held
    importance: Importance | None
    """None: it goes."""
    because: str
    worth: float
    """Among those of the same importance, the higher the sooner."""


def about(
    request: str, segments: Sequence[Held], focus: Set[str], hot: Set[str], at_hand: Callable[[str], str | None]
) -> About:
    """What a request is about. One that names nothing is about what answers it best, or about the end of the talk."""
    known = [(each.segment, each.tags) for each in segments]
    links = Links(known)
    named: dict[str, str] = {}
    for word in mentioned(request):
        named.update((name, word) for name in links.who(word) if name not in named)
    answers = relevance(request, known, at_hand)
    strong = [name for name in answers if answers[name] >= STRONG][:STRONGEST]
    said = [each.name for each in segments if each.segment.role and each.segment.role != "system"]
    users = [each.name for each in segments if each.segment.role == "user"]
    leads = focus | named.keys() | set(strong[:LEADS])
    return About(
        focus=focus,
        named=named,
        strong=frozenset(strong),
        relevance={name: share for name, share in answers.items() if share >= WEAK},
        leads=leads,
        firm=focus | named.keys() | set(said[-1:]),
        hops=links.near([*sorted(leads), *said[-1:]], PRUNING_DISTANCE),
        turns={name: at for at, name in enumerate(reversed(said))},
        asked=users[-1] if users else "",
        hot=hot,
    )


def judged(each: Held, to: About) -> Judged:
    """What a segment is to a request."""
    hop = to.hops.get(each.name)
    share = to.relevance.get(each.name, 0.0)
    near = 1 / max(hop.distance, 0.5) if hop else 0.0
    importance, because = _critical(each, to) or _important(each, to, share) or _beside(each, to, share)
    return Judged(each, importance, because, share + near)


def _critical(each: Held, to: About) -> tuple[Importance | None, str] | None:
    segment = each.segment
    if segment.importance is not None:
        return segment.importance, f"the client says that it is {segment.importance.name.lower()}"
    if segment.role == "system":
        return Importance.CRITICAL, "instructions"
    if segment.name == to.asked:
        return Importance.CRITICAL, "the last message of the user"
    if segment.name in to.focus:
        return Importance.CRITICAL, "in focus"
    if segment.name in to.named:
        return Importance.CRITICAL, f"the request names {to.named[segment.name].lstrip('/')}"
    if each.tags.rule:
        return Importance.CRITICAL, f"the user demands: {each.tags.rule}"
    return None


def _important(each: Held, to: About, share: float) -> tuple[Importance | None, str] | None:
    hop = to.hops.get(each.name)
    if each.name in to.strong:
        return Importance.IMPORTANT, f"answers the request, {share:.0%} of the best"
    if to.turns.get(each.name, RECENT) < RECENT:
        return Importance.IMPORTANT, f"one of the last {RECENT} turns"
    if each.tags.error and to.turns.get(each.name, LAST_ERRORS) < LAST_ERRORS:
        return Importance.IMPORTANT, f"a failure of late: {each.tags.error}"
    if hop and hop.distance == 1 and hop.used and hop.via in to.firm:
        return Importance.IMPORTANT, f"1 hop from the focus: {way(to.hops, each.name)}"
    return None


def _beside(each: Held, to: About, share: float) -> tuple[Importance | None, str]:
    hop = to.hops.get(each.name)
    if hop:
        return Importance.SUPPORTING, f"{hop.distance} hops from the focus: {way(to.hops, each.name)}"
    if share:
        return Importance.SUPPORTING, f"speaks of the request, {share:.0%} of the best"
    if each.segment.role == "user":
        return Importance.SUPPORTING, "said by the user"
    if each.name in to.hot:
        return Importance.CACHE, "much used of late"
    return None, f"more than {PRUNING_DISTANCE} hops from the focus, and not what is asked for"
