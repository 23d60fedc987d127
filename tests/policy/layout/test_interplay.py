"""Whether an edit of another mechanism is worth the warm prefix that it moves."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.policy.layout.blocks import blocks
from penstock.policy.layout.interplay import COLD, Warm, paying, pays
from penstock.values import Edit, Undo

BODY: dict[str, Any] = {
    "model": "m",
    "system": "s" * 4000,
    "messages": [{"role": "user", "content": "a" * 40_000}, {"role": "user", "content": "b" * 8000}],
}
BLOCKS = blocks(BODY)
WARM = Warm(BLOCKS[:2], read=0.1)


def cut(*path: Any, tokens: int) -> Edit:
    return Edit("compress", path, "set", "short", undo=Undo(input_tokens=tokens))


def test_where_nothing_is_warm_every_edit_pays() -> None:
    assert pays([cut("system", tokens=1)], COLD)
    assert pays([], WARM)


@pytest.mark.parametrize(
    ("edit", "worth"),
    [
        (cut("messages", 1, "content", tokens=1900), True),  # behind what is warm: nothing is lost
        (cut("messages", 0, "content", tokens=9900), False),  # wins 990, loses 9,000
        (cut("system", tokens=900), False),
        (Edit("route", ("model",), "set", "other", undo=Undo(model="m")), False),
        (Edit("budget", ("max_tokens",), "set", 5), True),
    ],
)
def test_an_edit_within_it_has_to_win_more_than_it_loses(edit: Edit, worth: bool) -> None:
    assert pays([edit], WARM) is worth


def test_edits_of_one_mechanism_are_weighed_together() -> None:
    inside, behind = cut("messages", 0, "content", 0, tokens=9900), cut("messages", 1, "content", tokens=60_000)
    assert pays([inside, behind], WARM)
    assert not pays([inside, cut("messages", 1, "content", tokens=100)], WARM)


def test_an_inner_path_and_an_outer_one_meet() -> None:
    assert not pays([cut("messages", tokens=100)], WARM)
    assert not pays([cut("messages", 0, tokens=100)], WARM)


def test_of_texts_that_stand_each_for_itself_those_behind_the_warm_prefix_are_shortened() -> None:
    within, behind = cut("messages", 0, "content", tokens=9900), cut("messages", 1, "content", tokens=1900)
    assert paying([within, behind], WARM) == [behind]
    assert paying([within, behind], COLD) == [within, behind]
    assert paying([behind], WARM) == [behind]
    gone = Edit("bundle", ("messages", 0), "remove", undo=Undo(input_tokens=9900))
    assert paying([gone, behind], WARM) == ()  # they belong together
    assert paying([gone], COLD) == [gone]


def test_pruning_has_weighed_what_it_moves_itself() -> None:
    edits = [Edit("prune", ("messages",), "set", [], undo=Undo(input_tokens=1))]
    assert paying(edits, WARM) == edits
