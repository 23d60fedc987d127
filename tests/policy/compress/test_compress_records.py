"""JSON, JSON lines and YAML: what is odd and what is asked for is kept whole, the rest is counted."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.meter.tokens import count
from penstock.policy.compress.extract import extract
from penstock.policy.compress.records import left_out, plan

TOWNS = ("Turku", "Bergen", "Gdynia", "Aarhus", "Riga")


def kept(text: str, query: str | None = None, ratio: float = 8) -> str:
    room = round(count(text) / ratio)
    return extract(text, plan(text, query, room), room, count).text


def sensors(number: int = 120) -> list[dict[str, object]]:
    return [
        {"sensor": f"s-{at}", "town": TOWNS[at % 5], "celsius": 10 + at * 7 % 13, "valves": ["in", "out"], "on": True}
        for at in range(number)
    ]


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("change", [{"on": False}, {"celsius": 977}, {"celsius": None}, {"valves": ["in", "leak"]}])
def test_an_odd_value_is_kept_with_its_record(change: dict[str, object], indent: int | None) -> None:
    rows = sensors()
    rows[77] |= change
    told = kept(json.dumps(rows, indent=indent))
    assert '"sensor": "s-77"' in told
    assert json.dumps(rows[0]["town"]) in told


def test_a_key_too_many_or_too_few_is_odd() -> None:
    rows = sensors()
    rows[40]["override"] = "manual"
    del rows[90]["on"]
    told = kept("\n".join(map(json.dumps, rows)))
    assert "s-40" in told
    assert "s-90" in told
    assert "[" in told


def test_values_that_contradict_each_other_are_odd() -> None:
    rows = [{"net": 3 + at * 37 % 91, "vat": (3 + at * 37 % 91) * 2, "site": f"site {at}"} for at in range(120)]
    rows[33]["vat"] = 71
    assert '"site 33"' in kept(json.dumps(rows))


def test_the_keys_of_a_map_are_data() -> None:
    table = {f"pkg-{at}": {"version": f"1.{at % 9}.0", "origin": "registry", "size": 10 + at % 7} for at in range(120)}
    table["pkg-61"]["origin"] = "file:../elsewhere"
    text = json.dumps({"name": "app", "packages": table}, indent=1)
    told = kept(text)
    assert '"pkg-61"' in told
    assert "elsewhere" in told
    assert '"name": "app"' in told
    assert f'"version": "{table["pkg-88"]["version"]}"' in kept(text, "which version of pkg-88 is there?")


def test_a_flat_map_is_asked_by_its_keys() -> None:
    text = json.dumps({"limits": {f"{TOWNS[at % 5]}.queue.{at}".lower(): at * 31 for at in range(200)}}, indent=1)
    assert '"riga.queue.104": 3224' in kept(text, "what is riga.queue.104 set to?", 20)


def test_the_places_of_short_lists_are_judged_apart() -> None:
    points = [{"id": at, "at": [11 + at * 37 % 89 / 100, 48 + at * 53 % 97 / 100]} for at in range(120)]
    points[50]["at"] = [48.5, 11.25]
    assert "[48.5, 11.25]" in kept(json.dumps(points))


def test_a_long_value_is_cut_where_it_may_be() -> None:
    speech = " ".join(f"In the {name} port the crane number {at} was oiled." for at, name in enumerate(TOWNS * 12))
    text = json.dumps({"title": "log", "body": speech + "\nThe pilot refused to board the Meridian."})
    told = kept(text, "which ship did the pilot refuse to board?")
    assert "The pilot refused to board the Meridian." in told
    assert len(told) < len(text) / 5


def test_deep_things_bring_what_they_stand_in() -> None:
    deep = {"plant": {f"hall-{at}": {"rows": [{"lamp": at, "note": "x" * 50, "more": "y" * 400}]} for at in range(9)}}
    deep["plant"]["hall-5"]["rows"].append({"lamp": 99, "note": "smells of gas", "more": "y" * 400})
    told = kept(json.dumps(deep, indent=2), "where does it smell of gas?", 4)
    assert '"plant": {' in told
    assert '"hall-5": {' in told
    assert "smells of gas" in told


def test_yaml_records_and_their_first_lines() -> None:
    text = "kind: List\nitems:\n" + "".join(
        f"- name: pod-{at}\n  phase: {'Evicted' if at == 51 else 'Running'}\n  restarts: {at % 3}\n  node: n{at % 7}\n"
        f"  labels:\n    tier: web\n    zone: {'abc'[at % 3]}\n    owner: {'team-' * 60}\n"
        for at in range(90)
    )
    told = kept(text)
    assert told.startswith("kind: List\nitems:\n")
    assert "- name: pod-51\n" in told
    assert "phase: Evicted" in told
    assert "lines]" in told


def test_what_is_left_out_is_said() -> None:
    assert left_out(" \n") == ""
    assert left_out('  "a": 1,\n  "b": 2,\n') == "[2 lines]\n"
    assert left_out('{"a": 1}, {"a": 2}, ') == "[2 objects] "
    assert left_out('"abc", ') == "[7 characters] "


@given(st.text(alphabet='{}[]",:a1 \n-', max_size=200))
def test_the_pieces_of_any_text_are_in_order(text: str) -> None:
    at = 0
    pieces = plan(text, "a", 10).pieces
    for number, piece in enumerate(pieces):
        assert at <= piece.start < piece.end <= len(text)
        assert -1 <= piece.under < len(pieces)
        assert piece.under != number
        at = piece.end
