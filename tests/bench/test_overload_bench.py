"""The parts of the overload benchmark that can be wrong without anybody noticing."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean, pstdev

import pytest

from penstock.bench.figure import Broken
from penstock.bench.overload.arrivals import DATA, TRACE, VARIATION, even, gaps
from penstock.bench.overload.crowd import TIMEOUT, Answer, whole


def test_without_a_trace_gaps_are_made_that_are_as_bursty() -> None:
    made = gaps()
    assert "synthetic" in made.source
    assert fmean(made.each) == pytest.approx(1.0)
    assert 0.5 * VARIATION < pstdev(made.each) < 2 * VARIATION
    assert made == gaps(), "the same in every run"


def test_the_gaps_of_a_trace_are_scaled_to_a_rate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = ["2023-11-16 18:17:03.9799600,4808,10", "2023-11-16 18:17:04.9799600,1,8", "2023-11-16 18:17:07.9799600,1,8"]
    monkeypatch.setenv(DATA, str(tmp_path))
    with pytest.raises(Broken, match="traces/"):
        gaps()
    (tmp_path / "traces").mkdir()
    lines = ["TIMESTAMP,ContextTokens,GeneratedTokens", *rows]
    (tmp_path / "traces" / TRACE).write_text("\n".join(lines), encoding="utf-8")
    read = gaps()
    assert (read.source, read.each) == (TRACE, (0.5, 1.5))
    assert list(read.times(rate=10, seconds=0.45)) == pytest.approx([0.05, 0.2, 0.25, 0.4])
    assert list(even(4, 1)) == [0, 0.25, 0.5, 0.75]


def test_an_answer_counts_when_it_came_in_time() -> None:
    assert Answer(1.0, 0.5, 0.25, 200).ended == 1.75
    assert [Answer(0, 0, late, status).served for late, status in ((1, 200), (1, 503), (TIMEOUT + 1, 200))] == [
        True,
        False,
        False,
    ]


@pytest.mark.parametrize("cut", range(1, 56, 6))
def test_a_message_is_whole_when_all_of_its_body_is_there(cut: int) -> None:
    message = b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\nx: y\r\n\r\nBecause. 123"
    assert whole(message)
    assert not whole(message[:-cut])
