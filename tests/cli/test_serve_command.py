"""``penstock serve`` as a person starts it: what it says, and what its options and settings do."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import msgspec
import pytest

from penstock.cli import main as penstock
from penstock.testing import Plan, Upstream

CHAT = {"model": "gpt-5-mini", "max_tokens": 10, "messages": [{"role": "user", "content": "When?"}]}


@asynccontextmanager
async def served(*options: str, cwd: Path, **variables: str) -> AsyncGenerator[asyncio.subprocess.Process]:
    """A gateway on any port, which is ended at last whatever became of it."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "penstock", "serve", "--port", "0", *options),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, cwd=cwd, env={**os.environ, **variables},
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def line(process: asyncio.subprocess.Process) -> Any:
    """The one line of JSON that tells where it serves."""
    assert process.stdout is not None
    return msgspec.json.decode(await process.stdout.readline())


async def asked(web: aiohttp.ClientSession, told: Any, **body: Any) -> tuple[int, Any]:
    async with web.post(told["url"] + "/v1/chat/completions", json={**CHAT, **body}) as response:
        return response.status, await response.json()


def test_what_listens_everywhere_tells_an_address_that_others_can_connect_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert penstock(["key", "add", "ci"]) == 0
    key = capsys.readouterr().out.strip()

    async def main() -> None:
        async with served("--host", "0.0.0.0", "--json", cwd=tmp_path) as process, aiohttp.ClientSession() as web:
            told = await line(process)
            assert told["export"] == {"OPENAI_BASE_URL": told["url"] + "/v1", "ANTHROPIC_BASE_URL": told["url"]}
            assert urlsplit(told["url"]).hostname != "0.0.0.0"
            async with web.get(told["url"] + "/metrics", headers={"x-api-key": key}) as response:
                assert response.status == 200
        async with served("--host", "0.0.0.0", cwd=tmp_path) as process:
            assert process.stderr is not None
            said = (await process.stderr.readline()).decode()
            assert said.startswith("penstock: serving at http://0.0.0.0:")
            assert ", every address of this machine; one to connect to, " in said

    asyncio.run(main())


def test_what_the_file_says_of_the_gateway_holds_and_options_win(tmp_path: Path) -> None:
    (tmp_path / "penstock.toml").write_text("[gateway]\nmax_body_bytes = 500\nmax_concurrency = 2\n")

    async def main() -> None:
        long = [{"role": "user", "content": "When? " * 100}]
        async with Upstream("At nine.") as up, aiohttp.ClientSession() as web:
            where = {"cwd": tmp_path, "PENSTOCK_OPENAI_BASE_URL": up.url}
            async with served("--json", **where) as process:
                told = await line(process)
                assert (await asked(web, told))[0] == 200
                status, said = await asked(web, told, messages=long)
                assert status == 413
                assert "500 bytes" in said["error"]["message"]
            async with served("--json", "--max-body-bytes", "5000", **where) as process:
                assert (await asked(web, await line(process), messages=long))[0] == 200

    asyncio.run(main())


def test_what_is_under_way_may_go_on_for_so_long_when_it_is_stopped(tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            Upstream(Plan(hang=True)) as up,
            aiohttp.ClientSession() as web,
            served("--json", "--drain", "1", cwd=tmp_path, PENSTOCK_OPENAI_BASE_URL=up.url) as process,
        ):
            asking = asyncio.create_task(asked(web, await line(process)))
            await up.until(lambda: len(up.exchanges) == 1)
            process.send_signal(signal.SIGTERM)
            status, said = await asking  # which would never end
            assert (status, said["error"]["message"]) == (503, "the gateway is being stopped (try again in a moment)")
            assert process.stderr is not None
            *_, last = (await process.stderr.read()).decode().splitlines()
            assert last == "requests that did not end within 1 s (drain) are broken off: 1"
            assert await process.wait() == 0

    asyncio.run(main())


def test_an_upstream_that_is_not_asked_is_told_first(tmp_path: Path) -> None:
    async def main() -> None:
        async with Upstream("At nine.") as up, served(cwd=tmp_path, OPENAI_BASE_URL=f"{up.url}/v1") as process:
            assert process.stderr is not None
            said = (await process.stderr.readline()).decode()
            assert said.startswith(f"penstock: OPENAI_BASE_URL leads to {up.url}/v1 and is not followed")

    asyncio.run(main())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--max-concurrency", "0"], "gateway.max_concurrency = 0 (at least 1)"),
        (["--drain", "-1"], "gateway.drain = -1 (at least 0)"),
        (["--workers", "0"], "--workers 0 is too few (at least 1)"),
    ],
)
def test_numbers_that_are_too_small(options: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert penstock(["serve", *options]) == 2
    assert capsys.readouterr().err == f"penstock: {said}\n"
