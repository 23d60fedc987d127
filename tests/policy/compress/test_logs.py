"""Logs: every template keeps a line, what is odd is kept, and what repeats is told by its count."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from penstock.meter.tokens import count
from penstock.policy.compress.extract import extract
from penstock.policy.compress.lines import read
from penstock.policy.compress.logs import gap, plan

HARBOURS = ("Gdynia", "Aarhus", "Leith", "Porto", "Brest")
USUAL = (
    "berth {0} cleared for {1} after {2} s",
    "crane {0} moved 12 boxes at {1} in {2} s",
    "tide at {1} is {0} cm",
    "pilot {0} boarded off {1} at {2} m",
)


def quay_log(lines: int) -> list[str]:
    """An uneventful log of a harbour, the same each time."""
    found: list[str] = []
    for i in range(lines):
        said = USUAL[i * 7 % len(USUAL)].format(i * 37 % 97, HARBOURS[i * 3 % len(HARBOURS)], 20 + i * 11 % 13)
        found.append(f"2031-05-04 06:{i // 60 % 60:02d}:{i % 60:02d} node-{i % 4} INFO {said}")
    return found


def compressed(lines: list[str], ratio: float, query: str | None = None) -> str:
    text = "\n".join(lines) + "\n"
    room = int(count(text) / ratio)
    found = extract(text, plan(text, query, room), room, count)
    assert found.tokens <= room
    return found.text


def test_a_rare_line_is_kept_though_no_word_of_it_is_alarming() -> None:
    lines = quay_log(900)
    lines[411] = "2031-05-04 06:06:51 node-3 INFO fairway lights answer to the harbour office from today"
    assert lines[411] in compressed(lines, 10)


def test_odd_values_in_usual_lines_are_kept() -> None:
    lines = quay_log(900)
    lines[200] = lines[200].replace("INFO", "INFO").rsplit(" ", 2)[0] + " 86400 s"
    lines[500] = "2031-05-04 06:08:20 node-1 INFO tide at Leith is -412 cm"
    kept = compressed(lines, 10)
    assert "86400 s" in kept
    assert "-412 cm" in kept


def test_what_severe_lines_say_is_kept_once_with_its_count() -> None:
    lines = quay_log(600)
    for i in range(0, 600, 2):
        lines[i] = f"2031-05-04 06:00:00 node-1 ERROR gate {i} did not close"
    kept = compressed(lines, 20)
    assert "did not close (x 300)" in kept
    assert all(any(word in line for line in kept.splitlines()) for word in ("crane", "pilot"))


def test_a_question_finds_its_lines() -> None:
    lines = quay_log(900)
    for i in range(60):
        lines[13 * i] = f"2031-05-04 06:07:07 node-2 INFO ballast of ship {i} {'taken' if i == 41 else 'kept'} on board"
    asked = compressed(lines, 20, "who took ballast, ship 41?")
    assert "ballast of ship 41 taken on board" in asked


def test_kept_lines_are_verbatim_but_for_the_count() -> None:
    lines = quay_log(300)
    for line in compressed(lines, 8).splitlines():
        body = line.rpartition(" (x ")[0] or line
        assert body in lines or (line.startswith("[") and line.endswith(" lines]"))


def test_the_ends_of_a_log_are_kept() -> None:
    lines = quay_log(300)
    kept = compressed(lines, 12).splitlines()
    assert kept[0].startswith(lines[0])
    assert lines[-1] in kept


def test_where_much_is_left_out_the_gap_says_so() -> None:
    tell = gap(read("one\n" * 50, None))
    assert tell("one\n" * 3) == ""
    assert tell("one\n" * 30) == "[30 lines]\n"
    assert tell("x" * 5000) == "[1 line]\n"


def test_a_much_shorter_line_stands_for_its_template() -> None:
    lines = quay_log(200)
    lines[40] = "wind from 00000000000000000000000000000000000000000000000000000000 at 4 knots"
    lines[90] = "wind from 7 at 6 knots"
    kept = compressed(lines, 12)
    assert "wind from 7 at 6 knots (x 2)" in kept
    assert lines[40] not in kept


def test_no_text_gives_no_pieces() -> None:
    assert list(plan("", "anything?", 100).pieces) == []
    assert compressed([""], 1) == "\n"


@given(st.text(st.sampled_from("ab1-:/.=|\n \te"), max_size=300), st.sampled_from([None, "a b1?"]))
def test_pieces_are_the_lines(text: str, query: str | None) -> None:
    pieces = plan(text, query, 10).pieces
    assert "".join(text[piece.start : piece.end] for piece in pieces) == text
    assert all(piece.worth == piece.worth for piece in pieces)
