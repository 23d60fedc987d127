"""Which calls may be answered by the reply of an earlier one, and how long such a reply stays good."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from penstock.values import Call, Reply
from penstock.values.shape import objects, text

__all__ = ["TTL_SECONDS", "Eligible", "eligible", "worth_storing"]

TTL_SECONDS = 3600.0
"""How long a stored reply may answer: the shortest of the times that the query types will get (research: 1 h)."""

_COMPLETE = frozenset({"stop", "end_turn", "stop_sequence", "tool_calls", "tool_use", "function_call", "completed"})
"""The ends after which an answer is whole. After ``length``, ``max_tokens``, ``content_filter``, ``refusal``,
``pause_turn`` or ``incomplete`` asking again may bring more; ``queued`` has brought nothing yet."""

_STATEFUL = frozenset({"previous_response_id", "conversation", "background", "container"})
"""Fields that tie a call to what the provider keeps: a conversation that the answer goes on, a job to be asked after, a
container that tools work in. ``store`` is none of them: who refers to a stored answer by its id finds it there."""

_HOSTED = frozenset({"web_search_options", "mcp_servers"})
"""Fields that have the provider look things up, whatever ``tools`` says."""

_OWN_TOOLS = re.compile(r"function|custom|(bash|text_editor|memory)_20\d+|local_shell|apply_patch")
"""Tools that the caller runs: what they found stands in the next call. Any other type may be the provider's to run
(searches, code, MCP servers) or look at a screen, and answers otherwise tomorrow."""

_EVERYTHING_IN = frozenset({"embeddings", "count_tokens"})
"""Wire formats whose answer follows from the text alone."""


class Eligible(msgspec.Struct, frozen=True):
    """Whether a call takes part in exact reuse."""

    reads: bool
    """A stored reply may answer it."""
    writes: bool
    """Its reply may answer later calls."""
    why: str
    joins: bool = False
    """The same call in flight may answer it."""


_SHARING = Eligible(True, True, "no variety was asked for", joins=True)
_REFRESHING = Eligible(False, True, "asked anew, to refresh")


def eligible(call: Call) -> Eligible:
    """Exact reuse serves calls that did not ask for variety: temperature absent or 0, one answer, no hosted tools.

    ``reuse="always"`` says that variety does not matter, ``"off"`` keeps the call out. What is tied to a state that the
    provider keeps is always asked. A fresh call, or one with the mechanism switched off, is asked anew and refreshes
    what is stored.
    """
    if call.reuse == "off":
        return _out("reuse is off for this call")
    if call.dialect not in _EVERYTHING_IN:
        if why := _stateful(call):
            return _out(why)
        if call.reuse == "auto" and (why := _varied(call)):
            return _out(why)
    return _REFRESHING if call.fresh or not call.allows("reuse") else _SHARING


def _out(why: str) -> Eligible:
    return Eligible(False, False, why)


def _stateful(call: Call) -> str:
    """Which state at the provider the call is tied to; empty when there is none."""
    tied = _set(call, _STATEFUL)
    return f"{tied} ties the call to a state at the provider" if tied else ""


def _varied(call: Call) -> str:
    """Why the same call may be answered otherwise; empty when it asked for no such thing."""
    if call.body.get("temperature"):
        return f"temperature {call.body['temperature']} asks for variety"
    if call.answers > 1:
        return f"n = {call.answers} asks for variety"
    hosted = _set(call, _HOSTED) or _hosted_tool(call.body.get("tools"))
    return f"{hosted} may answer otherwise each time" if hosted else ""


def _set(call: Call, fields: frozenset[str]) -> str:
    """The first of these fields that the body sets to something; empty when it sets none."""
    if fields.isdisjoint(call.body):
        return ""
    return next((field for field, value in call.body.items() if value and field in fields), "")


def _hosted_tool(tools: Any) -> str:
    for tool in objects(tools):
        kind = text(tool.get("type"))
        if kind == "namespace":
            kind = _hosted_tool(tool.get("tools"))
        if kind and not _OWN_TOOLS.fullmatch(kind):
            return kind
    return ""


def worth_storing(reply: Reply) -> bool:
    """Only a whole answer is kept: one that was cut by a length limit, refused or filtered is asked again."""
    return reply.finish in _COMPLETE
