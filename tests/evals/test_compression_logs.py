"""What is left of logs and tool outputs, counted."""

from __future__ import annotations

from penstock.evals.compression_logs import Kept, LogLine, Trap, is_severe, must_keep_share, template_share

LINES = [
    LogLine("06:01 I gate open", "E1", "I"),
    LogLine("06:02 I gate open", "E1", "I"),
    LogLine("06:03 E gate stuck", "E2", "E"),
    LogLine("06:04 W tide late", "E3", "W"),
]


def test_the_share_of_templates_with_a_whole_line_left() -> None:
    assert template_share(LINES, "06:02 I gate open (x 2)\n06:03 E gate stuck\n") == Kept(2 / 3, 1 / 2)
    assert template_share(LINES, "06:03 E gate\n06:04 W tide late (at last)") == Kept(0.0, 0.0)
    assert template_share(LINES[:2], "06:01 I gate open") == Kept(1.0, 1.0)


def test_a_line_that_ends_like_a_count_is_whole() -> None:
    assert template_share([LogLine("paid (x 2)", "E1")], "paid (x 2)").all == 1.0


def test_severe_by_level_or_by_a_word_where_there_are_no_levels() -> None:
    assert [is_severe(line) for line in LINES] == [False, False, True, True]
    assert is_severe(LogLine("mount failed", "E9"))
    assert not is_severe(LogLine("mount failed", "E9", "info"))


def test_the_share_of_traps_of_which_all_is_left() -> None:
    traps = [
        Trap("shell-ls-1", "shell", "a b c", ["a", "c"]),
        Trap("shell-ls-2", "shell", "a b c", ["b"], "what is b?"),
        Trap("log-quay-1", "log", "a b c", ["c"]),
    ]
    outputs = ["a", "b", "c"]
    assert must_keep_share(traps, outputs) == {"shell": 0.5, "log": 1.0}
    assert must_keep_share(traps, outputs, lambda trap: trap.family) == {"shell-ls": 0.5, "log-quay": 1.0}
