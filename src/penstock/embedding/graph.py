"""A sentence encoder of the MiniLM family as a graph that ONNX Runtime runs, its matrices in 8 bits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from penstock.embedding.onnx_format import Graph

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

__all__ = ["FOUND", "GIVEN", "encoder"]

GIVEN: Final = "ids"
"""The input: the numbers of one text's tokens, int64 [1, tokens]."""

FOUND: Final = "vector"
"""The output: float32 [1, width], of length 1."""

_LARGEST: Final = 63.0
"""Of the weights, which have 7 bits: processors without VNNI add the products of two in 16, and 8 would run over. It
costs nothing: on 300 questions as many answers are kept."""

_EPSILON: Final = 1e-12

_RUNTIME: Final = "com.microsoft"
"""The operators that ONNX Runtime adds to the standard for such models: an encoder's layer is nine of them."""


def encoder(weights: Mapping[str, Array], heads: int) -> bytes:
    """The model file, from the weights by the names that BERT gives them, and the heads of its attention.

    It takes one text at a time: nothing is padded, and its vector does not depend on what else is asked. In batches of
    8 a text costs up to 25% less where it is short, and nothing less from 64 tokens on.
    """
    return _Encoder(weights, heads).model()


class _Encoder:
    def __init__(self, weights: Mapping[str, Array], heads: int) -> None:
        self._weights = weights
        self._heads = heads
        self._graph = Graph()

    def model(self) -> bytes:
        import numpy as np

        graph = self._graph
        hidden, layer = self._embedded(), 0
        while f"encoder.layer.{layer}.output.dense.weight" in self._weights:
            hidden = self._layer(hidden, f"encoder.layer.{layer}")
            layer += 1
        mean = graph.add("ReduceMean", [hidden, graph.value(np.array([1]))], keepdims=0)
        graph.add("LpNormalization", [mean], output=FOUND)
        return graph.model(GIVEN, FOUND)

    def _embedded(self) -> str:
        """What each token means by itself, and where it stands."""
        import numpy as np

        graph, weights = self._graph, self._weights
        words, scale = _whole(weights["embeddings.word_embeddings.weight"], axis=1)
        first_kind = weights["embeddings.token_type_embeddings.weight"][0]
        places = weights["embeddings.position_embeddings.weight"] + first_kind
        rows = graph.add("Cast", [graph.add("Gather", [graph.value(words), GIVEN])], to=1)
        rows = graph.add("Mul", [rows, graph.add("Gather", [graph.value(scale), GIVEN])])
        length = graph.add("Shape", [GIVEN], start=1)
        own_places = graph.add("Slice", [graph.value(places), graph.value(np.array([0])), length])
        both = graph.add("Add", [rows, own_places])
        norm = self._values("embeddings.LayerNorm", "weight", "bias")
        return graph.add("LayerNormalization", [both, *norm], epsilon=_EPSILON)

    def _layer(self, hidden: str, name: str) -> str:
        graph = self._graph
        own = f"{name}.attention"
        asked = [self._times(hidden, f"{own}.self.{each}") for each in ("query", "key", "value")]
        seen = graph.add("MultiHeadAttention", asked, domain=_RUNTIME, num_heads=self._heads)
        seen = self._on_top(self._times(seen, f"{own}.output.dense"), hidden, f"{own}.output.LayerNorm")
        wide = graph.add("Gelu", [self._times(seen, f"{name}.intermediate.dense")], domain=_RUNTIME)
        return self._on_top(self._times(wide, f"{name}.output.dense"), seen, f"{name}.output.LayerNorm")

    def _times(self, hidden: str, name: str) -> str:
        """A dense layer: 8 bits times 8 bits, with a scale for each column of the matrix."""
        matrix, scale = _whole(self._weights[f"{name}.weight"].T, axis=0)
        value = self._graph.value
        inputs = [hidden, value(matrix), value(scale[0]), "", *self._values(name, "bias")]
        return self._graph.add("DynamicQuantizeMatMul", inputs, domain=_RUNTIME)

    def _on_top(self, more: str, hidden: str, norm: str) -> str:
        inputs = [more, hidden, *self._values(norm, "weight", "bias")]
        return self._graph.add("SkipLayerNormalization", inputs, domain=_RUNTIME, epsilon=_EPSILON)

    def _values(self, name: str, *parts: str) -> list[str]:
        return [self._graph.value(self._weights[f"{name}.{part}"]) for part in parts]


def _whole(matrix: Array, axis: int) -> tuple[Array, Array]:
    """A matrix in whole numbers, and what each row or column of them is to be multiplied by."""
    import numpy as np

    scale = np.maximum(np.abs(matrix).max(axis, keepdims=True), 1e-12).astype(np.float32) / np.float32(_LARGEST)
    return np.ascontiguousarray(np.rint(matrix / scale).astype(np.int8)), scale
