"""Output of tests, compilers, builds and shells: what a reader needs of it is kept."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.meter.tokens import count
from penstock.policy.compress.console import plan
from penstock.policy.compress.console_parts import failing_id, indents, is_library, part, place
from penstock.policy.compress.extract import extract

NAMES = ("keel", "mast", "rudder", "anchor", "hull", "deck", "galley", "bilge", "winch", "tiller", "boom", "stern")


def kept(lines: list[str], ratio: float = 4, query: str | None = None) -> str:
    text = "\n".join(lines) + "\n"
    room = int(count(text) / ratio)
    found = extract(text, plan(text, query, room), room, count)
    assert found.tokens <= room
    return found.text


def passed(tests: int) -> list[str]:
    return [
        f"tests/test_{NAMES[i % 12]}.py::test_{NAMES[i * 5 % 12]}_{i} PASSED [{i * 100 // tests:>3}%]"
        for i in range(tests)
    ]


def test_of_tests_the_failing_ones_their_frame_and_the_verdict_are_kept() -> None:
    lines = passed(240)
    lines[100] = "tests/test_bilge.py::test_pump_runs_dry FAILED                          [ 41%]"
    lines += [
        "=== FAILURES ===",
        "___ test_pump_runs_dry ___",
        "tests/test_bilge.py:31: in test_pump_runs_dry",
        "    assert pump.litres == 40",
        "/usr/lib/python3.11/functools.py:55: in wrapper",
        "    return call(*args)",
        "E   assert 39 == 40",
        "tests/test_bilge.py:31: AssertionError",
        "FAILED tests/test_bilge.py::test_pump_runs_dry",
        "=== 1 failed, 239 passed in 2.11s ===",
    ]
    found = kept(lines, 10)
    for span in (
        "FAILED tests/test_bilge.py::test_pump_runs_dry",
        "test_bilge.py:31",
        "assert 39 == 40",
        "1 failed, 239 passed in 2.11s",
    ):
        assert span in found


def test_each_failing_test_is_named_before_any_is_told_twice() -> None:
    lines = passed(200)
    for i in range(8):
        lines[20 * i] = f"___________________ ERROR collecting tests/test_{NAMES[i]}_{i}.py ____________________"
        lines.append(f"ERROR tests/test_{NAMES[i]}_{i}.py - KeyError: 'draught'")
    found = kept(lines, 8)
    assert all(f"ERROR tests/test_{NAMES[i]}_{i}.py - KeyError" in found for i in range(8))


def test_of_findings_the_odd_one_is_kept_with_the_file_it_stands_under() -> None:
    lines: list[str] = []
    for name in NAMES:
        lines += [f"/srv/ship/src/{name}.js"]
        lines += [
            f"  {i}:9  warning  '{name}' is assigned a value but never used  no-unused-vars" for i in range(1, 20)
        ]
    lines.insert(13 * 10, "  7:3  error  Unreachable code  no-unreachable")
    found = kept([*lines, "", "229 problems (1 error, 228 warnings)"], 12)
    assert "/srv/ship/src/galley.js\n" in found
    assert "7:3  error  Unreachable code" in found
    assert "229 problems (1 error, 228 warnings)" in found


def test_of_a_compiler_the_users_own_places_come_before_those_of_the_library() -> None:
    lines = ["hull.cpp:40:7: error: no match for 'operator<'"]
    for i in range(90):
        lines.append(f"/usr/include/c++/13/bits/stl_tree.h:{i}:5: note: candidate: 'bool less<{NAMES[i % 12]}>(int)'")
        lines.append(f"  {i} |       less(int {NAMES[i % 12]})")
    lines.insert(121, "hull.cpp:12:3:   required from here")
    found = kept(lines, 12)
    assert "hull.cpp:40:7: error" in found
    assert "hull.cpp:12:3:   required from here" in found


def test_of_a_build_the_failing_step_is_kept() -> None:
    lines = [f"[{i}/200] Building object src/{NAMES[i % 12]}_{i}.o" for i in range(180)]
    lines[150:150] = ["FAILED: src/tiller_9.o", "src/tiller.c:4:10: fatal error: rope.h: No such file or directory"]
    found = kept([*lines, "build stopped: subcommand failed, exit code 2"], 10)
    for span in ("FAILED: src/tiller_9.o", "src/tiller.c:4:10: fatal error: rope.h", "exit code 2"):
        assert span in found


def test_of_a_shell_the_odd_row_and_the_status_are_kept() -> None:
    lines = [f"{NAMES[i % 12]}-{i:04x}   1/1   Running   0   {i % 30}d" for i in range(200)]
    lines[77] = "galley-00aa   0/1   Pending   0   11d"
    found = kept([*lines, "sync=3"], 10)
    assert "galley-00aa   0/1   Pending" in found
    assert "sync=3" in found


def test_of_a_trace_the_error_and_the_frame_behind_it_are_kept() -> None:
    lines = [f"served {NAMES[i % 12]} in {i % 9} ms" for i in range(200)]
    lines[120:120] = ["Error: winch 4 is stuck"] + [f"    at turn (node:internal/{name}:9)" for name in NAMES]
    lines[121:121] = ["    at haul (/srv/ship/winch.js:88:4)"]
    found = kept(lines, 8)
    assert "Error: winch 4 is stuck" in found
    assert "winch.js:88:4" in found


def test_a_frame_before_an_error_brings_the_code_it_shows() -> None:
    lines = [f"served {NAMES[i % 12]} in {i % 9} ms" for i in range(200)]
    lines[90:90] = [
        "ship/hull.py:9: in patch",
        "HullError: no tar",
        "ship/mast.py:4: in climb",
        "    up(mast)",
        "Fall: Error:",
    ]
    assert "ship/hull.py:9: in patch" in kept(lines, 10)


def test_a_line_as_large_as_the_room_makes_way_for_others() -> None:
    lines = passed(100)
    lines[50] = "E   AssertionError: assert " + " ".join(f"{name}={i}" for i in range(40) for name in NAMES)
    found = kept([*lines, "=== 1 failed, 99 passed in 0.20s ==="], 8)
    assert "assert keel=0" not in found
    assert "1 failed, 99 passed" in found


def test_an_error_with_no_place_near_it_stands_alone() -> None:
    assert "panic: sinking" in kept([*(f"served {i}" for i in range(40)), "panic: sinking", "KeelError: gone"], 4)


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("--- FAIL: TestTiller (0.00s)", "failing"),
        ("FAILED (failures=1)", "verdict"),
        ("make: *** [Makefile:3: app] Error 1", "verdict"),
        ("rc=35", "verdict"),
        ("thread 'main' panicked at src/hull.rs:7:5:", "error"),
        ("error[E0502]: cannot borrow `fleet`", "error"),
        ("  right: 462", "detail"),
        ("a.cpp:3:4: note: candidate", "note"),
        ("=========", "noise"),
        ("all is well", ""),
    ],
)
def test_parts(line: str, name: str) -> None:
    assert part(line) == name


def test_failing_ids() -> None:
    assert failing_id("test hull::leaks ... FAILED") == "hull::leaks"
    assert failing_id("not ok 7 - keeps the course") == "keeps the course"


def test_places() -> None:
    assert place('  File "/srv/ship/hull.py", line 7, in leak') == '/srv/ship/hull.py", line 7'
    assert place("    at haul (winch.js:88:4)") == "winch.js:88"
    assert place("at line 7") == ""
    assert is_library("", "/usr/lib/python3.11/json/decoder.py")
    assert is_library("\tat java.util.List.of(List.java:9)", "List.java:9")
    assert not is_library("  hull.py:7", "hull.py:7")


def test_indents_look_behind_what_pytest_and_differs_put_before_a_line() -> None:
    assert indents(["a:\n", "  b\n", "\n", "E     - c\n", "E       d\n"]) == [0, 2, 2, 8, 8]
    assert indents(["\n"]) == [0]


@given(st.text(st.sampled_from("aE1-:/.=|\n \t{(^"), max_size=300))
def test_console_pieces_are_the_lines(text: str) -> None:
    pieces = plan(text, None, 10).pieces
    assert "".join(text[piece.start : piece.end] for piece in pieces) == text
    assert all(piece.under < number for number, piece in enumerate(pieces))
