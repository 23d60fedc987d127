"""Requests in the shape that Claude Code sends them: what reaches the upstream, and what comes back."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from gatehouse import Gatehouse
from sdks import anthropic_client, through

from penstock.testing import Plan, ToolCall
from penstock.values import Usage

HEADERS = {
    "accept": "application/json",
    "anthropic-beta": "claude-code-20250219,interleaved-thinking-2025-05-14,fine-grained-tool-streaming-2025-05-14",
    "anthropic-dangerous-direct-browser-access": "true",
    "anthropic-version": "2023-06-01",
    "content-type": "application/json",
    "user-agent": "claude-cli/2.0.14 (external, cli)",
    "x-app": "cli",
    "x-stainless-arch": "x64",
    "x-stainless-helper-method": "stream",
    "x-stainless-lang": "js",
    "x-stainless-package-version": "0.60.0",
    "x-stainless-retry-count": "0",
    "x-stainless-runtime": "node",
    "x-stainless-timeout": "600",
}
BEARER = {"authorization": "Bearer sk-ant-oat01-abc"}
KEY = {"x-api-key": "sk-ant-api03-abc"}
EPHEMERAL = b'"cache_control":{"type":"ephemeral"}'
SYSTEM = (
    b'[{"type":"text","text":"You are Claude Code, Anthropic\'s official CLI for Claude.",' + EPHEMERAL + b"},"
    b'{"type":"text","text":"\\nYou are an interactive CLI tool \\u2014 use the tools below.\\n",' + EPHEMERAL + b"}]"
)
HISTORY = (
    b'{"role":"user","content":[{"type":"text","text":"<system-reminder>\\nAs you answer, be brief.\\n'
    b'</system-reminder>\\n"},{"type":"text","text":"What is in a.py?"}]},'
    b'{"role":"assistant","content":[{"type":"thinking","thinking":"I should read it.","signature":"EqQBCgIYAhIM1g=="},'
    b'{"type":"text","text":"Let me look."},{"type":"tool_use","id":"toolu_01","name":"Read",'
    b'"input":{"file_path":"/tmp/a.py","limit":2e3}}]}'
)
NEWEST = (
    b'{"role":"user","content":[{"tool_use_id":"toolu_01","type":"tool_result","content":"     1\\u2192import os\\n",'
    + EPHEMERAL
    + b"}]}"
)
TOOLS = (
    b'[{"name":"Read","description":"Reads a file.","input_schema":{"type":"object","properties":{"file_path":'
    b'{"type":"string"},"limit":{"type":"number"}},"required":["file_path"],"additionalProperties":false,'
    b'"$schema":"http://json-schema.org/draft-07/schema#"}},{"name":"Bash","description":"Runs a command.",'
    b'"input_schema":{"type":"object","properties":{"command":{"type":"string"}}}}]'
)
PROMPT = b'"messages":[' + HISTORY + b"," + NEWEST + b'],"system":' + SYSTEM + b',"tools":' + TOOLS
ASKED = (
    b'{"model":"claude-sonnet-5",' + PROMPT + b',"metadata":{"user_id":"user_0f_account__session_1e"},'
    b'"max_tokens":32000,"thinking":{"budget_tokens":31999,"type":"enabled"},"temperature":1,"stream":true}'
)
COUNTED = b'{"model":"claude-sonnet-5",' + PROMPT + b',"thinking":{"budget_tokens":31999,"type":"enabled"}}'
SMALL = b'{"model":"claude-haiku-4-5","max_tokens":1,"messages":[{"role":"user","content":"quota"}],"metadata":{}}'

ANSWER = Plan(
    "Let me run it.",
    thinking="Hm.",
    tools=(ToolCall("Bash", '{"command":"python a.py"}', "toolu_02"),),
    usage=Usage(input=4, cache_read=14_000, cache_write_5m=300, output=40),
    piece=6,
)
BODIES = pytest.mark.parametrize("body", [ASKED, SMALL], ids=["turn", "quota"])


@BODIES
@pytest.mark.parametrize("off", [True, False], ids=["all_off", "as_it_is"])
def test_the_very_bytes_and_headers_reach_the_upstream(body: bytes, off: bool) -> None:
    async def check(gate: Gatehouse) -> None:
        headers = {**HEADERS, **BEARER, **({"x-penstock-off": "all"} if off else {})}
        status, _, _ = await gate.post(body, "/v1/messages?beta=true", headers)
        assert status == 200
        seen = gate.up.exchanges[0]
        assert seen.body == body
        assert {name: seen.headers.get(name) for name in HEADERS} == HEADERS
        assert not [name for name in seen.headers if name.startswith("x-penstock")]

    through(ANSWER, check)


def test_the_stream_comes_back_byte_for_byte() -> None:
    async def check(gate: Gatehouse) -> None:
        _, headers, said = await gate.post(ASKED, "/v1/messages?beta=true", {**HEADERS, **BEARER})
        async with gate.web.post(gate.up.url + "/v1/messages", data=ASKED, headers=HEADERS) as straight:
            assert said.replace(b'"msg_0"', b'"msg_1"') == await straight.read()
        assert headers["content-type"] == "text/event-stream"
        assert headers["request-id"] == headers["x-penstock-id"]

    through(ANSWER, check)


def test_counts_of_tokens_pass_with_bytes_and_headers() -> None:
    async def check(gate: Gatehouse) -> None:
        beta = {**HEADERS, "anthropic-beta": HEADERS["anthropic-beta"] + ",token-counting-2024-11-01"}
        status, _, said = await gate.post(COUNTED, "/v1/messages/count_tokens?beta=true", {**beta, **KEY})
        assert (status, msgspec.json.decode(said).keys()) == (200, {"input_tokens"})
        seen = gate.up.counts[0]
        assert seen.body == COUNTED
        assert {name: seen.headers.get(name) for name in beta} == beta

    through(None, check)


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens"])
def test_the_query_reaches_the_upstream(path: str) -> None:
    async def check(gate: Gatehouse) -> None:
        await gate.post(SMALL, f"{path}?beta=true&of=tomorrow%20x", {**HEADERS, **KEY})
        assert [each.query for each in (*gate.up.exchanges, *gate.up.counts)] == ["beta=true&of=tomorrow%20x"]

    through(None, check)


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens"])
@pytest.mark.parametrize("given", [BEARER, KEY], ids=["bearer", "key"])
def test_the_clients_credential_goes_on_the_way_it_came(given: dict[str, str], path: str) -> None:
    async def check(gate: Gatehouse) -> None:
        await gate.post(SMALL, path, {**HEADERS, **given})
        seen = (*gate.up.exchanges, *gate.up.counts)[0].headers
        assert {name: seen[name] for name in ("authorization", "x-api-key") if name in seen} == given

    through(None, check, keyed=False)


@pytest.mark.parametrize("given", [BEARER, KEY], ids=["bearer", "key"])
def test_a_configured_key_takes_the_place_of_the_clients(given: dict[str, str]) -> None:
    async def check(gate: Gatehouse) -> None:
        await gate.post(SMALL, "/v1/messages", {**HEADERS, **given})
        seen = gate.up.exchanges[0].headers
        assert seen["x-api-key"] == "configured"
        assert "authorization" not in seen

    through(None, check)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("path", "told"),
    [
        (
            "/v1/messages",
            {
                "anthropic-organization-id": "org-1",
                "anthropic-ratelimit-requests-remaining": "49",
                "anthropic-ratelimit-unified-status": "allowed",
                "anthropic-ratelimit-unified-reset": "1800000000",
            },
        ),
        (
            "/v1/chat/completions",
            {
                "openai-organization": "org-1",
                "openai-processing-ms": "171",
                "openai-version": "2020-10-01",
                "x-ratelimit-remaining-tokens": "149984",
                "x-ratelimit-reset-requests": "8.64s",
            },
        ),
    ],
    ids=["anthropic", "openai"],
)
def test_what_the_upstream_says_of_limits_reaches_the_client(path: str, told: dict[str, str], stream: bool) -> None:
    async def check(gate: Gatehouse) -> None:
        body = {"model": "mine", "max_tokens": 9, "messages": [{"role": "user", "content": "Why?"}], "stream": stream}
        status, headers, _ = await gate.post(body, path)
        assert status == 200
        assert {name: headers.get(name) for name in told} == told
        assert "upstream=1" not in headers.getall("set-cookie", ())
        _, again, _ = await gate.post(body, path)
        assert again["x-penstock-source"] == "reuse"
        assert not [
            name for name in again if "ratelimit" in name.lower()
        ]  # a kept answer says nothing of the limits of now

    through(Plan("Because.", headers={**told, "set-cookie": "upstream=1"}), check)


def test_the_beta_side_of_the_sdk_asks_alike() -> None:
    async def check(gate: Gatehouse) -> None:
        asked: Any = {"model": "mine", "max_tokens": 9, "messages": [{"role": "user", "content": "Why?"}]}
        async with anthropic_client(gate) as client:
            async with client.beta.messages.stream(**asked, betas=["of-tomorrow-2027-01-01"]) as events:
                assert [block.type for block in (await events.get_final_message()).content] == [
                    "thinking",
                    "text",
                    "tool_use",
                ]
            await client.beta.messages.count_tokens(model="mine", messages=asked["messages"])
        assert gate.up.exchanges[0].headers["anthropic-beta"] == "of-tomorrow-2027-01-01"
        assert gate.up.counts[0].headers["anthropic-beta"]

    through(ANSWER, check)
