"""``penstock ask`` as a person runs it: in its own process, on real files."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from penstock.testing import Plan, Upstream
from penstock.values import Usage

USAGE = Usage(input=100, output=10)


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "trains.md").write_text("# Trains\n\nThe night train to Oslo leaves at nine.\n")
    (folder / "buses.md").write_text("# Buses\n\nThe bus to the harbour leaves at seven.\n")
    (folder / "photo.bin").write_bytes(b"\x00\x01\x02")
    return folder


def penstock(*arguments: object, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "penstock", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=cwd,
        env={**os.environ, **environment},
    )


@contextmanager
def serving(reply: Any, **options: Any) -> Iterator[Upstream]:
    """An upstream on a loop in a thread of its own, so that a blocking test can talk to it."""
    import asyncio

    loop = asyncio.new_event_loop()
    upstream = Upstream(reply, **options)
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(upstream.__aenter__(), loop).result()
    try:
        yield upstream
    finally:
        asyncio.run_coroutine_threadsafe(upstream.__aexit__(None, None, None), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def test_without_a_key_the_embedded_reader_answers_with_a_citation(notes: Path) -> None:
    run = penstock("ask", "When does the night train leave?", "notes", cwd=notes.parent)
    assert run.returncode == 0, run.stderr
    assert "notes/trains.md:" in run.stdout
    assert "leaves at nine" in run.stdout
    assert "No model was asked" in run.stdout
    assert "asked $0.00 = spent $0.00" in run.stderr
    assert "embedded (no key is set, and no provider is described)" in run.stderr
    assert "photo.bin" in run.stderr
    assert "Traceback" not in run.stderr


def test_json_is_one_object_and_nothing_else(notes: Path) -> None:
    run = penstock("ask", "When does the night train leave?", "notes", "--json", cwd=notes.parent)
    told = json.loads(run.stdout)
    assert {"text", "cost_usd", "saved_usd", "asked_usd", "source", "model", "id", "citations"} <= set(told)
    assert told["citations"][0]["path"] == "notes/trains.md"
    assert told["citations"][0]["line"] in {1, 3}
    assert told["cost_usd"] == 0
    assert told["skipped"] == [{"path": "notes/photo.bin", "reason": told["skipped"][0]["reason"]}]
    why = json.loads(penstock("why", told["id"], "--json", cwd=notes.parent).stdout)
    assert (why["id"], why["spent_nano"]) == (told["id"], 0)
    assert [step["state"] for step in why["steps"]] == ["Lookup", "Follow", "Shape", "Send", "Settle", "Done"]
    last = penstock("why", cwd=notes.parent)
    assert told["id"] in last.stdout
    assert "Lookup" in last.stdout


@pytest.mark.parametrize("dialect", ["openai", "anthropic"])
def test_a_real_server_of_either_kind_answers(notes: Path, dialect: str) -> None:
    with serving(Plan("At nine, see notes/trains.md:3.", usage=USAGE)) as up:
        base = {f"PENSTOCK_{dialect.upper()}_BASE_URL": up.url}
        run = penstock(
            "ask", "When does the night train leave?", "notes", "--json", "--budget", "50c", cwd=notes.parent, **base
        )
        assert run.returncode == 0, run.stderr
        told = json.loads(run.stdout)
        assert told["source"] == dialect
        assert told["citations"] == [{"path": "notes/trains.md", "line": 3}]
        assert told["cost_usd"] > 0
        assert "3\tThe night train" in up.exchanges[0].question.prompt


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["ask", "", "notes"], 2, "the question is empty"),
        (["ask", "Why?", "note"], 2, "there is no file or folder 'note'"),
        (["ask", "Why?", "notes", "--budget", "-5c"], 2, "argument --budget"),
        (["ask", "Why?", "notes", "--budget=-5c"], 2, "write it like"),
        (["ask", "Why?", "notes", "--budget", "lots"], 2, "write it like"),
        (["ask", "Why?", "notes", "--provider", "nobody"], 2, "described are"),
        (["ask", "Why?", "notes", "--config", "no.toml"], 2, "no configuration file"),
        (["ask", "Why?", "notes/photo.bin"], 2, "nothing to read"),
        (["why", "c_0"], 2, "ask something first"),
        (["frobnicate"], 2, "invalid choice"),
        (["ask"], 2, "the following arguments are required: QUESTION\n"),
        (["ask", "Why?", "--budget", ""], 2, "in single quotes"),
    ],
)
def test_bad_input_is_one_line_and_an_exit_code(notes: Path, arguments: list[str], code: int, words: str) -> None:
    run = penstock(*arguments, cwd=notes.parent)
    assert run.returncode == code
    assert words in run.stderr
    assert run.stdout == ""
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ("provider = ", "not TOML"),
        ("colour = 3", "unknown key 'colour' at the top"),
        (
            '[providers.x]\ndialect = "openai"\nbase_url = "http://127.0.0.1"\nurl = "y"',
            "unknown key 'url' in [providers.x]",
        ),
        ('[providers.x]\ndialect = "french"\nbase_url = "http://127.0.0.1"', "dialect"),
        ('provider = "y"', "provider = 'y' is not described"),
        ("max_concurrency = 0", "at least 1"),
        ("[budget]\ncalls = -1", "budget.calls = -1 is negative"),
        ('[budget]\nmoney = "lots"', "budget.money"),
        ('[prices.mine]\ninput = "cheap"', "mine"),
    ],
)
def test_a_bad_configuration_names_the_key(notes: Path, toml: str, words: str) -> None:
    (notes.parent / "penstock.toml").write_text(toml)
    run = penstock("ask", "Why?", "notes", cwd=notes.parent)
    assert run.returncode == 2
    assert words in run.stderr
    assert len(run.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("plan", "code", "words"),
    [
        (Plan("no such model", status=404), 4, "no such model"),
        (Plan("bad key", status=401), 4, "key"),
        (Plan(body=b"<html><title>Login</title></html>", content_type="text/html"), 4, "HTML"),
        (Plan(body=b"not json", content_type="application/json"), 4, "not JSON"),
        (Plan("busy", status=529, headers={"retry-after-ms": "1"}), 4, "busy"),
    ],
)
def test_an_upstream_that_fails_is_told_in_one_line(notes: Path, plan: Plan, code: int, words: str) -> None:
    with serving(plan) as up:
        run = penstock("ask", "Why?", "notes", cwd=notes.parent, PENSTOCK_OPENAI_BASE_URL=up.url)
    assert run.returncode == code
    assert words in run.stderr
    assert "Traceback" not in run.stderr
    assert len([line for line in run.stderr.splitlines() if line.startswith("penstock:")]) == 1


def test_what_a_question_without_an_answer_took_can_be_looked_at(notes: Path) -> None:
    with serving(Plan("Because of", usage=USAGE, cut_after=20)) as up:
        run = penstock("ask", "Why?", "notes", cwd=notes.parent, PENSTOCK_OPENAI_BASE_URL=up.url)
        plain = penstock("ask", "Why not?", "--json", cwd=notes.parent, PENSTOCK_OPENAI_BASE_URL=up.url)
    (line,) = [line for line in run.stderr.splitlines() if " · why: " in line]
    assert line.startswith("asked $0.0")
    told = penstock(*line.partition(" · why: penstock ")[2].split(), cwd=notes.parent).stdout
    assert "answer  none: " in told
    assert "as an estimate" in told
    failed = json.loads(plain.stdout)
    why = json.loads(penstock("why", "--json", cwd=notes.parent).stdout)
    assert (why["id"], why["spent_nano"]) == (failed["id"], failed["spent_nano"])
    assert failed["spent_nano"] > 0


def test_an_amount_that_is_an_estimate_says_so(notes: Path) -> None:
    for usage, estimated in ((None, True), (USAGE, False)):
        with serving(Plan("At nine.", usage=usage)) as up:
            question = ("ask", "Why?", "notes", "--fresh")
            run = penstock(*question, cwd=notes.parent, PENSTOCK_OPENAI_BASE_URL=up.url)
            told = json.loads(penstock(*question, "--json", cwd=notes.parent, PENSTOCK_OPENAI_BASE_URL=up.url).stdout)
        assert told["estimated"] is estimated
        assert (" + saved $0.00 (estimated) · " in run.stderr) is estimated


def test_a_server_that_is_not_there(notes: Path) -> None:
    run = penstock("ask", "Why?", "notes", cwd=notes.parent, PENSTOCK_OPENAI_BASE_URL="http://127.0.0.1:9")
    assert run.returncode == 4
    assert "is the server running" in run.stderr


def test_a_budget_that_does_not_allow_it_sends_nothing(notes: Path) -> None:
    with serving("Because.") as up:
        run = penstock(
            "ask", "Why?", "notes", "--budget", "$0.00001", "--json", cwd=notes.parent, PENSTOCK_OPENAI_BASE_URL=up.url
        )
        assert up.served == 0
    assert run.returncode == 3
    assert json.loads(run.stdout)["error"]["type"] == "BudgetExceeded"


def test_an_error_with_json_is_an_object_too(notes: Path) -> None:
    run = penstock("ask", "Why?", "nowhere", "--json", cwd=notes.parent)
    told = json.loads(run.stdout)
    assert (told["error"]["type"], told["id"]) == ("BadInput", None)


@pytest.mark.parametrize("name", ["records.sqlite", "replies.sqlite"])
def test_a_corrupt_state_file_is_set_aside_and_the_run_goes_on(notes: Path, name: str) -> None:
    home = Path(os.environ["PENSTOCK_HOME"])
    home.mkdir(parents=True)
    (home / name).write_bytes(b"this is no database" * 100)
    run = penstock("ask", "When does the night train leave?", "notes", cwd=notes.parent)
    assert run.returncode == 0, run.stderr
    assert name in run.stderr
    assert list(home.glob(f"{name}.corrupt*"))


def test_an_unreadable_file_is_skipped_with_a_reason(notes: Path) -> None:
    (notes / "link.md").symlink_to(notes.parent / "nowhere.md")
    run = penstock("ask", "When does the night train leave?", "notes", "--json", cwd=notes.parent)
    assert run.returncode == 0
    assert "notes/link.md" in [skipped["path"] for skipped in json.loads(run.stdout)["skipped"]]


@pytest.mark.parametrize(
    ("words", "model", "chosen"),
    [
        ((), "gpt-5.5", "large of openai, since PENSTOCK_OPENAI_BASE_URL is set"),
        (("--model", "small"), "gpt-5-mini", "--model small of openai, since PENSTOCK_OPENAI_BASE_URL is set"),
        (("--provider", "openai"), "gpt-5.5", "large of --provider openai"),
        (("--config", "named.toml"), "mine", "large of work, which named.toml describes"),
        (("--provider", "embedded"), "embedded", "--provider embedded"),
    ],
)
def test_which_model_answered_is_told_and_why_that_one(
    notes: Path, words: tuple[str, ...], model: str, chosen: str
) -> None:
    with serving("At nine.") as up:
        work = f'provider = "work"\n[providers.work]\ndialect = "openai"\nlarge = "mine"\nbase_url = "{up.url}"\n'
        (notes.parent / "named.toml").write_text(work)
        question = ("ask", "When does the night train leave?", *words)
        run = penstock(*question, cwd=notes.parent, PENSTOCK_OPENAI_BASE_URL=up.url)
        told = json.loads(penstock(*question, "--json", cwd=notes.parent, PENSTOCK_OPENAI_BASE_URL=up.url).stdout)
    assert f" · {model} ({chosen}) · why: penstock why c_" in run.stderr
    assert (told["model"], told["model_chosen"]) == (model, chosen)


def test_ctrl_c_settles_and_tells_what_was_spent(notes: Path) -> None:
    with serving(Plan("Never.", hang=True)) as up:
        command = [sys.executable, "-m", "penstock", "ask", "Why?", "notes"]
        environment = {**os.environ, "PENSTOCK_OPENAI_BASE_URL": up.url}
        run = subprocess.Popen(command, cwd=notes.parent, env=environment, stderr=subprocess.PIPE, text=True)
        for _ in range(3000):
            if up.served:
                break
            threading.Event().wait(0.01)
        run.send_signal(signal.SIGINT)
        _, told = run.communicate(timeout=30)
    assert run.returncode == 130
    assert "interrupted" in told
    assert "spent $0.0" in told
    assert "Traceback" not in told
    why = json.loads(penstock("why", "--json", cwd=notes.parent).stdout)
    assert why["spent_nano"] > 0


def test_help_shows_examples_and_version(notes: Path) -> None:
    for arguments in (["--help"], ["ask", "--help"], ["why", "--help"]):
        run = penstock(*arguments, cwd=notes.parent)
        assert run.returncode == 0
        assert "example" in run.stdout
    told = penstock("ask", "--help", cwd=notes.parent).stdout
    assert "QUESTION [PATH ...]" in told
    assert "OPENAI_API_KEY       large is gpt-5.5" in told
    assert penstock("--version", cwd=notes.parent).stdout.startswith("penstock ")
    assert "COMMAND" in penstock(cwd=notes.parent).stdout
