"""How `scripts/bench prefix` asks: what it reads off an answer, and that a leader goes ahead."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from penstock.bench.figure import Broken
from penstock.bench.prefix.asking import ANSWER_TOKENS, Heard, ask, cached_share, fan_out, opened
from penstock.errors import PenstockError
from penstock.testing import Exchange, Plan, Upstream
from penstock.values import Usage

PLAN = Plan("so it is, and so it was", usage=Usage(input=25, cache_read=75, output=ANSWER_TOKENS), piece=4)
PROMPTS = ["one", "two", "three"]


def test_an_answer_tells_its_usage(tmp_path: Path) -> None:
    async def asked() -> Heard:
        async with Upstream(PLAN) as up, opened(tmp_path, up.url) as lm:
            return await ask(lm, "one")

    heard = asyncio.run(asked())
    assert heard.usage == PLAN.usage
    assert heard.first > 0


@pytest.mark.parametrize("plan", [Plan("short", usage=Usage(input=1, output=1)), Plan("unsaid", usage=None)])
def test_an_answer_that_is_not_what_was_asked_for_gives_no_figure(plan: Plan, tmp_path: Path) -> None:
    async def asked() -> Heard:
        async with Upstream(plan) as up, opened(tmp_path, up.url) as lm:
            return await ask(lm, "one")

    with pytest.raises(Broken, match="not of 8 tokens"):
        asyncio.run(asked())


def test_the_others_wait_for_the_first_token_of_their_leader(tmp_path: Path) -> None:
    async def asked() -> tuple[list[str], list[Heard]]:
        order: list[str] = []

        def script(exchange: Exchange) -> Plan:
            order.append(exchange.question.prompt)
            assert len(order) == 1 or up.exchanges[0].sent > 0
            return PLAN

        async with Upstream(script) as up, opened(tmp_path, up.url) as lm:
            return order, (await fan_out(lm, PROMPTS, leader_first=True))[1]

    order, heard = asyncio.run(asked())
    assert order[0] == "one"
    assert sorted(order) == sorted(PROMPTS)
    assert cached_share(heard) == 75


def test_a_leader_that_fails_holds_nobody_up(tmp_path: Path) -> None:
    async def asked() -> None:
        async with Upstream(Plan("no", status=400)) as up, opened(tmp_path, up.url) as lm:
            await fan_out(lm, PROMPTS, leader_first=True)

    with pytest.raises(PenstockError, match="no"):
        asyncio.run(asked())
