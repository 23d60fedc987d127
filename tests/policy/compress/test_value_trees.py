"""The places of values in JSON and YAML, also where the text is broken."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from penstock.policy.compress.tree import Node, json_tree, yaml_tree


def shown(text: str, nodes: list[Node]) -> list[tuple[str, str, str]]:
    return [(node.key, node.kind, text[node.opened : node.closing]) for node in nodes]


def test_values_of_json_have_their_place() -> None:
    text = '{"a": 1, "b\\"c": [true, "x, y"], "d": {}}'
    assert shown(text, json_tree(text)) == [
        ("", "{", text[1:-1]),
        ("a", "v", "1"),
        ('b\\"c', "[", 'true, "x, y"'),
        ("", "v", "true"),
        ("", "v", '"x, y"'),
        ("d", "{", ""),
    ]


def test_pieces_of_indented_json_are_whole_lines() -> None:
    text = '{\n  "a": 1,\n  "b": [\n    2\n  ]\n}\n'
    assert [text[node.start : node.end] for node in json_tree(text)][1:] == [
        '  "a": 1,\n',
        '  "b": [\n    2\n  ]\n',
        "    2\n",
    ]


def test_json_lines_and_broken_json_have_trees() -> None:
    assert [node.parent for node in json_tree('{"a":1}\n{"a":2}')] == [-1, 0, -1, 2]
    assert [node.closing for node in json_tree('[1, [2, "x')] == [10, 2, 10, 6, 10]
    assert [node.kind for node in json_tree("]}1")] == ["v"]
    assert json_tree("") == []


def test_yaml_is_read_by_its_indentation() -> None:
    items = "- name: a\n  ports:\n    - 80\n    - 443\n"
    text = f"kind: List\nitems:\n{items}- name: b\nnote: |\n  name: c\n\n  x\nlast: &x\n  y: 1\n"
    nodes = yaml_tree(text)
    assert [(node.key, node.kind, node.parent) for node in nodes] == [
        ("", "{", -1),
        ("kind", "v", 0),
        ("items", "[", 0),
        ("", "{", 2),
        ("name", "v", 3),
        ("ports", "[", 3),
        ("", "{", 5),
        ("", "v", 6),
        ("", "{", 5),
        ("", "v", 8),
        ("", "{", 2),
        ("name", "v", 10),
        ("note", "v", 0),
        ("last", "{", 0),
        ("y", "v", 13),
    ]
    assert text[nodes[3].start : nodes[3].end] == items


def test_yaml_documents_and_comments() -> None:
    text = "---\n# first\na: 1\n---\n'b c': x: y\n-\n  - z\n...\n"
    assert [(node.key, node.kind, node.parent) for node in yaml_tree(text)] == [
        ("", "{", -1),
        ("a", "v", 0),
        ("", "[", -1),
        ("b c", "v", 2),
        ("", "[", 2),
        ("", "{", 4),
        ("", "v", 5),
        ("", "{", -1),
    ]


@given(st.text(alphabet="{}[]\",:ab1 \n\\-#|'", max_size=120))
def test_any_text_has_trees_whose_nodes_lie_in_their_parents(text: str) -> None:
    for nodes in (json_tree(text), yaml_tree(text)):
        for number, node in enumerate(nodes):
            assert 0 <= node.start <= node.opened <= len(text)
            assert node.start <= node.end <= len(text)
            assert node.parent < number
            if node.parent >= 0:
                assert nodes[node.parent].start <= node.start
                assert node.end <= nodes[node.parent].end
