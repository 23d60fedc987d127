"""Who asks: keys and their limits, this machine alone without them, nobody when they cannot be read."""

from __future__ import annotations

import asyncio
import fnmatch
import re
import sqlite3
import string
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from penstock.admission import Admission
from penstock.errors import PenstockError, Rejected
from penstock.gateway.clients import (
    PLACEHOLDER,
    Client,
    Clients,
    Forbidden,
    KeysClosed,
    RateLimited,
    Unauthorized,
    matches,
)
from penstock.ledger import Amounts, Limits, Never
from penstock.providers.dialects import dialect
from penstock.stores import Hold, MemoryHolds
from penstock.stores.budgets import Budget
from penstock.stores.keys import Key, Keys, KeysUnreadable, MemoryKeys, digest, id_of, is_whole, new_key
from penstock.stores.keys_sqlite import SqliteKeys
from penstock.testing import FakeClock
from penstock.values import Credential, Scope

NOW = 1_795_262_400.0  # Saturday, 21 November 2026, 12:00 UTC
HERE, AWAY = "127.0.0.1", "203.0.113.7"
TEAM = Budget(50_000_000_000, "month")


class House:
    """Clients over real parts in memory."""

    def __init__(self, keys: Keys | None = None) -> None:
        self.keys: Keys = keys or MemoryKeys()
        self.clock = FakeClock(wall=NOW)
        self.holds = MemoryHolds()
        self.admission = Admission(self.holds, self.clock)
        self.clients = Clients(self.keys, self.admission, self.clock)

    async def key(self, name: str = "ci", **fields: Any) -> str:
        text = new_key()
        await self.keys.add(Key(name=name, id=id_of(text), digest=digest(await self.keys.pepper(), text), **fields))
        return text

    async def change(self, name: str, **fields: Any) -> None:
        await self.keys.change(msgspec.structs.replace((await self.keys.ring()).key(name), **fields))

    async def ask(self, key: str, peer: str = AWAY) -> Client:
        return await self.clients.identify(bearer(key), peer)


def bearer(key: str) -> list[tuple[bytes, bytes]]:
    return [(b"host", b"gateway.example"), (b"authorization", b"Bearer " + key.encode())]


