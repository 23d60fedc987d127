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


def originals(before: Call, after: Call) -> dict[str, str]:
    """The texts that were shortened on the way from one form of a call to the other, by the names in their markers."""
    edits = after.edits[len(before.edits) :]
    if not any("original" in edit.evidence for edit in edits):
        return {}
    found: dict[str, str] = {}
    for edit in edits:
        if "original" in edit.evidence:
            found[edit.evidence["original"]] = at_path(before.body, edit.path)
        before = before.edited(edit)
    return found
