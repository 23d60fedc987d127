"""The connections to upstreams: how many, for how long, and what the loss of one means."""

from __future__ import annotations

import asyncio
import contextlib

import aiohttp

from penstock.clock import Clock
from penstock.errors import BrokenReply, DeadlineExceeded, ProviderError, Unreachable

__all__ = ["ERROR_BYTES", "HOP", "Chunks", "Connections", "bounded", "lost", "lower", "spare", "unreachable"]

CONNECT_SECONDS = 10.0
READ_SECONDS = 600.0
"""The longest silence inside an exchange: as long as the official SDKs wait."""
ERROR_BYTES = 1 << 20
"""How much of an error's body is read."""

_END_SECONDS = 0.1
"""How long the end of a body may take after the terminal event of the stream in it."""

_NO_RETRY = {"x-should-retry": "false"}
HOP = frozenset(
    {
        "connection",
        "content-encoding",
        "content-length",
        "keep-alive",
        "proxy-authenticate",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""About one connection (RFC 9110, section 7.6.1), or the form of a body that was read: passed through neither way."""


class Connections:
    """The connections of all providers: kept alive, reused, unlimited in number, since the gates limit exchanges.

    No cookies are kept: they would tie tenants together.
    """

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    def session(self) -> aiohttp.ClientSession:
        """The one session, made on first use inside the running event loop."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=60),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, connect=CONNECT_SECONDS, sock_read=READ_SECONDS),
            )
        return self._session

    async def close(self) -> None:
        """Close them all; exchanges under way break off."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()


class Chunks:
    """The body of a response as it comes. An object rather than a generator: nothing to finalise when left early."""

    __slots__ = ("_clock", "_content", "_deadline", "_name")

    def __init__(self, response: aiohttp.ClientResponse, clock: Clock, deadline: float | None, name: str) -> None:
        self._content = response.content
        self._clock = clock
        self._deadline = deadline
        self._name = name

    def __aiter__(self) -> Chunks:
        return self

    async def __anext__(self) -> bytes:
        try:
            if self._deadline is None or self._content.is_eof():  # all has come: there is nothing to wait for
                chunk = await self._content.readany()
            else:
                async with self._clock.deadline(self._deadline):
                    chunk = await self._content.readany()
        except (aiohttp.ClientError, OSError) as error:
            if isinstance(error, TimeoutError) and not isinstance(error, aiohttp.ClientError):
                late = f"the deadline passed while {self._name} was answering"
                raise DeadlineExceeded(late, mend="allow more time") from None
            raise BrokenReply(f"{self._name} broke off in the middle of its answer", mend="ask again") from error
        if not chunk:
            raise StopAsyncIteration
        return chunk


async def spare(response: aiohttp.ClientResponse) -> None:
    """Take in the end of a body of which nothing more is wanted, if it comes soon: then its connection can be kept."""
    if response.content.at_eof():
        return
    with contextlib.suppress(aiohttp.ClientError, OSError):
        async with asyncio.timeout(_END_SECONDS):
            while not response.content.at_eof():
                await response.content.readany()


async def bounded(response: aiohttp.ClientResponse) -> bytes:
    """The first MiB of an error's body; what has come of it, if the connection is lost meanwhile."""
    parts: list[bytes] = []
    size = 0
    try:
        while size < ERROR_BYTES and (part := await response.content.read(ERROR_BYTES - size)):
            parts.append(part)
            size += len(part)
    except aiohttp.ClientError:
        return b"".join(parts)
    return b"".join(parts)


def lower(response: aiohttp.ClientResponse) -> dict[str, str]:
    """The headers to hand on, names in lower case. The body has been decoded: what described its coding is left out."""
    headers = {name.lower(): value for name, value in response.headers.items()}
    return {name: value for name, value in headers.items() if name not in HOP}


def lost(error: ProviderError) -> bool:
    """Whether the connection broke after the request had gone out: then the upstream may be at work, and bill it."""
    cause = error.__cause__
    broke = isinstance(cause, aiohttp.ServerConnectionError | aiohttp.ClientOSError)
    return broke and not isinstance(cause, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)


def unreachable(error: aiohttp.ClientError, name: str, where: str) -> ProviderError:
    """What a failed try means, in one line. Trying again is advised against where nothing would change."""
    match error:
        case aiohttp.ClientConnectorCertificateError():
            why = getattr(error.certificate_error, "verify_message", "") or "it does not match"
            hint = "correct the certificate, or name its authority in SSL_CERT_FILE"
            return Unreachable(f"the certificate of {where} is not trusted: {why}", mend=hint, headers=_NO_RETRY)
        case aiohttp.ClientConnectorSSLError():
            hint = "does the server speak https? else write http:// in base_url"
            return Unreachable(f"no TLS connection to {where}", mend=hint, headers=_NO_RETRY)
        case aiohttp.ClientProxyConnectionError() | aiohttp.ClientHttpProxyError():
            return Unreachable(f"the proxy on the way to {where} fails", mend="check HTTPS_PROXY and NO_PROXY")
        case aiohttp.ClientConnectorDNSError():
            return Unreachable(f"the host of {where} is not known", mend="check base_url and the network")
        case aiohttp.ClientConnectorError() | aiohttp.ConnectionTimeoutError():
            return Unreachable(f"{name} cannot be reached", mend=f"is the server running at {where}?")
        case aiohttp.ServerTimeoutError():
            silent = f"{name} sent nothing for {READ_SECONDS:.0f} s"
            return Unreachable(silent, mend=f"is the server at {where} well?", headers=_NO_RETRY)
        case aiohttp.ClientResponseError():
            return BrokenReply(f"{name} does not answer in HTTP", mend=f"is base_url {where} right?")
        case _:
            return Unreachable(f"{name} closed the connection before it answered", mend=f"is {where} well? ask again")
