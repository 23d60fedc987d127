"""How bytes reach an upstream: one exchange over HTTP, tried again where that is right.

Around the exchange stand, from the outside in: the retry policy, a slot of the adaptive gate, the deadline, the
connection. Connections are shared by all providers; a key is not: it goes to the host of its own base URL and nowhere
else, since redirects are never followed.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import NamedTuple
from urllib.parse import unquote_plus

import aiohttp
from yarl import URL

from penstock.clock import Clock, SystemClock
from penstock.errors import (
    BadInput,
    BrokenReply,
    ConfigError,
    DeadlineExceeded,
    KeyRefused,
    ProviderError,
    Rejected,
    Unreachable,
)
from penstock.providers.address import endpoint, is_private, proxy_for
from penstock.providers.connections import (
    ERROR_BYTES,
    HOP,
    Chunks,
    Connections,
    bounded,
    lost,
    lower,
    spare,
    unreachable,
)
from penstock.providers.dialects import dialect as dialect_of
from penstock.providers.dialects import serving
from penstock.providers.gate import Gates
from penstock.providers.port import Answer, Billed, Dialect, Fetched, Slot, anywhere, ignore
from penstock.providers.retry import GiveUp, RetryBudget, RetryPolicy
from penstock.values import Call, Credential

__all__ = ["ERROR_BYTES", "FETCHED_BYTES", "Connections", "HttpProvider"]

FETCHED_BYTES = 16 << 20
"""The largest body that is fetched. The longest list of models that is known has about 1 MB."""

_THROTTLED = frozenset({429, 529})
_SECRETS = frozenset({"api-key", "authorization", "cookie", "proxy-authorization", "x-api-key", "x-goog-api-key"})
"""Never passed through: a client's key travels as `Call.credential`."""
_REQUEST_OUT = HOP | _SECRETS | {"accept-encoding", "expect", "host"}


class _Endpoint(NamedTuple):
    """Where one wire format is spoken."""

    wire: Dialect
    url: URL


class _Request(NamedTuple):
    """What goes out, at each try the same."""

    method: str
    wire: Dialect
    url: URL
    headers: Mapping[str, str]
    credential: Credential | None
    body: bytes | None = None


