"""A small llama with random weights: ``python -m penstock.bench.prefix.model FILE`` writes it as GGUF.

What it answers means nothing; what it costs is real. It has the shape of its big siblings and 3 million weights, so
that one processor needs a second or two to read 4,096 tokens, and 2 ms to write one. The same file comes out each time.
Needs the package ``gguf``, which `scripts/llama` installs.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import msgspec
import numpy

from penstock.bench.prefix.words import WORDS

__all__ = ["SHAPE", "Piece", "Shape", "tensors", "vocabulary", "write"]

_NORMAL, _UNKNOWN, _CONTROL, _BYTE = 1, 2, 3, 6
"""Kinds of tokens, as GGUF numbers them."""
_SPACE = "\N{LOWER ONE EIGHTH BLOCK}"
"""What stands for a space in a vocabulary of this kind."""
_SEED = 11


class Shape(msgspec.Struct, frozen=True):
    """The sizes of a llama."""

    layers: int = 4
    width: int = 256
    """Of what goes from layer to layer."""
    heads: int = 4
    heads_kv: int = 2
    """Heads that keys and values have: what the KV cache holds."""
    inner: int = 704
    """Of the feed-forward part."""
    context: int = 8192
    """The most tokens that it was made for."""

    @property
    def width_kv(self) -> int:
        """Of keys and of values."""
        return self.width // self.heads * self.heads_kv


SHAPE = Shape()


class Piece(msgspec.Struct, frozen=True):
    """One token of a vocabulary."""

    text: str
    score: float
    """Of two pairs that can be joined, the one with the higher score is joined first."""
    kind: int


def vocabulary() -> list[Piece]:
    """All tokens: the special ones, every byte, the characters of plain text, and `WORDS` with a space in front.

    A tokeniser of this kind joins neighbours for as long as what comes out is a token itself. So each beginning of a
    word is one too, and a word is joined from its left.
    """
    special = [Piece("<unk>", 0.0, _UNKNOWN), Piece("<s>", 0.0, _CONTROL), Piece("</s>", 0.0, _CONTROL)]
    octets = [Piece(f"<0x{number:02X}>", 0.0, _BYTE) for number in range(256)]
    characters = ["\n", _SPACE, *map(chr, range(0x21, 0x7F))]
    beginnings = dict.fromkeys(_SPACE + word[:end] for word in WORDS for end in range(1, len(word) + 1))
    plain = [Piece(text, -float(rank), _NORMAL) for rank, text in enumerate([*characters, *beginnings])]
    return special + octets + plain


def tensors(shape: Shape, pieces: list[Piece]) -> Mapping[str, numpy.ndarray[Any, Any]]:
    """The weights by their names in GGUF: norms in 32 bits, all else in 16."""
    chance = numpy.random.default_rng(_SEED)

    def matrix(rows: int, columns: int) -> numpy.ndarray[Any, Any]:
        drawn = chance.standard_normal((rows, columns), dtype=numpy.float32)
        return (drawn / numpy.float32(columns) ** 0.5).astype(numpy.float16)

    norm = numpy.ones(shape.width, dtype=numpy.float32)
    found = {"token_embd": matrix(len(pieces), shape.width), "output_norm": norm}
    for number in range(shape.layers):
        layer = {
            "attn_norm": norm,
            "attn_q": matrix(shape.width, shape.width),
            "attn_k": matrix(shape.width_kv, shape.width),
            "attn_v": matrix(shape.width_kv, shape.width),
            "attn_output": matrix(shape.width, shape.width),
            "ffn_norm": norm,
            "ffn_gate": matrix(shape.inner, shape.width),
            "ffn_up": matrix(shape.inner, shape.width),
            "ffn_down": matrix(shape.width, shape.inner),
        }
        found |= {f"blk.{number}.{name}": weights for name, weights in layer.items()}
    # Whoever takes the likeliest token never gets one of zero weight: no end before its time, no half characters.
    heard = numpy.array([[piece.kind == _NORMAL] for piece in pieces], dtype=numpy.float16)
    found["output"] = matrix(len(pieces), shape.width) * heard
    return {f"{name}.weight": weights for name, weights in found.items()}


def write(path: str, shape: Shape = SHAPE) -> None:
    """Write the model to a file."""
    gguf: Any = import_module("gguf")
    pieces = vocabulary()
    file = gguf.GGUFWriter(path, "llama")
    file.add_name("penstock bench")
    file.add_context_length(shape.context)
    file.add_block_count(shape.layers)
    file.add_embedding_length(shape.width)
    file.add_feed_forward_length(shape.inner)
    file.add_head_count(shape.heads)
    file.add_head_count_kv(shape.heads_kv)
    file.add_rope_dimension_count(shape.width // shape.heads)
    file.add_layer_norm_rms_eps(1e-5)
    file.add_vocab_size(len(pieces))
    file.add_tokenizer_model("llama")
    file.add_token_list([piece.text for piece in pieces])
    file.add_token_scores([piece.score for piece in pieces])
    file.add_token_types([piece.kind for piece in pieces])
    file.add_add_space_prefix(False)
    file.add_unk_token_id(0)
    file.add_bos_token_id(1)
    file.add_eos_token_id(2)
    for name, weights in tensors(shape, pieces).items():
        file.add_tensor(name, weights)
    file.write_header_to_file()
    file.write_kv_data_to_file()
    file.write_tensors_to_file()
    file.close()


if __name__ == "__main__":
    write(sys.argv[1])
