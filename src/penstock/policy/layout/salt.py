"""A beginning of their own for the prompts of each tenant.

Tenants who share a key at a provider share its cache: how fast an answer begins tells one of them whether another has
sent the same prompt. What begins with a text that only its own tenant sends, and nobody can guess, is nobody else's to
find.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

from penstock.meter import count
from penstock.values import Call, Edit, Undo
from penstock.values.shape import entries, is_array, mapping

__all__ = ["SALT", "salted"]

SALT = "salt"
"""The mechanism. It is the operator's: no header switches it off alone."""

_HEX = 10

_FIELDS = {"openai": "messages", "responses": "instructions", "anthropic": "system"}
"""Where the system prompt stands, by wire format."""


def salted(call: Call, secret: bytes) -> Call:
    """The call with its tenant's salt before everything else that the caller wrote, if it is not there yet.

    What stands in the prompt before its system text (tool definitions, a response schema) stays shared. Calls of no
    tenant stay as they are, and those whose client asked for its very bytes.
    """
    done = any(edit.mechanism == SALT for edit in call.edits)
    if done or not call.scope.tenant or call.dialect not in _FIELDS or "all" in call.off:
        return call
    text = f"[{hmac.new(secret, call.scope.tenant.encode(), hashlib.sha256).hexdigest()[:_HEX]}]"
    name = _FIELDS[call.dialect]
    if name == "messages":
        return call.edited(_in_messages(call.body, text))
    there: Any = call.body.get(name)
    if is_array(there):
        return call.edited(_edit((name, _first_place(call)), "insert", {"type": "text", "text": text}, text))
    return call.edited(_edit((name,), "set", _before(text, there), text))


def _in_messages(body: Any, text: str) -> Edit:
    """Within the first message where that is the system's, since some servers take no second one."""
    first = mapping(next(iter(entries(body.get("messages"))), None))
    if first.get("role") not in {"system", "developer"}:
        return _edit(("messages", 0), "insert", {"role": "system", "content": text}, text)
    if is_array(first.get("content")):
        return _edit(("messages", 0, "content", 0), "insert", {"type": "text", "text": text}, text)
    return _edit(("messages", 0, "content"), "set", _before(text, first.get("content")), text)


def _first_place(call: Call) -> int:
    """Behind the sentence that has to be the first where a subscription pays (Claude Code's)."""
    return int(call.credential is not None and call.credential.header == "authorization")


def _before(text: str, there: Any) -> str:
    return f"{text}\n{there}" if there else text


def _edit(path: Any, op: Any, value: Any, text: str) -> Edit:
    return Edit(SALT, path, op, value, Undo(input_tokens=-count(text)), {"salt": "of the tenant"})
