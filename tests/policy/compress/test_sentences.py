"""Where sentences end, and where they only seem to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.policy.compress.sentences import sentences


def told(text: str, longest: int = 600) -> list[str]:
    return [text[start:end] for start, end in sentences(text, longest=longest)]


@pytest.mark.parametrize(
    "sentence",
    [
        "Dr. Ito met Gen. Lee at St. Ives on Sept. 4.",
        "He wrote to J. K. Marsh of the U.S. Navy.",
        "See Fig. 3 and no. 12 for it.",
        "It is 4.5 m long, i.e. short.",
        "Yahoo! is a name, and so is Jeopardy! too.",
        "1. Begin here.",
        '"Stop!" she said.',
    ],
)
def test_what_only_looks_like_an_end(sentence: str) -> None:
    assert told(f"{sentence} The next one.") == [sentence, "The next one."]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("He said no.", "Then he left."),
        ("It has much vitamin C.", "The other one has none."),
        ("They live in the U.S.", "He does not."),
        ("(It was late.)", "We went home."),
        ("It began in 1999.", "2,000 came."),
        ("Really?!", "Yes."),
        ("OK .", "So be it ."),
        ("Wait…", "What?"),
    ],
)
def test_two_sentences(first: str, second: str) -> None:
    assert told(f"{first} {second}") == [first, second]


def test_chinese_and_japanese_need_no_blank() -> None:
    assert told("今日は晴れ。明日は雨。") == ["今日は晴れ。", "明日は雨。"]


def test_a_wrapped_line_goes_on_and_a_short_one_ends() -> None:
    wrapped = "This line is as long as the page is wide and it is cut\nbefore its sentence ends."
    assert told(wrapped) == [wrapped]
    assert told("Oaks\nbear acorns") == ["Oaks", "bear acorns"]
    assert told("What anyone who comes to this place will need is this:\nbread") == [
        "What anyone who comes to this place will need is this:",
        "bread",
    ]


@pytest.mark.parametrize("following", ["- oak", "* oak", "2. oak", "a) oak", "\noak"])
def test_an_item_and_a_paragraph_begin_anew(following: str) -> None:
    line = "There are many kinds of trees, and these are among them"
    assert told(f"{line}\n{following}") == [line, following.strip()]


def test_a_sentence_without_end_is_cut_at_lesser_signs() -> None:
    text = "one two; " * 20 + "x" * 100
    found = told(text, longest=50)
    assert all(len(one) <= 50 for one in found)
    assert found[0].endswith("two;")
    assert "".join("".join(found).split()) == "".join(text.split())


@given(st.text(alphabet="aB1 .!?\n\t-:;,。\"'(…", max_size=200), st.integers(1, 60))
def test_sentences_are_all_of_the_text_but_blanks(text: str, longest: int) -> None:
    at = 0
    for start, end in sentences(text, longest=longest):
        assert at <= start < end <= start + longest
        assert not text[at:start].strip()
        assert not text[start].isspace()
        assert not text[end - 1].isspace()
        at = end
    assert not text[at:].strip()


def test_between_two_offsets() -> None:
    text = "One. Two. Three. Four."
    assert [text[a:b] for a, b in sentences(text, 5, 16)] == ["Two.", "Three."]
