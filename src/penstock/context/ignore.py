"""What git would not list: nested ``.gitignore`` files and ``.git/info/exclude``.

Patterns are translated by pathspec and matched here, against one file or folder at a time as git does: its own specs
let a pattern for a folder speak for everything below it, so that ``!build/`` would bring back a file in there that
another pattern ignores. A user's global ``core.excludesFile`` is not read: the same folder means the same files on
every machine.
"""

from __future__ import annotations

import os
import re
from typing import cast

import msgspec
from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

__all__ = ["Rules", "rules_above"]


class Layer(msgspec.Struct, frozen=True):
    """The patterns of one file."""

    base: str
    """The folder that they are relative to, ending in a slash."""
    patterns: tuple[tuple[re.Pattern[str], bool], ...]
    """The last first, each with whether it ignores (or brings back) what it matches."""

    def verdict(self, path: str) -> bool | None:
        """What the last pattern that matches says; None when none does."""
        below = path[len(self.base) :]
        for pattern, ignores in self.patterns:
            match = pattern.match(below)
            if match and ("ps_d" not in pattern.groupindex or match.end("ps_d") in {-1, len(below)}):
                return ignores
        return None


class Rules(msgspec.Struct, frozen=True):
    """The patterns that hold in a folder, the outermost first. The innermost that says something decides."""

    layers: tuple[Layer, ...] = ()
    git: bool = False
    """Whether the folder is part of a git repository."""

    def within(self, folder: str) -> Rules:
        """The rules inside a folder, its own ``.gitignore`` among them."""
        layers = list(self.layers)
        git = os.path.exists(os.path.join(folder, ".git"))
        if git:
            layers += _layer(folder, ".git/info/exclude")
        layers += _layer(folder, ".gitignore")
        return Rules(tuple(layers), self.git or git)

    def ignores(self, path: str, *, folder: bool) -> bool:
        """Whether a path below the folder is left out. Its own folder is known not to be."""
        path = path.replace(os.sep, "/") + ("/" if folder else "")
        for layer in reversed(self.layers):
            verdict = layer.verdict(path)
            if verdict is not None:
                return verdict
        return False


def rules_above(folder: str) -> Rules:
    """The rules that hold for a folder from those around it, up to the top of its git repository.

    None of them when they would leave out the folder itself: whoever names it wants it read.
    """
    above: list[str] = []
    at = folder
    while not os.path.exists(os.path.join(at, ".git")):
        parent = os.path.dirname(at)
        if parent == at:
            return Rules()
        above.append(at := parent)
    rules = Rules(git=bool(above))
    for outer in reversed(above):
        rules = rules.within(outer)
    return Rules(git=rules.git) if rules.ignores(folder, folder=True) else rules


def _layer(folder: str, name: str) -> list[Layer]:
    path = os.path.join(folder, name)
    try:
        with open(path, encoding="utf-8-sig", errors="surrogateescape") as lines:
            patterns = [pattern for line in lines.read().split("\n") for pattern in _pattern(line)]
    except OSError:
        return []
    return [Layer(folder.replace(os.sep, "/").rstrip("/") + "/", tuple(reversed(patterns)))] if patterns else []


def _pattern(line: str) -> list[tuple[re.Pattern[str], bool]]:
    """A line of an ignore file; nothing for a comment, an empty line, and what git would not understand either."""
    try:
        pattern = GitIgnoreSpecPattern(line)
    except ValueError:
        return []
    regex = cast("re.Pattern[str] | None", pattern.regex)  # pyright: ignore[reportUnknownMemberType]
    return [] if regex is None or pattern.include is None else [(regex, pattern.include)]
