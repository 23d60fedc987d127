"""The outline finds what a parser finds, and what a reader sees in languages it has no parser for."""

from __future__ import annotations

import ast
import email
import http
import json
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from penstock.relevance.outline import DEEPEST, Entry, outline

SOURCES = [path for package in (json, http, email) for path in sorted(Path(str(package.__file__)).parent.rglob("*.py"))]


def entries(path: str, text: str) -> list[Entry]:
    return outline(path, text, text.removesuffix("\n").split("\n"))


def flat(found: list[Entry]) -> Iterator[Entry]:
    for entry in found:
        yield entry
        yield from flat(entry.inside)


def spans(path: str, text: str) -> list[tuple[int, int, str]]:
    return [(entry.start + 1, entry.end, entry.name) for entry in flat(entries(path, dedent(text).lstrip("\n")))]


def definitions(tree: ast.AST, around: str = "") -> Iterator[tuple[int, int, str]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.lineno, node.end_lineno or 0, around + node.name
            yield from definitions(node, f"{around}{node.name}.")
        else:
            yield from definitions(node, around)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_python_definitions_are_those_of_ast(path: Path) -> None:
    text = path.read_text("utf-8")
    found = {(entry.body + 1, entry.name): entry.end for entry in flat(entries(path.name, text))}
    wanted = {(line, name): end for line, end, name in definitions(ast.parse(text))}
    assert found.keys() == wanted.keys()
    assert all(end >= wanted[key] for key, end in found.items())


def test_a_definition_has_its_decorators_and_the_comment_above() -> None:
    text = '''
    import os
    def e():
        return 1
    # Why it is so.
    @cached
    @other(
        1,
    )
    def f(
        a,
    ) -> int:
        """Text
    at the margin
        """
    # a comment at the margin
        return 1

    # about g
    def g(): pass
    '''
    assert spans("a.py", text) == [(2, 3, "e"), (4, 17, "f"), (18, 19, "g")]


def test_strings_and_comments_define_nothing() -> None:
    text = (
        "x = '''\ndef no(): pass\n'''\n# def no(): pass\ny = 'it''s'\nclass Yes:\n    z = \"\"\"\nunclosed def no()\\"
    )
    assert [entry.name for entry in flat(entries("a.py", text))] == ["Yes"]


def test_an_else_behind_a_nested_function_belongs_outside() -> None:
    text = "def f():\n    if x:\n        def g():\n            return 1\n    else:\n        pass\n\ny = 1\n"
    assert spans("a.py", text) == [(1, 7, "f"), (3, 4, "f.g")]


def test_deep_nesting_ends() -> None:
    text = "\n".join(" " * i + f"def f{i}():" for i in range(50))
    assert len(list(flat(entries("a.py", text)))) == DEEPEST


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        (
            "a.js",
            """
            // Adds.
            export async function add(a, b) {
              if (a) {
                return b;
              }
            }

            const twice = (x) => {
              return 2 * x;
            };

            class Door extends Thing {
              shut(hard) {
                this.open = false;
              }
            }
            """,
            [(1, 7, "add"), (8, 11, "twice"), (12, 16, "Door"), (13, 15, "Door.shut")],
        ),
        (
            "a.go",
            """
            package a

            type Door struct {
                Open bool
            }

            func (d *Door) Shut() error {
                return nil
            }
            """,
            [(3, 6, "Door"), (7, 9, "Shut")],
        ),
        (
            "a.c",
            """
            #include <a.h>

            static int parse(const char *s,
                             int n)
            {
            #ifdef X
                call(s);
            #endif
                return n;
            }
            call(1);
            """,
            [(3, 10, "parse")],
        ),
        (
            "a.rs",
            """
            #[derive(Debug)]
            pub struct Door;

            impl<T> Shut for Door {
                fn shut(&self) -> bool {
                    true
                }
            }
            """,
            [(1, 3, "Door"), (4, 8, "Shut"), (5, 7, "Shut.shut")],
        ),
        ("a.rb", "class A\n  def b\n    1\n  end\nend\nputs 1\n", [(1, 5, "A"), (2, 4, "A.b")]),
        ("a.sh", "shut() {\n  echo\n}\nif (true) {\n}\nrun(1)\n", [(1, 3, "shut")]),
    ],
)
def test_other_languages(path: str, text: str, expected: list[tuple[int, int, str]]) -> None:
    assert spans(path, text) == expected


def test_headings_of_markdown() -> None:
    text = """
    Old style
    =========
    text
    ---
    # One #
    ```sh
    # no heading
    ```
    ## Two
    text
    # Three
    """
    assert spans("a.md", text) == [
        (1, 4, "Old style"),
        (5, 10, "One"),
        (9, 10, "One > Two"),
        (11, 11, "Three"),
    ]


def test_headings_of_restructured_text() -> None:
    text = """
    ======
    Title
    ======

    Part
    ----
    text

    Inner
    ~~~~~
    text

    Other
    -----
    too short
    ---
    """
    assert [name for *_, name in spans("a.rst", text)] == [
        "Title",
        "Title > Part",
        "Title > Part > Inner",
        "Title > Other",
    ]


def test_tables_of_settings() -> None:
    assert spans("a.toml", "x = 1\n[a.b]\ny = 1\n[[c]]\nz = [1]\n") == [(2, 3, "a.b"), (4, 5, "c")]


def test_headings_as_deep_as_they_come_end() -> None:
    rules = "=-~^\"'`*+#.:_"
    text = "\n".join(f"T{i}\n{rule * 3}\n" for i, rule in enumerate(rules))
    assert len(list(flat(entries("a.rst", text)))) == DEEPEST


def test_long_lines_are_data() -> None:
    assert entries("a.md", "# " + "x" * 400) == []
    assert entries("a.js", "function f() {" + "x" * 400) == []


@pytest.mark.parametrize("above", ["", "| a | b |", "# Title", "> quoted", "-----", "x" * 3000])
def test_a_rule_below_what_is_no_title_makes_none(above: str) -> None:
    found = entries("notes.rst", f"text\n\n{above}\n=====\n\nmore\n")
    assert [entry for entry in flat(found) if entry.start == 2] == []
