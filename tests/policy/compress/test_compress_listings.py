"""Listings of files: the odd ones and the asked ones are kept, the others counted."""

from __future__ import annotations

import pytest

from penstock.meter.tokens import count
from penstock.policy.compress.extract import extract
from penstock.policy.compress.listings import counted, plan, reads

NAMES = ("keel", "mast", "rudder", "anchor", "hull", "deck", "galley", "bilge", "winch", "tiller", "boom", "stern")


def kept(lines: list[str], query: str | None = None, ratio: float = 6) -> str:
    text = "\n".join(lines) + "\n"
    room = round(count(text) / ratio)
    return extract(text, plan(text, query, room), room, count).text


def many(form: str, odd: str, number: int = 120, at: int = 77) -> list[str]:
    lines = [
        form.format(n=n, a=NAMES[n * 5 % 12], b=NAMES[n * 7 % 12], d=1 + n % 28, size=800 + n * 537 % 9111)
        for n in range(number)
    ]
    lines[at] = odd
    return lines


@pytest.mark.parametrize(
    ("form", "odd"),
    [
        (
            "-rw-r--r-- 1 app app {size:5} Jan {d:2} 10:11 {a}_{n}.dat",
            "-rwsr-xr-x 1 root app  1204 Jan  3 12:44 opener",
        ),
        (
            "-rw-r--r-- 1 app app {size:5} Jan {d:2} 10:11 {a}_{n}.dat",
            "-rw-r--r-- 1 app app     0 Jan  3 12:44 mast_77.dat",
        ),
        ("lrwxrwxrwx 1 app app 9 Jan {d:2} 10:11 {a}_{n} -> {b}", "lrwxrwxrwx 1 app app 9 Jan  4 10:11 boom_77"),
        ("./{a}/{b}{n}.py", "./mast/dump.sql.gz"),
        ("./{a}/{b}{n}.py", "./mast/.env.production"),
        (" M src/{a}/{b}{n}.py", " D src/mast/deck77.py"),
        ("{size}K\t./{a}/{b}{n}", "412G\t./mast/deck"),
        (" src/{a}/{b}{n}.py | {d:2} ++-", " src/mast/deck.py | 9904 +++++-----"),
        ("src/{a}.py:{n}:    part = load({d}, check=True)", "src/mast.py:77:    part = load(9, check=False)"),
    ],
)
def test_the_odd_file_is_kept(form: str, odd: str) -> None:
    assert odd in kept(many(form, odd))


def test_the_file_that_is_asked_for_is_kept() -> None:
    lines = many("./{a}/{b}{n}.py", "./mast/boom.py")
    assert lines[91] in kept(lines, f"where is {lines[91].rpartition('/')[2]}?", 20)


def test_a_file_in_a_drawn_tree_brings_its_folder() -> None:
    lines = ["."]
    for n, folder in enumerate(NAMES):
        lines.append(f"├── {folder}")
        lines += [f"│   ├── {NAMES[at]}_{n}.go" for at in range(10)]
        lines += ["│   └── server.pem"] * (n == 7)
    told = kept([*lines, "12 directories, 121 files"])
    assert "├── bilge\n" in told
    assert "│   └── server.pem\n" in told
    assert "12 directories, 121 files" in told


def test_headings_go_with_their_files() -> None:
    lines = [
        "On branch main",
        "Changes not staged for commit:",
        *many("\tmodified:   {a}/{b}{n}.txt", "\tdeleted:    mast/deck.txt"),
    ]
    told = kept([*lines, "", "Untracked:", "\tkeel/id_rsa"])
    assert "Changes not staged for commit:\n" in told
    assert "Untracked:\n\tkeel/id_rsa\n" in told
    assert "\tdeleted:    mast/deck.txt\n" in told
    assert ".txt]\n" in told


def test_lines_that_name_no_file_are_told_apart() -> None:
    named = reads(["src/a.py", "two words here", "", "x" * 600, "{a: 1}", "total 12"])
    assert [one.path if one else None for one in named] == ["src/a.py", None, None, None, None, None]
    assert reads(["drwxr-xr-x 2 a b 10 Jan 1 10:10 src/"])[0] is not None


def test_what_is_left_out_is_counted_by_ending() -> None:
    assert counted("\n \n") == ""
    assert counted("README\n") == "[1 line]\n"
    assert counted("a.py\nb.py\nc.md\n") == "[3 lines: 2 .py, 1 .md]\n"
