"""The gateway as an ASGI application: who asks, may it, what does the engine answer, and does anyone still wait for it.

Raw ASGI (https://asgi.readthedocs.io), no framework: what is done for each request is what stands here.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, TypeAlias

import msgspec

from penstock import __version__
from penstock.errors import BadInput, BudgetExceeded, Cancelled, Overloaded, PenstockError
from penstock.flow import Refused
from penstock.gateway.body import MOST_BYTES, Receive, read
from penstock.gateway.clients import Client, Clients, Forbidden, RateLimited
from penstock.gateway.cycle import LEFT
from penstock.gateway.desk import Desk, NoSeat
from penstock.gateway.door import Door, turned_away
from penstock.gateway.endpoints import Endpoint, endpoint, family_of
from penstock.gateway.exchange import JSON, Response, answer, asked, refused, unknown
from penstock.gateway.metrics import Metrics
from penstock.gateway.models import Models
from penstock.gateway.names import Names
from penstock.gateway.openapi import description
from penstock.gateway.rates import Want
from penstock.gateway.terms import Terms, terms
from penstock.ledger import Limits
from penstock.providers.dialects import dialect
from penstock.runtime import Runtime, new_id
from penstock.values import Call, Credential

__all__ = ["App", "Message", "Send"]

Message: TypeAlias = MutableMapping[str, Any]
Send: TypeAlias = Callable[[Any], Awaitable[None]]

_log = logging.getLogger("penstock")

_TENANTS = 10_000
"""Tenants whose account is known to be open."""


class _Asked(msgspec.Struct, frozen=True):
    """What a request asks for, and what of its client's rates it was counted against."""

    call: Call
    wanted: Terms
    counted: Mapping[str, Want]


