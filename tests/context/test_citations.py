"""The places that an answer names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.context import Citation, citations

KNOWN = ["src/auth.py", "src/db.py", "tests/auth.py", "docs/my notes.md", "/etc/app.toml", "Makefile"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("see src/auth.py:12", [("src/auth.py", 12)]),
        ("see src/auth.py:12-15, then `src/db.py:3`.", [("src/auth.py", 12), ("src/db.py", 3)]),
        ("**src/db.py**:7 and `src/db.py`:8 and [src/db.py]:9", [("src/db.py", 7), ("src/db.py", 8), ("src/db.py", 9)]),
        ("db.py:3 again src/db.py:3", [("src/db.py", 3)]),
        ("auth.py:3 is unclear", []),
        ("./src/auth.py:3 and (./src/db.py:1)", [("src/auth.py", 3), ("src/db.py", 1)]),
        ("src\\auth.py:3", [("src/auth.py", 3)]),
        ("docs/my notes.md:4, my notes.md:5", [("docs/my notes.md", 4), ("docs/my notes.md", 5)]),
        ("/etc/app.toml:2", [("/etc/app.toml", 2)]),
        ("src/auth.py#L9 and Makefile:1", [("src/auth.py", 9), ("Makefile", 1)]),
        ("other/src/auth.py:3 lib/db.py:1 xdb.py:1 my-db.py:2", []),
        ("db.py :3, db.py:0, db.py:1.5, at 12:30, :4", []),
        ("db.py:3:14 col", [("src/db.py", 3)]),
        ("(see:src/db.py:3)", [("src/db.py", 3)]),
        ("", []),
    ],
)
def test_mentions_of_known_files(text: str, expected: list[tuple[str, int]]) -> None:
    assert citations(text, KNOWN) == [Citation(*place) for place in expected]


def test_the_longest_name_that_fits_is_meant() -> None:
    assert citations("a/b.py:1 b.py:2", ["b.py", "a/b.py"]) == [Citation("a/b.py", 1), Citation("b.py", 2)]


@given(st.lists(st.tuples(st.sampled_from(KNOWN), st.integers(1, 10**6)), unique=True))
def test_every_place_written_out_is_found_in_order(places: list[tuple[str, int]]) -> None:
    text = "\n".join(f"- {path}:{line} says so" for path, line in places)
    assert citations(text, KNOWN) == [Citation(*place) for place in places]


@given(st.text(), st.lists(st.text(), max_size=4))
def test_any_text_is_read(text: str, known: list[str]) -> None:
    assert {place.path for place in citations(text, known)} <= set(known)
