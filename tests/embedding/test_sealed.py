"""A file that is made of others: made once, and again where it does not fit them or is damaged."""

from __future__ import annotations

from pathlib import Path

from penstock.embedding.sealed import sealed


def never() -> bytes:
    raise AssertionError("made again")


def test_it_is_made_once_for_what_it_is_made_of(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    assert sealed(path, b"one", lambda: b"made of one") == b"made of one"
    assert sealed(path, b"one", never) == b"made of one"
    assert sealed(path, b"two", lambda: b"made of two") == b"made of two"
    assert sealed(path, b"two", never) == b"made of two"
    assert list(path.parent.iterdir()) == [path]


def test_where_it_cannot_be_kept_it_is_made_each_time(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert sealed(tmp_path / "file" / "below", b"one", lambda: b"first") == b"first"
    assert sealed(tmp_path / "file" / "below", b"one", lambda: b"second") == b"second"
    (tmp_path / "folder" / "x").mkdir(parents=True)
    assert sealed(tmp_path / "folder", b"one", lambda: b"third") == b"third"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["file", "folder"]


def test_no_damage_goes_unseen(tmp_path: Path) -> None:
    path = tmp_path / "file"
    sealed(path, b"one", lambda: b"content")
    whole = path.read_bytes()
    damaged = [whole[:length] for length in range(len(whole))]
    damaged += [whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :] for at in range(len(whole))]
    for each in [*damaged, whole + b"x"]:
        path.write_bytes(each)
        assert sealed(path, b"one", lambda: b"content") == b"content"
        assert path.read_bytes() == whole
