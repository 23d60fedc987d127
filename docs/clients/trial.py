"""Tries the guides: installs each client in a place of its own, and runs its page against a gateway on this machine.

The page is what is tried: its files, its commands, and what it says they print. Nothing but this machine is asked: all
other hosts are behind a proxy that does not exist. Environments are made in a folder that is deleted at the end.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import sys
import tempfile
import venv
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
from guides import ADDRESS, Guide, Step, differs, read

from penstock.testing import Plan, ToolCall, Upstream
from penstock.testing.upstream import Exchange

HERE = Path(__file__).parent
INSTALL_SECONDS = 600.0
PAGE_SECONDS = 180.0
KEY = "the-key-of-the-upstream"

CONFIGURATION = """
[providers.openai]
dialect = "openai"
base_url = "{url}/v1"
key_env = "UPSTREAM_KEY"

[providers.anthropic]
dialect = "anthropic"
base_url = "{url}"
key_env = "UPSTREAM_KEY"
"""


class Client(msgspec.Struct, frozen=True):
    """What is installed for a guide: exact versions, of which the first is shown."""

    pip: tuple[str, ...] = ()
    npm: tuple[str, ...] = ()

    @property
    def version(self) -> str:
        """Name and version."""
        return ", ".join([*(each.replace("==", " ") for each in self.pip), *(_spaced(each) for each in self.npm)])


CLIENTS: Mapping[str, Client] = {
    "openai-python": Client(pip=("openai==3.54.0",)),
    "anthropic-python": Client(pip=("anthropic==2.12.0",)),
    "openai-node": Client(npm=("openai@6.49.0",)),
    "anthropic-node": Client(npm=("@anthropic-ai/sdk@1.12.0",)),
    "llm": Client(pip=("llm==0.36", "llm-anthropic==0.30")),
    "langchain": Client(pip=("langchain-openai==1.7.3", "langchain-anthropic==1.7.7")),
    "litellm": Client(pip=("litellm==1.106.2", "mcp==2.3.0")),
    "aider": Client(pip=("aider-chat==0.86.2",)),
    "claude-code": Client(npm=("@anthropic-ai/claude-code@2.1.197",)),
    "codex": Client(npm=("@openai/codex@0.169.0",)),
}


class Tried(msgspec.Struct, frozen=True):
    """What became of one guide."""

    client: str
    version: str
    sections: list[str]
    """Those that did what the page says."""
    fault: str = ""
    """Empty: all is as the page says."""

    @property
    def line(self) -> str:
        """A row of the table."""
        return f"{self.client:<18} {self.version:<57} {', '.join(self.sections):<77} {self.fault or 'ok'}"


def main() -> int:
    """Try the guides that were named, or all of them; 1 when one does not do what it says."""
    parser = argparse.ArgumentParser(prog="scripts/try-clients", description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(CLIENTS)}; absent: all")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.add_argument("--keep", metavar="FOLDER", help="make the environments there, and use those that are there")
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in CLIENTS]
    if unknown:
        parser.error(f"there is no guide {unknown[0]!r}; there are: {', '.join(CLIENTS)}")
    with contextlib.ExitStack() as stack:
        place = Path(options.keep or stack.enter_context(tempfile.TemporaryDirectory(prefix="try-clients-"))).absolute()
        tried = []
        for name in options.names or CLIENTS:
            tried.append(asyncio.run(_try(name, place / name)))
            if not options.json:
                sys.stdout.write(tried[-1].line + "\n")
                sys.stdout.flush()
    if options.json:
        sys.stdout.write(msgspec.json.encode({"clients": tried}).decode() + "\n")
    return int(any(each.fault for each in tried))


async def _try(name: str, place: Path) -> Tried:
    """One guide, from the installation to the last block of its page."""
    try:
        await _install(CLIENTS[name], place)
    except Fault as fault:
        return Tried(name, CLIENTS[name].version, [], str(fault))
    return await tried(name, place)


async def tried(name: str, place: Path, pages: Path = HERE) -> Tried:
    """What becomes of a guide of the folder ``pages`` whose client is installed at ``place``."""
    done: list[str] = []
    fault = ""
    guide = read((pages / f"{name}.md").read_text("utf-8"))
    with tempfile.TemporaryDirectory(prefix="try-client-") as work:
        async with Upstream(_answer, key=KEY, models=("gpt-5-mini", "claude-haiku-4-5")) as up:
            try:
                await _run(guide, place, Path(work), up.url, done)
            except Fault as found:
                fault = str(found)
    return Tried(name, CLIENTS[name].version, done, fault)


class Fault(Exception):
    """Something is not as the page says."""


def _answer(exchange: Exchange) -> Plan:
    """The same to every question; who offers a tool that tells the time of departure is asked to use it once."""
    if b"21:00" not in exchange.body:
        for tool in _TOOLS:
            if f'"{tool.name}"'.encode() in exchange.body and (tool.name == "departure" or _READING in exchange.body):
                return Plan(tools=(tool,), piece=4)
    return Plan("At nine.", piece=4)


_READING = b"Read timetable.txt"
_TOOLS = (
    ToolCall("departure", '{"train": "night"}'),
    ToolCall("Bash", '{"command": "cat timetable.txt", "description": "Reads the timetable"}'),
    ToolCall("exec_command", '{"cmd": "cat timetable.txt"}'),
)
"""The tool of most guides, and those that Claude Code and Codex bring."""


# Installing -----------------------------------------------------------------------------------------------------------


async def _install(client: Client, place: Path) -> None:
    """Make the environment, unless it is there. Pinned by name and version; from where is the machine's own matter."""
    stamp = place / "version"
    if stamp.exists() and stamp.read_text("utf-8") == client.version:
        return
    os.makedirs(place, exist_ok=True)
    if client.pip:
        venv.create(place / "python", with_pip=True, clear=True)
        await _command([str(place / "python/bin/python"), "-m", "pip", "--no-input", "install", *client.pip], place)
    if client.npm:
        await _command(["npm", "install", "--no-audit", "--no-fund", "--prefix", str(place), *client.npm], place)
    stamp.write_text(client.version, "utf-8")


