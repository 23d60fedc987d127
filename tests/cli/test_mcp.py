"""``penstock mcp`` as agents run it, with the official SDK's client, and whatever else may come in."""

from __future__ import annotations

import asyncio
import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tomllib
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.stdio import stdio_client
from tests.cli.test_restore import LOG, ODD, kept

from penstock.mcp.retrieve import Retrieve
from penstock.mcp.server import HANDSHAKE, STATELESS, Server, Tool, serve
from penstock.stores.originals_sqlite import SqliteOriginals

COMMAND = [sys.executable, "-m", "penstock", "mcp"]
PAGE = Path(__file__).parents[2] / "docs" / "compression.md"
UNKNOWN = "[penstock_retrieve 000000000000: 18,300 more tokens (log) left out]"


def asked(use: Callable[[Client], Awaitable[None]], command: list[str] = COMMAND, **options: Any) -> None:
    """Use the server through the official client."""
    at = StdioServerParameters(command=command[0], args=command[1:], env={"PENSTOCK_HOME": os.environ["PENSTOCK_HOME"]})

    async def main() -> None:
        async with asyncio.timeout(60), Client(stdio_client(at), **options) as client:
            await use(client)

    asyncio.run(main())


async def said(client: Client, **arguments: Any) -> tuple[str, bool]:
    """What the tool says, and whether that is an error."""
    result = await client.call_tool("penstock_retrieve", arguments)
    (content,) = result.content
    assert content.type == "text"
    return content.text, bool(result.is_error)


# With the official client ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mode", "revision"), [("auto", STATELESS[0]), ("legacy", HANDSHAKE[0])])
def test_an_agent_gets_an_original_back(home: Path, mode: Any, revision: str) -> None:
    log, odd = kept(home, LOG, ODD, tenant="acme")

    async def use(client: Client) -> None:
        assert client.protocol_version == revision
        assert client.server_info is not None
        assert client.server_info.name == "penstock"
        (tool,) = (await client.list_tools()).tools
        assert tool.name == "penstock_retrieve"
        assert tool.annotations is not None
        assert tool.annotations.read_only_hint
        assert await said(client, name=log) == (LOG, False)
        assert await said(client, name=f"[penstock_retrieve {log}: 18,300 more tokens (log) left out]") == (LOG, False)
        assert await said(client, name=odd) == (ODD.replace("\ud83d", "\ufffd"), False)
        assert await said(client, name=log, first=3, last="4") == ("10:00:02 step 2 done\n10:00:03 step 3 done", False)
        part, _ = await said(client, name=log, query="disk full", max_tokens=200)
        assert "10:34:00 disk full\n" in part
        assert part.splitlines()[-1].startswith(f"[penstock_retrieve {log}: ")
        with pytest.raises(MCPError, match="the only tool is penstock_retrieve"):
            await client.call_tool("another", {})

    asked(use, mode=mode)


def test_errors_are_told_to_the_model_with_what_to_do(home: Path) -> None:
    (name,) = kept(home, LOG)

    async def use(client: Client) -> None:
        for arguments, words in (
            ({"name": UNKNOWN}, "BadInput: no original 000000000000 is known, or not any more (run again what wrote"),
            ({"name": "the log"}, "BadInput: there is no name of an original in 'the log' (pass the last line"),
            ({"name": name, "first": 9999}, "(the text has the lines 1 to 2001)"),
            ({"name": name, "max_tokens": 0}, "0 tokens are asked for (at least 1"),
            ({"name": name, "first": "two"}, "Expected `int | null`, got `str` - at `$.first`"),
            ({"name": name, "lines": 3}, "unknown field `lines` (it takes name, and if need be query, max_tokens"),
            ({"id": name}, "(it takes name, and if need be"),
        ):
            text, failed = await said(client, **arguments)
            assert failed
            assert words in text
        assert (await said(client, name=name))[0] == LOG

    asked(use)


