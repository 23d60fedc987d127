"""Reading the weights of a model from a file in the safetensors format."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    import numpy as np

__all__ = ["read"]


class _Tensor(msgspec.Struct):
    dtype: str
    shape: list[int]
    data_offsets: tuple[int, int]


def read(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    """The float32 tensors of a file by their names, each read when it is used.

    The file is the length of its header in 8 bytes, the header in JSON, and the numbers. Raises `OSError`, and
    `ValueError` where it is none.
    """
    import numpy as np

    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        told = file.read(min(size, path.stat().st_size))
    header = msgspec.json.decode(told, type=dict[str, msgspec.Raw])
    header.pop("__metadata__", None)
    numbers = np.memmap(path, np.uint8, "r", 8 + size)
    found: dict[str, np.ndarray[Any, Any]] = {}
    for name, each in header.items():
        tensor = msgspec.json.decode(each, type=_Tensor)
        if tensor.dtype == "F32":
            begin, end = tensor.data_offsets
            found[name] = numbers[begin:end].view(np.float32).reshape(tensor.shape)
    return found
