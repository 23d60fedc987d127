"""Three levels of pruning, and a list of messages brought down to one of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache

import msgspec

from penstock.policy.prune.cuts import ENTRY, Count, Cut, Entry, Pruned, Shorten, cut_to
from penstock.policy.prune.turns import Conversation, conversation
from penstock.values.shape import Json

__all__ = ["LEVELS", "Level", "fitted", "prune"]

ROOMS = (800, 300)
"""Tokens of older results and explanations that are tried before they are left out altogether."""

TAIL_ROOMS = (2_000, 800, 300)
"""Tokens of the newest results that are tried when nothing older is left to be cut."""

NOTES_SHARE = 100
"""Notes on what is left out have at most one of so many of its tokens."""


class Level(msgspec.Struct, frozen=True):
    """How much of a history stays."""

    name: str
    messages: int
    """The last messages that stay whole, as far as the target allows. A call whose result is among them stays too."""
    tokens: int
    """The target where none is named."""
    notes: int
    """The most tokens that are told of the work that is left out; 0: only what the user said is."""


LEVELS: Mapping[str, Level] = {
    level.name: level
    for level in (
        Level("light", 20, 50_000, 0),
        Level("medium", 10, 30_000, 1_500),
        Level("aggressive", 3, 10_000, 1_000),
    )
}
"""By name. The tokens are those of the primary tier, of the core that a checkpoint leaves, and of an emergency."""


def prune(
    messages: Sequence[Json],
    level: Level,
    *,
    count: Count,
    shorten: Shorten,
    target: int | None = None,
    entry: Entry = ENTRY,
) -> Pruned | None:
    """A list of messages of OpenAI's chat completions or Anthropic's messages, brought down to a level.

    ``target``: tokens, instead of the level's own. The system's messages, the last request, calls and thinking of the
    turn in progress stay as they are; where they alone need more than the target, ``fits`` is false. None for a list
    that is not understood: it has to be left alone.
    """
    whole = conversation(messages, count)
    return None if whole is None else fitted(whole, level, count=count, shorten=shorten, target=target, entry=entry)


def fitted(
    whole: Conversation,
    level: Level,
    *,
    count: Count,
    shorten: Shorten,
    target: int | None = None,
    entry: Entry = ENTRY,
) -> Pruned:
    """The mildest cut of the level that meets the target; the most severe there is where none does."""
    limit = level.tokens if target is None else target
    shorten = cache(shorten)  # the same texts are tried with every cut
    mildest, *others = _cuts(whole, level)
    found = cut_to(whole, mildest, count, shorten, entry)
    for cut in others:
        if found.after <= limit:
            break
        found = cut_to(whole, cut, count, shorten, entry)
    if 2 * found.after > whole.total:
        # Of a short history the summary may be longer than what it stands for.
        uncut = cut_to(whole, Cut(), count, shorten, entry)
        found = uncut if uncut.after <= found.after else found
    return msgspec.structs.replace(found, fits=found.after <= limit)


def _cuts(whole: Conversation, level: Level) -> Iterator[Cut]:
    """Cuts from mild to severe: older results shorter, then gone, then fewer messages, at last the newest shorter."""
    seen = len(whole.messages)
    starts = _starts(whole, level.messages)
    start, last = starts[0], starts[-1]
    notes = min(level.notes, sum(whole.tokens[:start]) // NOTES_SHARE)
    cut = Cut(seen, start, start, notes=notes)
    yield cut
    for room in ROOMS:
        cut = msgspec.structs.replace(cut, short=last, room=room)
        yield cut
    for masked in starts[1:]:
        cut = msgspec.structs.replace(cut, masked=masked)
        yield cut
    for start in starts[1:]:
        cut = msgspec.structs.replace(cut, start=start)
        yield cut
    for room in TAIL_ROOMS:
        cut = msgspec.structs.replace(cut, short=seen, room=room)
        yield cut


def _starts(whole: Conversation, messages: int) -> list[int]:
    """Where the last so many messages begin, a group that this would cut being kept, and each later group."""
    begin = max(len(whole.messages) - messages, 0)
    return [group.start for group in whole.groups if group.end > begin] or [0]
