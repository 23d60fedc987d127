"""Groups fit their budget, and nothing is lost between them."""

from __future__ import annotations

import re
from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.context import File, parse, render, split
from penstock.errors import BadInput
from penstock.meter import count

WORDS = re.compile(r"\w+|\s|[^\w\s]")
LINES = st.sampled_from(
    ["def f(x):", "    return x", "", "class A:", "one two three " * 9, "x" * 90, "</file>", "# é", "\u2028"]
)
TEXTS = st.lists(LINES, max_size=60).map("\n".join)


def words(text: str) -> int:
    """A count that never grows by putting texts together."""
    return len(WORDS.findall(text))


def letters(text: str) -> int:
    return len(text)


@pytest.mark.parametrize("counting", [words, letters, count])
@given(texts=st.lists(TEXTS, max_size=5), budget=st.integers(120, 600))
def test_every_group_fits_and_nothing_is_lost(counting: type[int], texts: list[str], budget: int) -> None:
    files = [File(f"f{i}.py", text) for i, text in enumerate(texts)]
    groups = split(files, budget, counting)
    assert all(groups)
    for group in groups:
        assert counting(render(group)) <= budget
    pieces = [piece for group in groups for piece in group]
    joined = {path: list(found) for path, found in groupby(pieces, key=lambda piece: piece.path)}
    assert list(joined) == [file.path for file in files]
    for file in files:
        assert "".join(piece.text for piece in joined[file.path]) == file.text
        at = 0
        for piece in joined[file.path]:
            assert piece.first_line == 1 + file.text.count("\n", 0, at)
            at += len(piece.text)


def test_files_that_fit_stay_whole() -> None:
    files = [File(f"f{i}.py", "x = 1\n" * 10) for i in range(9)]
    groups = split(files, 100, words)
    assert [file for group in groups for file in group] == files
    assert len(groups) > 1


def test_a_large_file_is_cut_between_its_functions() -> None:
    text = "\n".join(f"def f{i}():\n    return {i}\n" for i in range(40))
    groups = split([File("a.py", text)], 100, words)
    assert len(groups) > 2
    assert all(group[0].text.startswith("def ") for group in groups)
    assert all(parse(render(group)) == group for group in groups)


def test_a_line_longer_than_the_budget_is_cut() -> None:
    groups = split([File("a.txt", "word " * 500)], 60, words)
    assert len(groups) > 10
    assert {piece.first_line for group in groups for piece in group} == {1}


def test_a_piece_of_a_piece_keeps_its_place() -> None:
    (first,), (second,) = split([File("a.txt", "x " * 20 + "\n" + "y " * 20, 100)], 65, words)
    assert (first.first_line, second.first_line) == (100, 101)


def test_a_budget_that_holds_nothing_is_refused() -> None:
    with pytest.raises(BadInput, match="too small"):
        split([File("a.txt", "word")], 3, words)
    assert split([], 3, words) == []
