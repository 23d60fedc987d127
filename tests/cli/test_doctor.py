"""``penstock doctor``: what it finds in a sound house and in broken ones."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from penstock.cli import main
from penstock.config import load
from penstock.gateway.serve import serving
from penstock.runtime import build
from penstock.testing import Upstream


@pytest.fixture
def doctor(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)

    def look(*words: str, code: int = 0) -> dict[str, dict[str, str]]:
        assert main(["doctor", "--json", *words]) == code
        told = json.loads(capsys.readouterr().out)
        assert told["ok"] == (code == 0)
        return {check["name"]: check for check in told["checks"]}

    return look


def state(checks: dict[str, dict[str, str]], name: str) -> tuple[str, str]:
    return checks[name]["state"], checks[name]["told"] + checks[name]["mend"]


def test_a_new_house_is_sound_and_stays_as_it_is(doctor: Any, home: Path) -> None:
    checks = doctor()
    assert {check["state"] for check in checks.values()} == {"ok", "note"}
    assert {
        "python",
        "start",
        "clock",
        "home",
        "configuration",
        "providers",
        "virtual keys",
        "clients",
    } <= checks.keys()
    assert "penstock run -- CMD" in checks["clients"]["mend"]
    assert not home.exists()


def test_it_reads_well_too(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "penstock", "doctor"], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "ok     python: Python 3." in done.stdout
    assert "note   clients: no variable leads them to a gateway here  ->  " in done.stdout
    assert "  ->  " in done.stdout


@pytest.mark.parametrize(
    ("name", "said"), [("replies.sqlite", "a new one is begun"), ("keys.sqlite", "lets nobody in")]
)
def test_damaged_files_are_found_and_left_alone(doctor: Any, home: Path, name: str, said: str) -> None:
    home.mkdir()
    damaged = b"this is no database" * 300
    (home / name).write_bytes(damaged)
    sqlite3.connect(home / "holds.sqlite").close()
    (home / "records.sqlite.corrupt-1").write_bytes(damaged)
    found, told = state(doctor(code=1), name)
    assert found == "fails"
    assert said in told
    assert (home / name).read_bytes() == damaged
    checks = doctor(code=1)
    assert state(checks, "holds.sqlite")[0] == "ok"
    assert state(checks, "set aside")[0] == "note"


def test_lost_keys_are_found(doctor: Any, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["key", "add", "ci"])
    capsys.readouterr()
    assert "1: each request needs one" in state(doctor(), "virtual keys")[1]
    (home / "keys.pepper").unlink()
    assert "nobody is let in" in state(doctor(code=1), "virtual keys")[1]


def test_a_home_that_cannot_be_one(doctor: Any, home: Path) -> None:
    home.write_text("a file")
    found, told = state(doctor(code=1), "home")
    assert found == "fails"
    assert "PENSTOCK_HOME" in told


def test_a_home_that_others_may_write_to(doctor: Any, home: Path) -> None:
    home.mkdir()
    home.chmod(0o777)
    assert state(doctor(), "home")[0] == "note"
    assert "chmod 700" in doctor()["home"]["mend"]


def test_a_clock_that_runs_behind_the_files(doctor: Any, home: Path) -> None:
    home.mkdir()
    (home / "records").write_text("")
    assert state(doctor(), "clock")[0] == "ok"
    later = time.time() + 10 * 86_400
    os.utime(home / "records", (later, later))
    assert doctor(code=1)["clock"]["mend"] == "set the clock"


def test_a_configuration_that_is_none(doctor: Any, tmp_path: Path) -> None:
    (tmp_path / "penstock.toml").write_text("colour = 3")
    found, told = state(doctor(code=1), "configuration")
    assert found == "fails"
    assert "unknown key 'colour'" in told


def test_keys_are_named_and_never_shown(doctor: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    monkeypatch.setenv("PENSTOCK_ANTHROPIC_BASE_URL", "http://name:word@127.0.0.1:9?token=very-secret")
    checks = doctor()
    assert "OPENAI_API_KEY is set" in checks["openai"]["told"]
    assert "ANTHROPIC_API_KEY is not set" in checks["anthropic"]["told"]
    assert "secret" not in json.dumps(checks)
    assert "word" not in json.dumps(checks)


def with_gateway(test: Callable[[str, Upstream], Awaitable[None]]) -> None:
    """Run a test beside a gateway in front of an upstream."""

    async def run() -> None:
        async with Upstream("At nine.") as up:
            os.environ["PENSTOCK_OPENAI_BASE_URL"] = up.url
            runtime = await build(load())
            try:
                async with serving(runtime) as address:
                    await test(address, up)
            finally:
                await runtime.close()

    asyncio.run(run())


async def examine(*words: str, **variables: str) -> tuple[int, dict[str, dict[str, str]]]:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "penstock", "doctor", "--json", *words,
        stdout=asyncio.subprocess.PIPE, env={**os.environ, **variables},
    )  # fmt: skip
    out, _ = await child.communicate()
    assert child.returncode is not None
    return child.returncode, {check["name"]: check for check in json.loads(out)["checks"]}


def test_whether_a_client_really_goes_through(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.setenv("PENSTOCK_OPENAI_BASE_URL", "")

    async def test(address: str, up: Upstream) -> None:
        pointers = {"OPENAI_BASE_URL": f"{address}/v1", "ANTHROPIC_BASE_URL": address}
        code, checks = await examine(**pointers, OPENAI_API_KEY="sk-mine", ANTHROPIC_AUTH_TOKEN="penstock")
        assert code == 0
        assert "a penstock that lets this client in" in checks["OPENAI_BASE_URL"]["told"]
        assert checks["ANTHROPIC_BASE_URL"]["state"] == "ok"
        assert up.served == 0
        code, checks = await examine(**pointers, ANTHROPIC_API_URL=address)
        assert (code, checks["OPENAI_BASE_URL"]["state"], checks["ANTHROPIC_API_URL"]["state"]) == (0, "note", "note")
        assert "export OPENAI_API_KEY=penstock" in checks["OPENAI_BASE_URL"]["mend"]

        made = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "penstock", "key", "add", "ci", stdout=asyncio.subprocess.PIPE
        )
        key = (await made.communicate())[0].decode().strip()
        await asyncio.sleep(0.6)  # a running gateway looks at its keys twice a second
        code, checks = await examine(OPENAI_BASE_URL=f"{address}/v1", OPENAI_API_KEY="sk-mine")
        assert code == 1
        assert "answers 401 to this client: this is no virtual key" in checks["OPENAI_BASE_URL"]["told"]
        assert "set OPENAI_API_KEY" in checks["OPENAI_BASE_URL"]["mend"]
        code, checks = await examine(OPENAI_BASE_URL=f"{address}/v1", OPENAI_API_KEY=key)
        assert (code, checks["OPENAI_BASE_URL"]["state"]) == (0, "ok")
        assert key not in json.dumps(checks)

    with_gateway(test)


def test_whatever_else_answers_is_no_penstock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_OPENAI_BASE_URL", "")

    async def test(address: str, up: Upstream) -> None:
        code, checks = await examine(OPENAI_BASE_URL=up.url, ANTHROPIC_BASE_URL="http://127.0.0.1:9")
        assert code == 1
        assert "is no penstock" in checks["OPENAI_BASE_URL"]["told"]
        assert "nobody answers" in checks["ANTHROPIC_BASE_URL"]["told"]
        assert checks["ANTHROPIC_BASE_URL"]["mend"] == "start it: penstock serve"

    with_gateway(test)


@pytest.mark.parametrize(
    ("address", "told", "mend"),
    [
        ("127.0.0.1:8080/v1", "which is no address", "write http:// before it"),
        ("https://{}/v1", "where nobody answers", "asked with http://, not https://"),
        ("http://{}/api/v1", "which is no penstock", "what penstock serve tells"),
    ],
)
def test_an_address_that_is_wrong_is_told_how_to_mend(
    monkeypatch: pytest.MonkeyPatch, address: str, told: str, mend: str
) -> None:
    monkeypatch.setenv("PENSTOCK_OPENAI_BASE_URL", "")

    async def test(url: str, up: Upstream) -> None:
        code, checks = await examine(OPENAI_BASE_URL=address.format(url.removeprefix("http://")))
        assert (code, checks["OPENAI_BASE_URL"]["state"]) == (1, "fails")
        assert told in checks["OPENAI_BASE_URL"]["told"]
        assert mend in checks["OPENAI_BASE_URL"]["mend"]

    with_gateway(test)


def test_a_proxy_between_client_and_gateway_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_OPENAI_BASE_URL", "")

    async def test(address: str, up: Upstream) -> None:
        variables = {"OPENAI_BASE_URL": address, "OPENAI_API_KEY": "penstock", "http_proxy": "http://127.0.0.1:9"}
        _, checks = await examine(**variables, NO_PROXY="example.com", no_proxy="example.com")
        assert checks["OPENAI_BASE_URL"]["mend"] == "export NO_PROXY=127.0.0.1,localhost"
        _, checks = await examine(**variables, NO_PROXY="127.0.0.1", no_proxy="127.0.0.1")
        assert checks["OPENAI_BASE_URL"]["state"] == "ok"

    with_gateway(test)


def test_what_goes_past_a_gateway_is_named(doctor: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "CLAUDE_CODE_USE_VERTEX" not in doctor()
    (tmp_path / "codex").write_text("#!/bin/sh\n")
    (tmp_path / "codex").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("CLAUDE_CODE_USE_VERTEX", "1")
    checks = doctor()
    assert checks["CLAUDE_CODE_USE_VERTEX"]["mend"] == "unset CLAUDE_CODE_USE_VERTEX"
    assert "penstock run -- codex" in checks["codex"]["mend"]


def test_online_the_whole_way_is_gone_with_the_clients_own_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_OPENAI_BASE_URL", "")

    async def test(address: str, up: Upstream) -> None:
        pointer = {"OPENAI_BASE_URL": f"{address}/v1"}
        _, checks = await examine("--online", **pointer, OPENAI_API_KEY="sk-mine")
        assert "lets this client in and lists" in checks["OPENAI_BASE_URL"]["told"]
        assert up.served
        anthropic = {"ANTHROPIC_BASE_URL": address, "ANTHROPIC_API_KEY": "penstock"}
        code, checks = await examine("--online", **anthropic)
        assert (code, checks["ANTHROPIC_BASE_URL"]["state"]) == (1, "fails")
        assert "lists no models of anthropic" in checks["ANTHROPIC_BASE_URL"]["told"]

    with_gateway(test)


def test_online_each_provider_is_asked_for_its_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_OPENAI_BASE_URL", "")

    async def test(address: str, up: Upstream) -> None:
        code, checks = await examine("--online", PENSTOCK_ANTHROPIC_BASE_URL="http://127.0.0.1:9")
        assert code == 1
        assert checks["openai online"]["told"] == "lists 2 models"
        assert checks["anthropic online"]["state"] == "fails"
        assert "anthropic online" not in (await examine())[1]

    with_gateway(test)