def run(test: Callable[[House], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(test(House()))


# With keys ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["authorization: Bearer ", "authorization: bearer  ", "x-api-key: ", "api-key: "])
def test_a_key_is_known_in_the_header_of_any_client(form: str) -> None:
    async def test(house: House) -> None:
        name, _, scheme = form.partition(": ")
        key = await house.key()
        client = await house.clients.identify([(name.encode(), scheme.encode() + key.encode())], AWAY)
        assert client == Client("ci", "key:ci", Scope("key:ci", "key:ci"))

    run(test)


def test_a_virtual_key_beside_another_one_is_the_one_meant() -> None:
    async def test(house: House) -> None:
        key = (await house.key()).encode()
        for headers in (
            [(b"authorization", b"Bearer sk-other"), (b"x-api-key", key)],
            [(b"authorization", b"Bearer " + key), (b"x-api-key", b"sk-other")],
            [(b"authorization", b"Basic abc"), (b"x-api-key", b"sk-other"), (b"api-key", key)],
        ):
            assert (await house.clients.identify(headers, AWAY)).name == "ci"

    run(test)


@pytest.mark.parametrize("peer", [HERE, AWAY])
def test_where_there_are_keys_nobody_is_let_in_without(peer: str) -> None:
    async def test(house: House) -> None:
        key = await house.key()
        for shown, said in (
            ("", "needs a virtual key"),
            (PLACEHOLDER, "those begin with pk-"),
            ("sk-live-0123456789", "those begin with pk-"),
            (key[:-1], "typo"),
            (key.swapcase(), "those begin with pk-"),
            (new_key(), "not known"),
        ):
            with pytest.raises(Unauthorized, match=said) as caught:
                await house.ask(shown, peer)
            assert not shown or shown not in str(caught.value)
            assert caught.value.status == 401

    run(test)


def test_a_key_with_the_id_of_another_is_not_that_one() -> None:
    async def test(house: House) -> None:
        key = await house.key()
        ring = await house.keys.ring()
        forged = new_key()
        await house.keys.add(Key(name="other", id=id_of(forged), digest=ring.key("ci").digest))
        with pytest.raises(Unauthorized, match="not known"):
            await house.ask(forged)
        assert (await house.ask(key)).name == "ci"

    run(test)


def test_a_key_that_has_expired() -> None:
    async def test(house: House) -> None:
        key = await house.key(expires=NOW + 3600)
        assert (await house.ask(key)).name == "ci"
        await house.clock.advance(3600)
        with pytest.raises(Unauthorized, match="expired"):
            await house.ask(key)

    run(test)


def test_a_change_is_seen_within_a_second(tmp_path: Path) -> None:
    async def test() -> None:
        house, other = House(SqliteKeys(tmp_path, warn=print)), House(SqliteKeys(tmp_path, warn=print))
        assert (await house.clients.identify([], HERE)).tenant == "local"
        assert not await house.clients.keyed()
        key = await other.key()
        await house.clock.advance(1)
        with pytest.raises(Unauthorized):
            await house.clients.identify([], HERE)
        assert (await house.ask(key)).models == ()
        assert await house.clients.keyed()
        await other.change("ci", models=("a*",))
        await house.clock.advance(1)
        assert (await house.ask(key)).models == ("a*",)
        await other.keys.remove("ci")
        await other.key("cd")
        await house.clock.advance(1)
        with pytest.raises(Unauthorized):
            await house.ask(key)
        await house.clients.close()
        await other.clients.close()

    asyncio.run(test())


def test_when_the_keys_cannot_be_read_nobody_is_let_in(tmp_path: Path) -> None:
    async def test() -> None:
        house = House(SqliteKeys(tmp_path, warn=print))
        key = await house.key()
        pepper = (tmp_path / "keys.pepper").read_bytes()
        (tmp_path / "keys.pepper").unlink()
        for headers in ([], bearer(key)):
            with pytest.raises(KeysClosed) as caught:
                await house.clients.identify(headers, HERE)
            assert caught.value.status == 503
            assert str(tmp_path) not in str(caught.value)
        with pytest.raises(KeysUnreadable, match=re.escape(str(tmp_path))):
            await house.clients.keyed()
        (tmp_path / "keys.pepper").write_bytes(pepper)
        await house.clock.advance(1)
        assert (await house.ask(key)).name == "ci"
        await house.clients.close()

    asyncio.run(test())


def test_nobody_is_let_in_while_the_keys_are_looked_at_for_the_first_time() -> None:
    class Slow(MemoryKeys):
        async def ring(self) -> Any:
            await asyncio.sleep(0)
            return await super().ring()

    async def test() -> None:
        house = House(Slow())
        await house.key()
        answers = await asyncio.gather(*(house.clients.identify([], HERE) for _ in range(5)), return_exceptions=True)
        assert [type(answer) for answer in answers] == [Unauthorized] * 5

    asyncio.run(test())


# Budgets and scopes ---------------------------------------------------------------------------------------------------


async def spend(house: House, client: Client, nano: int) -> bool:
    """Whether it can be held; then it is spent."""
    hold = await house.holds.hold(client.scope.path, Amounts(nano), Amounts(), house.clock.now())
    if isinstance(hold, Never):
        return False
    assert isinstance(hold, Hold)
    await house.holds.settle(hold.id, Amounts(nano))
    return True


def test_a_daily_budget_begins_anew_at_midnight() -> None:
    async def test(house: House) -> None:
        key = await house.key(budget=Budget(5, "day"))
        client = await house.ask(key)
        assert client.scope.path == ("key:ci", "key:ci", "2026-11-21")
        assert client.limits == Limits(nano=5)
        assert await house.ask(key) is client
        assert [await spend(house, client, 3), await spend(house, client, 3)] == [True, False]
        await house.clock.advance(12 * 3600 - 1)
        assert not await spend(house, await house.ask(key), 3)
        await house.clock.advance(1)
        tomorrow = await house.ask(key)
        assert tomorrow.scope.path == ("key:ci", "key:ci", "2026-11-22")
        assert [await spend(house, tomorrow, 3), await spend(house, tomorrow, 3)] == [True, False]

    run(test)


def test_a_budget_without_a_period_is_spent_once_and_survives_a_new_key() -> None:
    async def test(house: House) -> None:
        client = await house.ask(await house.key(budget=Budget(5)))
        assert client.scope.path == ("key:ci", "key:ci")
        assert await spend(house, client, 4)
        await house.keys.remove("ci")
        again = await house.key(budget=Budget(5))
        await house.clock.advance(400 * 86400)
        assert not await spend(house, await house.ask(again), 4)

    run(test)


def test_keys_of_a_scope_share_its_tenant_and_its_budget() -> None:
    async def test(house: House) -> None:
        await house.keys.share("team-a", TEAM)
        first = await house.key("one", scope="team-a", budget=Budget(40_000_000_000, "day"))
        second = await house.key("two", scope="team-a")
        one, two = await house.ask(first), await house.ask(second)
        assert one.tenant == two.tenant == "team-a"
        assert one.scope.path == ("team-a", "team", "2026-11", "key:one", "2026-11-21")
        assert two.scope.path == ("team-a", "team", "2026-11", "key:two")
        assert two.limits is None
        assert not await spend(house, one, 41_000_000_000)
        assert await spend(house, two, 20_000_000_000)
        assert not await spend(house, one, 31_000_000_000)
        assert await spend(house, one, 30_000_000_000)
        assert not await spend(house, two, 1)

    run(test)


def test_a_budget_that_is_changed_or_taken_away_binds_no_longer() -> None:
    async def test(house: House) -> None:
        key = await house.key(budget=Budget(5))
        assert not await spend(house, await house.ask(key), 6)
        await house.change("ci", budget=Budget(6))
        await house.clock.advance(1)
        assert await spend(house, await house.ask(key), 6)
        await house.change("ci", budget=Budget(9, "day"))
        await house.clock.advance(1)
        assert await spend(house, await house.ask(key), 9)
        await house.change("ci", budget=None)
        await house.clock.advance(1)
        assert await spend(house, await house.ask(key), 1000)

    run(test)


def test_a_key_cannot_leave_its_scope() -> None:
    async def test(house: House) -> None:
        client = await house.ask(await house.key(scope="team-a"))
        assert client.within("") is client.within("team-a") is client
        with pytest.raises(Forbidden, match="not of that scope"):
            client.within("team-b")
        await house.keys.remove("ci")
        await house.clock.advance(1)
        anyone = await house.clients.identify([], HERE)
        assert anyone.within("team-b") == Client("", "team-b", Scope("team-b"))

    run(test)


# Rates ----------------------------------------------------------------------------------------------------------------


def test_who_asks_too_fast_is_told_when_to_come_again() -> None:
    async def test(house: House) -> None:
        client = await house.ask(await house.key(rpm=2, tpm=1000))
        now = house.clock.now()
        await house.clients.admit(client, 400, now)
        await house.clients.admit(client, 400, now)
        with pytest.raises(RateLimited, match="wait 30 s") as caught:
            await house.clients.admit(client, 400, now)
        assert caught.value.retry_after == 30.0
        assert caught.value.headers == {"retry-after": "30", "retry-after-ms": "30000"}
        status, _ = dialect("openai").refusal(caught.value, request_id="")
        assert status == 429
        await house.clients.admit(client, 400, now + 30)

    run(test)


def test_a_request_larger_than_a_minute_is_refused_for_good() -> None:
    async def test(house: House) -> None:
        client = await house.ask(await house.key(tpm=1000))
        with pytest.raises(Rejected, match="more than the virtual key") as caught:
            await house.clients.admit(client, 1001, NOW)
        assert caught.value.status == 413
        await house.clients.admit(client, 1000, NOW)

    run(test)


def test_without_limits_nothing_is_counted() -> None:
    async def test(house: House) -> None:
        client = await house.ask(await house.key())
        for _ in range(1000):
            await house.clients.admit(client, 10**12, NOW)
        assert client.rates == {}

    run(test)


# Models ---------------------------------------------------------------------------------------------------------------


@given(st.text("ab*-", max_size=8), st.text("ab-", max_size=10))
@example("a*a", "a")
def test_patterns_are_those_of_a_shell_that_knows_the_star_alone(pattern: str, model: str) -> None:
    assert matches(pattern, model) == bool(re.fullmatch(fnmatch.translate(pattern), model))


@given(st.text(), st.text())
def test_nothing_but_the_star_is_special(pattern: str, model: str) -> None:
    assert matches(pattern.replace("*", ""), model) == (pattern.replace("*", "") == model)
    assert matches(f"*{model}*", pattern + model + pattern)


def test_a_pattern_cannot_stall() -> None:
    """A regular expression of this shape takes years."""
    assert not matches("*a" * 5000 + "b", "a" * 20_000)


def test_which_models_a_key_may_ask() -> None:
    client = Client("ci", "t", Scope("t"), models=("gpt-5-mini", "claude-*"))
    assert [client.allows(model) for model in ("gpt-5-mini", "claude-opus", "gpt-5", "")] == [True, True, False, False]
    assert Client("ci", "t", Scope("t")).allows("anything")


# Without keys ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("peer", [HERE, "127.8.9.1", "::1", "::ffff:127.0.0.1"])
def test_this_machine_is_served_and_the_clients_own_key_is_its_tenant(peer: str) -> None:
    async def test(house: House) -> None:
        async def ask(key: str) -> Client:
            return await house.clients.identify([(b"host", b"localhost:8080"), (b"x-api-key", key.encode())], peer)

        assert await ask("") == await ask(PLACEHOLDER) == Client("", "local", Scope("local"))
        own = await ask("sk-mine")
        assert own.credential == Credential("sk-mine", "x-api-key")
        assert re.fullmatch("[0-9a-f]{16}", own.tenant)
        assert own.scope == Scope(own.tenant)
        assert own.tenant != (await ask("sk-yours")).tenant

    run(test)


@pytest.mark.parametrize(
    "peer", [AWAY, "10.0.0.1", "", "localhost", "::ffff:10.0.0.1", "fe80::1%lo", "127.0.0.1.example"]
)
def test_no_other_machine_is(peer: str) -> None:
    async def test(house: House) -> None:
        with pytest.raises(Unauthorized, match="its own machine alone"):
            await house.clients.identify([], peer)

    run(test)


@pytest.mark.parametrize("trace", ["forwarded", "x-forwarded-for", "x-real-ip", "via"])
def test_nor_the_world_behind_a_proxy_on_this_one(trace: str) -> None:
    async def test(house: House) -> None:
        with pytest.raises(Unauthorized, match="its own machine alone"):
            await house.clients.identify([(trace.encode(), b"203.0.113.7")], HERE)

    run(test)


@pytest.mark.parametrize(
    ("header", "served"),
    [
        ("host: 127.0.0.1:8080", True),
        ("host: [::1]:8080", True),
        ("host: app.localhost", True),
        ("host: rebound.example", False),
        ("host: 127.0.0.1.example", False),
        ("host: localhost@rebound.example", False),
        ("host: [::1", False),
        ("host: \xe9", False),
        ("origin: http://localhost:3000", True),
        ("origin: vscode-file://vscode-app", True),
        ("origin: https://evil.example", False),
        ("origin: null", False),
    ],
)
def test_nor_a_web_page_from_elsewhere(header: str, served: bool) -> None:
    async def test(house: House) -> None:
        name, _, value = header.partition(": ")
        headers = [(name.encode(), value.encode("latin-1"))]
        if served:
            assert (await house.clients.identify(headers, HERE)).tenant == "local"
        else:
            with pytest.raises(Forbidden, match="no foreign host or web page"):
                await house.clients.identify(headers, HERE)

    run(test)


# Hostile headers ------------------------------------------------------------------------------------------------------

NAMES = st.sampled_from([b"authorization", b"x-api-key", b"api-key", b"host", b"origin", b"cookie"]) | st.binary(
    max_size=20
)
HOSTILE = st.sampled_from([
    b"Bearer", b"Bearer ", b"bearer\t", b"Bearer \x00", b"Bearer \xff\xfe", b"Bearer pk-%s%s%n",
    b"Bearer ' OR 1=1 --", b"Bearer pk-'; DROP TABLE keys; --", b"Bearer pk-" + b"A" * 49,
    b"Basic " + b"A" * 9000, b"pk-" + b"\xc3\xa9" * 30,
])  # fmt: skip
HEADERS = st.lists(st.tuples(NAMES, st.binary(max_size=200) | HOSTILE), max_size=8)
PEERS = st.sampled_from([HERE, AWAY, "::1"]) | st.text(string.printable, max_size=40)


async def answer(house: House, headers: Sequence[tuple[bytes, bytes]], peer: str) -> Client | PenstockError:
    try:
        return await house.clients.identify(headers, peer)
    except PenstockError as error:
        return error


@given(HEADERS, PEERS)
def test_no_header_gets_in_with_keys(headers: list[tuple[bytes, bytes]], peer: str) -> None:
    async def test(house: House) -> None:
        await house.key()
        refused = await answer(house, headers, peer)
        assert isinstance(refused, Unauthorized)
        told = dialect("anthropic").refusal(refused, request_id="")[1]
        for name, value in headers:
            assert len(value) < 12 or name not in {b"authorization", b"x-api-key", b"api-key"} or value[7:] not in told

    run(test)


@given(HEADERS, PEERS)
def test_without_keys_any_header_is_a_client_of_this_machine_or_refused(
    headers: list[tuple[bytes, bytes]], peer: str
) -> None:
    async def test(house: House) -> None:
        client = await answer(house, headers, peer)
        if isinstance(client, PenstockError):
            assert isinstance(client, Unauthorized | Forbidden)
            return
        assert peer in {HERE, "::1"} or peer.startswith(("127.", "::", "0"))
        key = client.credential.key if client.credential else ""
        assert key.isascii()
        assert key == "" or key.isprintable()
        assert not is_whole(key)

    run(test)


def test_no_text_of_a_client_reaches_a_statement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CVE-2026-42208: the header was put into SQL where the key was not found."""
    statements: list[str] = []
    connect = sqlite3.connect

    def traced(*args: Any, **options: Any) -> sqlite3.Connection:
        connection = connect(*args, **options)
        connection.set_trace_callback(statements.append)
        return connection

    monkeypatch.setattr(sqlite3, "connect", traced)

    async def test() -> None:
        house = House(SqliteKeys(tmp_path, warn=print))
        key = await house.key()
        assert statements
        statements.clear()
        for shown in (new_key(), key[:-1], "x' OR 1=1 --", key):
            await house.clock.advance(1)
            await answer(house, bearer(shown), AWAY)
        assert set(statements) <= {
            "PRAGMA quick_check",
            "PRAGMA data_version",
            "SELECT mark FROM pepper",
            "SELECT name, key FROM keys ORDER BY name",
            "SELECT name, budget FROM scopes ORDER BY name",
            "BEGIN",
            "COMMIT",
        }
        await house.clients.close()

    asyncio.run(test())
