"""The window: everything a session knows, of which each request gets what it needs, with reasons."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Collection, Mapping

import msgspec

from penstock.context.window.allocation import BUDGET
from penstock.context.window.checkpoints import EVERY, compacted, remembered
from penstock.context.window.held import HALF_LIFE, Held, Texts, Unreadable, held, stored
from penstock.context.window.importance import about, judged
from penstock.context.window.prediction import CoUse, Expected
from penstock.context.window.quality import Quality
from penstock.context.window.segment import Count, Importance, Segment, Shorten
from penstock.context.window.selection import Selection, selected
from penstock.context.window.state import VERSION, State, decode, encode, held_of, row_of
from penstock.context.window.tiers import SIZES, Tier, placed, route
from penstock.errors import BadInput
from penstock.stores.contexts import Contexts

__all__ = ["Window"]


class Window:
    """The segments of a session.

    Deterministic: the same steps give the same selections. Nothing runs beside the caller, nothing reads a clock.

    >>> window = Window(count=lambda text: len(text.split()))
    >>> window.add(Segment(name="a.py", path="a.py", text="from b import check"))
    >>> window.add(Segment(name="b.py", path="b.py", text="def check(): ..."))
    >>> window.add(Segment(name="c.py", path="c.py", text="x = 1"))
    >>> window.select("Why does a.py fail?").names
    ['a.py', 'b.py']
    """

    def __init__(
        self,
        budget: int = BUDGET,
        *,
        count: Count,
        shorten: Shorten | None = None,
        sizes: Mapping[Tier, int] = SIZES,
    ) -> None:
        """A window with nothing in it.

        ``budget``: the most tokens that are sent for a request. ``shorten``: what compresses a text that does not fit;
        without it such a text is left out. ``sizes``: tokens of the primary and of the secondary tier.
        """
        self.budget = budget
        self.couse = CoUse()
        self.quality = Quality()
        self._count = count
        self._shorten = shorten
        self._shorten_once = None if shorten is None else remembered(shorten)
        self._sizes = sizes
        self._read = Texts(count)
        self._loader: Callable[[str], str] | None = None
        self._held: dict[str, Held] = {}
        self._focus: set[str] = set()
        self._step = self._number = self._open = 0
        self._ends: list[int] = []
        self._ahead: set[str] = set()
        self._dropped: set[bytes] = set()
        self._last: Selection | None = None

    def __len__(self) -> int:
        return len(self._held)

    def __contains__(self, name: str) -> bool:
        return name in self._held

    @property
    def tokens(self) -> int:
        """Of all segments whose size is known."""
        return sum(each.tokens or 0 for each in self._held.values())

    def add(self, segment: Segment) -> None:
        """Take a segment in, in place of an earlier one of its name. A loader is not called."""
        before = self._held.pop(segment.name, None)
        if before is not None and before.digest:
            self._dropped.add(before.digest)
        each = self._held[segment.name] = held(segment, self._number, self._step, self._count)
        self._open += each.tokens or 0
        if self._open >= EVERY:
            self._ends.append(self._number)
            self._open = 0
        self._number += 1

    def remove(self, name: str) -> None:
        """Let go of a segment. Raises `BadInput` when it is not here."""
        gone = self._known(name)
        del self._held[name]
        self._focus.discard(name)
        self._ahead.discard(name)
        self.couse.forget(name)
        if gone.digest:
            self._dropped.add(gone.digest)

    def expire(self, now: float) -> list[str]:
        """Let go of the segments that nobody wants any more; their names."""
        gone = [
            each.name
            for each in self._held.values()
            if each.segment.expires is not None and each.segment.expires <= now
        ]
        for name in gone:
            self.remove(name)
        return gone

    def focus(self, *names: str) -> None:
        """What the work is about from now on: these segments. Raises `BadInput` for one that is not here."""
        self._focus = {self._known(name).name for name in names}

    def select(self, request: str, budget: int | None = None) -> Selection:
        """What to send for a request: at most ``budget`` tokens, in the order in which the segments came."""
        segments = list(self._held.values())
        tiers = self.tiers()
        hot = {each.name for each in segments if each.heat > self._step / HALF_LIFE}
        to = about(request, segments, self._focus, hot, self._at_hand)
        found = [judged(each, to) for each in segments]
        must = [each for each in found if each.importance is not None and each.importance <= Importance.IMPORTANT]
        most = self.budget if budget is None else budget
        self._last = selected(
            found,
            request,
            route(must, tiers, most, self._sizes, wider=self.quality.poor),
            read=self._read,
            count=self._count,
            shorten=self._shorten,
            floor=self.quality.floor,
        )
        needed = [each.name for each in self._last.chosen if each.importance <= Importance.IMPORTANT]
        self._use(needed, [name for name in needed if name in to.leads])
        return self._last

    def explain(self) -> str:
        """Every decision of the last selection, a line each."""
        return "nothing was selected yet" if self._last is None else self._last.explain()

    def read(self, name: str) -> str:
        """The text of a segment that somebody needs, such as a model that asks for it by name.

        Tells the window how good its last selection was. Raises `BadInput` when it is not here, `Unreadable` when its
        text cannot be had.
        """
        text = self._read(self._known(name))
        if self._last is not None:
            self.quality.need(met=name in self._last.names)
        self._use([name], [name])
        return text

    def compact(self, budget: int | None = None) -> Selection:
        """The whole session, for a request that may concern any of it: see `compacted`."""
        most = self.budget if budget is None else budget
        segments = list(self._held.values())
        found = compacted(segments, self._ends, most, read=self._read, count=self._count, shorten=self._shorten_once)
        self._cool()
        return found

    def tiers(self) -> dict[str, Tier]:
        """The tier of each segment."""
        return placed(self._held.values(), self._sizes)

    def expected(self, most: int = 4) -> list[Expected]:
        """What is likely to be used next, with how often it was."""
        return [each for each in self.couse.expected(most) if each.name in self._held]

    def prefetch(self, most: int = 4) -> list[Expected]:
        """Read ahead what is likely to be used next and is not in memory. `CoUse.hit_rate` tells how well that does."""
        found: list[Expected] = []
        for each in self.expected(most):
            ahead = self._held[each.name]
            if not isinstance(ahead.segment.text, str) and ahead.loaded is None:
                with contextlib.suppress(Unreadable):  # whoever needs it will be told
                    self._read(ahead)
                    found.append(each)
        self.couse.fetched += len(found)
        self._ahead.update(each.name for each in found)
        return found

    async def save(self, contexts: Contexts, session: str, now: float) -> bool:
        """Keep the window for a later session, and let go of the texts that are not hot.

        ``now``: seconds on the wall clock. False when the store cannot keep it: then all stays in memory.
        """
        for each in self._held.values():
            if isinstance(each.segment.text, str):
                each.digest = hashlib.blake2b(
                    each.segment.text.encode("utf-8", "surrogatepass"), digest_size=16
                ).digest()
        new = {each.digest: each.segment.text for each in self._held.values() if isinstance(each.segment.text, str)}
        dropped = self._dropped - {each.digest for each in self._held.values()}
        if not await contexts.save(session, encode(self._state()), new, dropped, now):
            return False
        self._dropped.clear()
        self._read = Texts(self._count, self._fetching(contexts, session))
        for each in self._held.values():
            if isinstance(each.segment.text, str):
                each.loaded = each.segment.text
                each.segment = msgspec.structs.replace(each.segment, text=stored)
        self._cool()
        return True

    async def restore(self, contexts: Contexts, session: str, loader: Callable[[str], str] | None = None) -> bool:
        """Take up where a session left off. No text is read before it is wanted; False when nothing was kept of it.

        ``loader`` gives the text, by name, of segments that came with loaders of their own.
        """
        kept = await contexts.load(session)
        state = None if kept is None else decode(kept)
        if state is None:
            return False
        self._step, self._number, self._open, self._ends = state.step, state.number, state.open, state.ends
        self._held = {row.name: held_of(row) for row in state.rows}
        self._focus = set(state.focus)
        self.couse, self.quality = state.couse, state.quality
        self._loader = loader
        self._read = Texts(self._count, self._fetching(contexts, session))
        return True

    def _state(self) -> State:
        return State(
            version=VERSION,
            step=self._step,
            number=self._number,
            open=self._open,
            ends=self._ends,
            focus=sorted(self._focus),
            rows=[row_of(each) for each in self._held.values()],
            couse=self.couse,
            quality=self.quality,
        )

    def _fetching(self, contexts: Contexts, session: str) -> Callable[[Held], str]:
        """What gives the texts that the store has, or the loader of this session."""

        def fetch(each: Held) -> str:
            if each.digest:
                return contexts.text(session, each.digest)
            return stored() if self._loader is None else self._loader(each.name)

        return fetch

    def _at_hand(self, name: str) -> str | None:
        """A text that is in memory or with the store."""
        each = self._held[name]
        if not (isinstance(each.segment.text, str) or each.digest or each.loaded is not None):
            return None
        try:
            return self._read(each)
        except Unreadable:
            return None

    def _use(self, names: Collection[str], together: Collection[str]) -> None:
        """Count a step in which these were used, and which of them because the request was about them."""
        self._step += 1
        for name in names:
            self._held[name].use(self._step)
        if together:
            self.couse.used(together)
            self.couse.hits += len(self._ahead.intersection(names))
            self._ahead.clear()
        self._cool()

    def _cool(self) -> None:
        """Let go of the texts that can be had again and are neither hot nor expected."""
        tiers = self.tiers()
        for each in self._held.values():
            if each.loaded is not None and tiers[each.name] is not Tier.PRIMARY and each.name not in self._ahead:
                each.loaded = None

    def _known(self, name: str) -> Held:
        if name not in self._held:
            raise BadInput(f"there is no segment {name!r} in the window")
        return self._held[name]
