"""Documentation is executed: the doctests of every module, and the Python blocks of README.md and docs/.

A block that opens with ```` ```python no-run ```` is left out. Each block stands alone, may await at its top level,
and has no key: the embedded reader answers.
"""

from __future__ import annotations

import ast
import asyncio
import doctest
import importlib
import inspect
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted(
    ".".join(path.relative_to(ROOT / "src").with_suffix("").parts).removesuffix(".__init__")
    for path in (ROOT / "src").glob("penstock/**/*.py")
)
PAGES = [path for path in [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))] if path.exists()]

_BLOCK = re.compile(r"^```python *(?P<mark>[^\n]*)\n(?P<source>.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(text: str, mark: str = "") -> list[tuple[int, str]]:
    """The blocks of a page that bear a mark, or none and are runnable: the line each begins on, and its source."""
    return [
        (text.count("\n", 0, found.start("source")) + 1, found["source"])
        for found in _BLOCK.finditer(text)
        if found["mark"].strip() == mark
    ]


BLOCKS = [
    pytest.param(page, line, source, id=f"{page.relative_to(ROOT).as_posix()}:{line}")
    for page in PAGES
    for line, source in blocks(page.read_text(encoding="utf-8"))
]


def run(source: str, *, name: str, line: int = 1) -> bool:
    """Whether a block runs to its end; what it raises tells the line of the page."""
    code = compile("\n" * (line - 1) + source, name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    result = eval(code, {"__name__": "__main__"})
    if inspect.iscoroutine(result):
        asyncio.run(result)
    return True


@pytest.mark.parametrize("module", MODULES)
def test_doctests(module: str) -> None:
    assert doctest.testmod(importlib.import_module(module)).failed == 0


@pytest.mark.parametrize(("page", "line", "source"), BLOCKS)
def test_blocks(page: Path, line: int, source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert run(source, name=str(page), line=line)


def test_blocks_are_found_and_run() -> None:
    page = (
        "text\n```python\nawait __import__('asyncio').sleep(0)\n1 / 0\n```\n```python no-run\nx\n```\n```sh\nls\n```\n"
    )
    ((line, source),) = blocks(page)
    assert line == 3
    with pytest.raises(ZeroDivisionError) as caught:
        run(source, name="page.md", line=line)
    assert caught.traceback[-1].lineno == 3  # counted from 0
