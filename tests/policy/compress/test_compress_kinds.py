"""What a text is, and what parts it has."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.policy.compress.kinds import Kind, kind_named, kind_of, parts

RULE = "=" * 20
TEXTS: dict[str, tuple[Kind, str]] = {
    "prose": ("prose", "The harbour is closed.\n\nNo ship may leave it before the fog has gone, and none may enter.\n"),
    "markdown": ("prose", "# Harbour\n\n* It is closed in the fog.\n* It is open for the ferry, if there is one.\n"),
    "meeting": ("meeting", "Anna: Is it late again?\nBo: It is, and I was there.\nAnna: So what now?\nBo: We wait.\n"),
    "python": ("code", '"""Ships."""\nimport os\n\n\ndef sail(ship):\n    """Let it go."""\n    return os.sep\n'),
    "header": ("code", "/*\n * This is the licence of it.\n */\n#ifndef A_H\n#define A_H\nint f(int a);\n#endif\n"),
    "script": ("code", "#!/bin/sh\nset -eu\ncd /srv\n./run\n"),
    "sql": ("code", "CREATE TABLE ship (\n  id bigint,\n  name text\n);\n\nCREATE TABLE port (\n  id bigint\n);\n"),
    "numbered": ("code", "[File: a.py (4 lines total)]\n1:import os\n2:\n3:def f():\n4:    return os.sep\n"),
    "semicolons": ("code", "  x = 1;\n  y = f(x);\n  while (y < 3) {\n    y += x;\n  }\n"),
    "traceback": ("traceback", 'up\nTraceback (most recent call last):\n  File "a.py", line 3, in f\nOSError: fog\n'),
    "frames": ("traceback", "tick\nTypeError: no crew\n    at sail (/a/ship.js:3:1)\n    at main (/a/ship.js:9:1)\n"),
    "log": ("log", "".join(f"2026-01-02 10:{n:02}:00 INFO ship {n} left\n" for n in range(30))),
    "levels": ("log", "".join(f"harbour.gate INFO ship {n} left\n" for n in range(9))),
    "json log": ("log", "".join(f'{{"ts": "10:{n:02}", "level": "info", "msg": "ship {n} left"}}\n' for n in range(9))),
    "repeated": ("log", "".join(f"gate: moved crane {n} of hall\n" for n in range(30))),
    "pytest": ("tests", f"{RULE} test session starts {RULE}\ncollected 2 items\n\n{RULE} 2 passed in 0.1s {RULE}\n"),
    "tap": ("tests", "TAP version 13\nok 1 - sails\nnot ok 2 - lands\n1..2\n"),
    "compiler": ("build", "a.py:3: error: Name is not defined\na.py:9:1: F401 unused\nFound 2 errors in 1 file\n"),
    "make": ("build", "[gen] sheet 1\n[gen] sheet 2\nmake: *** [all] Error 2\n"),
    "session": ("shell", "$ ls\na.py\n$ cat a.py\nimport os\n"),
    "prompt": ("shell", "$ uptime\n 10:11 up 3 days, 1 user\nload 1 2 3\n"),
    "database": ("shell", "BEGIN\nINSERT 0 1\nINSERT 0 1\nCOMMIT\n"),
    "oddments": ("shell", "Filter: none\neth0 12 frames\nlo0 nothing\n"),
    "few words": ("prose", "gate 3 open\n"),
    "json": ("json", '{\n  "a": [1, 2]\n}\n'),
    "array": ("json", "[1, 2]"),
    "lines": ("json", '{"a": 1}\n{"a": 2}\n'),
    "yaml": ("json", "kind: List\nitems:\n- name: a\n  ports:\n  - 80\n- name: b\n  ports:\n  - 81\n"),
    "diff": ("diff", "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n"),
    "psql": ("table", " id | name\n----+------\n  1 | a\n  2 | b\n(2 rows)\n"),
    "csv": ("table", "id,name,sum\n" + "".join(f"{n},x{n},{n * 3}\n" for n in range(9))),
    "bars": ("table", "".join(f"pass | {n} | t\n\n" for n in range(9))),
    "ls": ("listing", "total 8\n-rw-r--r-- 1 me me 2 Jan  1 10:10 a.txt\n-rw-r--r-- 1 me me 2 Jan  1 10:10 b.txt\n"),
    "find": ("listing", "./a/b.py\n./a/c.py\n./d.md\n"),
    "grep": ("listing", "src/a.py:3:from the.ship import it\nsrc/b.py:9:from the.ship import it\n"),
    "blank": ("prose", "\n \n"),
}  # fmt: skip


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_is_told_by_its_lines(name: str) -> None:
    kind, text = TEXTS[name]
    assert kind_of(text) == kind
    assert kind_of(text.replace("\n", "\r\n")) == kind


@pytest.mark.parametrize("name", ["log", "csv", "find", "compiler", "repeated", "lines"])
def test_a_long_text_is_told_by_a_sample(name: str) -> None:
    kind, text = TEXTS[name]
    assert kind_of(text * (400_000 // len(text))) == kind


def test_what_explains_code_is_prose_around_its_fences() -> None:
    text = "To start the ferry, you call it:\n\n```python\n" + "from ship import ferry\nferry.start(1)\n" * 4 + "```\n"
    assert kind_of(text) == "prose"
    assert [part.kind for part in parts(text + "\nThat is all of it, and it is done.\n")] == ["prose", "code", "prose"]


FOREIGN = [("pytest", "tests"), ("JSON", "json"), (" csv ", "table"), ("sql", None), ("shell", None), (None, None)]


@pytest.mark.parametrize(("name", "kind"), FOREIGN)
def test_foreign_names_are_known(name: str | None, kind: Kind | None) -> None:
    assert kind_named(name) == kind


def split(text: str) -> list[tuple[str, str]]:
    found = parts(text)
    assert "".join(text[part.start : part.end] for part in found) == text
    return [(part.kind, text[part.start : part.end]) for part in found]


def test_a_message_is_split_at_its_fences_diffs_and_objects() -> None:
    table = "NAME   READY\n" + "".join(f"web-{n}  1/1\n" for n in range(7))
    diff = "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1,3 +1,3 @@\n a\n-b\n+c\n"
    settings = '{\n  "a": 1,\n  "b": 2,\n  "c": 3,\n  "d": 4,\n  "e": 5\n}\n'
    text = (
        f"This is what I see, and it was not there before:\n\n```\n{table}```\n\nIt came with this change:\n\n{diff}\n"
        f"Is it that the limits are wrong? They are as they were:\n\n{settings}\nThanks for a look at it!\n"
    )
    assert [kind for kind, _ in split(text)] == ["prose", "table", "prose", "diff", "prose", "json", "prose"]
    assert (("table", table), ("diff", diff), ("json", settings)) == tuple(split(text)[1::2])


def test_a_session_is_split_at_its_prompts() -> None:
    listing = "".join(f"./src/part{n}.py\n" for n in range(9))
    text = f"$ find .\n{listing}$ date\nSat\n$ echo done\ndone\n"
    assert split(text) == [("shell", "$ find .\n"), ("listing", listing), ("shell", "$ date\nSat\n$ echo done\ndone\n")]


def test_paragraphs_of_another_kind_are_parts_of_prose_only() -> None:
    log = TEXTS["log"][1]
    words = "This is what the gate said when it was asked for the ships, and there was no more of it.\n"
    assert [kind for kind, _ in split(f"{words * 20}\n{log}\n{words}")] == ["prose", "log", "prose"]
    assert [kind for kind, _ in split(TEXTS["meeting"][1] + "\n" + TEXTS["meeting"][1])] == ["meeting"]


def test_small_islands_and_what_lies_in_code_are_no_parts() -> None:
    assert [kind for kind, _ in split("Set it to this:\n\n```\na\nb\n```\n\nand it is done.\n")] == ["prose"]
    assert [kind for kind, _ in split(TEXTS["python"][1])] == ["code"]
    assert parts("") == []


@given(st.text(alphabet='ab1 .,:{}[]"|-+@$`#\n\t', max_size=300))
def test_the_parts_of_any_text_are_all_of_it(text: str) -> None:
    assert all(piece for _, piece in split(text))
