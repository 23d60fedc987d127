"""The body of a request, read within limits: of size, of time, and of what it unpacks to."""

from __future__ import annotations

import zlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

from penstock.errors import BadInput, Cancelled, Overloaded, ProviderError, Rejected
from penstock.gateway.cycle import SILENCE_SECONDS

__all__ = ["MOST_BYTES", "Receive", "read", "unpack"]

Receive: TypeAlias = Callable[[], Awaitable[Mapping[str, Any]]]

MOST_BYTES = 32 << 20
"""The most bytes of a body, packed or unpacked: as much as Anthropic takes."""

LINGER_BYTES = 256 << 20
"""How much more of a body that is too large is read and dropped, so that a client that sends all before it reads hears
why it is refused. A connection closed before that loses the answer (RFC 9112, section 9.6)."""

MOST_RATIO = 100
"""How many times its own size a packed body may unpack to, beyond `ALWAYS_BYTES`: prompts pack to a tenth, and a few
kilobytes that become megabytes of JSON would cost nothing to send and half a second to read."""

ALWAYS_BYTES = 1 << 20

_WINDOW_BITS = {"gzip": 31, "x-gzip": 31, "deflate": 15}


async def read(receive: Receive, headers: Mapping[str, str], *, most: int = MOST_BYTES) -> bytes:
    """The whole body, unpacked. ``receive`` raises `TimeoutError` when nothing comes (see `Cycle`).

    Raises `Rejected` (413, 415), `Overloaded` (408, for a client that stopped sending), `BadInput` for what cannot be
    unpacked and `Cancelled` when the client has left.
    """
    length = headers.get("content-length", "")
    if length.isdigit() and int(length) > most:
        if "expect" not in headers:
            await _drop(receive)
        raise _too_large(most)
    message = await _next(receive)
    body: bytes = message.get("body", b"")
    if message.get("more_body"):
        body = await _rest(receive, body, most)
    if len(body) > most:
        raise _too_large(most)
    coding = headers.get("content-encoding", "identity").lower()
    return body if coding == "identity" else unpack(body, coding, most=most)


async def _rest(receive: Receive, first: bytes, most: int) -> bytes:
    parts, size, more = [first], len(first), True
    while more:
        message = await _next(receive)
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        more = message.get("more_body", False)
        if size > most:
            if more:
                await _drop(receive)
            raise _too_large(most)
    return b"".join(parts)


async def _drop(receive: Receive) -> None:
    """Read what is left of a body that nobody wants, as far as `LINGER_BYTES`."""
    size, more = 0, True
    while more and size < LINGER_BYTES:
        message = await _next(receive)
        size += len(message.get("body", b""))
        more = message.get("more_body", False)


async def _next(receive: Receive) -> Mapping[str, Any]:
    try:
        message = await receive()
    except TimeoutError:
        silent = f"nothing came for {SILENCE_SECONDS:.0f} s in the middle of the request"
        raise Overloaded(silent, status=408, headers={"connection": "close"}) from None
    if message["type"] == "http.disconnect":
        raise Cancelled("the client left before its request was whole")
    return message


def unpack(body: bytes, coding: str, *, most: int) -> bytes:
    """A packed body as it was; what unpacks to more than ``most`` bytes, or is packed too well, is refused half-way."""
    most = min(most, max(ALWAYS_BYTES, MOST_RATIO * len(body)))
    bits = _WINDOW_BITS.get(coding)
    if bits is None:
        raise Rejected(f"content-encoding {coding!r} is not known here", status=415, mend="send it plain, or as gzip")
    if coding == "deflate" and body[:1] and body[0] & 0x0F != 8:
        bits = -15  # without the zlib header, as some clients send it
    press = zlib.decompressobj(bits)
    try:
        plain = press.decompress(body, most + 1)
    except zlib.error as error:
        raise BadInput(f"the request body is not {coding}: {error}", mend="send it plain") from None
    if len(plain) > most:
        raise _too_large(most)
    if not press.eof or press.unused_data:
        raise BadInput(f"the request body is not one whole {coding} stream", mend="send it plain")
    return plain


def _too_large(most: int) -> ProviderError:
    hint = "send less"
    return Rejected(
        f"the request body is larger than {most} bytes", status=413, headers={"connection": "close"}, mend=hint
    )
