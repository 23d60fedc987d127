"""How segments hang together, and how far each is from what the work is about.

Two segments are one hop apart when they share a key: a file that one is and the other imports or mentions, a name that
one defines and the other uses, the id of a call of a tool and its result, a message and the one it follows, or a name
that hardly anybody else speaks of.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from penstock.context.window.segment import Segment
from penstock.context.window.tags import Tags, endings, is_name
from penstock.relevance.outline import is_code

__all__ = ["FEW", "PRUNING_DISTANCE", "Hop", "Links", "way"]

PRUNING_DISTANCE = 3
"""Hops from the focus beyond which a segment goes, unless the request itself speaks of it."""


FEW = 6
"""Segments that may use a name or a file for it to lead on to them: what all use connects nobody, but for the focus."""

SAME = 2
"""Segments that may define a name for it to mean them."""


class Hop(msgspec.Struct, frozen=True):
    """How far a segment is from the focus, and by what way."""

    distance: int
    via: str = ""
    """The segment one hop nearer; empty in the focus itself."""
    link: str = ""
    """What connects the two, for a person."""
    used: bool = False
    """Whether the one nearer uses this one, and not the other way round."""


class _Key(msgspec.Struct):
    providers: list[str] = []
    users: list[str] = []


class Links:
    """The keys of all segments, read from their tags. Built for one question in milliseconds, not kept."""

    def __init__(self, segments: Iterable[tuple[Segment, Tags]]) -> None:
        self._keys: dict[str, _Key] = {}
        self._of: dict[str, list[str]] = {}
        known = list(segments)
        for segment, tags in known:
            self._of[segment.name] = list(_provided(segment, tags))
            for key in self._of[segment.name]:
                self._keys.setdefault(key, _Key()).providers.append(segment.name)
        for segment, tags in known:
            for key in dict.fromkeys(self._used(segment, tags)):
                self._of[segment.name].append(key)
                self._keys.setdefault(key, _Key()).users.append(segment.name)

    def near(self, focus: Iterable[str], most: int) -> dict[str, Hop]:
        """The segments at most ``most`` hops from the focus, the nearest first."""
        found = {name: Hop(0) for name in focus if name in self._of}
        ring = list(found)
        for distance in range(1, most + 1):
            following: list[str] = []
            for name in ring:
                for other, link, used in self._beside(name, FEW if distance > 1 else len(self._of)):
                    if other not in found:
                        found[other] = Hop(distance, name, link, used)
                        following.append(other)
            ring = following
        return found

    def who(self, key: str) -> Sequence[str]:
        """The few segments that a key means: those that define the name or are the file, else those that use it."""
        found = self._keys.get(self._resolved(key) if key.startswith("/") else key)
        if found is None:
            return ()
        if found.providers:
            return found.providers if len(found.providers) <= SAME else ()
        return found.users if len(found.users) <= FEW else ()

    def _used(self, segment: Segment, tags: Tags) -> Iterator[str]:
        """The keys that a segment uses. Code uses what is defined; others may speak of anything that has a name."""
        if segment.after:
            yield f"after {segment.after}"
        if segment.call:
            yield f"call {segment.call}"
        code = is_code(segment.path)
        folder = ""
        for word in tags.speaks.split():
            if word.startswith("/"):
                folder = word
            file = word if word.startswith("/") else f"{folder}/{word[1:]}" if word.startswith("+") else ""
            word = word.removeprefix("+")
            if file and (key := self._resolved(file)):
                yield key
            elif is_name(word) and (word in self._keys or not code):
                yield word

    def _resolved(self, key: str) -> str:
        """The longest ending of a reference that means one file; empty when none does.

        A reference may have folders in front that the file's own path lacks; only its last part says too little then.
        """
        for ending in endings(key):
            if ending.count("/") < min(2, key.count("/")):
                break
            found = self._keys.get(ending)
            if found is not None:
                return ending if len(found.providers) == 1 else ""
        return ""

    def _beside(self, name: str, few: int) -> Iterator[tuple[str, str, bool]]:
        for key in self._of[name]:
            found = self._keys[key]
            provides = name in found.providers
            if len(found.providers) <= SAME and (not provides):
                yield from ((other, key, True) for other in found.providers)
            if len(found.users) <= few and (provides or not found.providers):
                yield from ((other, key, not provides) for other in found.users)


def _provided(segment: Segment, tags: Tags) -> Iterator[str]:
    yield f"after {segment.name}"
    if segment.path:
        yield from endings(segment.path)
    yield from filter(is_name, tags.defines.split())


def way(hops: Mapping[str, Hop], name: str) -> str:
    """How a segment hangs together with the focus, for a person: ``/auth/token with web.py``."""
    steps: list[str] = []
    hop = hops[name]
    while hop.via:
        steps.append(f"{hop.link} with {hop.via}")
        hop = hops[hop.via]
    return ", ".join(steps)
