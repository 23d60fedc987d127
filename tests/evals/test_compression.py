"""How much of what matters is left of documents and meetings."""

from __future__ import annotations

import pytest

from penstock.evals.compression import Asked, Discussed, Meeting, is_kept, relevant_share, retention, transcript

ASKED = Asked("Who?", ["Ann Lee", "Lee"], [{"title": "T", "text": "It was Ann Lee."}])
MEETING = Meeting(
    [("Ann", "Yeah . The paint is red today ."), ("Bo", "OK ."), ("Ann", "It dries in the sun .")],
    [Discussed("paint?", [(0, 1)]), Discussed("talk?", [(1, 1)])],
)


def words(text: str) -> int:
    return len(text.split())


def test_an_answer_is_kept_to_the_letter() -> None:
    assert is_kept(ASKED, "by Lee")
    assert not is_kept(ASKED, "by lee")
    assert retention([ASKED, ASKED], ["Ann Lee", "nobody"]) == 0.5


def test_a_meeting_is_a_line_a_turn() -> None:
    assert transcript(MEETING).splitlines()[1] == "Bo: OK ."


@pytest.mark.parametrize(
    ("compressed", "query", "share"),
    [("Ann: The paint is red today .", 0, 1.0), ("Ann: Yeah .\nBo: OK .", 0, 0.0), ("", 1, 1.0)],
)
def test_the_share_of_what_is_relevant(compressed: str, query: int, share: float) -> None:
    assert relevant_share(MEETING, MEETING.queries[query], compressed, words) == share
