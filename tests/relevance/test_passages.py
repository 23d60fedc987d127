"""Passages are the whole text, and pieces that one would cite."""

from __future__ import annotations

import email.message
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.relevance.passages import CODE_SIZE, PROSE_SIZE, passages

PATHS = ["a.py", "a.js", "a.md", "a.rst", "a.toml", "a.txt", "LICENSE", ""]
CODE = ["def f():", "    def g(self):", "class A:", "    x = 1", '    """Doc."""', "'''", "}", "f() {", "@d", "  // c"]
PROSE = ["# One", "=====", "", "text " * 40, "x" * 5000, "[a]", "```", "\r", "/*", "*/", "\tfn f()", "else:"]
LINES = st.sampled_from([*CODE, *PROSE])
TEXTS = st.one_of(st.text(), st.lists(LINES, max_size=120).map("\n".join))


@given(st.sampled_from(PATHS), TEXTS)
def test_passages_are_the_whole_text(path: str, text: str) -> None:
    found = passages(path, text)
    assert "".join(text[p.start : p.end] for p in found) == text
    for before, after in pairwise(found):
        assert before.end == after.start
    for passage in found:
        assert passage.first == text.count("\n", 0, passage.start) + 1
        assert passage.first <= passage.last
        assert passage.start <= passage.head <= passage.end
        lines = text[passage.start : passage.end].split("\n")
        assert passage.last - passage.first < len(lines)
        assert len(lines) <= CODE_SIZE.lines + 1


def test_a_small_function_is_one_passage_with_all_that_is_its_own() -> None:
    text = 'import os\n\n\n# Why.\n@cached\ndef f(a):\n    """Says it."""\n\n    return a\n\n\ndef g():\n    pass\n'
    found = [(p.first, p.last, p.title) for p in passages("a.py", text)]
    assert found == [(1, 1, ""), (4, 9, "f"), (12, 13, "g")]
    named = passages("a.py", text)[1]
    assert text[named.start : named.head] == '# Why.\n@cached\ndef f(a):\n    """Says it."""\n'


def test_a_docstring_that_begins_on_its_second_line_names_too() -> None:
    text = 'def f(\n    a,\n):\n    """\n    Says it.\n    More.\n    """\n'
    assert text[: passages("a.py", text)[0].head].endswith("Says it.\n")


def test_a_large_class_is_cut_between_its_methods() -> None:
    method = "    def m{}(self):\n" + "        x = 1\n" * 8 + "\n"
    text = "class A:\n    y = 1\n\n" + "".join(method.format(i) for i in range(9))
    assert [p.title for p in passages("a.py", text)] == ["A", *(f"A.m{i}" for i in range(9))]


def test_a_long_function_is_cut_at_a_blank_line() -> None:
    text = "def f():\n" + "    x = 1\n" * 30 + "\n" + "    y = 1\n" * 30
    first, second = passages("a.py", text)
    assert (first.last, second.first, second.title) == (31, 33, "f")
    assert second.head == second.start


def test_prose_is_cut_between_paragraphs() -> None:
    text = "# Title\n\n" + ("A line of a paragraph.\n" * 10 + "\n") * 6
    found = passages("a.md", text)
    assert all(p.title == "Title" and p.last - p.first < PROSE_SIZE.lines for p in found)
    assert all(text[p.end - 2 : p.end] == "\n\n" for p in found)


def test_a_line_is_never_cut() -> None:
    assert len(passages("a.txt", "x" * 1_000_000)) == 1


@pytest.mark.parametrize("size", [2000, 200_000])
def test_every_line_of_a_real_file_is_in_one_passage(size: int) -> None:
    text = Path(str(email.message.__file__)).read_text("utf-8")[:size]
    lines = [n for p in passages("message.py", text) for n in range(p.first, p.last + 1)]
    assert len(lines) == len(set(lines))
    missed = {n for n, line in enumerate(text.split("\n"), 1) if line.strip()} - set(lines)
    assert not missed
