"""``penstock run -- CMD`` as a person runs it: in its own process, around real programs."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import signal
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from penstock.cli.clients import POINTERS, adapted, environment
from penstock.gateway.clients import PLACEHOLDER
from penstock.testing import Plan, Upstream
from penstock.values import Usage

USAGE = Usage(input=100, output=10)
OPENAI = """
import openai, sys
client = openai.OpenAI()
messages = [{"role": "user", "content": "When?"}]
print(client.chat.completions.create(model="gpt-5-mini", messages=messages).choices[0].message.content)
stream = client.chat.completions.create(model="gpt-5-mini", messages=messages, stream=True)
print("".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices))
sys.exit(7)
"""
ANTHROPIC = """
import anthropic
client = anthropic.Anthropic()
messages = [{"role": "user", "content": "When?"}]
print(client.messages.create(model="claude-haiku-4-5", max_tokens=50, messages=messages).content[0].text)
"""
KEYS_OF_MANY = """
import json, os, sys, urllib.error, urllib.request
asked = {"model": "gpt-5-mini", "max_tokens": 10000, "messages": [{"role": "user", "content": "When?"}]}
for key in sys.argv[1:]:
    headers = {"content-type": "application/json", "authorization": "Bearer " + key}
    address = os.environ["OPENAI_BASE_URL"] + "/chat/completions"
    try:
        with urllib.request.urlopen(urllib.request.Request(address, json.dumps(asked).encode(), headers)) as answer:
            print(answer.status)
    except urllib.error.HTTPError as error:
        print(error.code, json.load(error)["error"]["message"])
        error.close()
