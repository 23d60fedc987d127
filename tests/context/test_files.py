"""What is read, what is left out, and that the reason is said. Every folder here is a real one."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.context import File, Loaded, Skipped, load
from penstock.errors import BadInput


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def put(folder: Path, **texts: str) -> None:
    for name, text in texts.items():
        path = folder / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


def paths(loaded: Loaded) -> list[str]:
    return [file.path for file in loaded.files]


def test_files_come_once_in_the_order_of_their_paths(here: Path) -> None:
    put(here, b_dot_py="b", src__z_dot_py="z", src__a_dot_py="ä\r\n")
    loaded = load(["src", "b.py", "./src/a.py", str(here)])
    assert loaded == Loaded([File("b.py", "b"), File("src/a.py", "ä\r\n"), File("src/z.py", "z")], [])


def test_what_lies_elsewhere_has_its_whole_path(here: Path, tmp_path: Path) -> None:
    put(tmp_path, other__a_dot_py="a")
    assert paths(load(["../other"])) == [f"{tmp_path}/other/a.py"]
    assert paths(load([])) == []


def test_a_missing_path_says_what_may_have_been_meant(here: Path) -> None:
    put(here, src__parser_dot_py="x")
    with pytest.raises(BadInput, match=r"no file or folder 'src/praser.py' \(did you mean src/parser.py\?\)"):
        load(["src/praser.py"])
    with pytest.raises(BadInput, match="look into src"):
        load(["src/zzz/y.py"])
    with pytest.raises(BadInput, match="no file or folder"):
        load([""])


def test_what_is_not_text_is_named(here: Path) -> None:
    (here / "nul.txt").write_bytes(b"a\0b")
    (here / "latin.txt").write_bytes(b"\xe4")
    (here / "large.txt").write_bytes(b"x" * 101)
    os.mkfifo(here / "pipe")
    loaded = load(["."], max_bytes=100)
    assert loaded.files == []
    assert loaded.skipped == [
        Skipped("large.txt", "too large: 101 bytes, at most 100"),
        Skipped("latin.txt", "not text: not UTF-8"),
        Skipped("nul.txt", "not text: it has a NUL byte"),
        Skipped("pipe", "not a regular file"),
    ]
    assert load(["pipe"]).skipped == [Skipped("pipe", "not a regular file")]


def test_links_are_named_and_not_followed(here: Path, tmp_path: Path) -> None:
    put(tmp_path, secret="s")
    put(here, a="a", src__b="b")
    (here / "leaves").symlink_to(tmp_path / "secret")
    (here / "broken").symlink_to("nowhere")
    (here / "loop").symlink_to("loop")
    (here / "inside").symlink_to("a")
    (here / "folder").symlink_to("src")
    loaded = load(["."])
    assert paths(loaded) == ["a", "src/b"]
    assert loaded.skipped == [
        Skipped("broken", "a broken link"),
        Skipped("folder", "a link to src"),
        Skipped("inside", "a link to a"),
        Skipped("leaves", "a link that leaves the folder"),
        Skipped("loop", "a broken link"),
    ]
    assert load(["leaves"]).files == [File("leaves", "s")]
    assert paths(load(["folder"])) == ["folder/b"]


def test_too_many_files_are_said_to_be(here: Path) -> None:
    put(here, a="a", b="b", c="c", d="d")
    loaded = load(["."], max_files=2)
    assert paths(loaded) == ["a", "b"]
    assert loaded.skipped == [Skipped(".", "more than 2 files: the rest is left out")]


def test_outside_of_git_what_was_installed_is_left_out_once(here: Path) -> None:
    put(here, a="a", node_modules__x__y="y", env__pyvenv_dot_cfg="home", env__lib__z="z", _dot_hg__b="b")
    put(here / "__pycache__", c="c")
    loaded = load(["."])
    assert paths(loaded) == ["a"]
    assert loaded.skipped == [
        Skipped("__pycache__", "compiled files"),
        Skipped("env", "a virtual environment"),
        Skipped("node_modules", "installed packages"),
    ]
    assert paths(load(["node_modules"])) == ["node_modules/x/y"]


def test_ignored_files_are_in_neither_list_unless_they_are_named(here: Path) -> None:
    put(here, _dot_gitignore="*.log\nbuild/\n", a_dot_log="l", keep_dot_txt="k", build__b_dot_txt="b")
    loaded = load(["."])
    assert paths(loaded) == [".gitignore", "keep.txt"]
    assert loaded.skipped == []
    assert paths(load(["a.log", "build/b.txt"])) == ["a.log", "build/b.txt"]


def test_a_named_folder_is_read_by_the_rules_around_it(here: Path) -> None:
    git(here, "init", "-q")
    put(here, _dot_gitignore="*.log\nout/\n", src__a_dot_log="l", src__a_dot_py="p", out__b_dot_py="b")
    assert paths(load(["src"])) == ["src/a.py"]
    assert paths(load(["out"])) == ["out/b.py"]


RULES = {
    "": "*.log\n!keep.log\n/top.txt\nbuild/\n**/deep/*.md\n# comment\nx\\ y.txt\n\\!bang\n",
    "src": "!a.log\n*.tmp\n/inner\n",
    "src/deep": "*\n!.gitignore\n!kept.*\n",
    "other": "build\n!build/\n",
}
NAMES = ["a.log", "keep.log", "top.txt", "a.tmp", "x y.txt", "!bang", "inner", "kept.md", "b.md", "ä.py"]


def test_the_files_are_those_that_git_lists(here: Path) -> None:
    git(here, "init", "-q")
    for folder in ["", "src", "src/deep", "other", "other/build", "build", "src/build", "node_modules/x", ".hidden"]:
        (here / folder).mkdir(parents=True, exist_ok=True)
        for name in NAMES:
            (here / folder / name).write_text(f"{folder}/{name}", "utf-8")
        if folder in RULES:
            (here / folder / ".gitignore").write_text(RULES[folder], "utf-8")
    (here / ".git" / "info" / "exclude").write_text("keep.log\nother/*.tmp\n", "utf-8")
    listed = git(here, "ls-files", "-co", "--exclude-standard", "-z").split("\0")
    assert paths(load(["."])) == sorted(filter(None, listed))


def git(folder: Path, *arguments: str) -> str:
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    ran = subprocess.run(["git", "-c", "core.excludesFile=", *arguments], cwd=folder, check=True, capture_output=True)
    return ran.stdout.decode("utf-8")


@pytest.fixture
def shut() -> Iterator[Path]:
    """A folder with a file and a folder that this process may not read."""
    top = Path(tempfile.mkdtemp())
    try:
        put(top, a="a", file="f", folder__b="b")
        top.chmod(0o755)
        (top / "file").chmod(0)
        (top / "folder").chmod(0)
        root = os.geteuid() == 0
        if root:
            os.seteuid(65534)
        yield top
        if root:
            os.seteuid(0)
    finally:
        (top / "folder").chmod(stat.S_IRWXU)
        shutil.rmtree(top)


def test_what_may_not_be_read_is_named(shut: Path) -> None:
    loaded = load([str(shut)])
    assert paths(loaded) == [f"{shut}/a"]
    assert loaded.skipped == [
        Skipped(f"{shut}/file", "cannot be read: Permission denied"),
        Skipped(f"{shut}/folder", "cannot be read: Permission denied"),
    ]


def test_a_name_that_is_not_utf8_is_shown_so_that_it_can_be_written(here: Path) -> None:
    Path(os.fsdecode(os.fsencode(here) + b"/\xff.txt")).write_text("x")
    assert paths(load(["."])) == ["�.txt"]


def test_a_deep_tree_is_read(here: Path) -> None:
    deep = here
    for _ in range(300):
        deep = deep / "d"
    deep.mkdir(parents=True)
    put(deep, a="a")
    assert paths(load(["."])) == ["d/" * 300 + "a"]
