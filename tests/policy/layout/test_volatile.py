"""Lines that will not be the same in the next call."""

from __future__ import annotations

import time
from typing import Any

import pytest

from penstock.policy.layout.volatile import moved, volatile
from penstock.values import Call


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("The current time is 2026-11-21T10:00:05Z.", "time"),
        ("Now: 2026-11-21 10:00:05.123+01:00", "time"),
        ("It is 09:15:01 here", "time"),
        ("Today's date is 2026-11-21.", "date"),
        ("Today is November 21, 2026", "date"),
        ("Today is 21. Nov 2026", "date"),
        ("Session 7f3c2a10-9b1d-4c5e-8f00-0123456789ab", "id"),
        ("request_id: req_01HX4Z9", "id"),
        ("This is step 3 of 40", "counter"),
        ("started at 1763719205", "epoch"),
    ],
)
def test_it_is_found(line: str, kind: str) -> None:
    found = volatile({"system": f"You help.\n{line}\nBe brief."})
    assert [(each.line, each.kind) for each in found] == [(1, kind)]


@pytest.mark.parametrize(
    "line",
    [
        "Answer in at most 200 words.",
        "Use port 8080 and version 3.11.7.",
        "Never say more than 10:1 odds.",
        "The id of a user is a number.",
        "Chapter 12 of 1984 may be quoted.",
        "Call +49 30 1234567",
        "sha 9f86d081884c7d659a2feaa0c55ad015",
    ],
)
def test_what_stays_the_same_is_left(line: str) -> None:
    assert volatile({"system": line}) == []


def after(body: dict[str, Any]) -> Any:
    call = Call(dialect="anthropic", provider="p", raw=b"", body=body)
    return call.edited(*moved(body)).body["system"]


def test_it_is_moved_behind_what_stays() -> None:
    system = "You help.\nThe time is 10:00:05.\nBe brief."
    assert after({"system": system}) == [
        {"type": "text", "text": "You help.\nBe brief."},
        {"type": "text", "text": "The time is 10:00:05.\n"},
    ]
    (edit,) = moved({"system": system})
    assert edit.evidence == {"moved": ["The time is 10:00:05."]}


@pytest.mark.parametrize(
    "system",
    [
        "You help.",
        "The time is 10:00:05.",
        "You help.\nThe time is 10:00:05.",
        [{"type": "text", "text": "The time is 10:00:05.\nYou help.", "cache_control": {"type": "ephemeral"}}],
        [{"type": "text", "text": "10:00:05\nYou help."}, {"type": "image"}],
        None,
    ],
)
def test_where_nothing_is_won_or_the_caller_has_marked_nothing_is_moved(system: Any) -> None:
    assert moved({"system": system}) == []


def test_several_texts_stay_apart() -> None:
    system = [{"type": "text", "text": "Now 10:00:05.\nYou help."}, {"type": "text", "text": "Be brief."}]
    assert after({"system": system}) == [
        {"type": "text", "text": "You help."},
        {"type": "text", "text": "Be brief."},
        {"type": "text", "text": "Now 10:00:05.\n"},
    ]


def test_no_text_takes_long_to_look_at() -> None:
    for text in ("step" + " " * 50_000, "1" * 50_000, "id " * 20_000, "jan" * 20_000, "12:" * 20_000):
        began = time.process_time()
        volatile({"system": text})
        assert time.process_time() - began < 0.5
