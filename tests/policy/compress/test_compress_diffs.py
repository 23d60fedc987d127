"""Diffs: the change that is not made everywhere is kept, and what is left out is told."""

from __future__ import annotations

from penstock.meter.tokens import count
from penstock.policy.compress.diffs import left_out, plan
from penstock.policy.compress.extract import extract

NAMES = ("keel", "mast", "rudder", "anchor", "hull", "deck", "galley", "bilge", "winch", "tiller", "boom", "stern")


def kept(text: str, query: str | None = None, ratio: float = 6) -> str:
    room = round(count(text) / ratio)
    return extract(text, plan(text, query, room), room, count).text


def renamed(number: int, more: str = "", at: int = 20) -> str:
    told = ""
    for n in range(number):
        path, part = f"src/{NAMES[n % 12]}{n}.py", NAMES[n * 5 % 12]
        told += f"diff --git a/{path} b/{path}\nindex 1a..2b 100644\n--- a/{path}\n+++ b/{path}\n"
        told += f"@@ -3,4 +3,4 @@ def {NAMES[n % 12]}(part):\n     level = {n}\n"
        told += f"-    total = part.{part}\n+    acc = part.{part}\n     return level\n"
        told += more if n == at else ""
    return told


LOGIC = (
    "@@ -40,4 +40,4 @@ def may_sail(ship):\n     if ship.crew:\n"
    "-        return ship.checked and ship.fuel\n+        return ship.checked or ship.fuel\n"
)


def test_the_change_that_is_no_rename_is_kept_with_its_file_and_hunk() -> None:
    text = renamed(60, LOGIC)
    told = kept(text, ratio=10)
    assert LOGIC.rstrip() in told
    assert "diff --git a/src/winch20.py b/src/winch20.py\n" in told
    assert "1 added, 1 removed]" in told


def test_what_is_asked_for_is_kept() -> None:
    told = kept(renamed(60), "what changed in tiller45?", 15)
    assert "a/src/tiller45.py" in told


def test_files_that_came_went_or_may_be_run_are_told() -> None:
    more = (
        "diff --git a/run.sh b/run.sh\nold mode 100644\nnew mode 100755\n"
        "diff --git a/old.py b/old.py\ndeleted file mode 100644\n"
        "--- a/old.py\n+++ /dev/null\n@@ -1 +0,0 @@\n-import os\n"
        "Binary files a/x.png and b/x.png differ\n"
    )
    told = kept(renamed(60, more))
    for line in ("new mode 100755", "deleted file mode 100644", "Binary files a/x.png"):
        assert line in told


def test_spaces_comments_and_generated_files_come_last() -> None:
    blank = "".join(f" .{name} {{\n-  margin:{n}px;\n+  margin: {n}px;\n }}\n" for n, name in enumerate(NAMES * 4))
    notes = "".join(f"-# old words on {name} {n}\n+# new words on {name} {n}\n x\n" for n, name in enumerate(NAMES * 4))
    lock = "".join(
        f'-      "{name}": "1.{n}"\n+      "{name}": "2.{n}"\n       "dev": true\n' for n, name in enumerate(NAMES * 4)
    )
    text = (
        f"--- a/style.css\n+++ b/style.css\n@@ -1,9 +1,9 @@\n{blank}-  display: block;\n+  display: none;\n"
        f"--- a/notes.py\n+++ b/notes.py\n@@ -1,9 +1,9 @@\n{notes}"
        f"--- a/package-lock.json\n+++ b/package-lock.json\n@@ -1,9 +1,9 @@\n{lock}"
    )
    told = kept(text, ratio=16)
    assert "+  display: none;\n" in told
    assert "package-lock.json" in told


def test_a_long_change_is_cut_by_lines_and_a_message_is_kept() -> None:
    added = "".join(f"+    {NAMES[n % 12]}_{n} = load({n})\n" for n in range(80))
    text = (
        "commit 12ab\nAuthor: A\n\n    Load all parts at once\n\n"
        " src/load.py | 80 ++\n 1 file changed, 80 insertions(+)\n\n"
        "diff --git a/src/load.py b/src/load.py\n--- a/src/load.py\n+++ b/src/load.py\n"
        f"@@ -1,2 +1,82 @@\n class Parts:\n   def all(self):\n{added}     end\n"
    )
    told = kept(text, "where is rudder_62 loaded?", 4)
    assert "Load all parts at once" in told
    assert "+    rudder_62 = load(62)\n" in told
    assert "class Parts:" in told or "def all(self):" in told


def test_plain_diffs_are_read_too() -> None:
    text = "Only in b: new.txt\n" + "".join(f"{n}c{n}\n< colour {n}\n---\n> color {n}\n" for n in range(2, 80, 2))
    text += "91d90\n< assert safe\n"
    told = kept(text, ratio=8)
    assert "Only in b: new.txt" in told
    assert "< assert safe" in told


def test_what_is_left_out_is_said() -> None:
    assert left_out("diff --git a/x b/x\n--- a/x\n+++ b/x\n-a\n") == "[4 lines: 1 file, 1 removed]\n"
    assert left_out(" a\n") == "[1 line]\n"
    assert left_out("diff a\ndiff b\n") == "[2 lines: 2 files]\n"


def test_a_text_without_hunks_has_no_changes() -> None:
    assert kept("words\n\n- a list\n+ of things\n", ratio=0.5).startswith("words\n")
    assert plan("", None, 5).pieces == []
