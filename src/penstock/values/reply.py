"""An answer, as a view on the bytes that came over the wire."""

from __future__ import annotations

import msgspec

from penstock.values.usage import Usage

__all__ = ["Delta", "Reply"]


class Reply(msgspec.Struct, frozen=True):
    """A whole answer. ``raw`` holds the very bytes of the upstream: a JSON body, or an event stream if ``streamed``.

    Only whole answers become a `Reply`: a stream without its terminal event raises `BrokenReply` instead.
    """

    dialect: str
    raw: bytes
    streamed: bool
    text: str
    """The visible answer; empty when the model only called tools."""
    finish: str
    """The provider's own word for why it ended: ``stop``, ``length``, ``tool_use`` ..."""
    model: str
    """The model that answered, in the provider's words."""
    usage: Usage | None
    """None when the provider reported none: nothing is claimed from a figure that was not reported."""


class Delta(msgspec.Struct, frozen=True):
    """One event of a stream: its bytes as they came, and the visible text it adds."""

    raw: bytes
    text: str = ""
