"""The pins: hashed, complete, naming no host, and the core a part of what the tests run with."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PINS = {path.stem: path.read_text(encoding="utf-8") for path in sorted((ROOT / "requirements").glob("*.txt"))}
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

_PIN = re.compile(
    r"^([a-z0-9-]+)==(\S+)(?: ; [^\\]+)? \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", re.MULTILINE
)


def pinned(text: str) -> set[tuple[str, str]]:
    return {(pin[1], pin[2]) for pin in _PIN.finditer(text)}


def wanted(requirements: list[str]) -> set[str]:
    """The bare names of requirements, in the form that pins use."""
    return {re.split(r"[<>=\[; ]", each)[0].lower().replace("_", "-") for each in requirements}


def test_there_are_six_files() -> None:
    assert set(PINS) == {"core", "fuzz", "llama", "model", "peers", "test"}


@pytest.mark.parametrize("form", ["core", "fuzz", "llama", "model", "peers", "test"])
def test_nothing_but_hashed_pins(form: str) -> None:
    rest = _PIN.sub("", PINS[form])
    assert [line for line in rest.splitlines() if not line.startswith("#")] == []
    assert "/" not in rest.replace("requirements/refresh", "")


def test_core_is_a_part_of_test() -> None:
    assert pinned(PINS["core"]) < pinned(PINS["test"])


def test_every_dependency_is_pinned() -> None:
    project = PROJECT["project"]
    core = {each for each, _ in pinned(PINS["core"])}
    test = {each for each, _ in pinned(PINS["test"])}
    assert wanted(project["dependencies"]) | wanted(PROJECT["dependency-groups"]["build"]) <= core
    extras = [
        each for name, extra in project["optional-dependencies"].items() if name not in ("ray", "all") for each in extra
    ]
    assert wanted(extras) | wanted(PROJECT["dependency-groups"]["test"]) <= test


def test_few_dependencies() -> None:
    assert len(PROJECT["project"]["dependencies"]) <= 12


def test_what_stays_out() -> None:
    assert not {each for each, _ in pinned(PINS["test"])} & {"torch", "ray", "diskcache", "litellm"}


def test_all_is_everything_but_ray() -> None:
    extras = PROJECT["project"]["optional-dependencies"]
    (everything,) = extras["all"]
    assert set(everything.removeprefix("penstock[").removesuffix("]").split(",")) == set(extras) - {"ray", "all"}
