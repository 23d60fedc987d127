"""Reads the files that a question is about."""

from __future__ import annotations

import difflib
import os
import stat
from collections.abc import Sequence

import msgspec

from penstock.errors import BadInput

__all__ = ["MAX_BYTES", "MAX_FILES", "File", "Loaded", "Skipped", "load"]

MAX_BYTES = 1 << 20
MAX_FILES = 5000

_VERSION_CONTROL = frozenset({".git", ".hg", ".svn", ".jj", ".bzr"})
_INSTALLED = {"node_modules": "installed packages", "__pycache__": "compiled files"}


class File(msgspec.Struct, frozen=True):
    """A text file, or a run of whole lines of one."""

    path: str
    """Relative to the working folder when it is below it, else absolute; with forward slashes."""
    text: str
    first_line: int = 1
    """The number of its first line in the whole file."""


class Skipped(msgspec.Struct, frozen=True):
    """A file or folder that was left out, and why."""

    path: str
    reason: str


class Loaded(msgspec.Struct, frozen=True):
    """What was read and what was not, each in the order of the paths. What git ignores is in neither."""

    files: list[File]
    skipped: list[Skipped]


def load(paths: Sequence[str], *, max_bytes: int = MAX_BYTES, max_files: int = MAX_FILES) -> Loaded:
    """The UTF-8 text files at and below the paths.

    A file named in ``paths`` is read even if git ignores it. Folders are walked as git would list them; outside of a
    repository installed packages, compiled files and virtual environments are left out as well. Links met on the way
    are named in ``skipped``, never followed. Raises `BadInput` for a path that does not exist.
    """
    for path in paths:
        if not os.path.exists(path):
            raise BadInput(f"there is no file or folder {path!r}", mend=_nearest(path))
    reading = _Reading(max_bytes, max_files)
    for path in paths:
        whole = os.path.abspath(path)
        if os.path.isdir(whole):
            reading.walk(whole)
        else:
            reading.read(whole, os.path.realpath(whole), os.stat(whole))
    by_path = sorted(reading.files.values(), key=lambda file: file.path)
    return Loaded(by_path, sorted(set(reading.skipped), key=lambda skipped: (skipped.path, skipped.reason)))


def _nearest(path: str) -> str:
    """What may have been meant: a name like it in the deepest folder that exists."""
    folder, name = os.path.split(os.path.abspath(path))
    while not os.path.isdir(folder):
        folder, name = os.path.split(folder)
    try:
        close = difflib.get_close_matches(name, os.listdir(folder), n=2)
    except OSError:
        close = []
    if close:
        return "did you mean " + " or ".join(_shown(os.path.join(folder, one)) for one in close) + "?"
    return f"look into {_shown(folder)}"


def _shown(path: str) -> str:
    """How a path is reported."""
    path = os.fsencode(path).decode("utf-8", "replace")
    here = os.getcwd()
    top = here.rstrip(os.sep) + os.sep
    inside = "." if path == here else path.removeprefix(top)
    return inside.replace(os.sep, "/")


class _Reading:
    """One run of `load`."""

    def __init__(self, max_bytes: int, max_files: int) -> None:
        self.max_bytes = max_bytes
        self.max_files = max_files
        self.files: dict[str, File] = {}
        self.skipped: list[Skipped] = []

    def skip(self, path: str, reason: str) -> None:
        self.skipped.append(Skipped(_shown(path), reason))

    def walk(self, root: str) -> None:
        """Reads the files below a folder, without recursion: folders may be nested deeper than Python's stack."""
        from penstock.context.ignore import rules_above

        real = os.path.realpath(root)
        waiting = [(root, rules_above(root))]
        while waiting:
            folder, above = waiting.pop()
            try:
                with os.scandir(folder) as found:
                    entries = sorted(found, key=lambda entry: entry.name)
            except OSError as error:
                self.skip(folder, f"cannot be read: {error.strerror}")
                continue
            rules = above.within(folder)
            folders: list[str] = []
            for entry in entries:
                is_folder = entry.is_dir(follow_symlinks=False)
                if entry.name in _VERSION_CONTROL or rules.ignores(entry.path, folder=is_folder):
                    continue
                if entry.is_symlink():
                    self.skip(entry.path, _link(entry.path, real))
                elif not is_folder:
                    self.read(entry.path, real + entry.path[len(root) :], entry.stat(follow_symlinks=False))
                elif not rules.git and (reason := _installed(entry)):
                    self.skip(entry.path, reason)
                else:
                    folders.append(entry.path)
            waiting.extend((inner, rules) for inner in reversed(folders))

    def read(self, path: str, real: str, status: os.stat_result) -> None:
        """Reads one file, unless it was read before, under whatever path, or there is a reason not to."""
        if real in self.files:
            return
        if not stat.S_ISREG(status.st_mode):
            self.skip(path, "not a regular file")
        elif len(self.files) >= self.max_files:
            self.skip(os.path.dirname(path), f"more than {self.max_files:,} files: the rest is left out")
        elif status.st_size > self.max_bytes:
            self.skip(path, f"too large: {status.st_size:,} bytes, at most {self.max_bytes:,}")
        else:
            self._take(real, path)

    def _take(self, real: str, path: str) -> None:
        try:
            with open(path, "rb") as file:
                raw = file.read(self.max_bytes + 1)
            text = raw.decode("utf-8")
        except OSError as error:
            self.skip(path, f"cannot be read: {error.strerror}")
        except UnicodeDecodeError:
            self.skip(path, "not text: not UTF-8")
        else:
            if "\0" in text:
                self.skip(path, "not text: it has a NUL byte")
            elif len(raw) > self.max_bytes:
                self.skip(path, f"too large: at most {self.max_bytes:,} bytes")
            else:
                self.files[real] = File(_shown(path), text)


def _installed(entry: os.DirEntry[str]) -> str:
    """Why a folder outside of git is not the user's own work; empty when it may be."""
    if os.path.exists(os.path.join(entry.path, "pyvenv.cfg")):
        return "a virtual environment"
    return _INSTALLED.get(entry.name, "")


def _link(path: str, top: str) -> str:
    target = os.path.realpath(path)
    if not os.path.exists(target):
        return "a broken link"
    if os.path.commonpath([top, target]) != top:
        return "a link that leaves the folder"
    return f"a link to {_shown(target)}"
