"""One exchange on the wire: a request in a provider's own format in, a response in that format out.

No server is here: the in-process transport of the official SDKs and the gateway both speak through this.
"""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import lru_cache

import msgspec

from penstock.clock import Clock
from penstock.engine import Engine
from penstock.errors import BadInput, BrokenReply, PenstockError, ProviderError
from penstock.flow import Done
from penstock.gateway.endpoints import Endpoint, endpoint, family_of
from penstock.gateway.names import Names
from penstock.gateway.terms import Terms, terms
from penstock.providers.dialects import dialect
from penstock.providers.port import Dialect
from penstock.ticket import Ticket
from penstock.values import Call, Delta, Money, Scope
from penstock.values.shape import mapping

__all__ = ["JSON", "Request", "Response", "answer", "asked", "exchange", "refused", "unknown"]

JSON = "application/json"

_log = logging.getLogger("penstock")

_NOT_FORWARDED = frozenset(
    {
        "host",
        "content-length",
        "transfer-encoding",
        "connection",
        "keep-alive",
        "te",
        "trailer",
        "upgrade",
        "accept-encoding",
        "content-encoding",
        "authorization",
        "x-api-key",
        "cookie",
        "expect",
        "proxy-authorization",
        "proxy-connection",
    }
)
"""Headers about one hop (RFC 9110, section 7.6.1), and keys."""

_NOT_HANDED_ON = frozenset(
    {
        "access-control-allow-origin",
        "alt-svc",
        "clear-site-data",
        "content-type",
        "date",
        "nel",
        "report-to",
        "request-id",
        "server",
        "set-cookie",
        "strict-transport-security",
        "x-request-id",
        "x-should-retry",
    }
)
"""Headers of an upstream's answer that are about its host, or said anew here. Those of the connection are gone."""

_GRACE_SECONDS = 2.0
"""How long an answer may come after the client said it would leave: its own clock rules, ours ends what it forgot."""


class Request(msgspec.Struct, frozen=True):
    """What a client sent. Header names are in lower case."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


class Response(msgspec.Struct):
    """What it gets back: all bytes at once, or as they come."""

    status: int
    headers: dict[str, str]
    body: bytes = b""
    chunks: AsyncIterator[bytes] | None = None


@asynccontextmanager
async def exchange(
    engine: Engine, request: Request, *, providers: Mapping[str, str], scope: Scope
) -> AsyncGenerator[Response]:
    """The response to a request; leaving the context before its last chunk calls the call off.

    ``providers`` names the provider of each wire format.
    """
    headers = dict(request.headers)
    path, _, query = request.path.partition("?")
    at = endpoint(path)
    if at is None or not at.dialect or request.method != at.method:
        yield unknown(request.method, path, headers)
        return
    wire = dialect(at.dialect)
    try:
        wanted = terms(headers, engine.clock)
        call = asked(engine, at, request.headers, request.body, Names(providers), wanted, scope, query)
    except PenstockError as error:
        yield refused(error, wire)
        return
    async with engine.ask(call, patience=wanted.patience) as ticket:
        yield await answer(ticket, wire, engine.clock, wanted.patience)


def asked(
    engine: Engine,
    at: Endpoint,
    headers: tuple[tuple[str, str], ...],
    body: bytes,
    names: Names,
    wanted: Terms,
    scope: Scope,
    query: str = "",
) -> Call:
    """The call that a request asks for. Raises `BadInput` when it asks for none."""
    everything = "all" in wanted.off
    call = Call.parse(
        body,
        dialect=at.dialect,
        provider="",
        query=query,
        headers=tuple(
            header
            for header in headers
            if (name := header[0]) not in _NOT_FORWARDED
            and not name.startswith("x-penstock-")
            and (name != "cache-control" or everything)
        ),
        scope=scope,
        off=wanted.off,
        fresh=wanted.fresh,
        again=wanted.again,
    )
    provider, name = names.place(at, call.model)
    serving = engine.providers[provider]
    deadline = wanted.deadline if call.stream else _earlier(wanted.deadline, _leaving(wanted.patience))
    return names.aliased(
        msgspec.structs.replace(call, provider=provider, origin=serving.origin, deadline=deadline), name
    )


def _leaving(patience: float | None) -> float | None:
    return None if patience is None else patience + _GRACE_SECONDS


def _earlier(one: float | None, other: float | None) -> float | None:
    return one if other is None else other if one is None else min(one, other)


async def answer(ticket: Ticket, wire: Dialect, clock: Clock, patience: float | None) -> Response:
    """The response to a call that has been asked, whichever it is.

    A client's read timeout bounds an answer that comes whole; of a stream it bounds how long it takes to begin.
    """
    try:
        if not ticket.call.stream:
            return await _whole(ticket, wire)
        try:
            async with clock.deadline(_leaving(patience)):
                return await _streamed(ticket, wire)
        except TimeoutError:
            raise ticket.late() from None
    except PenstockError as error:
        return refused(error, wire, ticket.id)
    except RecursionError:
        return refused(BadInput("the request body is nested too deep"), wire, ticket.id)
    except Exception:  # noqa: BLE001  a mistake of ours: the client can read the answer, the log gets the rest
        _log.exception("call %s failed", ticket.id)
        return refused(PenstockError("the gateway failed; its log says why"), wire, ticket.id)


async def _whole(ticket: Ticket, wire: Dialect) -> Response:
    outcome = await ticket.outcome()
    done = outcome.done()
    headers = {**_handed_on(ticket.headers, ticket.id), **_receipt(done), "content-type": JSON}
    return Response(200, headers, wire.body(done.reply))


async def _streamed(ticket: Ticket, wire: Dialect) -> Response:
    """Errors before the first event are answers of their own; after it they are an event that clients raise from."""
    news = ticket.news()
    first = await anext(news)
    headers = {
        **_handed_on(ticket.headers, ticket.id),
        "x-penstock-source": ticket.source,
        "content-type": "text/event-stream",
        "cache-control": "no-cache",
        "x-accel-buffering": "no",
    }
    return Response(200, headers, chunks=_relay(first, news, wire, shown=_usage_shown(ticket.call)))


async def _relay(
    first: Sequence[Delta], news: AsyncIterator[Sequence[Delta]], wire: Dialect, *, shown: bool
) -> AsyncIterator[bytes]:
    several: Sequence[Delta] | None = first
    try:
        while several is not None:
            raw = b"".join([delta.raw if shown else wire.hide_usage(delta.raw) or b"" for delta in several])
            if raw:
                yield raw
            several = await anext(news, None)
    except PenstockError as error:
        yield (isinstance(error, BrokenReply) and error.event) or wire.error_event(error)


def _usage_shown(call: Call) -> bool:
    """Whether the client asked for the usage event; it is always asked for upstream, save where all is off."""
    return "all" in call.off or mapping(call.body.get("stream_options")).get("include_usage") is True


def _handed_on(given: Mapping[str, str], id: str) -> dict[str, str]:
    """The headers that an upstream said, as far as they are for the client, and the id of the call.

    Both official SDKs find it: OpenAI's reads ``x-request-id``, Anthropic's ``request-id``. The upstream's own id,
    which its support asks for, is in ``x-penstock-upstream-id``.
    """
    headers = {name: value for name, value in given.items() if _may_pass(name) and not _CONTROL.search(value)}
    theirs = given.get("request-id") or given.get("x-request-id")
    if theirs:
        headers["x-penstock-upstream-id"] = theirs
    return {**headers, "x-penstock-id": id, "x-request-id": id, "request-id": id} if id else headers


_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
"""What no header may hold (RFC 9110, section 5.5), and some upstream's does."""


