"""The door: what it turns away by the first line, and how many it lets in at once."""

from __future__ import annotations

import asyncio
import json

import pytest

from penstock.gateway.desk import Desk
from penstock.gateway.door import Door
from penstock.gateway.metrics import Metrics
from penstock.testing import FakeClock

BODY = b'{"model": "mine"}'
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n" % len(BODY)
CALL = HEAD + b"\r\n" + BODY


def door(seats: int) -> tuple[Door, Desk, Metrics]:
    desk, metrics = Desk(FakeClock(), seats=seats, most_waiting=0), Metrics()
    return Door(desk, metrics), desk, metrics


def test_a_whole_call_is_turned_away_where_there_is_no_seat() -> None:
    async def main() -> None:
        at, desk, metrics = door(seats=1)
        assert at.refusal(CALL) is None
        async with desk.seat():
            answer = at.refusal(CALL)
            assert answer is not None
            head, _, body = answer.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 503 ")
            assert b"\r\nretry-after: 1\r\n" in head
            assert f"content-length: {len(body)}".encode() in head
            assert json.loads(body)["error"]["message"]
            assert desk.shed == 1
            assert b"\npenstock_shed_total 1\n" in metrics.text()
        assert at.refusal(CALL) is None

    asyncio.run(main())


@pytest.mark.parametrize(
    "data",
    [
        CALL[:-1],
        CALL + CALL,
        HEAD,
        CALL.replace(b"POST", b"GET"),
        CALL.replace(b"/v1/chat/completions", b"/health"),
        HEAD + b"transfer-encoding: chunked\r\n\r\n" + BODY,
        HEAD + b"connection: close\r\n\r\n" + BODY,
        HEAD + b"expect: 100-continue\r\n\r\n" + BODY,
        HEAD + b"content-length: 0\r\n\r\n" + BODY,
    ],
    ids=["part", "two", "head", "method", "path", "chunked", "close", "expect", "two lengths"],
)
def test_what_is_not_one_whole_plain_call_is_left_to_the_parser(data: bytes) -> None:
    async def main() -> None:
        at, desk, _ = door(seats=1)
        async with desk.seat():
            assert at.refusal(data) is None
        assert desk.shed == 0

    asyncio.run(main())


def test_a_few_come_in_at_once_and_the_others_in_their_order() -> None:
    async def main() -> None:
        at, _, _ = door(seats=1000)
        entered: list[int] = []
        at_once = [number for number in range(20) if at.enter(lambda number=number: entered.append(number))]  # type: ignore[misc]
        assert at_once == list(range(8))
        assert not entered
        turns: list[int] = []
        while len(entered) < 12:
            await asyncio.sleep(0)
            turns.append(len(entered))
        assert entered == list(range(8, 20))
        assert turns[-2:] == [8, 12]
        await asyncio.sleep(0)
        assert at.enter(lambda: None)

    asyncio.run(main())


def test_who_waits_outside_counts_as_one_before() -> None:
    async def main() -> None:
        at, _, _ = door(seats=8)
        for _ in range(8):
            assert at.enter(lambda: None)
        assert at.refusal(CALL) is not None

    asyncio.run(main())
