"""How files stand in a prompt, and how they are read back from one.

    <file path="src/a.py">
    the text, as it is
    </file>

A piece of a file says which line it begins with: ``<file path="src/a.py" line="120">``. A text that has ``</file``
itself stands between tags that it does not have: ``<file-1 ...>``, ``</file-1>``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from penstock.context.files import File

__all__ = ["outside", "parse", "render"]

_OPENING = re.compile(r'<(file(?:-[0-9]{1,9})?) path="([^"\n]*)"(?: line="([0-9]{1,15})")?>\n')
_ESCAPES = (("&", "&amp;"), ('"', "&quot;"), ("<", "&lt;"), (">", "&gt;"), ("\n", "&#10;"), ("\r", "&#13;"))


def render(files: Iterable[File]) -> str:
    r"""The files as text of a prompt. `parse` reads them back exactly.

    >>> print(render([File("a.py", "x = 1")]))
    <file path="a.py">
    x = 1
    </file>
    """
    return "\n".join(map(_block, files))


def parse(text: str) -> list[File]:
    r"""The files that stand in a text, in order. What is not a whole block is no file.

    >>> parse('Read this.\n<file path="a.py" line="7">\nx = 1\n</file>\nWhy?')
    [File(path='a.py', text='x = 1', first_line=7)]
    """
    return [file for file, _, _ in _blocks(text)]


def outside(text: str) -> str:
    r"""The text without its file blocks.

    >>> outside('Read this.\n<file path="a.py">\nx = 1\n</file>\nWhy?')
    'Read this.\n\nWhy?'
    """
    kept: list[str] = []
    at = 0
    for _, start, end in _blocks(text):
        kept.append(text[at:start])
        at = end
    return "".join(kept) + text[at:]


def _block(file: File) -> str:
    path = file.path
    for plain, escaped in _ESCAPES:
        path = path.replace(plain, escaped)
    line = f' line="{file.first_line}"' if file.first_line > 1 else ""
    tag = _tag(file.text)
    return f'<{tag} path="{path}"{line}>\n{file.text}\n</{tag}>'


def _tag(text: str) -> str:
    """The first of file, file-1, file-2 ... that the text does not close."""
    if "</file" not in text:
        return "file"
    taken = set(re.findall(r"</(file-[0-9]{1,9})", text))
    return next(tag for n in range(1, len(taken) + 2) if (tag := f"file-{n}") not in taken)


def _blocks(text: str) -> list[tuple[File, int, int]]:
    """Each file with where its block begins and ends, in one pass: a tag that is not closed is looked for once."""
    found: list[tuple[File, int, int]] = []
    unclosed: set[str] = set()
    opening = _OPENING.search(text)
    while opening:
        tag, path, line = opening.groups()
        end = -1 if tag in unclosed else text.find(f"\n</{tag}>", opening.end() - 1)
        if end < 0:
            unclosed.add(tag)
            opening = _OPENING.search(text, opening.end())
            continue
        for plain, escaped in reversed(_ESCAPES):
            path = path.replace(escaped, plain)
        after = end + len(f"\n</{tag}>")
        body = text[opening.end() : max(opening.end(), end)]
        found.append((File(path, body, int(line or 1)), opening.start(), after))
        opening = _OPENING.search(text, after)
    return found
