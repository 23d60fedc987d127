"""The paths that are served, in every spelling that clients use."""

from __future__ import annotations

import msgspec

__all__ = ["ENDPOINTS", "Endpoint", "endpoint", "family_of"]


class Endpoint(msgspec.Struct, frozen=True):
    """What lies at a path."""

    name: str
    """The path without ``/v1/``; metrics are labelled by it."""
    method: str
    dialect: str = ""
    """The wire format of a call; empty for what is answered without one."""
    family: str = ""
    """Whose clients ask here: ``openai`` or ``anthropic``; empty where both do."""
    rest: str = ""
    """What follows the name in the path: the id of a model."""


ENDPOINTS = (
    Endpoint("chat/completions", "POST", "openai", "openai"),
    Endpoint("responses", "POST", "responses", "openai"),
    Endpoint("embeddings", "POST", "embeddings", "openai"),
    Endpoint("messages", "POST", "anthropic", "anthropic"),
    Endpoint("messages/count_tokens", "POST", "count_tokens", "anthropic"),
    Endpoint("models", "GET"),
    Endpoint("health", "GET"),
    Endpoint("metrics", "GET"),
    Endpoint("openapi.json", "GET"),
)

_PREFIXES = ("/v1/", "/", "/v1/v1/")
"""OpenAI's base URLs hold ``/v1`` and Anthropic's do not; whoever mixes them up leaves it out or doubles it."""

_BY_PATH = {prefix + each.name: each for each in ENDPOINTS for prefix in _PREFIXES}


def endpoint(path: str) -> Endpoint | None:
    """What lies at a path; None when nothing does.

    >>> endpoint("/v1/v1/messages").name, endpoint("/models/gpt-5").rest
    ('messages', 'gpt-5')
    """
    found = _BY_PATH.get(path) or _BY_PATH.get(path.rstrip("/"))
    if found is not None:
        return found
    for prefix in _PREFIXES:
        named = path.removeprefix(prefix + "models/")
        if named != path and named:
            return Endpoint("models", "GET", rest=named)
    return None


def family_of(path: str, *, anthropic: bool) -> str:
    """Whose clients ask at a path that is not served, so that they can read the refusal.

    ``anthropic``: the request carries a header that only Anthropic's clients send.
    """
    return "anthropic" if anthropic or "/messages" in path else "openai"
