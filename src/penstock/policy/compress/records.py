"""JSON, JSON lines and YAML: the schema once, what stands out among its like, and what the query asks for, whole.

Objects under the same name are judged together, however deep they lie: a value by the other values of its field, an
object by the keys that the others have.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from penstock.policy.compress.answers import answers
from penstock.policy.compress.extract import Piece, Plan, lines_left_out
from penstock.policy.compress.outliers import rarities, strongest, surprises
from penstock.policy.compress.relations import contradictions
from penstock.policy.compress.tree import Node, json_tree, yaml_tree

__all__ = ["left_out", "plan"]

WHOLE: Final = 400
"""Characters, without indentation, up to which an object or array is kept or left out as a whole."""

INDENTED: Final = 10
"""Times as long it may be with its indentation."""

DEEP: Final = 4
"""Levels of which what is outermost is worth more."""

SENTENCE: Final = 80
"""Characters that a part of a long value has at least."""

LONG: Final = 600
"""Characters from which a single value is cut."""

MAP_FROM: Final = 5
"""Entries from which an object whose entries are alike is taken for a map: its keys are data."""

FLAT_MAP_FROM: Final = 8
"""The same for an object that holds nothing but plain values, and that no other is like."""

PLACES: Final = 6
"""Numbers of a list up to which each place is judged by itself: coordinates, sizes."""

SHARED: Final = 0.4
"""What the best of a record lends the rest of it."""

FIRST: Final = 1.0
"""What the first of its like is worth: it shows the schema."""

OUTERMOST: Final = 4.0
"""What is outermost under a key is worth: totals, states, the name of the whole; half as much each level down."""

_BREAK = re.compile(r"(?:\\n|\n)+|(?<=[.!?;]) ")


class _Read(msgspec.Struct):
    """A text, its nodes, and how far each of them stands out."""

    text: str
    nodes: list[Node]
    inside: list[list[int]]
    """The children of each node."""
    names: list[str]
    """What each node is judged under: the nearest key that is a name and not data."""
    odd: list[float]
    first: list[bool]
    """Whether it is the first of its like."""
    maps: set[int]
    """Objects whose keys are data."""


def plan(text: str, query: str | None, room: int) -> Plan:
    """The pieces of a JSON or YAML text."""
    del room
    cut = sorted(_cuts(_read(text)))
    pieces = _pieces(cut)
    homes = [each.home for each in cut]
    return Plan(_worth(pieces, homes, answers(text, query, pieces)), left_out)


def _read(text: str) -> _Read:
    nodes = json_tree(text) if text.lstrip()[:1] in "{[" else yaml_tree(text)
    inside: list[list[int]] = [[] for _ in nodes]
    for number, node in enumerate(nodes):
        if node.parent >= 0:
            inside[node.parent].append(number)
    read = _Read(text, nodes, inside, [""] * len(nodes), [0.0] * len(nodes), [False] * len(nodes), set())
    _name(read)
    _judge_values(read)
    _judge_keys(read)
    return read


def _name(read: _Read) -> None:
    """Name each node by what it is judged under, and tell which are maps."""
    kinds = Counter(node.key for number, node in enumerate(read.nodes) if node.kind == "{" and read.inside[number])
    maps = read.maps
    for number, node in enumerate(read.nodes):
        above = read.names[node.parent] if node.parent >= 0 else ""
        data = not node.key or node.parent in maps
        read.names[number] = above if data else node.key
        if node.kind == "{" and _is_map(read, number, single=kinds[node.key] < 3):
            maps.add(number)


def _is_map(read: _Read, number: int, *, single: bool) -> bool:
    children = read.inside[number]
    if len(children) < MAP_FROM:
        return False
    objects = [child for child in children if read.nodes[child].kind == "{"]
    if len(objects) >= 0.8 * len(children):
        keys = Counter(read.nodes[each].key for child in objects for each in read.inside[child])
        return not keys or max(keys.values()) >= 0.6 * len(objects)
    plain = [child for child in children if read.nodes[child].kind == "v"]
    return single and len(children) >= FLAT_MAP_FROM and len(plain) == len(children) and read.nodes[number].key != ""


def _judge_values(read: _Read) -> None:
    """Values among those of their field; the numbers of a short list by their place in it."""
    fields: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for number, node in enumerate(read.nodes):
        if node.kind == "v":
            key = "" if node.parent in read.maps else node.key
            name = read.names[node.parent] if node.parent >= 0 else ""
            if node.parent >= 0 and read.nodes[node.parent].kind == "[":
                row = read.inside[node.parent]
                if 1 < len(row) <= PLACES and read.text[node.opened] in "-0123456789":
                    key = f"{len(row)}.{row.index(number)}"
            fields[name, key].append(number)
    for numbers in fields.values():
        read.first[numbers[0]] = True
        values = [read.text[read.nodes[number].opened : read.nodes[number].closing] for number in numbers]
        for number, odd in zip(numbers, surprises(values), strict=True):
            read.odd[number] = odd


def _judge_keys(read: _Read) -> None:
    """Objects among those of their name: a key that few have, a key that few lack, values that contradict."""
    groups: defaultdict[str, list[int]] = defaultdict(list)
    for number, node in enumerate(read.nodes):
        if node.kind == "{" and number not in read.maps:
            groups[read.names[number]].append(number)
    for members in groups.values():
        read.first[members[0]] = True
        keys = Counter(read.nodes[child].key for member in members for child in read.inside[member])
        total = len(members)
        rare = {key: rarities({"with": had, "without": total - had}) for key, had in keys.items() if had < total}
        lacked = {key: odds["without"] for key, odds in rare.items() if "without" in odds}
        for member in members:
            own = {read.nodes[child].key for child in read.inside[member]}
            for child in read.inside[member]:
                read.odd[child] += rare.get(read.nodes[child].key, {}).get("with", 0.0)
            read.odd[member] += strongest(odd for key, odd in lacked.items() if key not in own)
        _judge_together(read, members, [key for key, had in keys.items() if had == total])


def _judge_together(read: _Read, members: Sequence[int], keys: Sequence[str]) -> None:
    """Objects by what holds between the plain values that all of them have."""
    fields: list[dict[str, str]] = []
    for member in members:
        children = [read.nodes[child] for child in read.inside[member]]
        fields.append({node.key: read.text[node.opened : node.closing] for node in children if node.kind == "v"})
    columns = [[row[key] for row in fields] for key in keys if all(key in row for row in fields)]
    for member, odd in zip(members, contradictions(columns), strict=bool(columns)):
        read.odd[member] = max(read.odd[member], odd)


class _Cutting(msgspec.Struct, order=True):
    """A piece as it is found. Pieces are sorted as they come in the text."""

    start: int
    end: int
    worth: float
    node: int
    above: int
    """The node that it stands under, -1 for none."""
    home: int
    """The node whose parts lend each other worth: the record."""


def _cuts(read: _Read) -> Iterator[_Cutting]:
    """What is kept or left out as a whole: small objects, values, and the brackets of what is larger."""
    roots = [number for number, node in enumerate(read.nodes) if node.parent < 0]
    open_ = [(number, -1, 0) for number in reversed(roots)]
    while open_:
        number, above, level = open_.pop()
        node = read.nodes[number]
        if node.kind == "v" or _is_whole(read, number):
            worth = _whole(read, number, level)
            for start, end in _stretches(read.text, node):
                yield _Cutting(start, end, worth, number, above, node.parent)
            continue
        header = above
        if node.start < node.opened:
            header = number
            worth = read.odd[number] + FIRST * read.first[number] / 2
            yield _Cutting(node.start, node.opened, worth, number, above, node.parent)
        if node.closing < node.end:
            start = node.opened + len(read.text[node.opened : node.closing].rstrip(" \t"))
            yield _Cutting(start, node.end, 0.0, number, header, node.parent)
        first, *rest = read.inside[number]
        lead = first if header == above else header
        open_ += [(child, lead, level + 1) for child in reversed(rest)]
        open_.append((first, header, level + 1))


def _is_whole(read: _Read, number: int) -> bool:
    node = read.nodes[number]
    long = node.end - node.start
    if long <= WHOLE or not read.inside[number]:
        return True
    return long <= INDENTED * WHOLE and len("".join(read.text[node.start : node.end].split())) <= WHOLE


def _whole(read: _Read, number: int, level: int) -> float:
    """What a node is worth with all that is in it."""
    node = read.nodes[number]
    odds = [read.odd[number]]
    last = number + 1
    while last < len(read.nodes) and read.nodes[last].start < node.end:
        odds.append(read.odd[last])
        last += 1
    worth = strongest(odds) + FIRST * read.first[number]
    if node.key and level < DEEP and node.parent not in read.maps:
        worth += OUTERMOST / 2 ** max(0, level - 1)
    return worth


def _stretches(text: str, node: Node) -> list[tuple[int, int]]:
    """A long value in parts: sentences, or the lines written in it."""
    if node.kind != "v" or node.end - node.start <= LONG:
        return [(node.start, node.end)]
    cuts = [node.start]
    for match in _BREAK.finditer(text, node.opened, node.closing):
        if match.end() - cuts[-1] > SENTENCE:
            cuts.append(match.end())
    return list(zip(cuts, [*cuts[1:], node.end], strict=True))


def _pieces(cut: Sequence[_Cutting]) -> list[Piece]:
    """Pieces, each under the first of the node it stands under, or of its own."""
    first: dict[int, int] = {}
    for index, each in enumerate(cut):
        first.setdefault(each.node, index)
    return [
        Piece(each.start, each.end, each.worth, under=first[each.node])
        if first[each.node] != index
        else Piece(each.start, each.end, each.worth, under=first.get(each.above, -1))
        for index, each in enumerate(cut)
    ]


def _worth(pieces: Sequence[Piece], homes: Sequence[int], said: Sequence[float]) -> list[Piece]:
    """The pieces with what they answer, and with what the best of their record lends them."""
    own = [piece.worth + answer for piece, answer in zip(pieces, said, strict=True)]
    best: dict[int, float] = {}
    for home, worth in zip(homes, own, strict=True):
        best[home] = max(best.get(home, 0.0), worth)
    return [
        msgspec.structs.replace(piece, worth=worth + SHARED * best[home] * (home >= 0))
        for piece, home, worth in zip(pieces, homes, own, strict=True)
    ]


_BRACE = re.compile(r'"(?:[^"\\\n]|\\.)*"|[{}]')


def _outermost(stretch: str) -> int:
    """How many objects begin in it that lie in no other one of it."""
    found = depth = 0
    for match in _BRACE.finditer(stretch):
        if match[0] == "{":
            found += depth == 0
            depth += 1
        elif match[0] == "}":
            depth = max(0, depth - 1)
    return found


def left_out(stretch: str) -> str:
    """What is missing: how many lines; within a line, how many objects or characters.

    >>> left_out('{"a": {"b": 1}}, {"a": {"b": 2}}, ')
    '[2 objects] '
    """
    if not stretch.strip():
        return ""
    if stretch.count("\n") > 1:
        return lines_left_out(stretch)
    objects = _outermost(stretch)
    what = f"{objects:,} objects" if objects > 1 else f"{len(stretch):,} characters"
    return f"[{what}] "
