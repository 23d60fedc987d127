"""The window on made sessions of which it is known what each request needs (`penstock.bench.window_needs`).

Fidelity is the share of needed segments that are selected, beside what the same tokens hold when the best matches are
taken, or the newest. Times are CPU time of this process; memory is what Python's allocator gave out.
"""

from __future__ import annotations

import asyncio
import gc
import random
import time
import tracemalloc
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from penstock.bench.figure import Broken, Figure, measured
from penstock.bench.window_needs import Need, Session, code, talk
from penstock.context.window import Segment, Window, by_vectors
from penstock.meter import count
from penstock.relevance import Document, rank
from penstock.stores.contexts_sqlite import SqliteContexts

__all__ = ["run"]

_USUAL, _LARGE = 200_000, 500_000
_FIRST_SEED = 100


def run(*, quick: bool = False) -> list[Figure]:
    """All figures of this benchmark."""
    count("the vocabulary is loaded")
    seeds = range(_FIRST_SEED, _FIRST_SEED + (2 if quick else 8))
    sessions = [session for seed in seeds for session in (code(seed, _USUAL), *talk(seed, _USUAL))]
    figures = _fidelity(sessions)
    figures += _speed(seeds[0])
    figures += asyncio.run(_kept(seeds[0]))
    figures.append(_ahead(seeds))
    return figures


class _Tally(msgspec.Struct):
    needed: int = 0
    selected: int = 0
    alike: int = 0
    newest: int = 0
    sent: int = 0
    whole: int = 0


def _fidelity(sessions: Sequence[Session]) -> list[Figure]:
    tallies: dict[str, _Tally] = {}
    for session in sessions:
        window = _filled(session.segments)
        sizes = {each.name: count(str(each.text)) for each in session.segments}
        for need in session.needs:
            tally = tallies.setdefault(need.kind, _Tally())
            chosen = window.select(need.request)
            tally.needed += len(need.needed)
            tally.selected += len(need.needed.intersection(chosen.names))
            tally.alike += len(need.needed.intersection(_best(need, session.segments, sizes, chosen.tokens)))
            tally.newest += len(need.needed.intersection(_newest(session.segments, sizes, chosen.tokens)))
            tally.sent += chosen.tokens
            tally.whole += window.tokens
    figures: list[Figure] = []
    for kind, tally in tallies.items():
        figures.append(_share(f"{kind}: needed segments selected", tally.selected, tally.needed))
        figures.append(_share(f"  {kind}: fewer tokens", tally.whole - tally.sent, tally.whole, goal=70))
    needed = sum(each.needed for each in tallies.values())
    figures.append(_share("fidelity: needed segments selected", _sum(tallies, "selected"), needed, goal=99.5))
    figures.append(_share("  in as many tokens, best matches first", _sum(tallies, "alike"), needed))
    figures.append(_share("  in as many tokens, newest first", _sum(tallies, "newest"), needed))
    return figures


def _sum(tallies: dict[str, _Tally], field: str) -> int:
    return sum(getattr(each, field) for each in tallies.values())


def _share(name: str, part: int, whole: int, goal: float | None = None) -> Figure:
    return measured(name, [100 * part / whole], unit="%", goal=goal, at_least=True)


def _best(need: Need, segments: Sequence[Segment], sizes: dict[str, int], room: int) -> list[str]:
    """The segments of the best passages that fit."""
    hits = rank(need.request, [Document(each.path or each.name, str(each.text)) for each in segments], 200)
    return _fitting([segments[hit.document].name for hit in hits], sizes, room)


def _newest(segments: Sequence[Segment], sizes: dict[str, int], room: int) -> list[str]:
    return _fitting([each.name for each in reversed(segments)], sizes, room)


def _fitting(names: Sequence[str], sizes: dict[str, int], room: int) -> list[str]:
    taken: dict[str, None] = {}
    for name in names:
        if name not in taken and sizes[name] <= room:
            taken[name] = None
            room -= sizes[name]
    return list(taken)


def _filled(segments: Sequence[Segment]) -> Window:
    window = Window(count=count)
    for segment in segments:
        window.add(segment)
    return window


