"""An upstream that serves a family: which endpoint a call goes to, and what is fetched beside them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from penstock.errors import (
    BadInput,
    BrokenReply,
    DeadlineExceeded,
    KeyRefused,
    Overloaded,
    ProviderError,
    Rejected,
    Unreachable,
)
from penstock.providers.dialects import NAMES, dialect, serving
from penstock.providers.http import FETCHED_BYTES, Connections, HttpProvider
from penstock.providers.port import Fetcher, Provider
from penstock.values import Call, Credential, Usage

GOLDEN = Path(__file__).parents[1] / "golden"

BODIES = {
    "openai": "openai_text.json",
    "responses": "responses_text.json",
    "embeddings": "embeddings_floats.json",
    "anthropic": "anthropic_text.json",
    "count_tokens": "count_tokens_plain.json",
}
MODELS = b'{"object": "list", "data": [{"id": "m"}]}'


class Server:
    """Every endpoint on a socket of this machine, with a recorded answer at each."""

    def __init__(self) -> None:
        self.url = ""
        self.seen: list[tuple[str, str]] = []
        self.headers: list[dict[str, str]] = []
        self.fetched: dict[str, Any] = {"body": MODELS, "content_type": "application/json"}
        self.hang = False

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.seen.append((request.method, request.raw_path))
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        if request.method == "GET":
            if self.hang:
                await asyncio.Event().wait()
            return web.Response(**self.fetched)
        name = next((name for name in NAMES if request.path == f"/v1/{dialect(name).path}"), None)
        if name is None:
            return web.json_response({"error": {"message": "no such path"}}, status=404)
        kind, body = "application/json", (GOLDEN / BODIES[name]).read_bytes()
        if b'"stream": true' in await request.read():
            kind, body = "text/event-stream", (GOLDEN / BODIES[name].replace(".json", ".sse")).read_bytes()
        return web.Response(body=body, content_type=kind)


@asynccontextmanager
async def serving_all() -> AsyncIterator[Server]:
    server = Server()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.01)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        await runner.cleanup()


@asynccontextmanager
async def provider(url: str, family: str = "openai", key: str = "sk-ours") -> AsyncIterator[HttpProvider]:
    it = HttpProvider("p", dialect(family), url, key, key_env="P_KEY")
    try:
        yield it
    finally:
        await it.close()


def ask(name: str, *, stream: bool = False) -> Call:
    raw = b'{"model": "m", "input": "a", "messages": []' + (b', "stream": true}' if stream else b"}")
    return Call.parse(raw, dialect=name, provider="p")


async def whole(to: Provider, call: Call) -> bytes:
    async with to.send(call) as answer:
        return b"".join([chunk async for chunk in answer.chunks])


@pytest.mark.parametrize("family", ["openai", "anthropic"])
def test_calls_of_one_family_go_each_to_its_own_endpoint(family: str) -> None:
    async def main() -> None:
        async with serving_all() as up, provider(up.url, family) as to:
            assert to.dialect == family
            assert to.dialects == serving(family)
            assert to.dialects[0] == family
            for name in (*to.dialects, *to.dialects):
                wire = dialect(name)
                assert wire.family == family
                assert wire.reply(await whole(to, ask(name)), streamed=False).dialect == name
            assert up.seen == [("POST", f"/v1/{dialect(name).path}") for name in to.dialects] * 2

    asyncio.run(main())


def test_a_stream_of_responses() -> None:
    async def main() -> None:
        async with serving_all() as up, provider(up.url) as to:
            reply = dialect("responses").reply(await whole(to, ask("responses", stream=True)), streamed=True)
            assert (reply.finish, reply.usage) == ("completed", Usage(16, cache_read=20, output=12))
            assert up.headers[0]["authorization"] == "Bearer sk-ours"

    asyncio.run(main())


@pytest.mark.parametrize(
    ("family", "name"), [("openai", "anthropic"), ("anthropic", "responses"), ("openai", "gemini")]
)
def test_a_call_in_a_format_of_another_family_is_not_sent(family: str, name: str) -> None:
    async def main() -> None:
        told: list[bool] = []
        async with serving_all() as up, provider(up.url, family) as to:
            with pytest.raises(BadInput, match=name):
                async with to.send(ask(name), told.append):
                    pass
            assert up.seen == []
        assert told == []

    asyncio.run(main())


def test_the_names_of_all_wire_formats() -> None:
    assert (*serving("openai"), *serving("anthropic")) == NAMES
    assert len({dialect(name).path for name in NAMES}) == len(NAMES)


def test_what_is_fetched() -> None:
    sent = (("anthropic-version", "2031-01-01"), ("authorization", "Bearer sk-smuggled"), ("x-penstock-budget", "5c"))

    async def main() -> None:
        async with serving_all() as up, provider(up.url, "anthropic") as to:
            assert isinstance(to, Fetcher)
            found = await to.fetch("models", query="limit=5&after_id=a%2Fb", headers=sent)
            assert (found.status, found.body) == (200, MODELS)
            assert found.headers["content-type"] == "application/json"
            await to.fetch("models/org/name:free", credential=Credential("sk-theirs"))
            assert up.seen == [("GET", "/v1/models?limit=5&after_id=a%2Fb"), ("GET", "/v1/models/org/name:free")]
            first, second = up.headers
            assert (first["x-api-key"], first["anthropic-version"]) == ("sk-ours", "2031-01-01")
            assert "smuggled" not in str(first)
            assert "x-penstock-budget" not in first
            assert second["x-api-key"] == "sk-theirs"

    asyncio.run(main())


@pytest.mark.parametrize("path", ["", "/models", "models/", "../admin", "models/../../admin", "models//x", "."])
def test_a_path_that_leads_elsewhere_is_not_fetched(path: str) -> None:
    async def main() -> None:
        async with serving_all() as up, provider(up.url) as to:
            with pytest.raises(BadInput, match="no path"):
                await to.fetch(path)
            assert up.seen == []

    asyncio.run(main())


def test_a_path_is_text_and_no_address() -> None:
    async def main() -> None:
        async with serving_all() as up, provider(up.url) as to:
            await to.fetch("models/%2e%2e?key=1#x")
            assert up.seen == [("GET", "/v1/models/%252e%252e%3Fkey=1%23x")]

    asyncio.run(main())


ERRORS: list[tuple[dict[str, Any], type[ProviderError], str]] = [
    ({"status": 401, "body": b'{"error": {"message": "bad sk-ours"}}'}, KeyRefused, "check P_KEY"),
    ({"status": 404, "body": b'{"error": {"message": "no model"}}'}, Rejected, "no model"),
    ({"status": 503, "body": b"{}"}, Overloaded, "503"),
    ({"status": 302, "headers": {"location": "http://elsewhere.example/"}}, Rejected, "redirects"),
    ({"body": b"<html>", "content_type": "text/html"}, BrokenReply, "HTML"),
    ({"body": b" " * (FETCHED_BYTES + 1)}, BrokenReply, "more than 16 MiB"),
]


@pytest.mark.parametrize(("said", "kind", "message"), ERRORS)
def test_what_cannot_be_fetched_is_a_typed_error(said: dict[str, Any], kind: type[ProviderError], message: str) -> None:
    async def main() -> None:
        async with serving_all() as up, provider(up.url) as to:
            up.fetched = said
            with pytest.raises(kind, match=message) as told:
                await to.fetch("models")
            assert "sk-ours" not in str(told.value)
            assert len(up.seen) == 1, "it is asked for once"

    asyncio.run(main())


def test_fetching_ends_at_the_deadline_and_needs_a_server() -> None:
    async def main() -> None:
        async with serving_all() as up, provider(up.url) as to:
            up.hang = True
            with pytest.raises(DeadlineExceeded):
                await to.fetch("models", deadline=asyncio.get_running_loop().time() + 0.05)
        async with provider("http://127.0.0.1:9") as nobody:
            with pytest.raises(Unreachable):
                await nobody.fetch("models")

    asyncio.run(main())


def test_no_key_leaves_for_nowhere() -> None:
    async def main() -> None:
        connections = Connections()
        far = HttpProvider("p", dialect("openai"), "https://far.example/v1", key_env="P_KEY", connections=connections)
        with pytest.raises(KeyRefused, match="set P_KEY"):
            await far.fetch("models")
        await connections.close()

    asyncio.run(main())
