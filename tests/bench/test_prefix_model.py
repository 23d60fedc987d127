"""The model of `scripts/bench prefix`: its tokens and weights, as far as that needs no engine."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy

from penstock.bench.prefix.model import SHAPE, Shape, tensors, vocabulary
from penstock.bench.prefix.words import WORDS, context, question

SMALL = Shape(layers=1, width=8, heads=4, heads_kv=2, inner=6)
SPACE = "▁"


def tokens(text: str) -> list[str]:
    """What a tokeniser of this kind makes of a text: the best pair of neighbours is joined, until none can be."""
    scores = {piece.text: piece.score for piece in vocabulary()}
    found = list(text.replace(" ", SPACE))
    while True:
        pairs = [(scores.get(left + right, -math.inf), -place) for place, (left, right) in enumerate(pairwise(found))]
        best, place = max(pairs, default=(-math.inf, 0))
        if best == -math.inf:
            return found
        found[-place : 2 - place] = ["".join(found[-place : 2 - place])]


def test_special_tokens_and_bytes_are_where_a_reader_looks_for_them() -> None:
    pieces = vocabulary()
    texts = [piece.text for piece in pieces]
    assert texts[:3] == ["<unk>", "<s>", "</s>"]
    assert texts[3:259] == [f"<0x{number:02X}>" for number in range(256)]
    assert len(set(texts)) == len(texts)
    assert {"\n", SPACE, "a", "~", "?", f"{SPACE}question"} <= set(texts)


def test_a_word_is_one_token() -> None:
    text = context(1, 30)
    assert tokens(f" {text}") == [SPACE + word for word in text.split()]
    assert set(tokens(" " + " ".join(WORDS))) == {SPACE + word for word in WORDS}


def test_texts_differ_by_their_seeds_and_nothing_else() -> None:
    assert context(1, 50) == context(1, 50) != context(2, 50)
    assert len(context(1, 50).split()) == 50
    assert len({question(1, 0), question(1, 1), question(2, 0)}) == 3
    assert question(1, 0) == question(1, 0)


def test_the_weights_have_the_shapes_of_a_llama() -> None:
    pieces = vocabulary()
    made = tensors(SMALL, pieces)
    assert {name: weights.shape for name, weights in made.items()} == {
        "token_embd.weight": (len(pieces), 8),
        "output.weight": (len(pieces), 8),
        "output_norm.weight": (8,),
        "blk.0.attn_norm.weight": (8,),
        "blk.0.attn_q.weight": (8, 8),
        "blk.0.attn_k.weight": (4, 8),
        "blk.0.attn_v.weight": (4, 8),
        "blk.0.attn_output.weight": (8, 8),
        "blk.0.ffn_norm.weight": (8,),
        "blk.0.ffn_gate.weight": (6, 8),
        "blk.0.ffn_up.weight": (6, 8),
        "blk.0.ffn_down.weight": (8, 6),
    }
    assert SHAPE.width % SHAPE.heads == SHAPE.heads % SHAPE.heads_kv == 0


def test_the_weights_are_the_same_each_time() -> None:
    pieces = vocabulary()
    first, second = tensors(SMALL, pieces), tensors(SMALL, pieces)
    assert all(numpy.array_equal(weights, second[name]) for name, weights in first.items())


def test_only_plain_text_is_ever_likely() -> None:
    pieces = vocabulary()
    heard = tensors(SMALL, pieces)["output.weight"].any(axis=1)
    assert not heard[:259].any()
    assert heard[259:].all()
