"""The examples of README.md that need a key, with one, and an upstream on this machine."""

from __future__ import annotations

import pytest
from tests.cli.test_ask import serving
from tests.house.test_docs import ROOT, blocks, run

from penstock.testing import Plan
from penstock.values import Usage


def test_the_example_with_an_official_sdk(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    ((line, source),) = blocks((ROOT / "README.md").read_text("utf-8"), "no-run")
    with serving(Plan("At nine.", usage=Usage(input=1000, output=200))) as up:
        monkeypatch.setenv("OPENAI_API_KEY", "k")
        monkeypatch.setenv("OPENAI_BASE_URL", f"{up.url}/v1")
        run(source, name="README.md", line=line)
    assert capsys.readouterr().out == "At nine.\nasked $0.00065 = spent $0.00065 + saved $0.00\n"
