"""Files go into a prompt and come back as they were."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from penstock.context import File, outside, parse, render

TEXT = st.lists(
    st.sampled_from(["</file>", "</file-1>", '<file path="a">\n', "\n", "&quot;", "</file", "-1", '"', "x", "</file-2"])
    | st.text(max_size=5)
).map("".join)
FILES = st.lists(st.builds(File, st.text() | TEXT, TEXT, st.integers(1, 10**9)))


@given(FILES)
def test_files_come_back_as_they_were(files: list[File]) -> None:
    assert parse(render(files)) == files
    assert outside(render(files)).strip("\n") == ""


@given(FILES, st.text(alphabet="ab <>\n/"), st.text(alphabet="ab <>\n/"))
def test_what_stands_around_them_is_left(files: list[File], before: str, after: str) -> None:
    text = f"{before}\n{render(files)}\n{after}"
    assert parse(text) == files
    assert outside(text) == f"{before}\n" + "\n" * max(0, len(files) - 1) + f"\n{after}"


@given(TEXT)
def test_any_text_is_read(text: str) -> None:
    assert len(outside(text)) <= len(text)
    assert all(file.text in text for file in parse(text))


def test_how_it_looks() -> None:
    assert render([File("a.py", "x = 1\n", 7)]) == '<file path="a.py" line="7">\nx = 1\n\n</file>'
    assert render([File('q".md', "see </file> and </file-1>")]).startswith('<file-2 path="q&quot;.md">\n')


def test_a_block_that_is_not_whole_is_no_file() -> None:
    assert parse('<file path="a">\nno end') == []
    assert parse('<file path="a">x</file>') == []
    assert parse('<file path="a">\n</file>') == [File("a", "")]
    text = '<file-1 path="a">\n<file path="b">\nx\n</file>'
    assert parse(text) == [File("b", "x")]


def test_many_tags_without_an_end_take_no_time() -> None:
    assert parse('<file path="a">\n' * 200_000) == []