print("done", file=sys.stderr)
"""
SHOW = "import json, os, sys; print(json.dumps(dict(os.environ)))"


@contextmanager
def upstream(reply: Any) -> Iterator[Upstream]:
    """An upstream on a loop in a thread of its own, so that a blocking test can talk to it."""
    loop = asyncio.new_event_loop()
    up = Upstream(reply)
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(up.__aenter__(), loop).result()
    try:
        yield up
    finally:
        asyncio.run_coroutine_threadsafe(up.__aexit__(None, None, None), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "penstock", "run", *words]


def penstock_run(*words: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*words), capture_output=True, text=True, timeout=60, check=False, cwd=cwd,
        env={**os.environ, **variables}, input="typed",
    )  # fmt: skip


def python(code: str) -> tuple[str, ...]:
    return ("--", sys.executable, "-c", code)


@pytest.mark.parametrize(("dialect", "program", "code"), [("openai", OPENAI, 7), ("anthropic", ANTHROPIC, 0)])
def test_a_program_that_knows_nothing_of_it_goes_through(tmp_path: Path, dialect: str, program: str, code: int) -> None:
    with upstream(Plan("At nine.", usage=USAGE)) as up:
        done = penstock_run(*python(program), cwd=tmp_path, **{f"PENSTOCK_{dialect.upper()}_BASE_URL": up.url})
        assert done.returncode == code, done.stderr
        assert set(done.stdout.split("\n")) == {"At nine.", ""}
        assert up.served >= 1
        asked = [
            exchange.headers.get("authorization", exchange.headers.get("x-api-key", "")) for exchange in up.exchanges
        ]
        assert not any(PLACEHOLDER in shown for shown in asked)
    last = done.stderr.splitlines()[-1]
    assert last.startswith("penstock: asked $0.")
    assert "spent $0.00" in last


def test_the_clients_own_login_is_handed_on(tmp_path: Path) -> None:
    with upstream("At nine.") as up:
        variables = {"PENSTOCK_ANTHROPIC_BASE_URL": up.url, "ANTHROPIC_AUTH_TOKEN": "login-of-mine"}
        done = penstock_run(*python(ANTHROPIC), cwd=tmp_path, **variables)
        assert done.returncode == 0, done.stderr
        (exchange,) = up.exchanges
    assert "login-of-mine" in str(exchange.headers)
    assert PLACEHOLDER not in str(exchange.headers)


def test_virtual_keys_are_for_others(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "penstock", "key", "add", "ci"], check=True, capture_output=True)
    with upstream("At nine.") as up:
        done = penstock_run(*python(OPENAI), cwd=tmp_path, PENSTOCK_OPENAI_BASE_URL=up.url)
    assert done.returncode == 7, done.stderr


def test_the_environment_of_the_command_and_nothing_else_is_changed(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    done = penstock_run(*python(SHOW), cwd=work, HTTPS_PROXY="http://proxy.example", NO_PROXY="one.example")
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["OPENAI_BASE_URL"] == seen["OPENAI_API_BASE"] == seen["ANTHROPIC_BASE_URL"] + "/v1"
    assert seen["ANTHROPIC_BASE_URL"].startswith("http://127.0.0.1:")
    assert seen["NO_PROXY"] == "one.example,127.0.0.1,localhost"
    assert "OPENAI_API_KEY" not in seen  # no provider is described: the command's own login is what counts
    assert list(work.iterdir()) == []
    assert "OPENAI_BASE_URL" not in os.environ


def test_keys_that_are_set_stay_and_a_placeholder_stands_for_those_that_are_not() -> None:
    given = {"ANTHROPIC_AUTH_TOKEN": "mine", "X": "y"}
    made = environment("http://127.0.0.1:9/", given, {"openai", "anthropic"})
    assert made["OPENAI_API_KEY"] == PLACEHOLDER
    assert "ANTHROPIC_API_KEY" not in made
    assert made["ANTHROPIC_BASE_URL"] == "http://127.0.0.1:9"
    assert (made["X"], made["ANTHROPIC_AUTH_TOKEN"]) == ("y", "mine")
    assert given == {"ANTHROPIC_AUTH_TOKEN": "mine", "X": "y"}


def test_clients_that_read_other_variables_come_here_too_and_so_does_a_penstock_within() -> None:
    given = {"ANTHROPIC_API_URL": "https://elsewhere.example", "PENSTOCK_OPENAI_BASE_URL": "http://127.0.0.1:8000/v1"}
    made = environment("http://127.0.0.1:9", given, ())
    assert {made[name].removesuffix("/v1") for name in POINTERS} == {"http://127.0.0.1:9"}
    assert made["PENSTOCK_OPENAI_BASE_URL"] == "http://127.0.0.1:9"
    assert "PENSTOCK_ANTHROPIC_BASE_URL" not in made


def test_claude_code_is_given_a_token_since_it_asks_whether_it_may_use_a_key() -> None:
    made = environment("http://127.0.0.1:9", {}, {"anthropic"}, "claude")
    assert made["ANTHROPIC_AUTH_TOKEN"] == PLACEHOLDER
    assert "ANTHROPIC_API_KEY" not in made
    assert "ANTHROPIC_AUTH_TOKEN" not in environment("http://127.0.0.1:9", {"ANTHROPIC_API_KEY": "k"}, {"anthropic"})


def test_codex_is_told_in_words_behind_which_its_own_come(tmp_path: Path) -> None:
    codex = tmp_path / "codex"
    codex.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    codex.chmod(0o755)
    done = penstock_run("--", str(codex), "exec", "say hi", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    *told, command, last = done.stdout.splitlines()
    assert (command, last) == ("exec", "say hi")
    assert told[::2] == ["-c", "-c"]
    settings = tomllib.loads("\n".join(told[1::2]))
    provider = settings["model_providers"][settings["model_provider"]]
    assert provider["base_url"].startswith("http://127.0.0.1:")
    assert provider["wire_api"] == "responses"
    assert provider["requires_openai_auth"] is True


@pytest.mark.parametrize(
    ("variables", "login"),
    [
        ({}, "requires_openai_auth=true"),
        ({"OPENAI_API_KEY": "k"}, 'env_key="OPENAI_API_KEY"'),
        ({"OPENAI_API_KEY": "k", "CODEX_API_KEY": "c"}, 'env_key="CODEX_API_KEY"'),
    ],
)
def test_codex_shows_the_key_of_its_environment_else_its_login(variables: dict[str, str], login: str) -> None:
    *_, provider = adapted(["codex"], {"OPENAI_BASE_URL": "http://127.0.0.1:9/v1", **variables})
    assert login in provider
    assert adapted(["other", "exec"], variables) == ["other", "exec"]


def test_one_budget_holds_for_all_that_a_command_asks_under_whatever_keys(tmp_path: Path) -> None:
    """Each call costs 2 cents, and so it may: two fit into 5 cents, whoever asks. The next run begins anew."""
    with upstream(Plan("At nine.", usage=Usage(input=10, output=10_000))) as up:
        variables, spent = {"PENSTOCK_OPENAI_BASE_URL": up.url}, "$0.040005"
        for asked in ("one", "another"):
            words = ("--budget", "5c", *python(KEYS_OF_MANY), *(f"{asked}{number}" for number in range(4)))
            done = penstock_run(*words, cwd=tmp_path, **variables)
            assert done.returncode == 0, done.stderr
            answered, again, *refused = done.stdout.splitlines()
            assert (answered, again) == ("200", "200")
            assert all(
                "402 the call may cost up to $0.0" in line and "the budget of this run has" in line for line in refused
            )
            first, *warned, cause, last = done.stderr.splitlines()
            assert first == "done"
            assert [line for line in warned if "penstock: budget: $0.04" in line] == warned
            assert cause.startswith("penstock: did not fit the budget, last: the call may cost up to $0.0")
            ended = "2 calls answered, 2 did not fit the budget of $0.05"
            assert last == f"penstock: asked {spent} = spent {spent} + saved $0.00; {ended}"
        assert len(up.exchanges) == 4


def test_the_configured_budget_is_that_of_a_run_and_another_one_is_in_its_place(tmp_path: Path) -> None:
    with upstream(Plan("At nine.", usage=Usage(input=10, output=10_000))) as up:
        (tmp_path / "penstock.toml").write_text('[budget]\nmoney = "1c"\n')
        variables = {"PENSTOCK_OPENAI_BASE_URL": up.url}
        done = penstock_run(*python(KEYS_OF_MANY), "one", cwd=tmp_path, **variables)
        assert done.stdout.startswith("402")
        assert "0 calls answered, 1 did not fit the budget of $0.01" in done.stderr
        done = penstock_run("--budget", "5c", *python(KEYS_OF_MANY), "one", cwd=tmp_path, **variables)
        assert done.stdout == "200\n"


def test_what_is_refused_upstream_is_told_apart(tmp_path: Path) -> None:
    with upstream(Plan("no such key", status=401)) as up:
        done = penstock_run(*python(KEYS_OF_MANY), "one", cwd=tmp_path, PENSTOCK_OPENAI_BASE_URL=up.url)
    assert done.stdout == "401 no such key\n"
    cause, last = done.stderr.splitlines()[-2:]
    assert cause == "penstock: failed, last: the upstream answered 401: no such key (check the key that you send)"
    assert last.endswith("; 0 calls answered, 1 failed")


def test_a_command_that_asks_nothing_here_is_told(tmp_path: Path) -> None:
    assert "does it read OPENAI_BASE_URL or ANTHROPIC_BASE_URL?" in penstock_run("true", cwd=tmp_path).stderr
    done = penstock_run("true", cwd=tmp_path, CLAUDE_CODE_USE_BEDROCK="1")
    assert "asked no model through here (CLAUDE_CODE_USE_BEDROCK is set)" in done.stderr
    models = "import os, urllib.request; urllib.request.urlopen(os.environ['OPENAI_BASE_URL'] + '/models')"
    with upstream("At nine.") as up:
        done = penstock_run(*python(models), cwd=tmp_path, PENSTOCK_OPENAI_BASE_URL=up.url)
    assert "(1 request came, none of them a call that could be asked)" in done.stderr


def test_a_call_without_a_price_is_told_apart_from_one_that_does_not_fit(tmp_path: Path) -> None:
    asks = KEYS_OF_MANY.replace("gpt-5-mini", "of-nobody")
    with upstream("At nine.") as up:
        done = penstock_run("--budget", "5c", *python(asks), "one", cwd=tmp_path, PENSTOCK_OPENAI_BASE_URL=up.url)
    cause, last = done.stderr.splitlines()[-2:]
    assert cause.startswith("penstock: of unknown price, last: the price of model 'of-nobody' is not known")
    assert last.endswith("; 0 calls answered, 1 of unknown price")


def test_what_a_person_may_not_expect_is_said_before_the_command_begins(tmp_path: Path) -> None:
    done = penstock_run(*python(SHOW), cwd=tmp_path)
    assert done.stderr.startswith("penstock: no key is set: set OPENAI_API_KEY or ANTHROPIC_API_KEY")
    with upstream("At nine.") as up:
        done = penstock_run(*python(SHOW), cwd=tmp_path, OPENAI_BASE_URL=f"{up.url}/v1", OPENAI_API_KEY="k")
        said = f"penstock: OPENAI_BASE_URL leads to {up.url}/v1 and is not followed"
        assert done.stderr.startswith(said)
        assert f"(to ask that server: PENSTOCK_OPENAI_BASE_URL={up.url}/v1)" in done.stderr
        assert "no key is set" not in done.stderr


def test_the_terminal_is_the_commands_own(tmp_path: Path) -> None:
    code = "import sys; print(sys.stdin.read()); sys.stderr.write('oops\\n')"
    done = penstock_run(*python(code), cwd=tmp_path, OPENAI_API_KEY="k")
    assert (done.returncode, done.stdout) == (0, "typed\n")
    assert done.stderr.startswith("oops\n")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((), 2, "no command is named"),
        (("--",), 2, "no command is named"),
        (("--", "no-such-command-9"), 127, "there is no command 'no-such-command-9'"),
        (("--", "."), 126, "cannot be run"),
        (("--config", "no.toml", "--", "true"), 2, "no configuration file"),
        (("--budget", "much", "--", "true"), 2, "'much' is not an amount of money"),
        (("--budget", "", "--", "true"), 2, "the amount of money is empty"),
        (("--budget", "/day", "--", "true"), 2, "in a shell '$0.50', in single quotes"),
        (("--", "sh", "-c", "exit 42"), 42, "penstock: asked $0.00"),
        (("sh", "-c", "kill -9 $$"), 137, "penstock: asked $0.00"),
        (("--", "sh", "-c", 'exit "$#"', "x", "--config", "--json"), 2, "penstock: asked $0.00"),
    ],
)
def test_exit_codes(tmp_path: Path, words: tuple[str, ...], code: int, said: str) -> None:
    done = penstock_run(*words, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1])
def test_signals_reach_the_command_and_its_word_counts(tmp_path: Path, number: signal.Signals) -> None:
    code = f"""
import signal, sys, time
signal.signal({int(number)}, lambda *_: sys.exit(33))
print("ready", flush=True)
time.sleep(60)
"""
    running = subprocess.Popen(
        command(*python(code)), cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    assert running.stdout is not None
    assert running.stdout.readline() == "ready\n"
    running.send_signal(number)
    _, told = running.communicate(timeout=30)
    assert running.returncode == 33, told
    assert "Traceback" not in told


def test_ctrl_c_on_a_terminal_reaches_the_command_once(tmp_path: Path) -> None:
    """The terminal sends it to the whole process group, so it is not forwarded as well."""
    code = """
import signal, sys, time
caught = []
signal.signal(signal.SIGINT, lambda *_: caught.append(1))
print("ready", flush=True)
end = time.monotonic() + 60
while not caught and time.monotonic() < end:
    time.sleep(0.01)
time.sleep(0.3)
sys.exit(30 + len(caught))
"""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(tmp_path)
        os.execv(sys.executable, command(*python(code)))
    seen = b""
    while b"ready" not in seen:
        seen += os.read(terminal, 1000)
    os.write(terminal, b"\x03")
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 31
