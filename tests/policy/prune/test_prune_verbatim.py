"""What a user said that has to be kept word for word."""

from __future__ import annotations

import pytest

from penstock.policy.prune.verbatim import LONG, PASTED, constraints

CHAT = "It was a fine day. "
LOREM = "Words come here and there, as they like it. "


@pytest.mark.parametrize(
    "rule",
    [
        "You must not touch the database.",
        "Never push!",
        "Do not rename anything.",
        "Don't use globals.",
        "Always answer in French.",
        "Only edit the parser.",
        "The limit is 4096 bytes.",
        "It costs $30 a day.",
        "Look into src/app/main.py first.",
        "The file is called notes.md, by the way.",
        "It is called parse_line now.",
        'Name it "the big one" then.',
        "Answer in short sentences.",
        "I want tabs.",
        "Bitte niemals committen.",
        "N'utilise jamais eval.",
        "必须用中文回答。",
    ],
)
def test_rules_limits_and_names(rule: str) -> None:
    assert constraints(f"Hello there! {rule} {CHAT}") == (rule,)


@pytest.mark.parametrize(
    "rule", ["Never push!", "You must not touch main().", "At most 30 lines, e.g. 20.", "Port: 8443"]
)
def test_rules_in_a_longer_text(rule: str) -> None:
    filling = LOREM * (LONG // len(LOREM) + 1)
    assert constraints(f"{filling}\n{rule}\n{filling}") == (rule,)


@pytest.mark.parametrize("rule", ["Never push!", "You must not touch main().", "It has to stay under 200 ms."])
def test_rules_in_pasted_material(rule: str) -> None:
    filling = LOREM * (PASTED // len(LOREM) + 1)
    assert constraints(f"{filling}\n{rule}\n{filling}see a/b.py\n12: x = only(3);\n") == (rule,)
    assert constraints(f"{rule} See a/b.py there.", strong=True) == (rule,)


def test_neighbours_stay_together_and_chat_goes() -> None:
    words = "Thanks! Never push. Use at most 3 files.\n\nThat was quick. Only edit a.py."
    assert constraints(words) == ("Never push. Use at most 3 files.", "Only edit a.py.")


def test_abbreviations_end_no_sentence() -> None:
    assert constraints("Never use globals, e.g. Cache or so. Fine day.") == ("Never use globals, e.g. Cache or so.",)


def test_a_list_under_a_rule_is_one() -> None:
    words = "Rules:\n- be kind\n- be brief\n\nSo it goes.\n- a day\n"
    assert constraints(words) == ("Rules:\n- be kind\n- be brief",)


def test_code_between_fences_is_no_rule() -> None:
    assert constraints("So it goes:\n```\nassert only_one(3)\n```\nNever mind.\n") == ("Never mind.",)


def test_long_lines_are_read_in_no_time() -> None:
    for piece in ("a", "a.", "a_", "!", "(", "word ", "No. ", 'File "'):
        constraints(piece * 20_000)
        constraints(piece * 20_000 + "\nx", strong=True)
    assert constraints("") == ()


def test_code_that_a_rule_introduces_belongs_to_it() -> None:
    rule = 'Always answer like this:\n```\n{"x": y}\n```'
    assert constraints(f"Hello!\n{rule}\nSo it goes.\n```\nz\n```\n") == (rule,)
    assert constraints("It must be so:\n\n```\nx\n```\nSo it goes.") == ("It must be so:\n\n```\nx\n```",)
    log = "x\n" * 1_000
    assert constraints(f"It must be so:\n```\n{log}```\nSo it goes.") == ("It must be so:",)


def test_titles_and_numbers_that_stand_alone_say_nothing() -> None:
    assert constraints("INSTRUCTIONS:\n\n2. So it goes.\n\nSOME TIPS:\nIt rains.\nNever push.") == ("Never push.",)
