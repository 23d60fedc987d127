"""The tree of a JSON or YAML text with the place of each value, so that what is kept can be kept verbatim.

Made by one pass over the marks, not by a parser: text that is cut off, has comments, or is several documents behind
one another has a tree too.
"""

from __future__ import annotations

import re
from typing import Literal

import msgspec

__all__ = ["Node", "json_tree", "yaml_tree"]


class Node(msgspec.Struct, gc=False):
    """A value, or the object or array that holds some."""

    start: int
    """Offset of its first character, the key and the indentation of its line among them."""
    key: str
    """The key it stands under; empty in an array and outermost."""
    parent: int
    """The number of the node around it, -1 for none. Nodes are in the order of the text."""
    kind: Literal["{", "[", "v"]
    opened: int
    """Where its value begins; for an object or array, behind the bracket."""
    closing: int = 0
    """Where the bracket that closes it begins; for a value, where that ends."""
    end: int = 0
    """Offset behind it, with the comma and the line break that follow."""


_MARK = re.compile(
    r"""
    ("(?:[^"\\]++|\\.)*+"[ \t]*+:)      # a key
    |("(?:[^"\\]++|\\.)*+"?)            # a string
    |([{\[])
    |([}\]])
    |([^\s{}\[\],:"]++)                 # a number, true, null
    """,
    re.VERBOSE | re.DOTALL,
)
_AFTER = re.compile(r"[ \t]*,?[ \t]*(?:\r?\n)?")
_INDENT = re.compile(r"[ \t]*\Z")

_LINE = re.compile(
    r"""^(?P<indent>[ ]*)(?P<dashes>(?:-[ ]+|-$)*)
    (?:(?P<key>[\w./$@%~*-][^:#\n"']*?|"[^"\n]*"|'[^'\n]*')[ ]*:(?=[ ]|$)[ ]*)?(?P<rest>.*)$""",
    re.VERBOSE,
)


def json_tree(text: str) -> list[Node]:
    """The nodes of JSON, of JSON lines, and of documents behind one another.

    >>> [(node.key, node.kind, node.parent) for node in json_tree('{"a": [1, 2]}')]
    [('', '{', -1), ('a', '[', 0), ('', 'v', 1), ('', 'v', 1)]
    """
    nodes: list[Node] = []
    open_: list[int] = []
    key, key_at = "", -1
    after = _AFTER.match
    for match in _MARK.finditer(text):
        which = match.lastindex
        at, end = match.span()
        if which == 1:
            key, key_at = text[at + 1 : text.rindex('"', at, end)], at
            continue
        if which == 4:
            if open_:
                node = nodes[open_.pop()]
                node.closing = at
                node.end = _end(after(text, end), end)
            continue
        start = at if key_at < 0 else key_at
        node = Node(_line_start(text, start), key, open_[-1] if open_ else -1, "v", at)
        if which == 3:
            node.kind = "{" if text[at] == "{" else "["
            node.opened = _end(after(text, end), end) if text[end : end + 1] in "\r\n" else end
            open_.append(len(nodes))
        else:
            node.closing = end
            node.end = _end(after(text, end), end)
        nodes.append(node)
        key, key_at = "", -1
    for number in open_:
        nodes[number].closing = nodes[number].end = len(text)
    return nodes


def _end(match: re.Match[str] | None, end: int) -> int:
    return match.end() if match else end


def _line_start(text: str, at: int) -> int:
    """The start of the line, if only its indentation is before."""
    begin = at
    while begin and text[begin - 1] in " \t":
        begin -= 1
    return begin if not begin or text[begin - 1] == "\n" else at


def yaml_tree(text: str) -> list[Node]:
    r"""The nodes of block-style YAML, an object for each document outermost. What is on one line is one value.

    >>> [(node.key, node.kind, node.parent) for node in yaml_tree("a:\n- b: 1\n  c: 2\n")]
    [('', '{', -1), ('a', '[', 0), ('', '{', 1), ('b', 'v', 2), ('c', 'v', 2)]
    """
    growing = _Growing([Node(0, "", -1, "{", 0)], [(-1, False, 0)])
    at, deep = 0, -1
    for line in text.splitlines(keepends=True):
        start, at = at, at + len(line)
        content = line.strip()
        column = len(line) - len(line.lstrip(" "))
        match = _LINE.match(line.rstrip())
        if match is None or not content or content[0] == "#" or 0 <= deep < column:
            continue
        deep = -1
        if content in {"---", "..."}:
            growing.document(start, at)
        else:
            deep = growing.line(match, start, at)
    growing.close(start=len(text), column=-2, item=False)
    return growing.nodes


class _Growing(msgspec.Struct, gc=False):
    """The nodes so far, and those still open: their column, whether a dash began them, their number."""

    nodes: list[Node]
    open: list[tuple[int, bool, int]]

    def line(self, match: re.Match[str], start: int, end: int) -> int:
        """One line; the column behind which the lines that follow are its text, -1 if none."""
        column = len(match["indent"])
        for at, mark in enumerate(match["dashes"], column):
            if mark == "-":
                self.close(start, at, item=True)
                self.nodes[self.open[-1][2]].kind = "["
                self._add(start, "", "{", start, (at, True))
        column += len(match["dashes"])
        key, rest = match["key"], match["rest"]
        if key is None and not rest:
            return -1
        self.close(start, column, item=False)
        if key and (not rest or (rest[0] in "&!" and " " not in rest)):
            self._add(start, key.strip("\"' "), "{", end, (column, False))
            return -1
        node = self._add(start, (key or "").strip("\"' "), "v", start + match.start("rest"))
        node.closing, node.end = start + match.end("rest"), end
        return column if rest[:1] in {"|", ">"} else -1

    def close(self, start: int, column: int, *, item: bool) -> None:
        """Close what cannot hold a line that begins in a column, with a dash or not."""
        while self.open and (
            self.open[-1][0] > column or (self.open[-1][0] == column and (not item or self.open[-1][1]))
        ):
            node = self.nodes[self.open.pop()[2]]
            node.closing = node.end = start

    def document(self, start: int, end: int) -> None:
        self.close(start, -2, item=False)
        if self.nodes[-1].end == self.nodes[-1].start == start:
            self.nodes.pop()
        self._add(start, "", "{", end, (-1, False))

    def _add(
        self, start: int, key: str, kind: Literal["{", "v"], opened: int, as_: tuple[int, bool] | None = None
    ) -> Node:
        node = Node(start, key, self.open[-1][2] if self.open else -1, kind, opened)
        if as_:
            self.open.append((*as_, len(self.nodes)))
        self.nodes.append(node)
        return node
