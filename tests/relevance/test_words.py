"""Which words of a question count, and where a text speaks of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.relevance.words import DERIVED, EXACT, INSIDE, NAME, PLAIN, WEAK, lower, named, places, stem, terms


def factors(question: str, text: str) -> list[float]:
    return [place.factor for place in places(text, lower(text), terms(question))]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("cookies", "cookie"),
        ("queries", "query"),
        ("classes", "class"),
        ("statuses", "status"),
        ("embedded", "embedding"),
        ("encoding", "encoded"),
        ("calling", "calls"),
        ("dates", "dated"),
    ],
)
def test_forms_of_a_word_have_one_stem(one: str, other: str) -> None:
    assert stem(one) == stem(other)


@pytest.mark.parametrize("word", ["string", "status", "analysis", "bus", "speed", "red", "ring", "api"])
def test_words_that_only_look_inflected_stay(word: str) -> None:
    assert stem(word) == word


def test_words_that_every_question_has_are_left_out() -> None:
    found = terms("Where is the function that handles the cookie?")
    assert [(term.stem, term.weight) for term in found] == [
        ("function", WEAK),
        ("handl", WEAK),
        ("cooki", PLAIN),
    ]


def test_a_question_of_weak_words_only_is_taken_at_its_word() -> None:
    assert {term.weight for term in terms("What does the code do?")} == {PLAIN}
    assert terms("Where is it?") == []


def test_a_name_counts_besides_its_parts() -> None:
    found = {term.stem: term.weight for term in terms("Who calls json.parseDate or py_scan?")}
    assert found["json.parsedate"] == found["py_scan"] == NAME
    assert {"pars", "dat", "scan", "json"} <= found.keys()


def test_parts_of_a_name_are_no_stop_words() -> None:
    assert "is" in {term.stem for term in terms("is_valid")}


def test_scripts_without_spaces_are_searched_by_pairs() -> None:
    found = [term.stem for term in terms("会话令牌 check")]
    assert found == ["会话", "话令", "令牌", "check"]
    assert factors("令牌在哪", "校验令牌。") == [EXACT]
    assert [term.stem for term in terms("令")] == ["令"]


def test_numbers_are_words_from_two_digits() -> None:
    assert [term.stem for term in terms("error 429 or 7")] == ["error", "429"]
    assert factors("429", "a 429, not 4290 nor 1429") == [EXACT]
    assert factors("base64", "Base64Encoder") == [EXACT, EXACT]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("the cookie", [EXACT]),
        ("COOKIES = 3", [EXACT]),
        ("parseCookieHeader", [EXACT]),
        ("HTTPCookie", [EXACT]),
        ("set_cookie_header", [EXACT]),
        ("cookiejar", [DERIVED]),
        ("cookierelatedthings", [INSIDE]),
        ("setcook", []),
        ("milk", []),
    ],
)
def test_places_in_words_and_identifiers(text: str, expected: list[float]) -> None:
    assert factors("cookie", text) == expected


def test_long_words_are_found_inside_run_together_ones() -> None:
    assert factors("encoder", "iterencode") == [INSIDE]
    assert factors("the car", "scarcity carpet") == []


def test_names_run_shorter_words_together() -> None:
    wanted = terms("mail")
    assert named("email/utils.py", wanted) == [INSIDE]
    assert places("an email", "an email", wanted) == []


@given(st.text(), st.text())
def test_every_place_is_a_place(question: str, text: str) -> None:
    small = lower(text)
    wanted = terms(question)
    assert len(small) == len(text)
    found = places(text, small, wanted)
    assert found == sorted(found, key=lambda place: place.at)
    assert all(wanted[place.term].free or small.startswith(wanted[place.term].base, place.at) for place in found)


@given(st.text(alphabet="İAaSsß "))
def test_lower_keeps_places(text: str) -> None:
    assert len(lower(text)) == len(text)
