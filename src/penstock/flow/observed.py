"""What the driver observes, and hands to the state that asked for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from penstock.errors import PenstockError
from penstock.values import Reply, Usage

if TYPE_CHECKING:
    from penstock.flow.states import Done, Refused

__all__ = ["Answered", "Failed", "Granted", "Hit", "InFlight", "Landed", "Miss"]


class Hit(msgspec.Struct, frozen=True):
    """The reply store holds an answer to this very call."""

    reply: Reply


class InFlight(msgspec.Struct, frozen=True):
    """The very call is being answered: ``leader`` is the id of the call that pays for it."""

    leader: str


class Miss(msgspec.Struct, frozen=True):
    """Nobody has asked, or reuse does not apply."""


class Landed(msgspec.Struct, frozen=True):
    """The walk that was followed has ended."""

    outcome: Done | Refused
    heard: bool = False
    """Whether events of it have been passed on already."""


class Granted(msgspec.Struct, frozen=True):
    """The worst case is held."""

    hold: str


class Answered(msgspec.Struct, frozen=True):
    """A whole reply came."""

    reply: Reply
    generated: str
    """All that the model generated; where the provider reported its usage, the visible text will do."""


class Failed(msgspec.Struct, frozen=True):
    """No whole reply came. ``billed``: the request was under way when it broke off, so the provider bills for it."""

    error: PenstockError
    billed: bool
    usage: Usage | None = None
    """As far as the provider had reported it."""
    text: str = ""
    """All that had been generated when it broke off."""