def _speed(seed: int) -> list[Figure]:
    small, large = code(seed, _USUAL), code(seed + 1, _LARGE)
    loads = [_cpu(partial(_filled, _unseen(small.segments, number))) for number in range(3)]
    window = _filled(large.segments)
    selects = sorted(1000 * _cpu(partial(window.select, need.request)) for need in large.needs)
    told = talk(seed, _LARGE)[0]
    long = Window(count=count, shorten=by_vectors(count))
    for segment in told.segments:
        long.add(segment)
    turns = [1000 * _cpu(partial(long.select, need.request)) for need in told.needs]
    first = 1000 * _cpu(long.compact)
    long.add(Segment(name="one more", role="user", text="And the next one?"))
    later = 1000 * _cpu(long.compact)
    compact = long.compact()
    said = {each.name: each.text for each in told.segments if each.role == "user"}
    kept = {each.name: each.text for each in compact.chosen if each.name in said}
    if kept != said:
        raise Broken("a message of the user is not in the compacted session word for word")
    return [
        measured("200K tokens taken in", loads, unit="s CPU", goal=2.0),
        measured("a request to 500K tokens of code, p95", [selects[int(0.95 * len(selects))]], unit="ms CPU", goal=500),
        measured("a request to a talk of 500K tokens", turns, unit="ms CPU", goal=500),
        measured("a talk of 500K tokens compacted, the first time", [first], unit="ms CPU"),
        measured("  at each turn from then on", [later], unit="ms CPU", goal=500),
        measured("  what it has then", [compact.tokens / 1000], unit="K tokens", goal=200),
    ]


def _unseen(segments: Sequence[Segment], number: int) -> list[Segment]:
    """The same texts with another last line each, so that no count is remembered."""
    return [msgspec.structs.replace(each, text=f"{each.text}\n# {number}\n") for each in segments]


def _cpu(work: Callable[[], object]) -> float:
    gc.collect()
    before = time.process_time()
    work()
    return time.process_time() - before


async def _kept(seed: int) -> list[Figure]:
    """What a session of 500K tokens takes in memory with its archive on disk, and how soon it is back."""
    with TemporaryDirectory() as folder:
        contexts = await SqliteContexts.at(Path(folder) / "contexts.db", warn=_refuse)
        made = code(seed, _LARGE).segments
        _filled(made)  # what the meter and the stemmer remember is bounded, and shared by all windows
        gc.collect()
        tracemalloc.start()
        texts = [_copied(each) for each in made]
        gc.collect()
        whole = tracemalloc.get_traced_memory()[0]
        window = _filled(texts)
        if not await window.save(contexts, "session", 0.0):
            raise Broken("the session was not kept")
        texts.clear()
        gc.collect()
        held = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        times: list[float] = []
        again = window
        for _ in range(5):
            again = Window(count=count)
            before = time.process_time()
            if not await again.restore(contexts, "session"):
                raise Broken("the session did not come back")
            times.append(1000 * (time.process_time() - before))
        first = 1000 * _cpu(partial(again.select, "Which part of billing settles the overdue invoice?"))
        await contexts.close()
    return [
        measured(
            "less memory than all texts, archive on disk", [100 * (1 - held / whole)], unit="%", goal=75, at_least=True
        ),
        measured("a session of 500K tokens restored", times, unit="ms CPU", goal=100),
        measured("  its first request", [first], unit="ms CPU", goal=500),
    ]


def _copied(segment: Segment) -> Segment:
    """A segment whose text is its own."""
    return msgspec.structs.replace(segment, text=str(segment.text).encode().decode())


def _refuse(message: str) -> None:
    raise Broken(message)


def _ahead(seeds: Sequence[int]) -> Figure:
    """How often what was read ahead is used next, by people who work through files in habits of their own."""
    rates: list[float] = []
    for seed in seeds:
        chance = random.Random(seed)
        names = [f"{number}.py" for number in range(200)]
        habits = [chance.sample(names, 4) for _ in range(12)]
        window = Window(count=count)
        for name in names:
            window.add(Segment(name=name, path=name, text=lambda: "x = 1", tokens=2_000))
        for _ in range(150):
            for name in chance.choice(habits):
                window.read(name if chance.random() < 0.9 else chance.choice(names))
                window.prefetch(2)
        rates.append(100 * (window.couse.hit_rate or 0.0))
    return measured("of what was read ahead, used next", rates, unit="%")
