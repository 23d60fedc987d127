"""Rules of the house that no linter knows."""

from __future__ import annotations

import ast
import os
from pathlib import Path

import pytest

from penstock.context import load

ROOT = Path(__file__).parents[2]
FORBIDDEN_IMPORTS = {"pickle", "cPickle", "dill", "cloudpickle", "litellm", "mock", "unittest.mock"}
VAGUE_NAMES = {"utils", "util", "helpers", "helper", "manager", "common", "misc"}
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60

# Joined here, so that this file does not name them either.
HOSTS = [".".join(parts) for parts in (
    ("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"), ("npmjs", "com"), ("deb", "debian", "org"),
    ("crates", "io"), ("anaconda", "org"),
)]  # fmt: skip


def files() -> list[Path]:
    """What a commit would hold, as far as it is text: every file that is not ignored."""
    return sorted(Path(file.path).absolute() for file in load([str(ROOT)]).files)


FILES = files()
PYTHON = [path for path in FILES if path.suffix == ".py"]
SOURCE = [path for path in PYTHON if path.is_relative_to(ROOT / "src")]


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imported(path: Path) -> set[str]:
    """Dotted names that a file imports; ``from a import b`` gives both ``a`` and ``a.b``."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found | {each.split(".")[0] for each in found}


def test_the_walk_sees_the_house() -> None:
    names = {name(path) for path in FILES}
    assert {"pyproject.toml", ".ci/run", "src/penstock/py.typed", "tests/house/test_rules.py"} <= names
    assert not any(each.startswith((".venv/", ".git/")) or "__pycache__" in each for each in names)


def test_no_registry_host_is_named() -> None:
    found = [f"{name(path)}: {host}" for path in FILES for host in HOSTS if host.encode() in path.read_bytes()]
    assert found == []


def test_no_lock_file_that_names_a_host() -> None:
    assert not {path.name for path in FILES} & {"uv.lock", "poetry.lock", "Pipfile.lock", "package-lock.json"}


@pytest.mark.parametrize("path", PYTHON, ids=name)
def test_no_pickle_no_mock(path: Path) -> None:
    assert not imported(path) & FORBIDDEN_IMPORTS


@pytest.mark.parametrize("path", SOURCE, ids=name)
def test_a_file_is_read_in_one_go(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert source.count("\n") <= MAX_FILE_LINES
    functions = (
        each for each in ast.walk(ast.parse(source)) if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    long = [each.name for each in functions if (each.end_lineno or 0) - each.lineno >= MAX_FUNCTION_LINES]
    assert long == []


@pytest.mark.parametrize("path", SOURCE, ids=name)
def test_a_name_says_what_is_inside(path: Path) -> None:
    assert not {path.stem, path.parent.name} & VAGUE_NAMES


def test_scripts_can_be_run() -> None:
    scripts = [ROOT / "scripts" / each for each in ("setup", "demo", "test", "lint")] + [ROOT / ".ci/run"]
    for script in scripts:
        assert os.access(script, os.X_OK), script
        assert script.read_text(encoding="utf-8").startswith("#!/usr/bin/env bash\n"), script