def test_what_is_kept_while_it_runs_is_found(home: Path) -> None:
    async def use(client: Client) -> None:
        assert (await said(client, name=UNKNOWN))[1]
        originals = await SqliteOriginals.at(home / "originals.sqlite", warn=pytest.fail)
        await originals.put({"0" * 12: LOG}, 1.0)
        await originals.close()
        assert await said(client, name=UNKNOWN) == (LOG, False)

    asked(use)


# With anything --------------------------------------------------------------------------------------------------------


def test_no_line_kills_it(home: Path) -> None:
    """And each that is a request is answered, under its id."""
    (name,) = kept(home, LOG)
    call = {"name": "penstock_retrieve", "arguments": {"name": name, "first": 1, "last": 1}}
    lines = [
        b"nonsense",
        b"",
        b'\xff\xfe"',
        b"[" * 100_000,
        b'"' + b"x" * (2 << 20) + b'"',
        b"[]",
        b"null",
        b'{"jsonrpc":"2.0","id":[1],"method":"ping"}',
        b'{"jsonrpc":"2.0","id":1}',
        b'{"jsonrpc":"2.0","id":9,"result":{}}',
        b'{"jsonrpc":"2.0","id":2,"method":"resources/list"}',
        b'{"jsonrpc":"2.0","id":3,"method":"tools/call","params":[]}',
        b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}',
        b'[{"jsonrpc":"2.0","id":4,"method":"ping"},{"jsonrpc":"2.0","method":"notifications/initialized"}]',
        json.dumps({"jsonrpc": "2.0", "id": "last", "method": "tools/call", "params": call}).encode(),
    ]
    # The last line has no end.
    done = subprocess.run(COMMAND, input=b"\n".join(lines), capture_output=True, check=True, timeout=60)
    replies = [json.loads(line) for line in done.stdout.splitlines()]
    codes = [(each["id"], each["error"]["code"]) for each in replies[:-2]]
    assert codes == [(None, -32700)] * 4 + [(None, -32600)] * 4 + [(2, -32601), (3, -32602)]
    assert replies[-2] == [{"jsonrpc": "2.0", "id": 4, "result": {}}]
    assert replies[-1]["id"] == "last"
    assert replies[-1]["result"]["content"] == [{"type": "text", "text": LOG.partition("\n")[0]}]
    assert done.stderr == b""


def answers(lines: Iterable[bytes], call: Callable[[Any], str] = str) -> list[Any]:
    sink = io.BytesIO()
    serve(Server(Tool({"name": "echo"}, call), "1"), io.BytesIO(b"\n".join(lines)), sink)
    return [json.loads(line) for line in sink.getvalue().splitlines()]


WORDS = st.sampled_from(
    ["jsonrpc", "id", "method", "params", "name", "arguments", "_meta", "ping", "tools/call", "echo"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | WORDS | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS | st.text(), inner, max_size=5),
)


@given(st.lists(st.binary() | JSON.map(lambda value: json.dumps(value).encode()), max_size=5))
def test_every_answer_is_json(lines: list[bytes]) -> None:
    ping = b'{"jsonrpc":"2.0","id":"end","method":"ping"}'
    assert answers([*lines, ping])[-1] == {"jsonrpc": "2.0", "id": "end", "result": {}}


@pytest.mark.parametrize("revision", [*HANDSHAKE, "2023-01-01", None])
def test_the_revision_of_a_handshake_is_the_clients_where_it_is_known(revision: str | None) -> None:
    line = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": revision}}
    (reply,) = answers([json.dumps(line).encode()])
    assert reply["result"]["protocolVersion"] == (revision if revision in HANDSHAKE else HANDSHAKE[0])
    assert reply["result"]["capabilities"] == {"tools": {}}


