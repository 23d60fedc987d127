"""Meetings and chats compressed for a question, and without one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.meter import count
from penstock.policy.compress.extract import extract
from penstock.policy.compress.meetings import plan
from penstock.policy.compress.speech import is_small_talk, named_speakers, turns


def topic(words: str, speakers: tuple[str, str], times: int) -> str:
    return "".join(
        f"{speakers[turn % 2]}: I would say that the {words} matters to us here, point {turn} about the {words}.\n"
        for turn in range(times)
    )


MEETING = (
    "Chair: Welcome to all of you, we have three matters today.\n"
    + topic("budget of the bridge", ("Ann", "Bo"), 12)
    + topic("colour of the paint", ("Cy", "Bo"), 12)
    + topic("date of the feast", ("Ann", "Dee"), 12)
)


def kept(query: str | None, room: int, text: str = MEETING) -> str:
    return extract(text, plan(text, query, room), room, count).text


@pytest.mark.parametrize("matter", ["paint", "feast", "bridge"])
def test_a_stretch_about_the_matter_is_kept(matter: str) -> None:
    lines = [line for line in kept(f"Summarize the discussion about the {matter}", 180).splitlines() if ":" in line]
    assert len(lines) >= 5
    assert all(matter in line for line in lines[1:-1])


def test_who_is_asked_for_counts() -> None:
    lines = kept("What did Dee say?", 150).splitlines()
    assert sum(line.startswith("Dee:") for line in lines) >= 3
    assert not any(line.startswith("Cy:") for line in lines)


def test_left_out_turns_are_counted() -> None:
    chosen = kept("What about the paint?", 200)
    assert chosen.startswith("[")
    assert " turns]\n" in chosen


def test_without_a_matter_the_whole_is_told() -> None:
    for query in (None, "Summarize the whole meeting.", "zzzz"):
        chosen = kept(query, 150)
        assert all(matter in chosen for matter in ("bridge", "paint", "feast"))


def test_small_talk_goes_first_but_not_an_answer() -> None:
    text = "Ann: The paint is red.\nBo: Yeah. OK.\nAnn: Is the paint red?\nBo: Yeah.\nCy: The paint dries in the sun.\n"
    worths = [piece.worth for piece in plan(text, "the paint", 100).pieces]
    assert worths[1] == min(worths)
    assert worths[3] > worths[1]


def test_a_long_turn_goes_by_sentences_under_the_name() -> None:
    text = f"Ann: {'The weather was fine that week. ' * 60}The paint is red. {'We went home. ' * 20}\nBo: Well.\n"
    chosen = kept("What did they say of the paint?", 60, text)
    assert chosen.startswith("Ann: ")
    assert "The paint is red." in chosen
    assert " … " in chosen
    assert kept("paint", 60, text.removeprefix("Ann: ").replace("Bo: ", "")).count("The paint is red.") == 1


def test_gaps() -> None:
    gap = plan("", None, 1).gap
    assert [
        gap(stretch)
        for stretch in (
            " ",
            " One. ",
            "\n",
            "\nA: Yeah.\n",
            "\nA: No one came.\n",
            " x\nA: b c\nyes\n",
            "A: We left.\n",
        )
    ] == [
        " ",
        " … ",
        "\n",
        "\n",
        "\n[1 turn]\n",
        " …\n[1 turn]\n",
        "[1 turn]\n",
    ]


@pytest.mark.parametrize(
    "line",
    [
        "Ann Lee: hello",
        "[10:32] Ann Lee: hello",
        "<Ann Lee> hello",
        "**Ann Lee:** hello",
        "**Ann Lee**: hello",
        "10:32 AM - Ann Lee: hello",
        "Ann Lee (10:32): hello",
        "2024-05-01 10:32:05 Ann Lee: hello",
    ],
)
def test_speakers_of_many_looks(line: str) -> None:
    text = f"{line}\nand more\n{line}\n"
    assert [(turn.speaker, text[turn.said : turn.end]) for turn in turns(text)] == [
        ("Ann Lee", "hello\nand more\n"),
        ("Ann Lee", "hello\n"),
    ]


def test_a_note_is_no_speaker() -> None:
    text = "Before.\nAnn: We saw this thing: it was red.\nwhat we saw: nothing\n"
    assert [turn.speaker for turn in turns(text)] == ["", "Ann"]


def test_lines_without_speakers() -> None:
    assert [(turn.start, turn.end) for turn in turns("one\n\ntwo")] == [(0, 4), (5, 8)]


@pytest.mark.parametrize(
    ("said", "small"),
    [("Yeah. OK, {vocalsound} right.", True), ("No, the paint.", False), ("Yeah. " * 40, False), ("12", True)],
)
def test_small_talk(said: str, small: bool) -> None:
    assert is_small_talk(said) is small


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("What did Vaughan Gething think?", frozenset({"Vaughan Gething AM"})),
        ("What did Grad A think of a grad?", frozenset({"Grad A"})),
        ("What did C say?", frozenset({"Grad C"})),
        ("Why did the Prime Minister agree?", frozenset({"Ms. Ito (Prime Minister)"})),
        ("Why did Ms. Ito agree?", frozenset({"Ms. Ito (Prime Minister)"})),
        ("What did they say of the paint?", frozenset[str]()),
    ],
)
def test_who_is_named(query: str, named: frozenset[str]) -> None:
    speakers = [
        "Vaughan Gething AM",
        "Ann Lee AM",
        "Grad A",
        "Grad C",
        "Ms. Ito (Prime Minister)",
        "Mr. Roe (Minister)",
        "",
    ]
    assert {name for name, sure in named_speakers(query, speakers).items() if sure > 0.6} == named


@given(
    st.lists(
        st.sampled_from(["Ann: The paint is red.", "Bo: Yeah.", "x " * 400, "Ann: Why?", "", "Bo: " + "y. Z " * 300])
    )
)
def test_whatever_is_kept_is_kept_to_the_letter(lines: list[str]) -> None:
    text = "\n".join(lines)
    for query in ("the paint", None, "Ann"):
        for room in (0, 9, 60):
            at = 0
            for number, piece in enumerate(plan(text, query, room).pieces):
                assert at <= piece.start < piece.end
                assert piece.under < number
                at = piece.end
