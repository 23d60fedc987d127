"""The least that a gateway in Python can cost: it hands on bytes, and decides nothing. Raw ASGI and aiohttp."""

from __future__ import annotations

import argparse
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import aiohttp
import uvicorn

__all__ = ["Relay", "main"]

Receive: TypeAlias = Callable[[], Awaitable[dict[str, Any]]]
Send: TypeAlias = Callable[[dict[str, Any]], Awaitable[None]]

_HANDED_BACK = {b"content-type", b"content-length"}
_HANDED_ON = {b"authorization", b"content-type", b"x-api-key", b"anthropic-version"}


class Relay:
    """The ASGI application: every request goes to the same path of an upstream."""

    def __init__(self, upstream: str) -> None:
        self._upstream = upstream
        self._web: aiohttp.ClientSession | None = None

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """One request."""
        if self._web is None:
            connector = aiohttp.TCPConnector(limit=0)
            self._web = aiohttp.ClientSession(connector=connector, auto_decompress=False)
        parts: list[bytes] = []
        more = True
        while more:
            message = await receive()
            parts.append(message.get("body", b""))
            more = message.get("more_body", False)
        headers = {name.decode(): value.decode() for name, value in scope["headers"] if name in _HANDED_ON}
        url = self._upstream + scope["path"]
        async with self._web.request(scope["method"], url, data=b"".join(parts), headers=headers) as response:
            kept = [(name, value) for name, value in response.raw_headers if name.lower() in _HANDED_BACK]
            await send({"type": "http.response.start", "status": response.status, "headers": kept})
            if "content-length" in response.headers:
                await send({"type": "http.response.body", "body": await response.read()})
                return
            async for chunk in response.content.iter_any():
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body"})


def main() -> None:
    """Serve until a signal ends the process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--upstream", required=True)
    options = parser.parse_args()
    app: Any = Relay(options.upstream)
    uvicorn.run(
        app, host="127.0.0.1", port=options.port, loop="uvloop", http="httptools", ws="none", lifespan="off",
        interface="asgi3", access_log=False, log_level="error",
    )  # fmt: skip


if __name__ == "__main__":
    main()
