"""One exchange on the wire: a request in a provider's own format in, a response in that format out.

No server is here: the in-process transport of the official SDKs and the gateway both speak through this.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

import msgspec

from penstock.engine import Engine
from penstock.errors import BadInput, PenstockError, ProviderError
from penstock.flow import Done
from penstock.providers.dialects import dialect
from penstock.providers.port import Dialect
from penstock.ticket import Ticket
from penstock.values import Call, Delta, Scope
from penstock.values.shape import mapping

__all__ = ["Request", "Response", "exchange"]

_ENDPOINTS = {"chat/completions": "openai", "messages": "anthropic"}

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
        "cache-control",
    }
)
"""Headers about one hop (RFC 9110, section 7.6.1), keys, and what is answered here."""


class Request(msgspec.Struct, frozen=True):
    """What a client sent. Header names are in lower case."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str:
        """The value of a header, empty when absent."""
        return next((value for key, value in self.headers if key == name), "")


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

    ``providers`` names the provider of each dialect.
    """
    endpoint = request.path.partition("?")[0].strip("/").removeprefix("v1/")
    name = _ENDPOINTS.get(endpoint, "")
    if not name or request.method != "POST":
        yield Response(404, {"content-type": "application/json"}, _unknown(request))
        return
    wire = dialect(name)
    id = ""
    async with AsyncExitStack() as open_until_sent:
        try:
            call = _call(engine, request, name, providers, scope)
            ticket = await open_until_sent.enter_async_context(engine.ask(call))
            id = ticket.id
            response = await (_streamed(ticket, wire) if call.stream else _whole(ticket, wire))
        except PenstockError as error:
            response = _refused(error, wire, id)
        yield response


def _call(engine: Engine, request: Request, name: str, providers: Mapping[str, str], scope: Scope) -> Call:
    provider = providers.get(name)
    if provider is None:
        raise BadInput(f"no provider speaks the {name} format", mend="describe one in penstock.toml")
    off = frozenset(part.strip() for part in request.header("x-penstock-off").split(",") if part.strip())
    return Call.parse(
        request.body,
        dialect=name,
        provider=provider,
        origin=engine.providers[provider].origin,
        headers=tuple(
            (key, value)
            for key, value in request.headers
            if key not in _NOT_FORWARDED and not key.startswith("x-penstock-")
        ),
        scope=scope,
        off=off,
        fresh="no-cache" in request.header("cache-control"),
    )


async def _whole(ticket: Ticket, wire: Dialect) -> Response:
    outcome = await ticket.outcome()
    done = outcome.done()
    headers = {**_ids(ticket.id), **_receipt(done), "content-type": "application/json"}
    return Response(200, headers, wire.body(done.reply))


async def _streamed(ticket: Ticket, wire: Dialect) -> Response:
    """Errors before the first event are answers of their own; after it they are an event that clients raise from."""
    events = ticket.events()
    first = await anext(events)
    headers = {**_ids(ticket.id), "x-penstock-source": ticket.source, "content-type": "text/event-stream"}
    return Response(200, headers, chunks=_relay(first, events, wire, shown=_usage_shown(ticket.call)))


async def _relay(first: Delta, events: AsyncIterator[Delta], wire: Dialect, *, shown: bool) -> AsyncIterator[bytes]:
    delta: Delta | None = first
    try:
        while delta is not None:
            raw = delta.raw if shown else wire.hide_usage(delta.raw)
            if raw:
                yield raw
            delta = await anext(events, None)
    except PenstockError as error:
        yield wire.error_event(error)


def _usage_shown(call: Call) -> bool:
    """Whether the client asked for the usage event; it is always asked for upstream, save where all is off."""
    return "all" in call.off or mapping(call.body.get("stream_options")).get("include_usage") is True


def _ids(id: str) -> dict[str, str]:
    """Both official SDKs find the id: OpenAI's reads ``x-request-id``, Anthropic's ``request-id``."""
    return {"x-penstock-id": id, "x-request-id": id, "request-id": id}


def _receipt(done: Done) -> dict[str, str]:
    receipt = done.receipt
    saved = ", ".join(f"{mechanism}={amount}" for mechanism, amount in receipt.saved.items())
    cost = "unpriced" if receipt.unpriced else str(receipt.spent)
    return {"x-penstock-cost": cost, "x-penstock-saved": saved, "x-penstock-source": done.source}


def _refused(error: PenstockError, wire: Dialect, id: str) -> Response:
    """The upstream's own words where it spoke this format, else ours in the same shape. Tries are spent: no retry."""
    headers = {**_ids(id), "content-type": "application/json", "x-should-retry": "false"}
    if isinstance(error, ProviderError) and error.status >= 400 and error.body[:1] == b"{":
        passed = {
            name: value for name, value in error.headers.items() if name.startswith(("retry-after", "x-ratelimit"))
        }
        return Response(error.status, {**headers, **passed}, error.body)
    status, body = wire.refusal(error, request_id=id)
    return Response(status, headers, body)


def _unknown(request: Request) -> bytes:
    message = f"{request.method} {request.path} is not served here; POST /v1/chat/completions and /v1/messages are"
    return msgspec.json.encode({"error": {"message": message, "type": "not_found_error", "param": None, "code": None}})
