"""A beginning of their own for the prompts of each tenant.

Tenants who share a key at a provider share its cache: how fast an answer begins tells one of them whether another has
sent the same prompt. What begins with a text that only its own tenant sends is nobody else's to find.
"""

from __future__ import annotations

import hashlib
from typing import Any

from penstock.meter import count
from penstock.values import Call, Edit, Undo
from penstock.values.shape import is_array

__all__ = ["salted"]

_HEX = 10


def salted(call: Call) -> list[Edit]:
    """The edit that puts the tenant's salt before everything else that the caller wrote.

    Tool definitions stand before that, and stay shared. None for calls of no tenant, and for what is not prompted.
    """
    if not call.scope.tenant or call.dialect not in _FIELDS:
        return []
    text = f"[{hashlib.sha256(call.scope.tenant.encode()).hexdigest()[:_HEX]}]"
    undo = Undo(input_tokens=-count(text))
    why = {"salt": "of the tenant"}
    name = _FIELDS[call.dialect]
    there: Any = call.body.get(name)
    if name == "messages":
        return [Edit("layout", (name, 0), "insert", {"role": "system", "content": text}, undo, why)]
    if is_array(there):
        return [Edit("layout", (name, 0), "insert", {"type": "text", "text": text}, undo, why)]
    return [Edit("layout", (name,), "set", f"{text}\n{there}" if there else text, undo, why)]


_FIELDS = {"openai": "messages", "responses": "instructions", "anthropic": "system"}
"""Where the system prompt stands, by wire format."""
