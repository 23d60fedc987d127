"""``penstock key`` as a person runs it, and the keys it makes as a gateway knows them."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from penstock.admission import Admission
from penstock.cli import main
from penstock.clock import SystemClock
from penstock.gateway.clients import Client, Clients, Unauthorized
from penstock.ledger import Amounts, Limits
from penstock.stores.holds_sqlite import SqliteHolds
from penstock.stores.keys_sqlite import SqliteKeys

Run = Any


@pytest.fixture
def penstock(capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*words: str, code: int = 0) -> tuple[str, str]:
        assert main(words) == code
        told = capsys.readouterr()
        return told.out, told.err

    return run


def tell(penstock: Run, *words: str) -> Any:
    return json.loads(penstock(*words, "--json")[0])


def identify(home: Path, keys: Sequence[str], spend: int = 0) -> list[Client]:
    """Those whom a gateway with this home knows the keys of."""

    async def known() -> list[Client]:
        clock, holds = SystemClock(), await SqliteHolds.at(home / "holds.sqlite", warn=print)
        clients = Clients(SqliteKeys(home, warn=print), Admission(holds, clock), clock)
        found = [await clients.identify([(b"authorization", f"Bearer {key}".encode())], "203.0.113.7") for key in keys]
        for client in found:
            await holds.charge(client.scope.path, Amounts(spend))
        await clients.close()
        await holds.close()
        return found

    return asyncio.run(known())


def test_a_key_is_shown_once_and_known_from_then_on(penstock: Run, home: Path) -> None:
    out, err = penstock("key", "add", "ci", "--budget", "$5/day", "--models", "gpt-5-mini, claude-*", "--rpm", "60")
    key = out.strip()
    assert "It is shown this once" in err
    assert "serves nobody without a virtual key" in err
    (client,) = identify(home, [key])
    assert client.name == "ci"
    assert client.limits == Limits(nano=5_000_000_000)
    assert client.models == ("gpt-5-mini", "claude-*")
    assert client.rates == {"ci:requests": 60}
    listed, _ = penstock("key", "list")
    assert key not in listed
    assert "ci" in listed
    assert "$5.00/day" in listed


def test_the_list_tells_limits_and_what_is_spent(penstock: Run, home: Path) -> None:
    added = tell(
        penstock, "key", "add", "ci", "--budget", "5c/hour", "--scope", "team-a", "--expires", "30d", "--tpm", "9"
    )
    assert added["key"].startswith("pk-")
    assert tell(penstock, "key", "scope", "team-a", "--budget", "$50/month") == {
        "scope": "team-a",
        "budget": "$50.00/month",
    }
    identify(home, [added["key"]], spend=2_000_000)
    listed = tell(penstock, "key", "list")
    (told,) = listed["keys"]
    assert (told["name"], told["scope"], told["budget"], told["budget_nano"]) == (
        "ci",
        "team-a",
        "$0.05/hour",
        50_000_000,
    )
    assert (told["spent"], told["spent_nano"], told["tpm"], told["rpm"]) == ("$0.002", 2_000_000, 9, None)
    assert told["expires"].endswith("+00:00")
    assert "digest" not in told
    assert listed["scopes"] == [{"scope": "team-a", "budget": "$50.00/month", "budget_nano": 50_000_000_000}]
    assert "scope team-a" in penstock("key", "list")[0]


def test_rotating_keeps_everything_but_the_key(penstock: Run, home: Path) -> None:
    first = tell(penstock, "key", "add", "ci", "--budget", "$5")
    second = tell(penstock, "key", "rotate", "ci")
    assert second["key"] != first["key"]
    assert {**first, "key": 0, "id": 0} == {**second, "key": 0, "id": 0}
    with pytest.raises(Unauthorized):
        identify(home, [first["key"]])
    assert identify(home, [second["key"]])[0].name == "ci"


def test_changing_touches_only_what_is_named(penstock: Run, home: Path) -> None:
    key = tell(penstock, "key", "add", "ci", "--budget", "$5/day", "--rpm", "60", "--models", "a")["key"]
    changed = tell(penstock, "key", "change", "ci", "--rpm", "none", "--models", "none", "--scope", "team-a")
    assert (changed["budget"], changed["rpm"], changed["models"], changed["scope"]) == ("$5.00/day", None, "", "team-a")
    (client,) = identify(home, [key])
    assert (client.tenant, client.rates) == ("team-a", {})
    assert tell(penstock, "key", "change", "ci", "--scope", "none")["scope"] == ""


def test_when_the_last_is_removed_this_machine_is_served_again(penstock: Run, home: Path) -> None:
    penstock("key", "add", "one")
    penstock("key", "add", "two")
    assert tell(penstock, "key", "remove", "one") == {"removed": "one", "left": 1}
    assert "none is left: from now on this machine" in penstock("key", "remove", "two")[1]
    assert tell(penstock, "key", "list") == {"keys": [], "scopes": []}
    assert "penstock key add NAME" in penstock("key", "list")[1]


def test_a_list_of_nothing_makes_no_file(penstock: Run, home: Path) -> None:
    assert tell(penstock, "key", "list") == {"keys": [], "scopes": []}
    assert not home.exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["add", "a:b"], "no name"),
        (["add", "ci", "--scope", "key:x"], "no name"),
        (["add", "ci", "--budget", "$5/year"], "write it like"),
        (["add", "ci", "--budget", "lots/day"], "not an amount of money"),
        (["add", "ci", "--budget", "/day"], "the amount of money is empty (write it like 5c, $20, 5c/hour or $5/day"),
        (["add", "ci", "--budget", ""], "in a shell '$5/day', in single quotes"),
        (["add", "ci", "--rpm", "0"], "not a number a minute"),
        (["add", "ci", "--tpm", "1.5"], "not a number a minute"),
        (["add", "ci", "--expires", "tomorrow"], "write it like"),
        (["add", "taken"], "there is a virtual key 'taken' already"),
        (["change", "ci", "--rpm", "5"], "there are: taken"),
        (["rotate", "ci"], "no virtual key 'ci'"),
        (["remove", "ci"], "no virtual key 'ci'"),
        (["scope", "team-a", "--budget", "$1/hour"], "would be renewed"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(penstock: Run, home: Path, words: list[str], said: str) -> None:
    penstock("key", "add", "taken", "--scope", "team-a", "--budget", "$1/day")
    before = tell(penstock, "key", "list")
    out, err = penstock("key", *words, code=2)
    assert out == ""
    assert said in err
    assert err.count("\n") == 1
    assert tell(penstock, "key", "list") == before


def test_a_damaged_file_is_told_with_the_way_to_mend_it(penstock: Run, home: Path) -> None:
    penstock("key", "add", "ci")
    (home / "keys.sqlite").write_bytes(b"this is no database" * 99)
    for words in (("list",), ("add", "two"), ("remove", "ci")):
        _, err = penstock("key", *words, code=1)
        assert "nobody is let in" in err
        assert "restore it" in err


def test_keys_are_for_the_owners_eyes(penstock: Run, home: Path) -> None:
    penstock("key", "add", "ci")
    assert home.stat().st_mode & 0o777 == 0o700
    assert all(file.stat().st_mode & 0o077 == 0 for file in home.iterdir())
    assert os.environ["PENSTOCK_HOME"] == str(home)
