"""Code: the asked definition whole, of the others the signatures, and what is odd."""

from __future__ import annotations

import pytest

from penstock.meter.tokens import count
from penstock.policy.compress.alike import without_numbers
from penstock.policy.compress.answers import answers
from penstock.policy.compress.code import plan
from penstock.policy.compress.extract import Piece, extract

NAMES = ("keel", "mast", "rudder", "anchor", "hull", "deck", "galley", "bilge", "winch", "tiller", "boom", "stern")

PYTHON = '''def moor_ship(ship, berth):
    """Tie a ship to a berth."""
    if berth.taken:
        raise Occupied(berth)

    berth.taken = True
    ship.lines = throw_lines(berth)
    return ship
'''
JAVASCRIPT = """export async function moorShip(ship, berth) {
  if (berth.taken) {
    throw new Occupied(berth);
  }
  ship.lines = await throwLines(berth);
  return ship;
}
"""


def kept(text: str, query: str | None = None, ratio: float = 8) -> str:
    room = round(count(text) / ratio)
    return extract(text, plan(text, query, room), room, count).text


def python(number: int = 60, at: int = 35, inside: str = PYTHON) -> str:
    told = '"""Parts of ships."""\n\nimport math\n\nLIMIT = 3\n\n'
    for n in range(number):
        name = NAMES[n % 12]
        told += f"def {name}_{n}(part, least={n}):\n    # the usual\n    value = part.{NAMES[n * 5 % 12]}\n"
        told += "    return math.floor(value) + least\n\n\n"
        told += f"{inside}\n\n" if n == at else ""
    return told + "def throw_lines(berth):\n    return berth.bollards\n"


def script(number: int = 60, at: int = 35) -> str:
    told = "import { lines } from './lines.js';\n\n"
    for n in range(number):
        told += f"function {NAMES[n % 12]}{n}(a) {{\n  const x = a.{NAMES[n * 5 % 12]};\n  return x * {n};\n}}\n\n"
        told += f"{JAVASCRIPT}\n" if n == at else ""
    return told


@pytest.mark.parametrize(
    "query", ["what does moor_ship do?", "explain moor_ship()", "who moors a ship at a taken berth?"]
)
def test_the_asked_function_is_kept_whole(query: str) -> None:
    told = kept(python(), query)
    for line in PYTHON.splitlines():
        assert line in told
    assert "def throw_lines(berth):" in told


def test_other_languages_are_read_by_their_brackets() -> None:
    told = kept(script(), "why does moorShip throw?")
    for line in JAVASCRIPT.splitlines():
        assert line in told


def test_without_a_query_signatures_and_warnings_are_kept() -> None:
    told = kept(
        python(inside=PYTHON.replace("    berth.taken", "    # HACK: two ships may pass here\n    berth.taken")),
        ratio=3,
    )
    assert '"""Parts of ships."""' in told
    assert "# HACK: two ships may pass here" in told
    assert "def moor_ship(ship, berth):" in told
    assert told.count("def ") > 35


def test_a_function_unlike_the_others_is_kept() -> None:
    told = kept(python(), ratio=6)
    assert "raise Occupied(berth)" in told


def test_a_method_brings_its_class_and_a_long_signature_is_one_piece() -> None:
    filler = "".join(
        f"    def {NAMES[n % 12]}_{n}(self):\n        return self.{NAMES[n * 5 % 12]}\n\n" for n in range(40)
    )
    text = (
        f"class Harbour:\n    '''\n    Where ships lie.\n    '''\n\n{filler}"
        f"    @cached\n    def pilot(\n        self,\n        ship,\n    ):\n        for buoy in self.buoys:\n"
        f"            if buoy.lit:\n                ship.pass_by(buoy)\n\n{filler}"
    )
    told = kept(text, "how does the pilot pass a lit buoy?", 10)
    assert "class Harbour:\n" in told
    assert (
        "    @cached\n    def pilot(\n        self,\n        ship,\n    ):\n        for buoy in self.buoys:\n" in told
    )


def test_a_signature_may_have_no_end() -> None:
    text = "def moor(\n    a,\n\n    b\n" + "".join(f"x{n} = {n}\n" for n in range(30))
    assert "def moor(" in kept(text, ratio=3)


def test_names_are_told_from_words() -> None:
    text = "".join(f"def {name}(a):\n    return a.{NAMES[at - 1]} + {at}\n\n\n" for at, name in enumerate(NAMES))
    assert "def hull(a):\n    return a.anchor + 4\n" in kept(text, "what does `hull` give back?", 6)
    assert "def hull(a):\n" in kept(text, "show the hull and all that", 6)
    assert "def hull(a):\n" in kept(text, "and the hulls?", 6)
    nested = "".join(f"{'    ' * deep}class {name}:\n" for deep, name in enumerate("ABCDE")) + f"{' ' * 20}x = 1\n"
    assert "class A:" in kept(nested, ratio=1.5)


def test_numbers_of_lines_are_not_code() -> None:
    numbered = "[File: ship.py]\n" + "\n".join(f"{n}:{line}" for n, line in enumerate(python().split("\n"), 1))
    told = kept(numbered, "what does moor_ship do?")
    assert ":def moor_ship(ship, berth):\n" in told
    assert without_numbers(["a", "b"]) == ["a", "b"]


def test_words_above_a_piece_are_its_own_at_less() -> None:
    text = "mast\n keel\n keel\n boom"
    pieces = [Piece(0, 5, 0), Piece(5, 11, 0, under=0), Piece(11, 17, 0)]
    top, under, bare = answers(text, "the keel of the mast and the boom", pieces)
    assert top > 0
    assert under > bare > 0
    assert answers(text, "boom", [Piece(0, 5, 0), Piece(5, 11, 0)]) == [0.0, 0.0]
    assert answers(text, "boom", [Piece(0, 5, 0), Piece(18, 22, 0)])[0] == 0.0
    assert answers("keel mast", "keel", [Piece(5, 9, 0)]) == [0.0]
    assert answers(text, None, pieces) == [0.0] * 3


def test_a_docstring_may_have_no_end() -> None:
    text = (
        "".join(f"def {name}(a):\n    return a.{name}\n\n\n" for name in NAMES) + 'def last():\n    """Never\n    ends'
    )
    assert '"""Never' in kept(text, ratio=1.2)


def test_no_code_has_no_pieces() -> None:
    assert plan("", None, 5).pieces == []
    assert kept("\n\nx = 1\n", ratio=0.5) == "x = 1\n"
