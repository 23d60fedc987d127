"""``penstock restore`` as a person runs it, and the same from the library."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import openai
import pytest

import penstock
from penstock.cli import main
from penstock.policy.compress.markers import name_of, names_in
from penstock.retrieval import Asked, retrieve
from penstock.stores.originals import MemoryOriginals
from penstock.stores.originals_sqlite import SqliteOriginals
from penstock.testing import Upstream

LOG = "".join(f"10:{at // 60:02}:{at % 60:02} step {at} done\n" for at in range(2000)) + "10:34:00 disk full\n"
ODD = "\ufefftabs\tand\r\nCRLF, \x1b[31mred\x1b[0m, \u2028, half \ud83d, no end of line"


def kept(home: Path, *texts: str, tenant: str = "") -> list[str]:
    """The names of originals that a gateway has kept in ``home``."""
    named = {name_of(text, tenant): text for text in texts}

    async def keep() -> None:
        originals = await SqliteOriginals.at(home / "originals.sqlite", warn=pytest.fail)
        await originals.put(named, 1.0)
        await originals.close()

    asyncio.run(keep())
    return list(named)


def told(capsysbinary: pytest.CaptureFixture[bytes], *words: str, code: int = 0) -> tuple[bytes, str]:
    assert main(["restore", *words]) == code
    found = capsysbinary.readouterr()
    return found.out, found.err.decode()


@pytest.mark.parametrize("text", [LOG, ODD, ""])
def test_an_original_is_printed_byte_for_byte(home: Path, capsysbinary: Any, text: str) -> None:
    (name,) = kept(home, text, tenant="acme")
    whole = text.encode("utf-8", "surrogatepass")
    assert told(capsysbinary, name) == (whole, "")
    assert told(capsysbinary, f"[penstock_retrieve {name}: 18,300 more tokens (log) left out]") == (whole, "")
    assert told(capsysbinary, f"penstock_retrieve {name}:") == (whole, "")


def test_it_reaches_a_pipe_as_it_is(home: Path) -> None:
    (name,) = kept(home, ODD)
    command = [sys.executable, "-m", "penstock", "restore", name]
    done = subprocess.run(
        command, capture_output=True, check=True, env={**os.environ, "PYTHONUTF8": "0", "LC_ALL": "C"}
    )
    assert done.stdout == ODD.encode("utf-8", "surrogatepass")
    assert done.stderr == b""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no pseudo-terminal")
def test_a_terminal_is_not_driven_by_what_is_in_a_text(home: Path) -> None:
    import pty

    (name,) = kept(home, "red \x1b[31mfox")
    ours, theirs = pty.openpty()
    subprocess.run([sys.executable, "-m", "penstock", "restore", name], stdout=theirs, check=True)
    assert os.read(ours, 99) == b"red [31mfox\r\n"
    os.close(ours)
    os.close(theirs)


def test_what_matters_for_a_query_ends_with_a_marker_of_the_same_name(home: Path, capsysbinary: Any) -> None:
    (name,) = kept(home, LOG, tenant="acme")
    out, _ = told(capsysbinary, name, "--query", "disk full", "--tokens", "200")
    assert b"10:34:00 disk full\n" in out
    assert len(out) < 1000
    assert names_in(out.decode()) == [name]
    assert told(capsysbinary, out.decode().splitlines()[-1])[0] == LOG.encode()
    assert len(told(capsysbinary, name, "--tokens", "100")[0]) < len(out)


def test_the_json_holds_the_text_whatever_is_in_it(home: Path, capsysbinary: Any) -> None:
    name, long = kept(home, ODD, LOG)
    out, _ = told(capsysbinary, f"[penstock_retrieve {name}: 5 more tokens (log) left out]", "--json")
    assert json.loads(out) == {"name": name, "whole": True, "text": ODD}
    assert json.loads(told(capsysbinary, long, "--json", "--query", "disk")[0])["whole"] is False


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["000000000000"], "no original 000000000000 is known, or not any more (run again what wrote the text"),
        (["all of it"], "there is no name of an original in 'all of it' (pass the last line"),
        (["KNOWN", "--tokens", "0"], "0 tokens are asked for (at least 1"),
    ],
)
def test_what_cannot_be_is_told_in_one_line(home: Path, capsysbinary: Any, words: list[str], said: str) -> None:
    (name,) = kept(home, LOG)
    out, err = told(capsysbinary, *(name if word == "KNOWN" else word for word in words), code=2)
    assert out == b""
    assert said in err
    assert err.count("\n") == 1


def test_nothing_is_made_where_nothing_was_kept(home: Path, capsysbinary: Any) -> None:
    out, err = told(capsysbinary, "000000000000", "--json", code=2)
    assert json.loads(out)["error"]["type"] == "BadInput"
    assert "check that PENSTOCK_HOME is the same" in err
    assert not home.exists()


def test_the_library_restores(home: Path) -> None:
    async def main() -> None:
        async with penstock.open(provider="embedded") as lm:
            assert await lm.restore(f"[penstock_retrieve {name}: 18,300 more tokens (log) left out]") == LOG
            with pytest.raises(penstock.BadInput, match="no original 000000000000 is known"):
                await lm.restore("000000000000")

    (name,) = kept(home, LOG)
    asyncio.run(main())
    with penstock.open_sync(provider="embedded") as lm:
        assert lm.restore(name) == LOG
        with pytest.raises(penstock.BadInput, match="there is no name"):
            lm.restore("")


@pytest.mark.parametrize(
    ("first", "last", "lines"),
    [
        (1, 1, "a"),
        (2, 3, "b\x0bc\r\nd"),
        (None, 2, "a\nb\x0bc\r"),
        (3, None, "d"),
        (3, 99, "d"),
    ],
)
def test_lines_are_those_of_an_editor(first: int | None, last: int | None, lines: str) -> None:
    assert retrieved("a\nb\x0bc\r\nd\n", first=first, last=last) == lines


@pytest.mark.parametrize(("first", "last"), [(0, None), (4, None), (3, 2), (None, 0)])
def test_lines_that_are_not_there(first: int | None, last: int | None) -> None:
    with pytest.raises(penstock.BadInput, match="the text has the lines 1 to 3"):
        retrieved("a\nb\nc\n", first=first, last=last)


def test_a_query_within_lines() -> None:
    found = retrieved(LOG, query="step 40", max_tokens=150, first=1, last=100)
    assert "step 40 done" in found
    assert "disk full" not in found
    assert names_in(found) == [name_of(LOG)]
    assert retrieved(LOG, query="step", max_tokens=150, first=5, last=6) == "10:00:04 step 4 done\n10:00:05 step 5 done"


def retrieved(text: str, **asked: Any) -> str:
    async def main() -> str:
        originals = MemoryOriginals()
        await originals.put({name_of(text): text}, 1.0)
        return await retrieve(originals, Asked(name_of(text), **asked), 2.0)

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("tool", "arguments", "left"),
    [
        ("penstock_retrieve", "{}", True),
        ("mcp__penstock__penstock_retrieve", '{"name": "5f0c1d2e3a4b"}', True),
        ("bash", '{"command": "penstock restore 5f0c1d2e3a4b"}', True),
        ("bash", '{"command": "make"}', False),
    ],
)
def test_what_was_retrieved_is_not_compressed_again(tool: str, arguments: str, left: bool) -> None:
    made = {"id": "c1", "type": "function", "function": {"name": tool, "arguments": arguments}}
    messages = [
        {"role": "user", "content": "Why did the build fail?"},
        {"role": "assistant", "tool_calls": [made]},
        {"role": "tool", "tool_call_id": "c1", "content": LOG},
    ]

    async def main() -> None:
        async with Upstream("The disk is full.") as up, penstock.open(provider="openai", base_url=up.url) as lm:
            client = openai.AsyncOpenAI(http_client=lm.http_client(), api_key="unused")
            await client.chat.completions.create(model="gpt-5-mini", messages=messages)  # type: ignore[arg-type]
            sent = up.exchanges[0].question.body["messages"][-1]["content"]
            assert (sent == LOG) is left
            if not left:
                assert await lm.restore(sent.splitlines()[-1]) == LOG

    asyncio.run(main())
