"""The real process: starts, says where it is, answers, and ends in good order."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from gatehouse import CHAT

from penstock.cli import main as penstock
from penstock.errors import BadInput
from penstock.gateway.server import bind, is_loopback
from penstock.testing import Plan, Upstream


@asynccontextmanager
async def served(up: Upstream, *options: str) -> AsyncGenerator[tuple[asyncio.subprocess.Process, dict[str, Any]]]:
    env = {**os.environ, "PENSTOCK_OPENAI_BASE_URL": up.url, "OPENAI_API_KEY": "k"}
    command = [sys.executable, "-m", "penstock", "serve", "--port", "0", "--json", *options]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, env=env)
    assert process.stdout is not None
    try:
        yield process, msgspec.json.decode(await process.stdout.readline())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.parametrize("workers", [1, 2])
def test_it_serves_drains_and_ends(workers: int) -> None:
    async def main() -> None:
        async with (
            Upstream(Plan("Because.", latency=0.5)) as up,
            aiohttp.ClientSession() as web,
            served(up, "--workers", str(workers)) as (process, told),
        ):
            assert told["export"] == {"OPENAI_BASE_URL": told["url"] + "/v1", "ANTHROPIC_BASE_URL": told["url"]}
            async with web.get(told["url"] + "/health") as response:
                assert response.status == 200
            asked = asyncio.create_task(web.post(told["url"] + "/v1/chat/completions", json=CHAT))
            await up.until(lambda: len(up.exchanges) == 1)
            process.send_signal(signal.SIGTERM)
            response = await asked
            assert response.status == 200
            assert (await response.json())["choices"][0]["message"]["content"] == "Because."
            assert await process.wait() == 0

    asyncio.run(main())


def test_workers_count_together_and_share_budgets(tmp_path: Path) -> None:
    config = tmp_path / "penstock.toml"
    config.write_text("[budget]\ncalls = 12\n")

    async def main() -> None:
        async with Upstream("Because.") as up, served(up, "--workers", "2", "--config", str(config)) as (process, told):
            statuses: list[int] = []
            for number in range(20):
                async with aiohttp.ClientSession() as web:  # a connection of its own, so that both workers get some
                    body = {**CHAT, "model": "gpt-4o-mini", "user": str(number)}
                    async with web.post(told["url"] + "/v1/chat/completions", json=body) as response:
                        statuses.append(response.status)
            assert statuses == [200] * 12 + [402] * 8
            async with aiohttp.ClientSession() as web, web.get(told["url"] + "/metrics") as response:
                lines = (await response.text()).splitlines()
                assert 'penstock_requests_total{endpoint="chat/completions",status="2xx"} 12' in lines
                assert 'penstock_calls_total{source="refused"} 8' in lines
            process.terminate()
            assert await process.wait() == 0

    asyncio.run(main())


def test_workers_do_not_outlive_the_process_that_started_them() -> None:
    async def main() -> None:
        async with Upstream("Because.") as up, served(up, "--workers", "2") as (process, _):
            process.kill()
            async with asyncio.timeout(30):
                await process.wait()  # which waits until nobody holds its standard output any more
                assert process.stdout is not None
                assert await process.stdout.read() == b""

    asyncio.run(main())


def test_a_taken_port_is_one_line_and_exit_2(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert penstock(["serve", "--port", str(port)]) == 2
    assert capsys.readouterr().err == (
        f"penstock: port {port} of 127.0.0.1 is taken (stop who has it, or use another --port)\n"
    )


@pytest.mark.parametrize(
    "options", [["--host", "0.0.0.0"], ["--workers", "0"], ["--port", "70000"], ["--host", "no.such.host.invalid"]]
)
def test_what_cannot_be_served_is_said(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert penstock(["serve", *options]) == 2
    told = capsys.readouterr().err
    assert told.startswith("penstock: ")
    assert told.count("\n") == 1


def test_addresses() -> None:
    assert [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "10.0.0.1", "example.com")] == [
        True, True, True, False, False, False,
    ]  # fmt: skip
    with pytest.raises(BadInput, match="no address"):
        bind("256.1.1.1", 0)


def test_the_server_loads_no_vendor_package() -> None:
    code = "import penstock.gateway.serve, penstock.cli.serve, sys; print(len(sys.modules), *sys.modules)"

    async def main() -> None:
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
        told, _ = await process.communicate()
        count, *names = told.decode().split()
        assert not {"openai", "anthropic", "httpx", "httpx2", "pydantic", "starlette", "rich"} & set(names)
        assert int(count) < 800

    asyncio.run(main())
