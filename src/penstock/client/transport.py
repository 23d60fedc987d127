"""The official SDKs in process: an httpx2 transport that runs their requests through the engine.

This is the only module that knows httpx2; it is imported when `LM.http_client` is called.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import httpx2

from penstock.gateway.exchange import Request, exchange

if TYPE_CHECKING:
    from penstock.client.lm import LM

__all__ = ["EngineTransport", "http_client"]


def http_client(lm: LM) -> httpx2.AsyncClient:
    """A client whose every request is answered by the engine of ``lm``."""
    return httpx2.AsyncClient(transport=EngineTransport(lm), timeout=None)


class EngineTransport(httpx2.AsyncBaseTransport):
    """Requests of an SDK, as calls in the scope of one `LM`. The SDK's own key is not used."""

    def __init__(self, lm: LM) -> None:
        self._lm = lm

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """The response to one request. Whatever host the SDK names, nothing but the engine is asked."""
        runtime = self._lm.runtime
        headers = tuple((name.lower(), value) for name, value in request.headers.items())
        wanted = Request(request.method, request.url.raw_path.decode(), headers, await request.aread())
        open_until_read = AsyncExitStack()
        response = await open_until_read.enter_async_context(
            exchange(runtime.engine, wanted, providers=runtime.by_dialect(), scope=self._lm.scope)
        )
        if response.chunks is None:
            await open_until_read.aclose()
            return httpx2.Response(response.status, headers=response.headers, content=response.body)
        return httpx2.Response(
            response.status, headers=response.headers, stream=_Stream(response.chunks, open_until_read)
        )


class _Stream(httpx2.AsyncByteStream):
    def __init__(self, chunks: AsyncIterator[bytes], open_until_read: AsyncExitStack) -> None:
        self._chunks = chunks
        self._open = open_until_read

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._chunks:
            yield chunk

    async def aclose(self) -> None:
        await self._open.aclose()
