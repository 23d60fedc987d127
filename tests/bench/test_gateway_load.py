"""The upstream and the load of `scripts/bench gateway`: real processes, and wrong answers are told from right ones."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from penstock.bench.figure import Broken
from penstock.bench.gateway.gateways import Gateway, upstream
from penstock.bench.gateway.load import Order, Result, Results
from penstock.bench.gateway.measuring import Bench
from penstock.bench.gateway.processes import clean, spawned
from penstock.bench.gateway.questions import KINDS, answer, request, wish
from penstock.bench.gateway.start import first_answer
from penstock.bench.gateway.wire import NUMBER, events, text_of, whole
from penstock.testing import Upstream

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it reads /proc")


@pytest.fixture
def straight(tmp_path: Path) -> Iterator[Gateway]:
    """The upstream, asked directly."""
    with upstream(tmp_path / "upstream") as gateway:
        first_answer(gateway)
        yield gateway


@pytest.mark.parametrize("kind", KINDS)
def test_a_question_tells_its_number_and_size(kind: str) -> None:
    before, behind = request(KINDS[kind], "gpt-4o-mini", after=50)
    body = before + b"0000000042" + behind
    found = wish(body)
    assert found is not None
    assert (found.number, found.after, found.every) == (42, 0.05, KINDS[kind].every / 1000)
    assert KINDS[kind].size <= len(body) < KINDS[kind].size + 50
    assert msgspec.json.decode(body)["model"] == "gpt-4o-mini"


@pytest.mark.parametrize("family", ["openai", "anthropic"])
def test_what_is_written_is_what_is_read(family: str) -> None:
    text = "".join(answer(int(NUMBER)))
    assert text_of(whole(family, "m"), stream=False) == text
    told = events(family, "m", False)
    assert text_of(b"".join(told), stream=True) == text
    with pytest.raises(ValueError, match="ends in"):
        text_of(b"".join(told[:-1]), stream=True)


def test_a_stream_has_35_events_and_one_more_with_the_usage() -> None:
    plain, counted = events("openai", "m", False), events("openai", "m", True)
    assert (len(plain), len(counted)) == (36, 37)  # with [DONE]
    assert b'"usage":{' in counted[-2]


@pytest.mark.parametrize("kind", [*KINDS, "hit"])
def test_all_answers_are_right(straight: Gateway, kind: str) -> None:
    bench = Bench(straight)
    if kind == "hit":
        with pytest.raises(Broken, match="the upstream saw 40 questions of 0"):
            bench.again(straight, 40)  # nothing in between that remembers
    else:
        (result,) = bench.ask(kind, [straight], 40).targets
        assert (result.right, result.wrong) == (40, 0)


def test_at_a_rate_it_takes_what_the_upstream_takes(straight: Gateway) -> None:
    results = Bench(straight).ask("plain", [straight, straight], 20, after=30, rate=200)
    for result in results.targets:
        assert len(result.seconds) == 20
        assert min(result.seconds) >= 0.028  # the timers of an event loop count whole milliseconds


def _carried_out(order: Order) -> Result:
    command = [sys.executable, "-m", "penstock.bench.gateway.load"]
    done = subprocess.run(command, input=msgspec.json.encode(order), capture_output=True, env=clean(), check=True)
    (result,) = msgspec.json.decode(done.stdout, type=Results).targets
    return result


@pytest.mark.parametrize("kind", ["plain", "stream", "messages", "messages-stream"])
def test_other_words_are_wrong(kind: str) -> None:
    async def main() -> None:
        async with Upstream("Something else.") as up:
            order = Order(kind, [Gateway(None, up.url).target(KINDS[kind].family)], 1, 5, flight=2)  # type: ignore[arg-type]
            result = await asyncio.to_thread(_carried_out, order)
        assert (result.right, result.wrong, len(result.problems)) == (0, 5, 3)
        assert result.problems[0].startswith("200: ")

    asyncio.run(main())


def test_cpu_is_that_of_the_whole_session(tmp_path: Path) -> None:
    burn = "import time\nend = time.process_time() + 0.2\nwhile time.process_time() < end: pass\n"
    burn += "print('burnt', flush=True)\n"
    child = (
        f"import subprocess, sys\nchild = subprocess.Popen([sys.executable, '-c', {burn + 'input()'!r}], stdin=-1)\n"
    )
    with spawned("burner", [sys.executable, "-c", child + burn + "child.wait()"], tmp_path, clean()) as process:
        while process.said().count("burnt") < 2:
            process.check()
            time.sleep(0.01)
        assert 0.4 <= process.cpu() < 4
        assert process.rss() > 2_000_000


def test_a_program_that_ends_is_told_with_its_words(tmp_path: Path) -> None:
    with spawned("loser", [sys.executable, "-c", "print('out of luck')"], tmp_path, clean()) as process:
        process.popen.wait()
        with pytest.raises(Broken, match="loser ended with 0:\nout of luck"):
            process.cpu()
