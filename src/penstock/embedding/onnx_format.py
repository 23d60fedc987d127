"""Writing a model in the ONNX format, as far as a graph of a few operators needs it.

The format is protocol buffers; field numbers are those of ``onnx.proto`` (version 1.14). Writing the few messages here
spares the package ``onnx`` with its dependencies: 40 MB for one file that is made once.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Graph"]

_TYPES: Final = {"float32": 1, "int8": 3, "int64": 7}
_IR_VERSION: Final = 8
_OPSETS: Final = {"": 18, "com.microsoft": 1}
"""The standard operators, and those that ONNX Runtime adds for transformers."""


class Graph:
    """A model as it grows: each method gives the name of what it added."""

    def __init__(self) -> None:
        self._nodes: list[bytes] = []
        self._values: list[bytes] = []

    def value(self, array: np.ndarray[Any, Any]) -> str:
        """A constant: weights, say."""
        name = f"value{len(self._values)}"
        dims = b"".join(_number(1, size) for size in array.shape)
        tensor = dims + _number(2, _TYPES[array.dtype.name]) + _text(8, name) + _bytes(9, array.tobytes())
        self._values.append(tensor)
        return name

    def add(
        self,
        operator: str,
        inputs: Sequence[str],
        *,
        domain: str = "",
        output: str = "",
        **attributes: int | float,
    ) -> str:
        """An operator, which takes ``inputs`` by their names, "" for one that is left out. The name of its output."""
        output = output or f"out{len(self._nodes)}"
        node = b"".join(_text(1, name) for name in inputs) + _text(2, output) + _text(4, operator)
        node += b"".join(_bytes(5, _attribute(*each)) for each in attributes.items()) + _text(7, domain)
        self._nodes.append(node)
        return output

    def model(self, given: str, found: str) -> bytes:
        """The file: from ``given``, some int64, to ``found``, some float32."""
        graph = b"".join(_bytes(1, node) for node in self._nodes) + _text(2, "embedding")
        graph += b"".join(_bytes(5, value) for value in self._values)
        graph += _bytes(11, _tensor_of(given, "int64")) + _bytes(12, _tensor_of(found, "float32"))
        opsets = b"".join(_bytes(8, _text(1, domain) + _number(2, version)) for domain, version in _OPSETS.items())
        return _number(1, _IR_VERSION) + _bytes(7, graph) + opsets


def _tensor_of(name: str, kind: str) -> bytes:
    return _text(1, name) + _bytes(2, _bytes(1, _number(1, _TYPES[kind])))


def _attribute(name: str, value: int | float) -> bytes:
    told = _float(2, value) + _number(20, 1) if isinstance(value, float) else _number(3, value) + _number(20, 2)
    return _text(1, name) + told


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    return bytes((*found, number))


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _float(field: int, value: float) -> bytes:
    return _varint(field << 3 | 5) + struct.pack("<f", value)


def _text(field: int, value: str) -> bytes:
    return _bytes(field, value.encode())