@pytest.mark.parametrize("revision", ["2099-01-01", 3])
def test_a_request_of_a_revision_to_come_is_told_those_that_are_known(revision: Any) -> None:
    meta = {"io.modelcontextprotocol/protocolVersion": revision}
    (reply,) = answers([json.dumps({"id": 1, "method": "tools/list", "params": {"_meta": meta}}).encode()])
    assert reply["error"]["code"] == -32022
    assert reply["error"]["data"] == {"supported": [*STATELESS, *HANDSHAKE], "requested": str(revision)}


def test_a_mistake_of_the_tool_is_answered_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    def fails(arguments: Any) -> str:
        raise ZeroDivisionError("by nothing")

    call = b'{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"echo"}}'
    replies = answers([call % 1, call % 2], fails)
    assert [(each["id"], each["error"]["code"]) for each in replies] == [(1, -32603), (2, -32603)]
    assert "ZeroDivisionError: by nothing" in replies[0]["error"]["message"]
    assert "failed at tools/call" in caplog.text


# Its end --------------------------------------------------------------------------------------------------------------


def running() -> subprocess.Popen[bytes]:
    """A server that has answered, and waits."""
    server = subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write(
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"penstock_retrieve",'
        b'"arguments":{"name":"000000000000"}}}\n'
    )
    server.stdin.flush()
    assert b"no original" in server.stdout.readline()
    return server


def test_it_ends_with_its_input(home: Path) -> None:
    kept(home, LOG)
    with running() as server:
        out, err = server.communicate(timeout=60)
    assert (server.returncode, out, err) == (0, b"", b"")
    assert [each.name for each in home.iterdir()] == ["originals.sqlite"], "the log is folded into the file"


@pytest.mark.skipif(sys.platform == "win32", reason="there it is another signal")
def test_ctrl_c_ends_it_without_a_traceback(home: Path) -> None:
    kept(home, LOG)
    with running() as server:
        server.send_signal(signal.SIGINT)
        out, err = server.communicate(timeout=60)
    assert (server.returncode, out, err) == (130, b"", b"penstock: interrupted\n")


def test_it_ends_when_nobody_reads(home: Path) -> None:
    with running() as server:
        assert server.stdin is not None
        assert server.stdout is not None
        assert server.stderr is not None
        server.stdout.close()
        with suppress(BrokenPipeError):
            server.stdin.write(b'{"jsonrpc":"2.0","id":2,"method":"ping"}\n')
            server.stdin.flush()
        assert server.wait(60) == 0
        assert server.stderr.read() == b""
    assert not home.exists(), "where nothing was kept, asking makes nothing"


def test_a_tool_that_was_never_used_is_closed_too(home: Path) -> None:
    Retrieve(home / "originals.sqlite", warn=pytest.fail).close()
    assert not home.exists()


# The page that tells how to add it ------------------------------------------------------------------------------------


def examples(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def test_the_page_adds_it_to_every_client() -> None:
    """A client starts the words behind the two dashes; in a file they stand apart."""
    lines = [shlex.split(line) for block in examples("sh") for line in block.splitlines() if " mcp add " in line]
    assert {words[0] for words in lines} == {"claude", "codex"}
    assert all(words[words.index("--") + 1 :] == ["penstock", "mcp"] for words in lines)
    files = [json.loads(block)["mcpServers"] for block in examples("json") if "mcpServers" in block]
    files += [tomllib.loads(block)["mcp_servers"] for block in examples("toml") if "mcp_servers" in block]
    assert [(each["penstock"]["command"], each["penstock"]["args"]) for each in files] == [("penstock", ["mcp"])] * 2


def test_the_tool_of_the_page_is_the_one_that_is_served(home: Path) -> None:
    (name,) = kept(home, LOG)
    (described,) = (block for block in examples("text") if "max_tokens" in block)
    told = set(re.findall(r"^(\w+)  ", described, re.MULTILINE))

    async def use(client: Client) -> None:
        (tool,) = (await client.list_tools()).tools
        assert told == set(tool.input_schema["properties"])
        assert (await said(client, name=name))[0] == LOG

    asked(use)
