"""The guides for clients: what `scripts/try-clients` does with them, as far as that needs no network."""

from __future__ import annotations

import ast
import asyncio
import doctest
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "clients"
sys.path.insert(0, str(FOLDER))

import guides  # noqa: E402
import trial  # noqa: E402

PAGES = {path.stem: path for path in sorted(FOLDER.glob("*.md")) if path.stem != "README"}


def guide(name: str) -> Any:
    return guides.read(PAGES[name].read_text("utf-8"))


FILES = [
    pytest.param(name, source, id=f"{page}/{name}") for page in PAGES for name, source in guide(page).files.items()
]


def checked(words: list[str], source: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, input=source, capture_output=True, text=True, check=False, timeout=60)


def test_each_guide_is_tried_and_listed() -> None:
    assert os.access(ROOT / "scripts" / "try-clients", os.X_OK)
    assert set(PAGES) == set(trial.CLIENTS)
    index = (FOLDER / "README.md").read_text("utf-8")
    assert set(re.findall(r"\]\(([\w-]+)\.md\)", index)) == set(PAGES)


@pytest.mark.parametrize("name", PAGES)
def test_a_guide_tells_how_to_see_that_it_works_and_where_it_does_not(name: str) -> None:
    page, found = PAGES[name].read_text("utf-8"), guide(name)
    assert "## Limits\n" in page
    assert {"Ask", "See that it goes through"} <= {step.section for step in found.steps}
    assert all(step.prints for step in found.steps if step.section != found.title)
    assert guides.ADDRESS in page


@pytest.mark.parametrize("name", PAGES)
def test_commands_are_correct(name: str) -> None:
    for step in guide(name).steps:
        done = checked(["bash", "-n"], step.commands)
        assert not done.returncode, f"line {step.line}: {done.stderr}"


@pytest.mark.parametrize(("name", "source"), FILES)
def test_files_are_correct(name: str, source: str) -> None:
    match Path(name).suffix:
        case ".py":
            ast.parse(source)
        case ".toml":
            tomllib.loads(source)
        case ".mjs" if shutil.which("node"):
            done = checked(["node", "--check", "--input-type=module", "-"], source)
            assert not done.returncode, done.stderr
        case suffix:
            assert suffix in {".mjs", ".yaml"}


@pytest.mark.parametrize("name", trial.CLIENTS)
def test_versions_are_exact(name: str) -> None:
    client = trial.CLIENTS[name]
    assert client.pip or client.npm
    assert all(re.fullmatch(r"[\w-]+==[\d.]+", pin) for pin in client.pip)
    assert all(re.fullmatch(r"@?[\w/-]+@[\d.]+", pin) for pin in client.npm)


def test_the_reader_of_guides() -> None:
    assert doctest.testmod(guides).failed == 0
    with pytest.raises(ValueError, match="line 3: a block that is neither"):
        guides.read("# x\n```python no-run\n1\n```\n")
    assert guides.read("# x\n```sh\nnpm install x\n```\n").steps == []


CURL = """# curl
```sh
curl -s http://127.0.0.1:8080/v1/chat/completions -d '{"model": "gpt-5-mini", "messages": []}' | grep -c "At nine."
```
```text
1
```
## Metrics
```sh
curl -s http://127.0.0.1:8080/metrics | grep ^penstock_calls_total | head -1
```
```text
penstock_calls_total{source="upstream"} 1
```
"""


@pytest.mark.skipif(shutil.which("curl") is None, reason="the guides ask the gateway with curl")
def test_the_guide_of_an_sdk_that_is_here_anyway_does_what_it_says(tmp_path: Path) -> None:
    done = asyncio.run(trial.tried("openai-python", tmp_path))
    assert done.fault == ""
    assert {"Ask", "Stream", "Tools", "See that it goes through"} <= set(done.sections)


@pytest.mark.skipif(shutil.which("curl") is None, reason="the guides ask the gateway with curl")
@pytest.mark.parametrize(
    ("before", "after", "fault"),
    [
        ("", "", ""),
        (
            '"upstream"} 1',
            '"upstream"} 2',
            "line 10, Metrics: 'penstock_calls_total{source=\"upstream\"} 2' is expected",
        ),
        ("head -1", "false", "line 10, Metrics: 'penstock_calls_total"),
        ("head -1", "head -1; false", "line 10, Metrics: exit code 1"),
    ],
)
def test_a_guide_that_is_wrong_is_found(tmp_path: Path, before: str, after: str, fault: str) -> None:
    (tmp_path / "openai-python.md").write_text(CURL.replace(before, after), "utf-8")
    done = asyncio.run(trial.tried("openai-python", tmp_path, tmp_path))
    assert done.fault.startswith(fault)
    assert bool(done.fault) == bool(fault)
    assert done.sections == ([] if fault else ["Metrics"])
