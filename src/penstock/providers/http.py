"""How bytes reach an upstream: one exchange over HTTP, tried again where that is right.

Around the exchange stand, from the outside in: the retry policy, a slot of the adaptive gate, the deadline, the
connection. Connections are shared by all providers; a key is not: it goes to the host of its own base URL and nowhere
else, since redirects are never followed.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

import aiohttp

from penstock.clock import Clock, SystemClock
from penstock.errors import (
    BrokenReply,
    ConfigError,
    DeadlineExceeded,
    KeyRefused,
    ProviderError,
    Rejected,
    Unreachable,
)
from penstock.providers.address import endpoint, is_private, proxy_for
from penstock.providers.gate import Gates
from penstock.providers.port import Answer, Billed, ignore
from penstock.providers.retry import GiveUp, RetryBudget, RetryPolicy
from penstock.values import Call

__all__ = ["Connections", "HttpProvider", "Wire"]

CONNECT_SECONDS = 10.0
READ_SECONDS = 600.0
"""The longest silence inside an exchange: as long as the official SDKs wait."""
ERROR_BYTES = 1 << 20
"""How much of an error's body is read."""

_NO_RETRY = {"x-should-retry": "false"}
_THROTTLED = frozenset({429, 529})
_SECRETS = frozenset({"api-key", "authorization", "cookie", "proxy-authorization", "x-api-key", "x-goog-api-key"})
"""Never passed through: a client's key travels as `Call.credential`."""
_HOP = frozenset(
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
_REQUEST_OUT = _HOP | _SECRETS | {"accept-encoding", "expect", "host"}


class Wire(Protocol):
    """The part of a `penstock.providers.port.Dialect` that an exchange needs."""

    @property
    def name(self) -> str:
        """``openai`` or ``anthropic``."""
        ...

    @property
    def path(self) -> str:
        """Where it lies below ``/v1``."""
        ...

    def headers(self, key: str) -> dict[str, str]:
        """The request headers that carry the key and the protocol version."""
        ...

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        """The typed error of an unsuccessful response."""
        ...

    def ask_usage(self, call: Call) -> bytes:
        """The body to send, such that a stream reports its usage."""
        ...


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


class HttpProvider:
    """A `penstock.providers.port.Provider` reached over HTTP.

    ``key`` may be empty for a server on this machine or in a private network; ``key_env`` is the variable named to
    the user when it is missing elsewhere. Share ``connections`` and ``gates`` between providers; connections that are
    not handed in are the provider's own and close with it. ``jitter`` gives random numbers in [0, 1).
    """

    def __init__(
        self,
        name: str,
        dialect: Wire,
        base_url: str,
        key: str = "",
        *,
        key_env: str = "",
        connections: Connections | None = None,
        gates: Gates | None = None,
        policy: RetryPolicy | None = None,
        clock: Clock | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._name = name
        self._wire = dialect
        self._url = endpoint(base_url, dialect.name, dialect.path)
        self._base_url = base_url.strip().rstrip("/")
        self._key = key.strip()
        self._key_env = key_env
        self._proxy = proxy_for(self._url)
        self._own = Connections() if connections is None else None
        self._connections = connections or self._own or Connections()
        self._clock: Clock = clock or SystemClock()
        self._gates = gates or Gates(self._clock)
        self._policy = policy or RetryPolicy()
        self._budget = RetryBudget(self._policy.budget)
        self._jitter = jitter
        if any(not letter.isprintable() or letter.isspace() for letter in self._key):
            raise ConfigError(f"the key of {name} holds a space or line break", mend=f"check {key_env or 'api_key'}")

    @property
    def name(self) -> str:
        """The name in the configuration."""
        return self._name

    @property
    def dialect(self) -> str:
        """The wire format it speaks."""
        return self._wire.name

    @property
    def origin(self) -> str:
        """The base URL."""
        return self._base_url

    async def close(self) -> None:
        """Close the connections that are its own."""
        if self._own is not None:
            await self._own.close()

    def send(self, call: Call, billed: Billed = ignore) -> AbstractAsyncContextManager[Answer]:
        """One exchange, tried again as the policy says. The slot is held from sending to leaving, not between tries.

        Raises `DeadlineExceeded` or the `ProviderError` of the last try; from the chunks also `BrokenReply` when the
        connection is lost. Leaving early closes the connection.
        """
        return self._exchange(call, billed)

    @asynccontextmanager
    async def _exchange(self, call: Call, billed: Billed) -> AsyncGenerator[Answer]:
        key = call.credential or self._key
        headers = self._headers(call, key)
        body = self._wire.ask_usage(call)
        gate = self._gates.of(self._name, call.model)
        self._budget.deposit()
        for attempt in itertools.count(1):
            async with gate.slot(call.deadline):
                billed(True)
                try:
                    response = await self._ask(headers, body, key, call.deadline)
                except ProviderError as error:
                    billed(_lost(error))
                    if error.status in _THROTTLED:
                        gate.throttled()
                    delay = self._patience(attempt, error, call.deadline)
                else:
                    gate.accepted()
                    try:
                        yield Answer(_Chunks(response, self._clock, call.deadline, self._name), _lower(response))
                    finally:
                        response.close()  # gives an exchange that was read to its end back to the pool
                    return
            await self._clock.sleep(delay)

    def _patience(self, attempt: int, error: ProviderError, deadline: float | None) -> float:
        """Seconds to wait before the next try. Raises ``error`` when there is none."""
        left = None if deadline is None else deadline - self._clock.monotonic()
        decision = self._policy.decide(
            attempt, error, left=left, budget=self._budget, jitter=self._jitter(), now=self._clock.now()
        )
        if isinstance(decision, GiveUp):
            raise error
        self._budget.withdraw()
        return decision.delay

    def _headers(self, call: Call, key: str) -> dict[str, str]:
        """What the client sent and may be passed on, over what the protocol asks for; the key comes from us alone."""
        if not key and self._url.scheme == "https" and not is_private(self._url.host or ""):
            hint = f"set {self._key_env}" if self._key_env else "give an api_key"
            raise KeyRefused(f"{self._name} needs a key and has none", mend=hint)
        headers = {"content-type": "application/json", "user-agent": "penstock"}
        headers |= {name.lower(): value for name, value in self._wire.headers(key).items()}
        passed: set[str] = set()
        for name, value in call.headers:
            if name in _REQUEST_OUT or name.startswith("x-penstock-"):
                continue
            headers[name] = f"{headers[name]}, {value}" if name in passed else value
            passed.add(name)
        return headers

    async def _ask(
        self, headers: Mapping[str, str], body: bytes, key: str, deadline: float | None
    ) -> aiohttp.ClientResponse:
        """One try: a response whose status is a success. Raises the typed error of any other end."""
        limit = self._clock.deadline(deadline)
        try:
            async with limit:
                response = await self._connections.session().post(
                    self._url, data=body, headers=headers, allow_redirects=False, proxy=self._proxy
                )
                error = await self._refusal(response, key)
        except aiohttp.ClientError as lost:
            raise _unreachable(lost, self._name, self._base_url) from lost
        except TimeoutError as late:
            if limit.expired():
                raise DeadlineExceeded(
                    f"{self._name} did not answer before the deadline", mend="allow more time"
                ) from None
            raise Unreachable(f"{self._name} cannot be reached", mend=f"is {self._base_url} well?") from late
        if error is not None:
            raise error
        return response

    async def _refusal(self, response: aiohttp.ClientResponse, key: str) -> ProviderError | None:
        """The typed error of a response that is no success, its connection given back; None for a success."""
        status, headers = response.status, response.headers
        if 200 <= status < 300 and not headers.get("content-type", "").lower().startswith("text/html"):
            return None
        try:
            body = await _bounded(response)
        finally:
            response.close()
        if key:  # some upstreams repeat the key that they refuse
            body = body.replace(key.encode(), b"[key]")
        lower = _lower(response)
        if 200 <= status < 300:
            return BrokenReply(
                f"{self._name} answered HTML instead of JSON", status=status, body=body, headers=lower,
                mend=f"is base_url {self._base_url} right?",
            )  # fmt: skip
        if 300 <= status < 400:
            there = f"{self._name} redirects to {lower.get('location', 'nowhere')[:200]}"
            hint = "redirects are not followed, so that the key stays where it belongs; correct base_url"
            return Rejected(there, status=status, body=body, headers=lower, mend=hint)
        error = self._wire.error(status, lower, body)
        if status != 401:
            return error
        hint = f"check {self._key_env or 'its api_key'}" if key == self._key else "check the key that you send"
        return type(error)(error.message, status=status, body=body, headers=lower, mend=hint)


class _Chunks:
    """The body of a response as it comes. An object rather than a generator: nothing to finalise when left early."""

    __slots__ = ("_clock", "_content", "_deadline", "_name")

    def __init__(self, response: aiohttp.ClientResponse, clock: Clock, deadline: float | None, name: str) -> None:
        self._content = response.content
        self._clock = clock
        self._deadline = deadline
        self._name = name

    def __aiter__(self) -> _Chunks:
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


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
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


def _lower(response: aiohttp.ClientResponse) -> dict[str, str]:
    """The headers to hand on, names in lower case. The body has been decoded: what described its coding is left out."""
    headers = {name.lower(): value for name, value in response.headers.items()}
    return {name: value for name, value in headers.items() if name not in _HOP}


def _lost(error: ProviderError) -> bool:
    """Whether the connection broke after the request had gone out: then the upstream may be at work, and bill it."""
    cause = error.__cause__
    return isinstance(cause, aiohttp.ServerConnectionError) and not isinstance(cause, aiohttp.ConnectionTimeoutError)


def _unreachable(error: aiohttp.ClientError, name: str, where: str) -> ProviderError:
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
