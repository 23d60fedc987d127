"""Tool outputs in a call, as far as it takes no knowledge of texts to tell."""

from __future__ import annotations

from penstock.values import Call
from penstock.values.segments import at_path

__all__ = ["may_hold", "originals"]

_SIGNS = (b'"tool_result"', b'"tool_call_id"', b'_call_output"')
"""What a body has in which a tool's output stands: Anthropic's, chat completions, responses."""


def may_hold(call: Call, tokens: int) -> bool:
    """Whether there may be a tool output of so many tokens: no token is shorter than a byte."""
    return len(call.raw) >= tokens and any(sign in call.raw for sign in _SIGNS)


def originals(call: Call) -> dict[str, str]:
    """The texts that the edits of a call have shortened, by the names in their markers."""
    edits = [edit for edit in call.edits if "original" in edit.evidence]
    if not edits:
        return {}
    plain = call.without("compress").body
    return {edit.evidence["original"]: at_path(plain, edit.path) for edit in edits}
