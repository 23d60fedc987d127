"""What git would not list: nested ``.gitignore`` files and ``.git/info/exclude``.

Patterns are matched by pathspec. ignore-python gives the same answer on 3,902 files with every kind of pattern (both
equal ``git ls-files``) but only as a walk of its own, which can give no reason for what it leaves out; pathspec in a
walk of ours was not slower. A user's global ``core.excludesFile`` is not read: the same folder means the same files
on every machine.
"""

from __future__ import annotations

import os

import msgspec
from pathspec import GitIgnoreSpec

__all__ = ["Rules", "rules_above"]


class Rules(msgspec.Struct, frozen=True):
    """The patterns that hold in a folder, the outermost first. The innermost that says something decides."""

    layers: tuple[tuple[str, GitIgnoreSpec], ...] = ()
    """Each with the folder that its patterns are relative to, ending in a slash."""
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
        for base, spec in reversed(self.layers):
            verdict = spec.check_file(path[len(base) :]).include
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


def _layer(folder: str, name: str) -> list[tuple[str, GitIgnoreSpec]]:
    path = os.path.join(folder, name)
    try:
        with open(path, encoding="utf-8", errors="replace") as lines:
            spec = GitIgnoreSpec.from_lines(lines.read().splitlines())
    except (OSError, ValueError):
        return []
    return [(folder.replace(os.sep, "/").rstrip("/") + "/", spec)]
