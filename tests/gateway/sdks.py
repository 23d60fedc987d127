"""The official SDKs in front of a gateway, unchanged but for their base URL."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anthropic
import openai
from gatehouse import MESSAGES, Gatehouse, gatehouse

__all__ = ["ASK", "ASKED", "PATHS", "PICTURE", "anthropic_client", "final", "openai_client", "sdk", "through"]

ASK: dict[str, Any] = {"model": "mine", "messages": MESSAGES, "max_tokens": 50}

PATHS = {
    "openai": "/v1/chat/completions",
    "responses": "/v1/responses",
    "embeddings": "/v1/embeddings",
    "anthropic": "/v1/messages",
    "count_tokens": "/v1/messages/count_tokens",
}
"""Where each wire format is spoken."""

ASKED: dict[str, dict[str, Any]] = {
    "openai": {"model": "mine", "messages": MESSAGES},
    "responses": {"model": "mine", "input": "Why?"},
    "embeddings": {"model": "mine", "input": ["Why?", "How?"]},
    "anthropic": ASK,
    "count_tokens": {"model": "mine", "messages": MESSAGES},
}
"""The least that each of them wants to be asked with."""

_TLS = ssl.create_default_context()
"""Made once: left to themselves, the SDKs read all authorities for each client, which takes longer than a test."""

_LAST = {"openai": "get_final_completion", "responses": "get_final_response", "anthropic": "get_final_message"}

PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAAC0lEQVR42mNkYPj/HwADBwIAMCbHYQAAAABJRU5ErkJggg=="  # one dot


def through(reply: Any, check: Callable[[Gatehouse], Awaitable[None]], **options: Any) -> None:
    """Run a check at a gateway whose upstream answers so."""

    async def main() -> None:
        async with gatehouse(reply, **options) as gate:
            await check(gate)

    asyncio.run(main())


def openai_client(gate: Gatehouse, *, straight: bool = False, **options: Any) -> openai.AsyncOpenAI:
    """A client of the gateway; ``straight``: one of the upstream behind it, to compare with."""
    url = gate.up.url if straight else gate.url
    web = openai.DefaultAsyncHttpxClient(verify=_TLS)
    return openai.AsyncOpenAI(base_url=f"{url}/v1", http_client=web, **{"api_key": "sk-own", **options})


def anthropic_client(gate: Gatehouse, *, straight: bool = False, **options: Any) -> anthropic.AsyncAnthropic:
    """A client of the gateway; ``straight``: one of the upstream behind it, to compare with."""
    url = gate.up.url if straight else gate.url
    web = anthropic.DefaultAsyncHttpxClient(verify=_TLS)
    return anthropic.AsyncAnthropic(base_url=url, http_client=web, **{"api_key": "sk-own", **options})


@asynccontextmanager
async def sdk(gate: Gatehouse, wire: str) -> AsyncGenerator[Any]:
    """What a wire format is asked with: ``create`` and, as the helpers of the SDK, ``stream``."""
    if wire == "anthropic":
        async with anthropic_client(gate) as client:
            yield client.messages
    else:
        async with openai_client(gate) as other:
            yield other.responses if wire == "responses" else other.chat.completions


async def final(gate: Gatehouse, wire: str, *, stream: bool, **more: Any) -> Any:
    """The last word of an SDK, whichever way it asked: a chat completion, a response or a message."""
    asked = {**ASKED[wire], **more}
    async with sdk(gate, wire) as at:
        if not stream:
            return await at.create(**asked)
        async with at.stream(**asked) as events:
            return await getattr(events, _LAST[wire])()
