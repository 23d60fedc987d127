"""``penstock eval prefix``: the rows it writes, the table it prints, and what it says to what it cannot use."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from penstock.cli import main


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    path = tmp_path / "trace.jsonl"
    rows = [
        {"timestamp": 200_000 * session + 20_000 * turn, "input_length": 512 * (4 + 2 * turn) + 9, "hash_ids": ids}
        for session in range(60)
        for turn in range(6)
        for ids in [[100 * session + at for at in range(4 + 2 * turn)] + [-100 * session - turn - 1]]
    ]
    path.write_text("\n".join(json.dumps(row) for row in rows), "utf-8")
    return path


def test_rows_and_figures(trace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "marks.jsonl"
    words = ["eval", "prefix", "--trace", str(trace), "--provider", "anthropic", "--out", str(out)]
    assert main([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["requests"] == 360
    assert told["relative_cost"] == next(each["relative_cost"] for each in told["outcomes"] if each["name"] == "policy")
    assert told["relative_cost"] < 0.85
    rows = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert len(rows) == 360
    assert rows[0] == {"marks": [], "ttl": None}
    assert rows[-1]["ttl"] == "5m"
    assert rows[-1]["marks"] == sorted(rows[-1]["marks"])
    assert main(words) == 0
    shown = capsys.readouterr()
    assert "the write policy" in shown.out
    assert "foretold" in shown.out
    assert "marks of 360 requests" in shown.err
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.fixture
def empty(trace: Path) -> Path:
    path = trace.with_name("empty.jsonl")
    path.write_text("", "utf-8")
    return path


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--trace", "none.jsonl", "--out", "x"], "cannot read"),
        (["--trace", "trace.jsonl", "--out", "none/x"], "cannot write"),
        (["--trace", "trace.jsonl", "--out", "x", "--provider", "nobody"], "at 'nobody' (use --provider anthropic;"),
        (["--trace", "trace.jsonl", "--out", "x", "--provider", "bedrock"], "with a --model also bedrock"),
        (["--trace", "empty.jsonl", "--out", "x"], "empty.jsonl is empty"),
        (["--trace", "trace.jsonl", "--out", "x", "--provider", "openai", "--model", "gpt-5"], "no rules of marked"),
    ],
)
@pytest.mark.usefixtures("empty")
def test_what_cannot_be_used(
    trace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], told: str
) -> None:
    monkeypatch.chdir(trace.parent)
    assert main(["eval", "prefix", *words]) == 2
    assert told in capsys.readouterr().err
    assert not (trace.parent / "x").exists()


def test_the_trace_is_not_written_over(trace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = trace.read_bytes()
    assert main(["eval", "prefix", "--trace", str(trace), "--out", str(trace)]) == 2
    assert "another file" in capsys.readouterr().err
    assert trace.read_bytes() == before


def test_with_an_allowance_it_begins_sooner(trace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    costs = []
    for allowance in ("0", "12000"):
        words = ["eval", "prefix", "--trace", str(trace), "--out", str(tmp_path / "out"), "--allowance", allowance]
        assert main([*words, "--json"]) == 0
        costs.append(json.loads(capsys.readouterr().out)["relative_cost"])
    assert costs[1] < costs[0]
