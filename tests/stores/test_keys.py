"""Keys: their text, the laws of both stores, and that what cannot be read lets nobody in."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import sqlite3
import string
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import BadInput
from penstock.stores.budgets import Budget
from penstock.stores.keys import (
    Key,
    Keyring,
    Keys,
    KeysUnreadable,
    MemoryKeys,
    digest,
    id_of,
    is_whole,
    name_of,
    new_key,
)
from penstock.stores.keys_sqlite import SqliteKeys

SAFE = string.ascii_letters + string.digits + "-_"
DAY = Budget(5, "day")


def a_key(name: str = "ci", scope: str = "", budget: Budget | None = None) -> Key:
    return Key(name=name, id=f"id-{name}", digest=b"d" * 32, scope=scope, budget=budget)


# The text of a key ----------------------------------------------------------------------------------------------------


@given(st.integers(0, 51), st.sampled_from(SAFE))
def test_a_typo_is_recognised(at: int, other: str) -> None:
    key = new_key()
    assert is_whole(key)
    typo = key[:at] + other + key[at + 1 :]
    assert is_whole(typo) == (typo == key)


@given(st.integers(0, 50))
def test_two_characters_in_each_others_place_are_recognised(at: int) -> None:
    key = new_key()
    swapped = key[:at] + key[at + 1] + key[at] + key[at + 2 :]
    assert is_whole(swapped) == (swapped == key)


@given(st.text() | st.text("pk-" + SAFE, max_size=60).map("pk-".__add__))
def test_no_other_text_is_a_key(text: str) -> None:
    assert not is_whole(text)


def test_a_key_is_52_safe_characters_and_its_id_is_no_secret() -> None:
    keys = {new_key() for _ in range(1000)}
    assert len(keys) == len({id_of(key) for key in keys}) == 1000
    assert all(len(key) == 52 and set(key) <= set(SAFE) and key.startswith("pk-") for key in keys)
    assert all(len(id_of(key)) == 8 and id_of(key) in key for key in keys)


def test_a_digest_needs_the_pepper() -> None:
    key = new_key()
    assert digest(b"a" * 32, key) == digest(b"a" * 32, key) != digest(b"b" * 32, key)
    assert len(digest(b"", key)) == 32


@pytest.mark.parametrize("name", ["", "key:ci", "-x", "a b", "a/b", "é", "a" * 65, "a\n"])
def test_a_name_that_could_be_anothers_is_refused(name: str) -> None:
    with pytest.raises(BadInput, match="no name"):
        name_of(name)


def test_names_as_people_write_them() -> None:
    assert [name_of(name) for name in ("ci", "team-a", "0.x_Y")] == ["ci", "team-a", "0.x_Y"]


# The laws of a store --------------------------------------------------------------------------------------------------


def on_both(tmp_path: Path, law: Callable[[Keys], Awaitable[None]]) -> None:
    """Run a law on both forms."""

    async def run() -> None:
        for keys in (MemoryKeys(), SqliteKeys(tmp_path, warn=fail)):
            await law(keys)
            await keys.close()

    asyncio.run(run())


def fail(line: str) -> None:
    raise AssertionError(line)


def test_what_is_kept_is_found_and_what_is_removed_is_not(tmp_path: Path) -> None:
    async def law(keys: Keys) -> None:
        assert await keys.ring() == Keyring()
        pepper = await keys.pepper()
        assert len(pepper) == 32
        assert await keys.pepper() == pepper
        await keys.add(a_key("one", budget=DAY))
        await keys.add(a_key("two"))
        await keys.share("team", DAY)
        ring = await keys.ring()
        assert ring == Keyring({"one": a_key("one", budget=DAY), "two": a_key("two")}, {"team": DAY}, pepper)
        assert await keys.ring() is ring
        await keys.change(a_key("two", scope="team"))
        await keys.remove("one")
        assert (await keys.ring()).keys == {"two": a_key("two", scope="team")}
        await keys.share("team", None)
        assert (await keys.ring()).scopes == {}

    on_both(tmp_path, law)


def test_what_cannot_be_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    async def law(keys: Keys) -> None:
        await keys.pepper()
        await keys.add(a_key("one", scope="team", budget=Budget(5)))
        before = await keys.ring()
        with pytest.raises(BadInput, match="already"):
            await keys.add(a_key("one"))
        with pytest.raises(BadInput, match="there are: one"):
            await keys.change(a_key("two"))
        with pytest.raises(BadInput, match="no virtual key"):
            await keys.remove("two")
        with pytest.raises(BadInput, match="within one month"):
            await keys.share("team", Budget(9, "month"))
        await keys.share("team", Budget(9))
        await keys.remove("one")
        await keys.share("team", Budget(9, "month"))
        with pytest.raises(BadInput, match="would be renewed"):
            await keys.add(a_key("one", scope="team", budget=Budget(5, "week")))
        await keys.add(a_key("one", scope="team", budget=DAY))
        assert before.keys == {"one": a_key("one", scope="team", budget=Budget(5))}

    on_both(tmp_path, law)


def test_what_another_process_changes_is_seen(tmp_path: Path) -> None:
    async def run() -> None:
        mine, other = SqliteKeys(tmp_path, warn=fail), SqliteKeys(tmp_path, warn=fail)
        assert (await mine.ring()).keys == {}
        await other.add(a_key("one"))
        assert list((await mine.ring()).keys) == ["one"]
        await mine.add(a_key("two"))
        assert list((await other.ring()).keys) == ["one", "two"]
        await other.remove("one")
        seen = await mine.ring()
        assert list(seen.keys) == ["two"]
        assert await mine.ring() is seen
        await mine.close()
        await other.close()

    asyncio.run(run())


def _adds(folder: str, number: int) -> None:
    async def run() -> None:
        keys = SqliteKeys(Path(folder), warn=fail, patience=60.0)
        for round in range(5):
            await keys.add(a_key(f"p{number}-{round}"))
        await keys.close()

    asyncio.run(run())


def test_processes_that_add_at_once_lose_nothing(tmp_path: Path) -> None:
    async def count() -> int:
        keys = SqliteKeys(tmp_path, warn=fail)
        await keys.pepper()
        found = len((await keys.ring()).keys)
        await keys.close()
        return found

    assert asyncio.run(count()) == 0
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_adds, args=(str(tmp_path), number)) for number in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert asyncio.run(count()) == 15


def test_nobody_else_may_read_the_files(tmp_path: Path) -> None:
    filled(tmp_path)
    assert {file.name: file.stat().st_mode & 0o777 for file in tmp_path.glob("keys.*")} == {
        "keys.sqlite": 0o600,
        "keys.pepper": 0o600,
    }


def test_the_key_itself_is_stored_nowhere(tmp_path: Path) -> None:
    text = new_key()

    async def run() -> None:
        keys = SqliteKeys(tmp_path, warn=fail)
        await keys.add(Key(name="ci", id=id_of(text), digest=digest(await keys.pepper(), text)))
        await keys.close()

    asyncio.run(run())
    secret = text[11:46].encode()
    assert all(secret not in file.read_bytes() for file in tmp_path.iterdir())


# Failing closed -------------------------------------------------------------------------------------------------------


def filled(folder: Path) -> None:
    async def run() -> None:
        keys = SqliteKeys(folder, warn=fail)
        await keys.add(a_key("one", scope="team"))
        await keys.share("team", DAY)
        await keys.close()

    asyncio.run(run())


def read(folder: Path) -> Keyring:
    async def run() -> Keyring:
        keys = SqliteKeys(folder, warn=lambda _: None)
        try:
            return await keys.ring()
        finally:
            await keys.close()

    return asyncio.run(run())


def execute(statement: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        connection = sqlite3.connect(folder / "keys.sqlite")
        with connection:
            connection.execute(statement)
        connection.close()

    return damage


def overwrite(name: str, content: bytes) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes(content) and None


def restore(folder: Path, sound: dict[Path, bytes]) -> None:
    """Put other files in the place of the damaged ones, as who restores a copy does."""
    for file, content in sound.items():
        if file.is_dir():
            file.rmdir()
        fresh = file.with_name(file.name + ".new")
        fresh.write_bytes(content)
        fresh.replace(file)
    for companion in folder.glob("keys.sqlite-*"):
        companion.unlink()


def tear(folder: Path) -> None:
    file = folder / "keys.sqlite"
    file.write_bytes(file.read_bytes()[:4096] + b"\xa5" * (file.stat().st_size - 4096))


def unpermitted(folder: Path) -> None:
    (folder / "keys.pepper").unlink()
    (folder / "keys.pepper").mkdir()


DAMAGE: dict[str, Callable[[Path], None]] = {
    "no database": overwrite("keys.sqlite", b"this is no database" * 300),
    "an empty file": overwrite("keys.sqlite", b""),
    "pages behind the first are torn": tear,
    "a file that is gone": lambda folder: (folder / "keys.sqlite").unlink(),
    "a pepper that is gone": lambda folder: (folder / "keys.pepper").unlink(),
    "a pepper of another home": overwrite("keys.pepper", b"x" * 32),
    "half a pepper": overwrite("keys.pepper", b"x" * 16),
    "a pepper that cannot be read": unpermitted,
    "a row that is no key": execute("UPDATE keys SET key = x'00'"),
    "a row of another shape": execute("UPDATE keys SET key = '{}'"),
    "a budget that is none": execute("UPDATE scopes SET budget = x'ff'"),
    "no mark": execute("DELETE FROM pepper"),
    "no table": execute("DROP TABLE keys"),
    "a newer version": execute("PRAGMA user_version = 99"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_what_cannot_be_read_is_no_empty_ring_however_often_it_is_read(kind: str, tmp_path: Path) -> None:
    filled(tmp_path)
    DAMAGE[kind](tmp_path)
    for _ in range(3):
        with pytest.raises(KeysUnreadable, match="nobody is let in"):
            read(tmp_path)


@pytest.mark.parametrize("kind", [kind for kind in DAMAGE if kind != "a newer version"])
def test_damage_shows_in_a_store_that_is_open_and_so_does_its_mending(kind: str, tmp_path: Path) -> None:
    filled(tmp_path)
    sound = {file: file.read_bytes() for file in tmp_path.glob("keys.*")}

    async def run() -> None:
        keys = SqliteKeys(tmp_path, warn=lambda _: None)
        if kind not in {"pages behind the first are torn", "an empty file", "no database"}:  # behind SQLite's back
            assert list((await keys.ring()).keys) == ["one"]
        DAMAGE[kind](tmp_path)
        for _ in range(3):
            with pytest.raises(KeysUnreadable):
                await keys.ring()
            with pytest.raises(KeysUnreadable):
                await keys.add(a_key("two"))
        await keys.close()
        restore(tmp_path, sound)
        assert list((await keys.ring()).keys) == ["one"]
        await keys.close()

    asyncio.run(run())


def test_a_damaged_file_stays_where_it_is(tmp_path: Path) -> None:
    """Set aside, it would be missed by nobody, and the door would be open."""
    (tmp_path / "keys.sqlite").write_bytes(b"this is no database" * 300)
    with pytest.raises(KeysUnreadable, match="to begin without virtual keys"):
        read(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["keys.sqlite"]


def test_reading_makes_no_file(tmp_path: Path) -> None:
    assert read(tmp_path / "nowhere") == Keyring()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(KeysUnreadable, match="check its folder"):
        filled(tmp_path)


def test_a_home_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    with pytest.raises(KeysUnreadable):
        filled(tmp_path / "home")


def test_a_file_locked_for_good_lets_nobody_add(tmp_path: Path) -> None:
    filled(tmp_path)

    async def run() -> None:
        said: list[str] = []
        keys = SqliteKeys(tmp_path, warn=said.append, patience=0.002)
        assert list((await keys.ring()).keys) == ["one"]
        lock = sqlite3.connect(tmp_path / "keys.sqlite", isolation_level=None)
        lock.execute("BEGIN IMMEDIATE")
        with pytest.raises(KeysUnreadable, match="cannot be written"):
            await keys.add(a_key("two"))
        lock.execute("ROLLBACK")
        lock.close()
        await keys.add(a_key("two"))
        assert list((await keys.ring()).keys) == ["one", "two"]
        assert len(said) == 1
        await keys.close()

    asyncio.run(run())