async def _command(words: Sequence[str], place: Path) -> None:
    code, told = await _ended(words, place, dict(os.environ), INSTALL_SECONDS)
    if code:
        raise Fault(f"cannot be installed: {(told.strip().splitlines() or ['no word'])[-1]}")


# Running --------------------------------------------------------------------------------------------------------------


async def _run(guide: Guide, place: Path, work: Path, upstream: str, done: list[str]) -> None:
    """Do what the page says in the folder ``work``; the sections that went well are added to ``done``."""
    (work / "penstock.toml").write_text(CONFIGURATION.format(url=upstream), "utf-8")
    if (place / "node_modules").exists():
        (work / "node_modules").symlink_to(place / "node_modules")
    environment = _environment(place, work)
    async with _gateway(work, environment) as address:
        for name, source in guide.files.items():
            (work / name).write_text(source.replace(ADDRESS, address), "utf-8")
        told = await _page(guide.steps, work, environment, address)
    for step, (code, printed, complained) in zip(guide.steps, told, strict=True):
        fault = differs(printed, step.prints) if step.prints is not None else ""
        if code and not fault:
            fault = f"exit code {code}"
        if fault:
            last = (complained.strip().splitlines() or [""])[-1]
            raise Fault(f"line {step.line}, {step.section}: {fault}" + (f" ({last})" if last else ""))
        if step.section not in [*done, guide.title]:
            done.append(step.section)


def _environment(place: Path, work: Path) -> dict[str, str]:
    """What a command sees: the client, penstock, and none of what the person who tries it has set."""
    home = work / "home"
    home.mkdir()
    path = [place / "python/bin", place / "node_modules/.bin", Path(sys.executable).parent, os.environ["PATH"]]
    nobody = "http://127.0.0.1:9"
    proxies = {name: nobody for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy")}
    return {
        **proxies,
        "NO_PROXY": "127.0.0.1,localhost",
        "PATH": os.pathsep.join(map(str, path)),
        "HOME": str(home),
        "PENSTOCK_HOME": str(work / "penstock"),
        "UPSTREAM_KEY": KEY,
        "LANG": "C.UTF-8",
        "TERM": "dumb",
    }


@asynccontextmanager
async def _gateway(work: Path, environment: Mapping[str, str]) -> AsyncGenerator[str]:
    """``penstock serve`` in front of the upstream: its address."""
    serving = await asyncio.create_subprocess_exec(
        "penstock", "serve", "--port", "0", "--json", cwd=work, env=environment, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert serving.stdout is not None
        told = await serving.stdout.readline()
        if not told:
            raise Fault("the gateway does not start")
        yield msgspec.json.decode(told)["url"]
    finally:
        with contextlib.suppress(ProcessLookupError):
            serving.terminate()
        await serving.wait()


async def _page(
    steps: Sequence[Step], work: Path, environment: Mapping[str, str], address: str
) -> list[tuple[int, str, str]]:
    """All commands of a page, one after the other in one shell: exit code, output and complaints of each."""
    script = "".join(
        f"{{\n{step.commands.replace(ADDRESS, address)}\n}} </dev/null >out-{number} 2>err-{number}\n"
        f"echo $? >code-{number}\n"
        for number, step in enumerate(steps)
    )
    code, told = await _ended(["bash", "-c", script], work, environment, PAGE_SECONDS)
    if code:
        raise Fault(f"the page was not done: {told}")
    return [
        (int(_text(work / f"code-{n}")), _text(work / f"out-{n}"), _text(work / f"err-{n}")) for n in range(len(steps))
    ]


def _text(file: Path) -> str:
    return file.read_text("utf-8", "replace")


async def _ended(words: Sequence[str], place: Path, environment: Mapping[str, str], seconds: float) -> tuple[int, str]:
    """Run a command to its end: exit code and output. After ``seconds`` it is killed with all that it started."""
    child = await asyncio.create_subprocess_exec(
        *words,
        cwd=place,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(seconds):
            told, _ = await child.communicate()
    except TimeoutError:
        raise Fault(f"{words[0]} takes longer than {seconds:.0f} s") from None
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        await child.wait()
    return child.returncode or 0, told.decode("utf-8", "replace")


def _spaced(pinned: str) -> str:
    name, _, version = pinned.rpartition("@")
    return f"{name} {version}"


if __name__ == "__main__":
    sys.exit(main())
