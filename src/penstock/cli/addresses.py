"""Who answers at an address, and how an address is shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec

from penstock.values.shape import mapping

__all__ = ["PATIENCE", "get", "host", "is_penstock", "json_object", "root", "shown_address"]

PATIENCE = 10.0
"""Seconds that an answer is waited for."""


async def get(
    address: str, headers: Mapping[str, str] | None = None, *, patience: float = PATIENCE
) -> tuple[int, bytes]:
    """Status and body. Raises `OSError` when nobody answers within so many seconds."""
    import aiohttp

    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=patience)) as web,
            web.get(address, headers=headers, allow_redirects=False) as answer,
        ):
            return answer.status, await answer.content.read(65_536)
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise OSError(type(error).__name__) from None


def is_penstock(health: bytes) -> bool:
    """Whether this is what ``GET /health`` of a gateway answers."""
    return {"status", "version", "in_flight"} <= json_object(health).keys()


def json_object(body: bytes) -> Mapping[str, Any]:
    """The object that a body holds; empty when it holds none."""
    try:
        return mapping(msgspec.json.decode(body))
    except msgspec.DecodeError:
        return {}


def host(address: str) -> str:
    """The host that an address names; empty where it is none."""
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""


def root(address: str) -> str:
    """A base URL without its ``/v1``.

    >>> root("http://127.0.0.1:8080/v1/")
    'http://127.0.0.1:8080'
    """
    return address.rstrip("/").removesuffix("/v1")


def shown_address(address: str) -> str:
    """An address without what may be secret in it: a name, a password, a query.

    >>> shown_address("https://me:secret@llm.example/v1?key=1")
    'https://llm.example/v1'
    """
    scheme, _, rest = address.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2].partition('?')[0]}" if rest else address.partition("?")[0]