@lru_cache(maxsize=1024)
def _may_pass(name: str) -> bool:
    return name not in _NOT_HANDED_ON and not name.startswith("x-penstock-")


def _receipt(done: Done) -> dict[str, str]:
    receipt = done.receipt
    saved = ", ".join(f"{mechanism}={amount}" for mechanism, amount in receipt.saved.items() if amount) or str(Money(0))
    cost = "unpriced" if receipt.unpriced else str(receipt.spent)
    return {"x-penstock-cost": cost, "x-penstock-saved": saved, "x-penstock-source": done.source}


def refused(error: PenstockError, wire: Dialect, id: str = "") -> Response:
    """The upstream's own words where it spoke this format, else ours in the same shape. Tries are spent: no retry."""
    given = error.headers if isinstance(error, ProviderError) else {}
    headers = {**_handed_on(given, id), "content-type": JSON, "x-should-retry": "false"}
    if isinstance(error, ProviderError) and error.status >= 400 and error.body[:1] == b"{":
        return Response(error.status, headers, error.body)
    status, body = wire.refusal(error, request_id=id)
    return Response(status, headers, body)


def unknown(method: str, path: str, headers: Mapping[str, str]) -> Response:
    """The refusal of a path that is not served, or not with this method, in the client's own shape."""
    at = endpoint(path)
    family = family_of(path, anthropic="anthropic-version" in headers)
    if at is None:
        told, kind = 404, "not_found_error"
        message = f"{method} {path} is not served here; POST /v1/chat/completions, /v1/responses, /v1/embeddings and "
        message += "/v1/messages are, and GET /v1/models"
    elif "sec-websocket-key" in headers:
        told, kind = 426, "invalid_request_error"
        message = f"{path} is not spoken over a WebSocket here; ask with {at.method}"
    else:
        told, kind = 405, "invalid_request_error"
        message = f"{path} is asked with {at.method}, not with {method}"
    error = {"message": message, "type": kind}
    if family == "anthropic":
        body = msgspec.json.encode({"type": "error", "error": error})
    else:
        body = msgspec.json.encode({"error": {**error, "param": None, "code": None}})
    headers_out = {"content-type": JSON}
    if at is not None:
        headers_out["allow"] = at.method
    if told == 426:
        headers_out["upgrade"] = "HTTP/1.1"  # RFC 9110, section 15.5.22
    return Response(told, headers_out, body)
