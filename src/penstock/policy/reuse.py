"""Which calls may be answered by the reply of an earlier one, and how long such a reply stays good."""

from __future__ import annotations

import msgspec

from penstock.values import Call, Reply

__all__ = ["TTL_SECONDS", "Eligible", "eligible", "worth_storing"]

TTL_SECONDS = 3600.0
"""How long a stored reply may answer: the shortest of the times that the query types will get (research: 1 h)."""

_COMPLETE = frozenset({"stop", "end_turn", "stop_sequence", "tool_calls", "tool_use", "function_call"})
"""The ends after which an answer is whole. After ``length``, ``max_tokens``, ``content_filter``, ``refusal`` or
``pause_turn`` asking again may bring more."""


class Eligible(msgspec.Struct, frozen=True):
    """Whether a call takes part in exact reuse."""

    reads: bool
    """A stored reply, or the same call in flight, may answer it."""
    writes: bool
    """Its reply may answer later calls."""
    why: str


_SHARING = Eligible(True, True, "no variety was asked for")
_REFRESHING = Eligible(False, True, "asked anew, to refresh")


def eligible(call: Call) -> Eligible:
    """Exact reuse serves calls that did not ask for variety: temperature absent or 0, and one answer.

    ``reuse="always"`` says that variety does not matter, ``"off"`` keeps the call out. A fresh call, or one with the
    mechanism switched off, is asked anew and refreshes what is stored.
    """
    if call.reuse == "off":
        return Eligible(False, False, "reuse is off for this call")
    if call.reuse == "auto":
        if call.body.get("temperature"):
            return Eligible(False, False, f"temperature {call.body['temperature']} asks for variety")
        if call.answers > 1:
            return Eligible(False, False, f"n = {call.answers} asks for variety")
    return _REFRESHING if call.fresh or not call.allows("reuse") else _SHARING


def worth_storing(reply: Reply) -> bool:
    """Only a whole answer is kept: one that was cut by a length limit, refused or filtered is asked again."""
    return reply.finish in _COMPLETE