class App:
    """``await app(scope, receive, send)`` answers one request."""

    def __init__(
        self,
        runtime: Runtime,
        *,
        clients: Clients,
        desk: Desk,
        names: Names,
        models: Models,
        metrics: Metrics,
        keyed: frozenset[str] = frozenset(),
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self._engine = runtime.engine
        self._clock = runtime.engine.clock
        self._clients = clients
        self._desk = desk
        self._names = names
        self._models = models
        self._metrics = metrics
        self._keyed = keyed
        self.door = Door(desk, metrics)
        self._most = most_bytes
        self._began = self._clock.monotonic()
        limits = runtime.settings.budget.limits()
        self._limits = None if limits == Limits() else limits
        self._tenants: set[str] = set()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """One request; whatever happens, the client gets an answer in its own shape."""
        if scope["type"] != "http":
            return
        at = endpoint(scope["path"])
        method = scope["method"]
        if at is None or (method != at.method and not (method == "HEAD" and at.method == "GET")):
            await self._send(send, _unknown(scope), at)
        elif at.dialect:
            await self._call(at, scope, receive, send)
        else:
            await self._send(send, await self._tell(at, scope), at)

    async def _send(self, send: Send, response: Response, at: Endpoint | None) -> None:
        self._metrics.request(at.name if at else "", response.status)
        headers = [
            (name.encode(), value.encode("utf-8", "surrogateescape")) for name, value in response.headers.items()
        ]
        if response.chunks is None:
            headers.append((b"content-length", b"%d" % len(response.body)))
            await send({"type": "http.response.start", "status": response.status, "headers": headers})
            await send({"type": "http.response.body", "body": response.body})
            return
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        async for chunk in response.chunks:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body"})

    # Calls ---------------------------------------------------------------------------------------------------------

    async def _call(self, at: Endpoint, scope: Message, receive: Receive, send: Send) -> None:
        wire = dialect(at.dialect)
        try:
            request = await self._asked(at, scope, receive)
            watch = _Watch(scope, send)
            try:
                async with self._desk.seat(request.wanted.deadline):
                    await self._engaged(request, at, watch.send)
            except asyncio.CancelledError:
                if watch.left:
                    raise
                await self._stopped(watch, at)
            finally:
                watch.over()
        except asyncio.CancelledError:
            self._metrics.count("disconnects")
        except Cancelled:
            self._metrics.count("disconnects")
        except PenstockError as error:
            await self._send(send, self._refused(error, at), at)
        except RecursionError:
            await self._send(send, refused(BadInput("the request body is nested too deep"), wire), at)

    async def _stopped(self, watch: _Watch, at: Endpoint) -> None:
        """The server stops and has waited long enough: who still listens is told."""
        error = Overloaded("the gateway is being stopped", status=503, mend="try again in a moment")
        if watch.begun:
            await watch.send({"type": "http.response.body", "body": dialect(at.dialect).error_event(error)})
            return
        response = refused(error, dialect(at.dialect))
        response.status = 503
        del response.headers["x-should-retry"]
        await self._send(watch.send, response, at)

    async def _asked(self, at: Endpoint, scope: Message, receive: Receive) -> _Asked:
        """Who asks what, on which terms. Raises what speaks against it."""
        raw = scope["headers"]
        client = await self._clients.identify(raw, _peer(scope))
        headers = tuple([(name.decode("latin-1"), value.decode("latin-1")) for name, value in raw])
        named = dict(headers)
        wanted = terms(named, self._clock)
        client = client.within(wanted.scope)
        self._desk.check(wanted.deadline)
        body = await read(receive, named, most=self._most)
        query = scope["query_string"].decode("latin-1")
        call = asked(self._engine, at, headers, body, self._names, wanted, client.scope, query)
        if client.models and not (client.allows(call.model) or client.allows(_before(call))):
            raise Forbidden(f"the virtual key {client.name!r} may not ask {_before(call)!r}", mend="ask another model")
        if credential := self._credential(client, call.provider):
            call = msgspec.structs.replace(call, credential=credential)
        counted: Mapping[str, Want] = {}
        if client.rates:
            now = self._clock.now()
            quote = self._engine.rules.quote(call, now)
            counted = await self._clients.admit(client, quote.input_bound + quote.output_bound, now)
        if self._limits is not None and client.tenant not in self._tenants:
            await self._open(client.tenant, self._limits)
        return _Asked(call, wanted, counted)

    def _credential(self, client: Client, provider: str) -> Credential | None:
        """The client's own key, for a provider that has none from the configuration."""
        return None if provider in self._keyed else client.credential

    async def _open(self, tenant: str, limits: Limits) -> None:
        """The account of a tenant, with the limits of the configuration."""
        await self._engine.admission.open((tenant,), limits)
        if len(self._tenants) >= _TENANTS:
            self._tenants.clear()
        self._tenants.add(tenant)

    async def _engaged(self, request: _Asked, at: Endpoint, send: Send) -> None:
        """Ask, within the budget of this request if it has one of its own."""
        if request.wanted.budget is None:
            return await self._ask(request, at, send)
        place = request.call.scope.child(new_id())
        try:
            await self._engine.admission.open(place.path, Limits(nano=request.wanted.budget))
            call = msgspec.structs.replace(request.call, scope=place)
            await self._ask(msgspec.structs.replace(request, call=call), at, send)
        finally:
            await self._engine.admission.drop(place.path)

    async def _ask(self, request: _Asked, at: Endpoint, send: Send) -> None:
        patience = request.wanted.patience
        async with self._engine.ask(request.call, patience=patience) as ticket:
            response = await answer(ticket, dialect(at.dialect), self._clock, patience)
            ended = ticket.ended.state if ticket.ended else None
            if request.counted and isinstance(ended, Refused) and isinstance(ended.error, BudgetExceeded):
                await self._clients.give_back(request.counted, self._clock.now())
            await self._send(send, response, at)

    def _refused(self, error: PenstockError, at: Endpoint) -> Response:
        if isinstance(error, NoSeat):
            self._metrics.count("shed")
            return turned_away(dialect(at.dialect))
        response = refused(error, dialect(at.dialect))
        if isinstance(error, RateLimited):
            del response.headers["x-should-retry"]  # it passes, and the client is told when
        return response

    # What is answered without a call ----------------------------------------------------------------------------------

    async def _tell(self, at: Endpoint, scope: Message) -> Response:
        if at.name == "health":
            return Response(200, {"content-type": JSON}, self._health())
        if at.name == "openapi.json":
            return Response(200, {"content-type": JSON}, description())
        family = family_of(scope["path"], anthropic=_is_anthropic(scope))
        wire = dialect(family)
        try:
            client = await self._clients.identify(scope["headers"], _peer(scope))
            if at.name == "metrics":
                kind = "text/plain; version=0.0.4; charset=utf-8"
                return Response(200, {"content-type": kind}, self._metrics.text())
            credential = self._credential(client, self._models.provider(family))
            headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
            if at.rest:
                body = await self._models.one(family, at.rest, headers, credential=credential)
            else:
                query = scope["query_string"].decode("latin-1")
                body = await self._models.every(
                    family, headers, query=query, credential=credential, allowed=client.allows
                )
        except PenstockError as error:
            return refused(error, wire)
        return Response(200, {"content-type": JSON}, body)

    def _health(self) -> bytes:
        return msgspec.json.encode(
            {
                "name": "penstock",
                "status": "ok",
                "version": __version__,
                "uptime_seconds": round(self._clock.monotonic() - self._began, 3),
                "in_flight": self._desk.seated,
                "waiting": self._desk.waiting,
            }
        )


class _Watch:
    """Notices that the client leaves, and breaks off the task that answers it."""

    def __init__(self, scope: Message, send: Send) -> None:
        self.left = False
        self.begun = False
        """Whether a part of the answer has gone out."""
        self._send = send
        self._answering = asyncio.current_task()
        self._when_left: Callable[[Callable[[], None] | None], None] = scope["extensions"][LEFT]
        self._when_left(self._leaves)

    def _leaves(self) -> None:
        if self._answering is not None:
            self.left = True
            self._answering.cancel()

    async def send(self, message: Message) -> None:
        """Hand on a part of the answer. After its last one nobody can leave too early any more."""
        self.begun = True
        if message["type"] == "http.response.body" and not message.get("more_body"):
            self.over()
        await self._send(message)

    def over(self) -> None:
        """There is nothing to break off any more."""
        self._answering = None
        self._when_left(None)


def _peer(scope: Message) -> str:
    """The address that a request comes from."""
    client = scope.get("client")
    return client[0] if client else ""


def _is_anthropic(scope: Message) -> bool:
    return any(name == b"anthropic-version" for name, _ in scope["headers"])


def _unknown(scope: Message) -> Response:
    headers = {name.decode("latin-1"): "" for name, _ in scope["headers"]}
    return unknown(scope["method"], scope["path"], headers)


def _before(call: Call) -> str:
    """The model as the client named it."""
    alias = next((edit for edit in call.edits if edit.mechanism == "alias"), None)
    return alias.evidence["asked"] if alias else call.model
