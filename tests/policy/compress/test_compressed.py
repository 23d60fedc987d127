"""Whatever a text is: it gets short, keeps what must be kept, says what is missing, and can be had back."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.errors import BadInput
from penstock.meter import count
from penstock.policy.compress.compressed import _checked, compress, shortened
from penstock.policy.compress.extract import Piece, Plan, lines_left_out
from penstock.policy.compress.markers import compressed_by_another, marker, name_in, name_of, names_in
from penstock.policy.compress.protect import Span, missing, protected
from penstock.policy.compress.sections import joined

LOG = "".join(
    f"2026-03-01 12:{at // 60 % 60:02}:{at % 60:02} INFO worker {at % 7} took job {at}\n" for at in range(1500)
)
PYTEST = (
    "============================= test session starts ==============================\n"
    + "".join(f"tests/test_{at % 40}.py::test_case_{at} PASSED [ {at * 100 // 900}%]\n" for at in range(900))
    + "tests/test_gate.py::test_it_opens FAILED\n"
    "=================================== FAILURES ===================================\n"
    "    def test_it_opens():\n>       assert gate.open\nE       AssertionError: assert False\n\n"
    "tests/test_gate.py:12: AssertionError\n"
    "=========================== short test summary info ============================\n"
    "FAILED tests/test_gate.py::test_it_opens - AssertionError: assert False\n"
    "========================= 1 failed, 900 passed in 4.20s =========================\n"
)
PROSE = " ".join(
    f"The {name} of the harbour was built in {1800 + at}. It stands on the {side} side, and few people know why."
    for at, (name, side) in enumerate((f"{a} {b}", c) for a in ("old", "new", "tall", "lost", "first", "red", "last")
    for b in ("tower", "mill", "bridge", "church", "gate", "wall") for c in ("north", "south", "east"))
)  # fmt: skip
RECORDS = "[" + ",\n".join(f'{{"id": {at}, "state": "{"odd" if at == 311 else "ok"}"}}' for at in range(600)) + "]"
DIFF = "".join(
    f"diff --git a/f{at}.py b/f{at}.py\n--- a/f{at}.py\n+++ b/f{at}.py\n"
    f"@@ -1,3 +1,3 @@\n import os\n-x = {at}\n+x = {at + 1}\n y = 2\n"
    for at in range(120)
)
TABLE = "| name | size |\n| --- | --- |\n" + "".join(f"| file{at} | {at * 7 % 100} |\n" for at in range(500))
CODE = "".join(f"def handler_{at}(event):\n    total = event.value + {at}\n    return total\n\n\n" for at in range(200))
MEETING = "".join(
    f"{'Ann' if at % 2 else 'Bob'}: I think we should look at point {at} of the plan again.\n" for at in range(400)
)
LISTING = "".join(f"-rw-r--r-- 1 me me {at * 13:>6} Mar  1 12:00 src/part{at % 9}/file{at}.py\n" for at in range(400))
TEXTS = {
    "log": LOG, "tests": PYTEST, "prose": PROSE, "json": RECORDS, "diff": DIFF, "table": TABLE, "code": CODE,
    "meeting": MEETING, "listing": LISTING,
}  # fmt: skip


@pytest.mark.parametrize("kind", TEXTS)
@pytest.mark.parametrize("ratio", [3, 10])
def test_every_kind_is_known_and_gets_short(kind: str, ratio: int) -> None:
    text = TEXTS[kind]
    target = count(text) // ratio
    found = compress(text, target_tokens=target)
    assert found.kind == kind
    assert found.tokens_before == count(text)
    assert found.tokens_after == count(found.text) <= 1.02 * target + 8
    assert not found.over_target
    assert found.tokens_after > 0.6 * target  # room is there to be used
    assert found.text.endswith(found.marker)
    assert found.restore(found.marker) == text
    assert missing(protected(text, None, 0.05), found.text) == []


@pytest.mark.parametrize("kind", TEXTS)
def test_what_is_compressed_stays_as_it_is(kind: str) -> None:
    found = compress(TEXTS[kind], target_tokens=300, query="Why is it odd?")
    again = compress(found.text, target_tokens=100, query="Something else")
    assert again.text == found.text
    assert again.marker == ""


def test_the_verdict_and_the_failing_test_are_kept_however_small_the_room_is() -> None:
    found = compress(PYTEST, target_tokens=120)
    assert "1 failed, 900 passed in 4.20s" in found.text
    assert "FAILED tests/test_gate.py::test_it_opens - AssertionError: assert False" in found.text


def test_what_cannot_fit_is_kept_and_said() -> None:
    text = "".join(f"Error {at}: cannot open {'abcdefgh'[at % 8] * (at % 5 + 3)}{at}\n" for at in range(300))
    found = compress(text, target_tokens=10)
    assert found.over_target
    assert "Error" in found.text
    assert found.tokens_after < found.tokens_before


def test_a_text_that_fits_is_left_alone() -> None:
    found = compress("All is well.", target_tokens=50)
    assert (found.text, found.marker, found.kind, found.over_target) == ("All is well.", "", "prose", False)
    with pytest.raises(BadInput, match="not the marker of this text"):
        found.restore("[penstock_retrieve 5f0c1d2e3a4b: 3 more tokens (log) left out]")
    with pytest.raises(BadInput, match="target_tokens = 0"):
        compress("All is well.", target_tokens=0)


@pytest.mark.parametrize("mark", ["<<CCR:8f3a|log>>", "[1,204 lines compressed]", "call headroom_retrieve for more"])
def test_what_another_compressor_has_made_is_left_to_it(mark: str) -> None:
    text = f"{LOG}\n{mark}\n"
    assert compressed_by_another(text)
    assert compress(text, target_tokens=100).text == text


def test_documents_are_told_apart_by_their_titles() -> None:
    docs = [
        {"title": f"Town {at}", "text": f"It lies by the sea. It was founded in {1500 + at}. " * 4} for at in range(30)
    ]
    text, sources = joined(docs)
    found = compress(text, query="When was Town 17 founded?", target_tokens=200, sources=sources)
    assert found.kind == "prose"
    assert "1517" in found.text


def test_a_model_looks_again_at_the_longest_prose_alone() -> None:
    asked: list[Sequence[str]] = []

    def similar(_: str, texts: Sequence[str]) -> list[float]:
        asked.append(texts)
        return [0.5] * len(texts)

    told = "{} {} is high up. It is seen from far away by night, and few people know why that is so.\n\n"
    hills = "".join(told.format("A hill", at) for at in range(30))
    lakes = "".join(told.format("The lake", at) for at in range(99))
    mixed = f"{hills}```json\n{RECORDS}\n```\n\n{lakes}```\n{LOG}```\n"
    assert compress(mixed, query="How high are they?", target_tokens=300, similar=similar).kind == "mixed"
    (texts,) = asked
    assert all("lake" in text and "hill" not in text for text in texts)
    compress(mixed, target_tokens=300, similar=similar)
    compress(LOG, query="How high are they?", target_tokens=300, similar=similar)
    assert len(asked) == 1


def test_mixed_texts_are_told_apart() -> None:
    text = f"This is what it said:\n\n```json\n{RECORDS}\n```\n\nAnd the log:\n\n```\n{LOG}```\n"
    found = compress(text, target_tokens=2000)
    assert found.kind == "mixed"
    assert '"odd"' in found.text
    assert found.tokens_after <= 2000


def test_names_are_of_the_text_and_of_whose_it_is() -> None:
    assert name_of("a") == name_of("a") != name_of("b")
    assert name_of("a", "ann") != name_of("a", "bob")
    told = marker(name_of("a"), "log", 1234)
    assert told == f"[penstock_retrieve {name_of('a')}: 1,234 more tokens (log) left out]"
    assert names_in(f"x\n{told}\n{told}") == [name_of("a")] * 2
    assert name_in(told) == name_of("a")
    assert name_in("nothing of the kind") is None


@settings(max_examples=60)
@given(st.lists(st.text(max_size=60), max_size=80), st.integers(1, 400), st.one_of(st.none(), st.text(max_size=20)))
def test_nothing_breaks_it(lines: list[str], target: int, query: str | None) -> None:
    text = "\n".join(lines)
    found = compress(text, target_tokens=target, query=query)
    if found.marker:
        assert found.restore(found.marker) == text
        assert compress(found.text, target_tokens=target, query=query).text == found.text
    else:
        assert found.text == text


def test_a_short_part_of_a_long_text_is_kept_whole() -> None:
    change = DIFF[: DIFF.index("diff --git a/f2.py")]
    text = f"{PROSE}\n\n{change}\n{PROSE[::-1]}"
    found = compress(text, target_tokens=count(text) // 4)
    assert change.strip() in found.text


def test_what_lies_between_the_pieces_of_a_kind_is_put_back_too() -> None:
    """A kind may cut a text so that something belongs to no piece; what must be kept of that is kept."""
    text = "first line\nError 7: the gate is stuck\nlast line"
    plan = Plan([Piece(0, 11, 1.0), Piece(39, 48, 2.0, under=0)], lines_left_out)
    must = [Span(11, 37, "error", "Error 7: the gate is stuck")]
    found = _checked(text, plan, 6, must, count)
    assert "Error 7: the gate is stuck" in found.text
    whole = _checked(text, Plan([Piece(0, 11, 1.0)], lines_left_out), 3, [Span(39, 48, "query", "last line")], count)
    assert "last line" in whole.text


def test_records_below_a_header_are_records() -> None:
    orders = (
        "["
        + ",".join(f'{{"id": {at}, "state": "{"FAILED: disk full" if at == 311 else "ok"}"}}' for at in range(900))
        + "]"
    )
    found = compress(f"HTTP/1.1 200 OK\ncontent-type: application/json\n\n{orders}\n", target_tokens=1500)
    assert "FAILED: disk full" in found.text
    assert found.tokens_after > 750


HOSTILE = {
    "comments in braces": "{" + "//" * 20_000 + "\n" + "word " * 6000,
    "errors of all kinds": " ".join(
        f"{'abcdefghij'[at % 10]}{'klmnopqrst'[at // 10 % 10]}x{'abcdefghij'[at // 100 % 10]}Error"
        for at in range(20_000)
    ),
    "fences that are never closed": "```abc\n" * 8_000,
    "deep": '{"a":' * 8_000,
    "blanks": (" " * 390 + "x\n") * 500,
    "long lines of nothing": "a" * 100_000 + "\n" + "b" * 100_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_no_text_keeps_others_waiting(name: str) -> None:
    """Its time is that of an ordinary text of its length, in the same run."""
    text = HOSTILE[name]
    usual = (LOG * (len(text) // len(LOG) + 1))[: max(len(text), 60_000)]
    times: list[float] = []
    for each in (usual, text):
        begun = time.process_time()
        compress(each, target_tokens=500, query="why does it fail? " * 10)
        times.append(time.process_time() - begun)
    assert times[1] < 12 * times[0] + 0.3


def test_what_nobody_keeps_has_no_name() -> None:
    found = shortened(LOG, 300)
    assert names_in(found) == []
    assert found.endswith(" more tokens left out]")
    assert shortened("All is well.", 300) == "All is well."
    assert repr(compress(LOG, target_tokens=300)).startswith("Compressed(")
