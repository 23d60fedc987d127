"""Reading JSON that comes from outside: total functions, so that no shape of it ever raises by accident.

Decoded JSON has the exact classes ``dict`` and ``list``, so the class is compared: it is read for every token.
"""

from __future__ import annotations

from typing import Any, TypeAlias, TypeGuard

__all__ = ["Json", "entries", "is_array", "is_object", "mapping", "objects", "text"]

Json: TypeAlias = dict[str, Any]

_NOTHING: Json = {}


def mapping(value: Any) -> Json:
    """The value if it is an object, otherwise an empty one. For reading only."""
    return value if value.__class__ is dict else _NOTHING


def entries(value: Any) -> list[Any]:
    """The value if it is a list, otherwise an empty one."""
    return value if value.__class__ is list else []


def objects(value: Any) -> list[Json]:
    """The objects in a list; empty if it is none."""
    return [entry for entry in entries(value) if entry.__class__ is dict]


def text(value: Any) -> str:
    """The value if it is a string, otherwise an empty one."""
    return value if isinstance(value, str) else ""


def is_array(value: object) -> TypeGuard[list[Any]]:
    """Whether the value is a JSON array."""
    return isinstance(value, list)


def is_object(value: object) -> TypeGuard[Json]:
    """Whether the value is a JSON object."""
    return isinstance(value, dict)