class HttpProvider:
    """A `penstock.providers.port.Provider` reached over HTTP: an upstream that speaks all wire formats of one family.

    ``dialect`` is the one that new questions are written in; which endpoint a call goes to is the call's own. ``key``
    may be empty for a server on this machine or in a private network; ``key_env`` is the variable named to the user
    when it is missing elsewhere. Share ``connections`` and ``gates`` between providers; connections that are not
    handed in are the provider's own and close with it. ``jitter`` gives random numbers in [0, 1).
    """

    def __init__(
        self,
        name: str,
        dialect: Dialect,
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
        self._base_url = base_url.strip().rstrip("/")
        self._url = endpoint(base_url, dialect.family, dialect.path)
        self._endpoints = {dialect.name: _Endpoint(dialect, self._url)}
        self._own_key = Credential(key.strip()) if key.strip() else None
        self._key_env = key_env
        self._proxy = proxy_for(self._url)
        self._own = Connections() if connections is None else None
        self._connections = connections or self._own or Connections()
        self._clock: Clock = clock or SystemClock()
        self._gates = gates or Gates(self._clock)
        self._policy = policy or RetryPolicy()
        self._budget = RetryBudget(self._policy.budget)
        self._jitter = jitter
        if any(not letter.isprintable() or letter.isspace() for letter in key.strip()):
            raise ConfigError(f"the key of {name} holds a space or line break", mend=f"check {key_env or 'api_key'}")

    @property
    def name(self) -> str:
        """The name in the configuration."""
        return self._name

    @property
    def dialect(self) -> str:
        """The wire format that new questions to it are written in."""
        return self._wire.name

    @property
    def dialects(self) -> Sequence[str]:
        """Every wire format that it answers: those of its family."""
        return serving(self._wire.family)

    @property
    def origin(self) -> str:
        """The base URL."""
        return self._base_url

    async def close(self) -> None:
        """Close the connections that are its own."""
        if self._own is not None:
            await self._own.close()

    def send(self, call: Call, billed: Billed = ignore, slot: Slot = anywhere) -> AbstractAsyncContextManager[Answer]:
        """One exchange, tried again as the policy says. The slot is held from sending to leaving, not between tries.

        Raises `BadInput` for a call in a format of another family, `DeadlineExceeded`, or the `ProviderError` of the
        last try; from the chunks also `BrokenReply` when the connection is lost. Leaving early closes the connection.
        """
        return self._exchange(call, billed, slot)

    async def fetch(
        self,
        path: str,
        *,
        query: str = "",
        headers: Iterable[tuple[str, str]] = (),
        credential: Credential | None = None,
        deadline: float | None = None,
    ) -> Fetched:
        """What lies at ``path`` beside the endpoints, asked for once: ``models``. The key goes the way of all keys.

        ``path`` is plain text, not quoted; ``query`` is as it stands in an address. Raises `BadInput` for a path that
        leads elsewhere, `DeadlineExceeded`, or a `ProviderError`: `BrokenReply` also for a body beyond `FETCHED_BYTES`.
        """
        if not {"", ".", ".."}.isdisjoint(path.split("/")):
            raise BadInput(f"{path!r} is no path beside the endpoints", mend="write it like models/NAME")
        credential = credential or self._own_key
        url = _asking(endpoint(self._base_url, self._wire.family, path), query)
        asked = _Request("GET", self._wire, url, self._headers(headers, credential, self._wire), credential)
        response = await self._ask(asked, deadline)
        parts: list[bytes] = []
        size = 0
        try:
            async for chunk in Chunks(response, self._clock, deadline, self._name):
                parts.append(chunk)
                size += len(chunk)
                if size > FETCHED_BYTES:
                    raise BrokenReply(f"{self._name} sent more than {FETCHED_BYTES >> 20} MiB for {path}")
        finally:
            response.close()
        return Fetched(response.status, lower(response), b"".join(parts))

    @asynccontextmanager
    async def _exchange(self, call: Call, billed: Billed, slot: Slot) -> AsyncGenerator[Answer]:
        credential = call.credential or self._own_key
        wire, url = self._endpoint(call.dialect)
        headers = self._headers(call.headers, credential, wire)
        asked = _Request("POST", wire, _asking(url, call.query), headers, credential, wire.ask_usage(call))
        gate = self._gates.of(self._name, call.model)
        self._budget.deposit()
        was_lost = False
        for attempt in itertools.count(1):
            async with slot(), gate.slot(call.deadline):
                billed(True)
                try:
                    response = await self._ask(asked, call.deadline)
                except ProviderError as error:
                    was_lost = was_lost or lost(error)
                    billed(was_lost)
                    if error.status in _THROTTLED:
                        gate.throttled()
                    delay = self._patience(attempt, error, call.deadline)
                else:
                    gate.accepted()
                    try:
                        yield Answer(Chunks(response, self._clock, call.deadline, self._name), lower(response))
                        await spare(response)
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

    def _endpoint(self, name: str) -> _Endpoint:
        """Where calls of this wire format go. Raises `BadInput` when this upstream does not speak it."""
        known = self._endpoints.get(name)
        if known is None:
            wire = dialect_of(name)
            if wire.family != self._wire.family:
                raise BadInput(
                    f"{self._name} speaks the formats of {self._wire.family}, not {name}",
                    mend=f"use a provider whose dialect is {wire.family}",
                )
            known = self._endpoints[name] = _Endpoint(wire, endpoint(self._base_url, wire.family, wire.path))
        return known

    def _headers(
        self, given: Iterable[tuple[str, str]], credential: Credential | None, wire: Dialect
    ) -> dict[str, str]:
        """What the client sent and may be passed on, over what the protocol asks for; the key comes from us alone."""
        if credential is None and self._url.scheme == "https" and not is_private(self._url.host or ""):
            hint = f"set {self._key_env}" if self._key_env else "give an api_key"
            raise KeyRefused(f"{self._name} needs a key and has none", mend=hint)
        headers = {"content-type": "application/json", "user-agent": "penstock"}
        headers |= {name.lower(): value for name, value in wire.headers(credential).items()}
        passed: set[str] = set()
        for name, value in given:
            if name in _REQUEST_OUT or name.startswith("x-penstock-"):
                continue
            headers[name] = f"{headers[name]}, {value}" if name in passed else value
            passed.add(name)
        return headers

    async def _ask(self, asked: _Request, deadline: float | None) -> aiohttp.ClientResponse:
        """One try: a response whose status is a success. Raises the typed error of any other end."""
        limit = self._clock.deadline(deadline)
        try:
            async with limit:
                response = await self._connections.session().request(
                    asked.method,
                    asked.url,
                    data=asked.body,
                    headers=asked.headers,
                    allow_redirects=False,
                    proxy=self._proxy,
                )
                error = await self._refusal(response, asked)
        except aiohttp.ClientError as gone:
            raise unreachable(gone, self._name, self._base_url) from gone
        except TimeoutError as late:
            if limit.expired():
                raise DeadlineExceeded(
                    f"{self._name} did not answer before the deadline", mend="allow more time"
                ) from None
            raise Unreachable(f"{self._name} cannot be reached", mend=f"is {self._base_url} well?") from late
        if error is not None:
            raise error
        return response

    async def _refusal(self, response: aiohttp.ClientResponse, asked: _Request) -> ProviderError | None:
        """The typed error of a response that is no success, its connection given back; None for a success."""
        status, headers = response.status, response.headers
        if 200 <= status < 300 and not headers.get("content-type", "").lower().startswith("text/html"):
            return None
        try:
            body = await bounded(response)
        finally:
            response.close()
        if asked.credential:  # some upstreams repeat the key that they refuse
            body = body.replace(asked.credential.key.encode(), b"[key]")
        told = lower(response)
        if 200 <= status < 300:
            return BrokenReply(
                f"{self._name} answered HTML instead of JSON", status=status, body=body, headers=told,
                mend=f"is base_url {self._base_url} right?",
            )  # fmt: skip
        if 300 <= status < 400:
            there = f"{self._name} redirects to {told.get('location', 'nowhere')[:200]}"
            hint = "redirects are not followed, so that the key stays where it belongs; correct base_url"
            return Rejected(there, status=status, body=body, headers=told, mend=hint)
        error = asked.wire.error(status, told, body)
        if status != 401:
            return error
        hint = (
            f"check {self._key_env or 'its api_key'}"
            if asked.credential == self._own_key
            else "check the key that you send"
        )
        return type(error)(error.message, status=status, body=body, headers=told, mend=hint)


def _asking(url: URL, query: str) -> URL:
    """The address with a client's query, as it stands. What the configured one says already, no client says anew."""
    if not query or not query.isascii() or not query.isprintable():
        return url
    said = [part for part in query.split("&") if unquote_plus(part.partition("=")[0]) not in url.query]
    joined = "&".join([*filter(None, [url.raw_query_string]), *said])
    return URL(f"{url.with_query(None)}?{joined}", encoded=True) if said else url
