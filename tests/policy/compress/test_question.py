"""What a question asks about, in whatever words a text says it."""

from __future__ import annotations

import pytest

from penstock.policy.compress.cues import UNKNOWN, cue
from penstock.policy.compress.question import KIN, question, rarity, spoken
from penstock.relevance.english import FAMILIAR, LIGHT, commonness, kin
from penstock.relevance.words import fold, stem


def heard(asked: str, text: str) -> list[tuple[str, float]]:
    wanted = question(asked)
    return [(wanted.terms[place.term].stem, place.factor) for place in spoken(fold(text), wanted)]


def test_words_of_the_same_meaning_count_in_part() -> None:
    assert heard("Which movie won?", "The film. A movie. The winner.") == [("movi", KIN), ("movi", 1.0), ("won", KIN)]


def test_a_word_that_is_asked_for_is_no_kin_of_another() -> None:
    assert heard("movie or film?", "a film") == [("film", 1.0)]


@pytest.mark.parametrize("text", ["Season 4 of it", "the fourth season", "Season Four", "season IV"])
def test_numerals_in_all_spellings(text: str) -> None:
    assert ("4", 1.0) in heard("season 4", text)


@pytest.mark.parametrize(
    ("asked", "text", "country"),
    [
        ("presidents of the us", "in the United States", True),
        ("the u.s. open", "an American", True),
        ("tell us of senates", "United States", False),
    ],
)
def test_us_is_a_country_unless_it_is_us(asked: str, text: str, country: bool) -> None:
    assert bool(heard(asked, text)) is country


def test_accents_do_not_matter() -> None:
    assert heard("gomez", "Gómez") == [("gomez", 1.0)]


def test_a_word_run_together_is_found_in_two() -> None:
    assert heard("superbowl", "The Super Bowl, or super-bowl") == [("superbowl", 1.0)] * 2
    assert heard("abc", "a b c") == []
    assert heard("set-cookie 2001", "s e t - c") == []


def test_common_words_count_less() -> None:
    asked = question("first country dithyramb")
    assert [term.weight for term in asked.terms] == [LIGHT, FAMILIAR, 1.0]
    alike = rarity(asked, [1, 1, 1], 10)
    assert alike[0] < alike[1] < alike[2]
    assert rarity(asked, [1, 1, 9], 10)[2] < alike[2]


def test_words_can_be_left_out() -> None:
    assert question("the elm", without={"elm"}).terms == ()


def test_kin_is_mutual_but_for_the_word_itself() -> None:
    assert "film" in kin("movi")
    assert "movie" in kin("film")
    assert kin("dithyramb") == ()
    assert stem("wrote") not in kin(stem("wrote"))
    assert commonness("dithyramb") == 1.0


@pytest.mark.parametrize(
    ("asked", "sentence", "sure"),
    [
        ("Who built it?", "It was built by Ann Lee.", 1.0),
        ("Who built it?", "It was Lee.", 0.5),
        ("Who built it?", "Lee built it.", 0.0),
        ("Who built Ann Lee's house?", "It is Ann Lee.", 0.0),
        ("What year did it open?", "In 1884 it did.", 1.0),
        ("When did it open?", "It was in the fifth century.", 0.6),
        ("When did it open?", "It was open.", 0.0),
        ("How many are there?", "There are twelve.", 1.0),
        ("How many are there?", "There are some.", 0.0),
        ("Where is it?", "It is in Turin.", 1.0),
        ("Where is it?", "It is away.", 0.0),
        ("Why is it?", "It is in Turin.", UNKNOWN),
    ],
)
def test_what_answers_look_like(asked: str, sentence: str, sure: float) -> None:
    assert cue(asked)(sentence) == sure
