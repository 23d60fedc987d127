"""What people ran into: big readings, cut answers, secrets on the way, keys and hosts, an end from outside."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from tests.cli.test_ask import notes, penstock, serving

from penstock.testing import Plan
from penstock.values import Usage

__all__ = ["notes"]

USAGE = Usage(input=100, output=10)


def large(folder: Path) -> Path:
    """A folder that takes several parts."""
    folder.mkdir()
    for number in range(30):
        lines = (
            f"Entry {number}-{line}: the gate of lock {line} is {'open' if line % 7 else 'shut'}."
            for line in range(1500)
        )
        (folder / f"log{number:02}.txt").write_text("\n".join(lines))
    return folder


def test_a_reading_that_cannot_be_afforded_is_refused_before_it_begins(tmp_path: Path) -> None:
    large(tmp_path / "logs")
    with serving(Plan("Notes.", usage=USAGE)) as up:
        run = penstock(
            "ask",
            "Why?",
            "logs",
            "--budget",
            "3c",
            "--model",
            "gpt-4o-mini",
            cwd=tmp_path,
            PENSTOCK_OPENAI_BASE_URL=up.url,
        )
        assert up.served == 0
    assert run.returncode == 3
    assert "parts costs at least $0." in run.stderr
    assert "and the budget of this session has $0.03 left" in run.stderr
    assert "why:" not in run.stderr, "nothing was asked"


def test_a_reading_in_parts_is_explained_as_a_whole(tmp_path: Path) -> None:
    large(tmp_path / "logs")
    with serving(Plan("Notes.", usage=USAGE)) as up:
        question = ("ask", "Why?", "logs", "--model", "gpt-4o-mini")
        run = penstock(*question, "--json", cwd=tmp_path, PENSTOCK_OPENAI_BASE_URL=up.url)
        asked = up.served
        plain = penstock(*question, "--fresh", cwd=tmp_path, PENSTOCK_OPENAI_BASE_URL=up.url)
    told = json.loads(run.stdout)
    assert told["parts"] == asked - 1 > 10
    assert "at least" in plain.stderr
    assert len(plain.stderr.splitlines()) <= 16
    why = json.loads(penstock("why", told["id"], "--json", cwd=tmp_path).stdout)
    assert why["spent_nano"] == asked * 21_000
    assert len(why["steps"]) == asked
    one = json.loads(penstock("why", why["steps"][0]["id"], "--json", cwd=tmp_path).stdout)
    assert one["spent_nano"] == 21_000


def test_what_was_spent_is_told_when_a_reading_fails(tmp_path: Path) -> None:
    large(tmp_path / "logs")
    with serving([Plan("Notes.", usage=USAGE)] * 5 + [Plan("no", status=400)] * 200) as up:
        run = penstock(
            "ask", "Why?", "logs", "--model", "gpt-4o-mini", "--json", cwd=tmp_path, PENSTOCK_OPENAI_BASE_URL=up.url
        )
    assert run.returncode == 4
    told = json.loads(run.stdout)
    assert told["spent_nano"] >= 5 * 21_000
    assert "= spent $0.0" in run.stderr
    assert f" · why: penstock why {told['id']}\n" in run.stderr
    why = json.loads(penstock("why", "--json", cwd=tmp_path).stdout)  # the last one is the whole, not one of its calls
    assert (why["id"], why["source"], why["spent_nano"]) == (told["id"], "refused", told["spent_nano"])
    *parts, end = why["steps"]
    assert len(parts) > 10
    assert (end["state"], end["error"]) == ("Refused", "Rejected")
    spent = [json.loads(penstock("why", part["id"], "--json", cwd=tmp_path).stdout)["spent_nano"] for part in parts[:2]]
    assert spent == [part["spent_nano"] for part in parts[:2]]
    shown = penstock("why", cwd=tmp_path).stdout
    assert "answer  none: " in shown
    assert "c_" in shown.partition("\n\n")[2]


def test_a_reading_that_was_broken_off_is_told_as_a_whole(tmp_path: Path) -> None:
    large(tmp_path / "logs")
    with serving([Plan("Notes.", usage=USAGE)] * 3 + [Plan("Never.", hang=True)] * 200) as up:
        command = [sys.executable, "-m", "penstock", "ask", "Why?", "logs", "--model", "gpt-4o-mini"]
        environment = {**os.environ, "PENSTOCK_OPENAI_BASE_URL": up.url}
        run = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)
        for _ in range(3000):
            if up.served > 3:
                break
            threading.Event().wait(0.01)
        run.send_signal(signal.SIGINT)
        _, told = run.communicate(timeout=30)
    assert run.returncode == 130
    spent = told.partition("= spent ")[2].partition(" ")[0]
    assert " · why: penstock why\n" in told
    why = json.loads(penstock("why", "--json", cwd=tmp_path).stdout)
    assert why["spent"] == spent
    assert [step["state"] for step in why["steps"][-2:]] == ["Part", "Refused"]


def test_an_answer_that_was_cut_says_so(notes: Path) -> None:
    with serving(Plan("Because of", usage=USAGE, finish="length")) as up:
        run = penstock("ask", "Why?", "notes", cwd=notes.parent, PENSTOCK_OPENAI_BASE_URL=up.url)
    assert run.returncode == 0
    assert "the answer was cut" in run.stderr


def test_files_that_hold_secrets_stay_here_unless_named(notes: Path) -> None:
    (notes / ".env").write_text("SECRET_KEY=hunter2\n")
    (notes / "server.pem").write_text("-----BEGIN PRIVATE KEY-----\n")
    told = json.loads(penstock("ask", "What is the SECRET_KEY?", "notes", "--json", cwd=notes.parent).stdout)
    assert "hunter2" not in told["text"]
    assert {one["path"] for one in told["skipped"]} >= {"notes/.env", "notes/server.pem"}
    told = json.loads(penstock("ask", "What is the SECRET_KEY?", "notes/.env", "--json", cwd=notes.parent).stdout)
    assert "hunter2" in told["text"]


def test_a_file_of_settings_that_nobody_named_sends_no_key_to_a_stranger(notes: Path) -> None:
    toml = '[providers.x]\ndialect = "openai"\nkey_env = "MY_TOKEN"\nlarge = "m"\nbase_url = "https://llm.example.com/v1"\n'
    (notes.parent / "penstock.toml").write_text(toml)
    run = penstock("ask", "Why?", "notes", cwd=notes.parent, MY_TOKEN="secret")
    assert run.returncode == 2
    assert "would send $MY_TOKEN to llm.example.com" in run.stderr
    assert "secret" not in run.stderr
    named = penstock("ask", "Why?", "nowhere", "--config", "penstock.toml", cwd=notes.parent, MY_TOKEN="secret")
    assert "no file or folder 'nowhere'" in named.stderr
    with serving("Because.") as up:
        (notes.parent / "penstock.toml").write_text(toml.replace("https://llm.example.com/v1", up.url))
        near = penstock("ask", "Why?", "notes", cwd=notes.parent, MY_TOKEN="secret")
        assert near.returncode == 0, near.stderr
        assert up.exchanges[0].headers["authorization"] == "Bearer secret"


def test_the_variables_of_the_official_sdks_are_followed(notes: Path) -> None:
    with serving("Because.") as up:
        run = penstock("ask", "Why?", "notes", cwd=notes.parent, OPENAI_BASE_URL=f"{up.url}/v1", OPENAI_API_KEY="k")
        assert run.returncode == 0, run.stderr
        assert up.served == 1


def test_a_model_without_a_provider_is_an_error_not_another_answer(notes: Path) -> None:
    run = penstock("ask", "Why?", "notes", "--model", "gpt-5-mini", cwd=notes.parent)
    assert run.returncode == 2
    assert "set OPENAI_API_KEY" in run.stderr


def test_options_may_stand_anywhere(notes: Path) -> None:
    run = penstock("ask", "When does the night train leave?", "--json", "notes", cwd=notes.parent)
    assert json.loads(run.stdout)["citations"][0]["path"] == "notes/trains.md"


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [("--max-tokens", "0", "at least 1"), ("--timeout", "0", "above 0"), ("--timeout", "nan", "above 0")],
)
def test_numbers_that_mean_nothing_are_refused(notes: Path, option: str, value: str, words: str) -> None:
    with serving("Because.") as up:
        run = penstock("ask", "Why?", "notes", option, value, cwd=notes.parent, PENSTOCK_OPENAI_BASE_URL=up.url)
        assert up.served == 0
    assert run.returncode == 2
    assert words in run.stderr


def test_an_end_from_outside_is_settled_like_ctrl_c(notes: Path) -> None:
    with serving(Plan("Never.", hang=True)) as up:
        command = [sys.executable, "-m", "penstock", "ask", "Why?", "notes", "--scope", "team", "--budget", "5c"]
        environment = {**os.environ, "PENSTOCK_OPENAI_BASE_URL": up.url}
        run = subprocess.Popen(command, cwd=notes.parent, env=environment, stderr=subprocess.PIPE, text=True)
        for _ in range(3000):
            if up.served:
                break
            threading.Event().wait(0.01)
        run.send_signal(signal.SIGTERM)
        _, told = run.communicate(timeout=30)
        assert run.returncode == 130
        assert "spent $0.0" in told
        up.reply = Plan("Because.", usage=USAGE)
        again = penstock(
            "ask",
            "Why not?",
            "notes",
            "--scope",
            "team",
            "--budget",
            "5c",
            cwd=notes.parent,
            PENSTOCK_OPENAI_BASE_URL=up.url,
        )
        assert again.returncode == 0, again.stderr
