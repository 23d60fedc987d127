"""Long tool outputs through the gateway, from a client that knows nothing of it."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from gatehouse import gatehouse

from penstock.policy.compress.markers import names_in

LOG = "".join(
    f"2026-03-01 12:{at // 60 % 60:02}:{at % 60:02} INFO worker {at % 7} took job {at}\n" for at in range(3000)
)
LOG += "2026-03-01 13:00:00 ERROR worker 3 gave up job 1490: disk quota exceeded\n"

CHAT: list[dict[str, Any]] = [
    {"role": "user", "content": "Why did job 1490 fail?"},
    {
        "role": "assistant",
        "tool_calls": [{"id": "t1", "type": "function", "function": {"name": "logs", "arguments": "{}"}}],
    },
    {"role": "tool", "tool_call_id": "t1", "content": LOG},
]
MESSAGES: list[dict[str, Any]] = [
    {"role": "user", "content": "Why did job 1490 fail?"},
    {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "logs", "input": {}}]},
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": LOG}]},
]


@pytest.mark.parametrize(("path", "messages"), [("/v1/chat/completions", CHAT), ("/v1/messages", MESSAGES)])
def test_an_agent_sends_it_whole_and_the_provider_gets_what_matters(path: str, messages: Any) -> None:
    async def main() -> None:
        async with gatehouse("The quota.") as gate:
            body = {"model": "mine", "max_tokens": 50, "messages": messages}
            status, headers, _ = await gate.post(body, path)
            assert status == 200
            assert "compress=$0.0" in headers["x-penstock-saved"]
            sent = gate.up.exchanges[-1].body.decode()
            assert "disk quota exceeded" in sent
            assert len(sent) < len(LOG) / 10
            (name,) = names_in(sent)
            assert await gate.runtime.originals.get(name, gate.runtime.engine.clock.now()) == LOG
            told = (await gate.get("/metrics"))[2].decode()
            before, after = (
                int(told.split(f'penstock_compressed_tokens_total{{side="{side}"}} ')[1].split()[0])
                for side in ("before", "after")
            )
            assert before > 60_000
            assert after <= 2000
            assert "\npenstock_compress_microseconds_total 0\n" not in told

            for off in ("compress", "all"):
                status, _, _ = await gate.post(body, path, headers={"x-penstock-off": off})
                assert status == 200
                assert gate.up.exchanges[-1].body == msgspec.json.encode(body)

    asyncio.run(main())
