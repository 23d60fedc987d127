"""Small traces, priced by hand after Anthropic's rules: write 1.25 or 2, read 0.1, 1,024 tokens at least."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from penstock.errors import BadInput
from penstock.evals.pricing import Bill, Pricing, Request, read_trace
from penstock.providers.prompt_cache import rules_for

FOUND = rules_for("anthropic", "claude-sonnet-4-5", date(2026, 11, 20))
assert FOUND is not None
RULES = FOUND
HOUR = RULES.named("1h")


def trace(path: Path, *rows: str) -> list[Request]:
    (path / "trace.jsonl").write_text("\n".join(rows), "utf-8")
    return read_trace(path / "trace.jsonl")


@pytest.fixture
def prompt(tmp_path: Path) -> Request:
    """Thirty blocks and a bit, at 0 s."""
    (found,) = trace(tmp_path, f'{{"timestamp": 0, "input_length": {30 * 512 + 100}, "hash_ids": {list(range(31))}}}')
    return found


def at(seconds: float, request: Request) -> Request:
    return Request(seconds, request.blocks, request.tokens)


TOTAL = 30 * 512 + 100


def test_a_write_then_a_read(prompt: Request) -> None:
    pricing = Pricing(RULES)
    assert pricing.send(prompt, [4]) == Bill(TOTAL, 0, 2048, TOTAL + 0.25 * 2048)
    assert pricing.send(at(1, prompt), [4]) == Bill(TOTAL, 2048, 0, TOTAL - 0.9 * 2048)
    assert pricing.relative == pytest.approx((2 * TOTAL - 0.65 * 2048) / (2 * TOTAL))


def test_the_end_of_a_prompt_is_as_long_as_it_is(prompt: Request) -> None:
    assert Pricing(RULES).send(prompt, [31]).written == TOTAL


def test_an_hour_costs_twice(prompt: Request) -> None:
    pricing = Pricing(RULES)
    assert pricing.send(prompt, [4], HOUR).cost == TOTAL + 2048
    assert pricing.send(at(3600, prompt), [4]).read == 2048
    assert pricing.send(at(7200, prompt), [4]).read == 2048
    assert pricing.send(at(10_801, prompt), [4]).read == 0


def test_marks_below_the_minimum_do_nothing(prompt: Request) -> None:
    assert Pricing(RULES).send(prompt, [1]) == Bill(TOTAL, 0, 0, TOTAL)
    assert Pricing(RULES).send(prompt, [1, 2]).written == 1024


def test_a_read_refreshes_what_it_reads(prompt: Request) -> None:
    pricing = Pricing(RULES)
    reads = [pricing.send(at(seconds, prompt), [4]).read for seconds in (0, 300, 600, 901, 1000)]
    assert reads == [0, 2048, 2048, 0, 2048]


def test_only_requests_that_begin_later_read(prompt: Request) -> None:
    pricing = Pricing(RULES)
    assert [pricing.send(prompt, [4]).written for _ in range(2)] == [2048, 2048]
    assert pricing.send(at(0.001, prompt), [4]).read == 2048


@pytest.mark.parametrize(("mark", "blocks"), [(4, 4), (23, 4), (24, 0), (3, 0), (31, 0)])
def test_twenty_blocks_are_looked_at_the_marks_own_first(prompt: Request, mark: int, blocks: int) -> None:
    pricing = Pricing(RULES)
    pricing.send(prompt, [4])
    assert pricing.send(at(1, prompt), [mark]).read == 512 * blocks


def test_an_entry_stands_at_each_mark_and_nowhere_else(prompt: Request) -> None:
    pricing = Pricing(RULES)
    assert pricing.send(prompt, [4, 8, 20]).written == 20 * 512
    assert pricing.send(at(1, prompt), [7]).read == 4 * 512
    assert pricing.send(at(2, prompt), [8, 9]) == Bill(TOTAL, 4096, 512, TOTAL - 0.9 * 4096 + 0.25 * 512)
    assert pricing.send(at(3, prompt), [9, 4]).read == 9 * 512


def test_a_mark_outside_or_one_too_many_is_an_error(prompt: Request) -> None:
    for marks in ([0], [32], [1, 2, 3, 4, 5]):
        with pytest.raises(BadInput, match="marks"):
            Pricing(RULES).send(prompt, marks)
    assert Pricing(RULES).relative == 1.0


def test_a_block_that_is_not_full_is_no_place_and_a_prefix_of_its_own(tmp_path: Path) -> None:
    first, second, third = trace(
        tmp_path,
        '{"timestamp": 5, "input_length": 600, "hash_ids": [1, 2]}',
        '{"timestamp": 7.5, "input_length": 1024, "hash_ids": [1, 2], "output_length": 3}',
        "",
        '{"timestamp": 7.5, "input_length": 0, "hash_ids": []}',
    )
    assert (first.at, second.at) == (0.005, 0.0075)
    assert [block.markable for block in first.blocks] == [True, False]
    assert first.blocks[0] == second.blocks[0]
    assert first.blocks[1].digest != second.blocks[1].digest
    assert (third.blocks, third.tokens) == ((), 0)


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("no json", "line 2"),
        ('{"timestamp": 1}', "input_length"),
        ('{"timestamp": 1, "input_length": 512, "hash_ids": [1, 2]}', "line 2: 2 hash_ids for 512 .*, which take 1"),
        ('{"timestamp": 1, "input_length": 513, "hash_ids": [1]}', "line 2: 1 hash_ids for 513 .*, which take 2"),
        ('{"timestamp": 1, "input_length": 9, "hash_ids": []}', "line 2: .*one for each 512 tokens"),
        ('{"timestamp": 1, "input_length": -1, "hash_ids": []}', "line 2: .*>= 0"),
        ('{"timestamp": 1, "input_length": 512, "hash_ids": [1.5]}', "line 2"),
    ],
)
def test_a_broken_row_is_named(tmp_path: Path, row: str, told: str) -> None:
    with pytest.raises(BadInput, match=told):
        trace(tmp_path, '{"timestamp": 1, "input_length": 512, "hash_ids": [1]}', row)


@pytest.mark.parametrize("rows", [(), ("", "  ")])
def test_a_trace_without_a_request_is_an_error(tmp_path: Path, rows: tuple[str, ...]) -> None:
    with pytest.raises(BadInput, match=r"trace\.jsonl is empty .*one row a line"):
        trace(tmp_path, *rows)


def test_a_trace_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot read"):
        read_trace(tmp_path / "none.jsonl")
