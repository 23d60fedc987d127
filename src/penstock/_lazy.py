"""Lazy imports: the ``if TYPE_CHECKING`` block of a package is read as the map from its names to their modules."""

from __future__ import annotations

import ast
from functools import cache
from importlib import import_module
from pathlib import Path

__all__ = ["find", "homes"]


@cache
def homes(file: str) -> dict[str, str]:
    """The module that each public name of the package at ``file`` comes from."""
    found: dict[str, str] = {}
    for node in ast.parse(Path(file).read_text("utf-8")).body:
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            for statement in node.body:
                if isinstance(statement, ast.ImportFrom) and statement.module:
                    found.update({alias.asname or alias.name: statement.module for alias in statement.names})
    return found


def find(file: str, package: str, name: str) -> object:
    """The value of a public name, imported now. Raises `AttributeError` for a name that the package does not have."""
    home = homes(file).get(name)
    if home is None:
        raise AttributeError(f"module {package!r} has no attribute {name!r}")
    value: object = getattr(import_module(home), name)
    return value
