"""Wishes for another protocol, which a server may ignore (RFC 9110, section 7.8)."""

from __future__ import annotations

from collections.abc import Iterable

import httptools

__all__ = ["plain", "wished"]


def wished(parser: httptools.HttpRequestParser) -> bool:
    """Whether the request asks for another protocol, as the JDK's client does for HTTP/2 in its first request."""
    return bool(parser.should_upgrade()) and parser.get_method() != b"CONNECT"


def plain(parser: httptools.HttpRequestParser, url: bytes, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The head of the same request without its wish, for another parser: the one that heard the wish drops the body."""
    head = [b"%b %b HTTP/1.1" % (parser.get_method(), url)]
    head += [b"%b: %b" % header for header in headers if header[0] not in {b"connection", b"upgrade"}]
    return b"\r\n".join([*head, b"", b""])
