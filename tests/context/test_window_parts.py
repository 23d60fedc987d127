"""The parts of a window: tags, sketches, links, shares, summaries; and made sessions whose needs are known."""

from __future__ import annotations

import asyncio
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.bench.window_needs import code, talk
from penstock.context.window import Importance, Segment, Window, by_vectors
from penstock.context.window.allocation import BUDGET, allocate
from penstock.context.window.graph import Links
from penstock.context.window.sketch import positions, sketch, told
from penstock.context.window.tags import Tags, endings, tags
from penstock.meter import count
from penstock.stores.contexts import MemoryContexts


@pytest.mark.parametrize(
    ("path", "text", "key"),
    [
        ("src/app/web.py", "from app.auth import token", "/app/auth +token"),
        ("src/app/web.py", "from ..core.auth import token", "/src/core/auth +token"),
        ("src/app/web.py", "from . import token", "/src/app +token"),
        ("src/app/web.py", "import app.auth.token", "/app/auth/token"),
        ("web/app.ts", 'import {a} from "./auth/token.ts"', "/web/auth/token"),
        ("web/app.js", "const t = require('../auth/token')", "/auth/token"),
        ("src/main.c", '#include "auth/token.h"', "/auth/token"),
        ("src/main.rs", "use crate::auth::token;", "/crate/auth/token"),
        ("main.go", 'import (\n\t"shop/auth"\n)', "/shop/auth"),
        ("", "It fails in src/auth/token.py:12.", "/src/auth/token"),
    ],
)
def test_files_are_recognised_in_many_languages(path: str, text: str, key: str) -> None:
    assert tags(text, 500, path=path).speaks.startswith(key)


@pytest.mark.parametrize("reference", ["app/auth/token.py", "/home/me/shop/src/app/auth/token.py", "auth/token.py"])
def test_a_reference_means_the_one_file_that_ends_as_it_does(reference: str) -> None:
    known = [
        (Segment(name="t", text="", path="src/app/auth/token.py"), Tags()),
        (Segment(name="other", text="", path="src/app/mail/token.py"), Tags()),
        (Segment(name="m", text=""), tags(f"See {reference}", 500)),
    ]
    assert Links(known).near(["m"], 1).keys() == {"m", "t"}
    assert Links(known[:2]).who("/token") == ()


def test_what_everybody_uses_leads_nowhere_but_from_the_focus() -> None:
    known = [(Segment(name="hub", text="", path="hub.py"), Tags())]
    known += [
        (Segment(name=f"u{n}", text="", path=f"u{n}.py"), tags("import hub", 9, path=f"u{n}.py")) for n in range(9)
    ]
    links = Links(known)
    assert links.near(["u1"], 3).keys() == {"u1", "hub"}
    assert len(links.near(["hub"], 1)) == 10


def test_a_package_is_its_folder() -> None:
    assert list(endings("src/auth/__init__.py")) == ["/src/auth", "/auth"]
    assert list(endings("index.js")) == ["/index"]


@pytest.mark.parametrize("text", ["a" * 200_000, "a/" * 100_000, " " * 200_000, "x_" * 100_000, "never " * 40_000])
def test_tags_take_time_linear_in_the_text(text: str) -> None:
    before = time.process_time()
    tags(text, 50_000, path="a.py", role="user")
    assert time.process_time() - before < 5


@given(st.lists(st.text(st.characters(categories=["Ll", "Lu", "Nd"]), min_size=1, max_size=12), max_size=50))
def test_a_sketch_misses_no_word(words: list[str]) -> None:
    bits = sketch(words)
    assert all(told(bits, positions(word)) for word in words if word.isalpha() and word.islower())


def test_a_sketch_seldom_sees_what_is_not_there() -> None:
    bits = sketch(f"word{chr(97 + n % 26)}{chr(97 + n // 26)}" for n in range(400))
    false = sum(
        told(bits, positions(f"other{chr(97 + n % 26)}{chr(97 + n // 26 % 26)}{n // 676}")) for n in range(2000)
    )
    assert false < 80


def test_a_sketch_of_nothing_says_nothing() -> None:
    assert not told(sketch([]), positions("word"))


@given(st.dictionaries(st.sampled_from(Importance), st.integers(0, 300_000)), st.integers(0, 300_000))
def test_the_shares_add_up(wanted: dict[Importance, int], budget: int) -> None:
    found = allocate(wanted, budget)
    assert sum(found.rooms.values()) <= budget
    for level in Importance:
        want = wanted.get(level, 0)
        own = int(budget * {0: 0.2, 1: 0.4, 2: 0.3, 3: 0.1}[level])
        assert min(own, want) <= found.rooms[level] <= want
    assert found.rooms[Importance.CACHE] <= int(budget * 0.1)


def test_the_default_budget_is_shared_as_agreed() -> None:
    full = dict.fromkeys(Importance, 10**6)
    assert list(allocate(full).rooms.values()) == [40_000, 80_000, 60_000, 20_000]
    assert BUDGET == 200_000


TEXT = "\n".join(
    [f"The weather of day {n} was fine and dry." for n in range(30)]
    + ["The bridge collapsed because a bolt had rusted."]
    + [f"The weather of night {n} was fine and dry." for n in range(30)]
)


def test_a_summary_is_made_of_passages_of_the_text() -> None:
    shorten = by_vectors(count)
    short = shorten(TEXT, 100, "Why did the bridge collapse?")
    assert count(short) <= 100
    assert "The bridge collapsed because a bolt had rusted." in short
    assert set(short.split("\n")) <= {*TEXT.split("\n"), "[...]"}
    assert shorten(TEXT, 10_000, None) == TEXT
    assert shorten(short, 100, "Why did the bridge collapse?") == short
    assert count(shorten(TEXT, 60, None)) <= 60
    assert count(shorten("word " * 50_000, 60, None)) <= 60


def test_vectors_of_a_model_decide_where_there_is_one() -> None:
    shorten = by_vectors(count, lambda texts: [[1.0, 0.0] if "bolt" in text else [0.0, 1.0] for text in texts])
    assert "bolt" in shorten(TEXT, 60, "Was it the bolt?")


@pytest.mark.parametrize("seed", [11, 12])
def test_needs_are_met_with_a_fraction_of_the_tokens(seed: int) -> None:
    needed = met = sent = whole = 0
    for session in [code(seed, 120_000, 12), *talk(seed, 120_000, 2)]:
        window = Window(count=count)
        for segment in session.segments:
            window.add(segment)
        for need in session.needs:
            found = window.select(need.request)
            needed += len(need.needed)
            met += len(need.needed.intersection(found.names))
            sent += found.tokens
            whole += window.tokens
    assert met >= 0.995 * needed
    assert sent <= 0.5 * whole


def test_where_a_text_lies_changes_nothing() -> None:
    session = code(13, 80_000, 12)
    near, far = Window(count=count), Window(count=count)
    for segment in session.segments:
        near.add(segment)
        far.add(segment)
    assert asyncio.run(far.save(MemoryContexts(), "s", now=0.0))
    for need in session.needs:
        assert near.select(need.request) == far.select(need.request)
