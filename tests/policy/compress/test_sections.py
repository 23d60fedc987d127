"""Documents and sections by their titles."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.policy.compress.sections import joined, sections

BODY = "A long enough line of text follows the title here, and it goes on for a while."


def names(text: str) -> list[tuple[str, ...]]:
    return [section.names for section in sections(text)]


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("# Oak #", "Oak"),
        ("Oak\n===", "Oak"),
        ("Oak\n---", "Oak"),
        ("Title: Oak", "Oak"),
        ("Document [3](Title: Oak)", "Oak"),
        ("Document [3] (Title: Oak)", "Oak"),
        ("Passage 4: Oak", "Oak"),
        ("Oak", "Oak"),
        ('"Oak" (song)', '"Oak" (song)'),
    ],
)
def test_titles_of_many_looks(title: str, name: str) -> None:
    assert names(f"Before it all.\n\n{title}\n{BODY}\n") == [(), (name,)]


@pytest.mark.parametrize(
    "line",
    [
        "It ends like a sentence.",
        "oak",
        "A line that is nearly as long as the one that follows it in this text",
        "a: b,",
    ],
)
def test_lines_that_are_no_titles(line: str) -> None:
    assert names(f"Before it all.\n\n{line}\n{BODY}\n") == [()]


def test_a_sentence_about_a_section_is_no_title() -> None:
    assert names("Section 3 was repealed in 1980.\nAnother was not.\n") == [()]


def test_a_title_behind_a_blank_line_and_its_text_behind_another() -> None:
    assert names(f"Oak\n\n{BODY}\n\nElm\n\n{BODY}\n") == [("Oak",), ("Elm",)]


def test_sections_stand_under_those_above() -> None:
    found = sections("# A\nx\n## B\ny\n### C\nz\n## D\nw\n# E\nv\n")
    assert [section.names for section in found] == [("A",), ("B", "A"), ("C", "B", "A"), ("D", "A"), ("E",)]
    assert [section.above for section in found] == [-1, 0, 1, 0, -1]


def test_no_text_is_one_section() -> None:
    assert [(one.start, one.body, one.end) for one in sections("")] == [(0, 0, 0)]


def test_joined_documents_are_told_apart() -> None:
    docs = [{"title": "The\nOak", "text": "\nA tree.\n\nPart\n" + BODY}, {"text": "Nothing is said of it. x"}]
    text, sources = joined(docs)
    assert text == f"The Oak\nA tree.\n\nPart\n{BODY}\n\nNothing is said of it. x\n"
    found = sections(text, sources)
    assert [section.names for section in found] == [("The Oak",), ("Part", "The Oak"), ()]
    assert [text[one.start : one.body].strip() for one in found] == ["The Oak", "Part", ""]


@given(
    st.lists(
        st.fixed_dictionaries(
            {"title": st.text(alphabet="Ab #\n", max_size=12), "text": st.text(alphabet="Ab .#=-\n", max_size=60)}
        ),
        max_size=5,
    )
)
def test_sections_are_the_whole_text(docs: list[dict[str, str]]) -> None:
    text, sources = joined(docs)
    for found in (sections(text), sections(text, sources)):
        assert found[0].start == 0 or not text[: found[0].start].strip()
        assert found[-1].end == len(text)
        for number, one in enumerate(found):
            assert one.start <= one.body <= one.end
            assert one.above < number
            assert number == 0 or found[number - 1].end == one.start
