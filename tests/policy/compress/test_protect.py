"""Protected spans: found before, verified after, and never a large part of a text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from penstock.policy.compress.protect import KINDS, missing, protected

OUTPUT = "\n".join(
    (
        *(f"tests/test_deck.py::test_plank_{i} PASSED" for i in range(60)),
        "tests/test_deck.py::test_hatch FAILED",
        "Traceback (most recent call last):",
        '  File "/srv/ship/deck.py", line 12, in close',
        "    latch.turn()",
        '  File "/usr/lib/python3.11/threading.py", line 9, in run',
        "HatchError: latch 4 is bent",
        *(f"ERROR pump {i} gave nothing" for i in range(30)),
        "1 failed, 60 passed in 0.40s",
        "exit code 1",
    )
)


def kinds(text: str, query: str | None = None) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for span in protected(text, query):
        assert text[span.start : span.end].strip() == span.text
        found.setdefault(span.kind, []).append(span.text)
    return found


def test_what_is_protected() -> None:
    found = kinds(OUTPUT)
    assert found["verdict"] == ["1 failed, 60 passed in 0.40s", "exit code 1"]
    assert found["failing"][0] == "tests/test_deck.py::test_hatch"
    assert found["exception"] == ["HatchError: latch 4 is bent"]
    assert found["frame"] == ['File "/srv/ship/deck.py", line 12, in close']


def test_lines_of_one_template_are_one_span_and_any_of_them_will_do() -> None:
    text = "\n".join(f"2031-05-04 error: pump {i} gave nothing" for i in range(200)) + "\nall else is calm\n" * 50
    (span,) = protected(text)
    assert span.text == "2031-05-04 error: pump 0 gave nothing"
    assert missing([span], "2031-05-04 error: pump 77 gave nothing (x 200)") == []
    assert missing([span], "all else is calm") == [span]


def test_verdicts_and_ids_are_verified_to_the_letter() -> None:
    lost = missing(protected(OUTPUT), OUTPUT.replace("1 failed", "0 failed").replace("test_hatch", "test_hutch"))
    assert {span.text for span in lost} == {"1 failed, 60 passed in 0.40s", "tests/test_deck.py::test_hatch"}


def test_nothing_is_missing_from_the_text_itself() -> None:
    assert missing(protected(OUTPUT, "what of pump 17?"), OUTPUT) == []


def test_numbers_and_names_of_the_query() -> None:
    found = kinds(OUTPUT, "why did pump 17 and test_plank_3 stop, and what of keel_bolt?")
    assert found["query"] == ["tests/test_deck.py::test_plank_3 PASSED", "ERROR pump 17 gave nothing"]
    assert "query" not in kinds(OUTPUT, "what is test_plank?")


def test_fenced_code_is_one_span() -> None:
    text = "Turn it:\n\n```sh\nwinch --turn 4\nwinch --stop\n```\n\nThen wait." + " It takes long." * 20
    assert kinds(text) == {"code": ["```sh\nwinch --turn 4\nwinch --stop\n```"]}


def test_long_lines_are_prose() -> None:
    assert protected("The error of the captain " * 40) == []


def test_underlining_and_notes_are_not_protected() -> None:
    assert kinds("calm seas\n" * 30 + "a.cpp:3:4: note: cannot convert\n   ^~~~ \n") == {}


@given(st.lists(st.sampled_from(["ERROR a", "x: 3 failed", "KeyError: 'k'", "FAILED t::b", "calm", "a.py:3: b"])))
def test_at_most_a_quarter_is_protected(lines: list[str]) -> None:
    text = "\n".join(lines)
    found = protected(text)
    assert sum(len(span.text) for span in found) <= len(text) / 4
    assert all(span.kind in KINDS for span in found)
    assert missing(found, text) == []
