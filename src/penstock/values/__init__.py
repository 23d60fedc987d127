"""The values everything else is made of: frozen, without input or output."""

from penstock.values.call import Call, Credential, Edit, Reuse, Undo
from penstock.values.identity import canonical, identity
from penstock.values.money import NANO, Money, parse_money
from penstock.values.reply import Delta, Reply
from penstock.values.scope import Scope
from penstock.values.segments import Path, Segment, Stability, segments
from penstock.values.usage import Usage

__all__ = [
    "NANO",
    "Call",
    "Credential",
    "Delta",
    "Edit",
    "Money",
    "Path",
    "Reply",
    "Reuse",
    "Scope",
    "Segment",
    "Stability",
    "Undo",
    "Usage",
    "canonical",
    "identity",
    "parse_money",
    "segments",
]
