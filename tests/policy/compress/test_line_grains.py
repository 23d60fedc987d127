"""Templates, surprise, severity and relevance of lines, each on its own."""

from __future__ import annotations

from itertools import accumulate

import pytest

from penstock.policy.compress.line_relevance import asked
from penstock.policy.compress.severity import CHANGE, NOTHING, SEVERE, TROUBLE, severities
from penstock.policy.compress.surprise import repeated_ids, silences, surprise
from penstock.policy.compress.templates import mask, templates

NAMES = ("keel", "mast", "rudder", "anchor", "hull", "deck", "galley", "bilge", "winch", "tiller", "boom", "stern")

SAID = (
    "hatch shut for the night",
    "cargo of rye weighed",
    "who left this rope here",
    "three gulls on deck again",
    "lamp oil runs low soon",
    "mate asleep at noon",
    "course laid by stars",
    "rain fills every barrel",
    "cook burned our bread",
    "sails want some mending",
    "captain reads his letters",
    "harbour pilot waits ashore",
)


def starts(lines: list[str]) -> list[int]:
    return list(accumulate((len(line) + 1 for line in lines[:-1]), initial=0))


def of(lines: list[str]) -> list[int]:
    return severities("\n".join(lines), starts(lines))


def bits(lines: list[str]) -> list[float]:
    return surprise(lines, templates(mask("\n".join(lines)).split("\n")))


def test_values_are_one_template_in_the_coarse_grain() -> None:
    lines = ["load /srv/a/x.so at=9 ok", "load /srv/b/y.so at=fast ok", "load pier-7:left ok", "load state:up ok"]
    found = templates(mask("\n".join(lines)).split("\n"))
    assert found.coarse[0] == found.coarse[1]
    assert found.fine == [0, 1, 2, 3]


def test_a_host_that_varies_on_its_own_makes_no_templates() -> None:
    found = templates([*(f"{host} {said}" for host in ("leith", "porto") for said in SAID), ""])
    assert found.coarse[:12] == found.coarse[12:24]
    assert len(set(found.coarse)) == 13


def test_a_level_that_goes_with_what_is_said_stays_and_columns_behind_it_are_looked_at() -> None:
    levels = ("INFO", "WARN")
    found = templates([f"{levels[i % 2]} {host} {said}" for i, said in enumerate(SAID) for host in ("x", "y", "z")])
    assert len(set(found.coarse)) == len(SAID)


def test_a_column_with_many_values_ends_the_head() -> None:
    assert len(set(templates([f"{name}{'x' * i} rests" for i in range(20) for name in NAMES]).coarse)) == 240


def test_rare_names_are_one_family_but_rare_lines_that_share_nothing_are_not() -> None:
    lines = [f"sailor {name} came aboard" for name in NAMES] + ["fog over the northern bank", "a whale was seen near"]
    found = templates(lines)
    assert len(set(found.family[:12])) == 1
    assert len(set(found.family)) == 3


def test_the_odd_one_among_equals_surprises_and_names_do_not() -> None:
    lines = [f"watch of {NAMES[i % 12]}_{NAMES[i * 5 % 12]} is quiet" for i in range(60)]
    lines[31] = "watch of mast_boom is drunk"
    found = bits(lines)
    assert max(found) == found[31] > 4
    assert sorted(found)[-2] < 3


def test_a_number_far_from_the_others_and_one_of_another_unit_surprise() -> None:
    lines = [f"hauled {100 + i * 7 % 60} kg" for i in range(60)]
    lines[9] = "hauled 88123 kg"
    lines += [f"waited {100 + i * 7 % 60}ms" for i in range(60)]
    lines[70] = "waited 117s"
    found = bits(lines)
    assert sorted(range(120), key=lambda i: -found[i])[:2] in ([9, 70], [70, 9])


def test_words_among_numbers_are_not_far() -> None:
    assert max(bits([f"depth {name}" for name in NAMES for _ in (1, 2)])) < 1


def test_an_id_that_comes_again_where_ids_come_once_surprises() -> None:
    lines = [f"box {i:03x}abc{i:03d} loaded" for i in range(40)]
    assert repeated_ids(lines) == {}
    assert set(repeated_ids([*lines, lines[7]])) == {7, 40}
    assert repeated_ids(lines * 2) == {}
    assert repeated_ids(["calm"]) == {}


def test_the_lines_around_a_silence_surprise() -> None:
    lines = [f"06:00:{i:02d} watch {i}" for i in range(20)] + [f"06:50:{i:02d} watch {i}" for i in range(20)]
    assert set(silences(["no clock here", *lines])) == {20, 21}
    assert silences(lines[:20]) == {}
    assert silences(lines[:3]) == {}
    assert bits(lines)[19] > bits(lines)[18]


@pytest.mark.parametrize(
    ("line", "level"),
    [
        ("reindex: timed out after 7200 s, 31 of 64 shards done", SEVERE),
        ("HatchError in the hold", SEVERE),
        ("pump exited with status 3", SEVERE),
        ('{"level":50,"msg":"hold"}', SEVERE),
        ('"GET /hold HTTP/1.1" 503 12', TROUBLE),
        ("anchor dropped", TROUBLE),
        ("course set from 90 to 270", CHANGE),
        ("2 of 3 pumps run", CHANGE),
        ("0 errors, no warnings, failed=0, error: none", NOTHING),
        ("the terror of the seas, exit code 0", NOTHING),
    ],
)
def test_severity_by_content(line: str, level: int) -> None:
    assert of(["calm", line, "calm"]) == [NOTHING, level, NOTHING]


def test_lone_letters_are_levels_where_most_lines_have_one() -> None:
    assert of(["06:01 I deck: a", "06:02 E deck: b", "06:03 W deck: c"]) == [NOTHING, SEVERE, TROUBLE]
    assert of(["06:01 E deck: b", "calm", "calm"]) == [NOTHING] * 3


def test_what_is_asked_for() -> None:
    lines = ["the keel is sound", "the mast is sound", "keel_bolt sheared", "calm", "calm again", "calm still"]
    found = asked("\n".join(lines), starts(lines), "what became of keel_bolt on the calm?")
    assert max(found) == found[2] > found[0] > 0
    assert found[3] == 0
    assert asked("\n".join(lines), starts(lines), None) == [0.0] * 6
