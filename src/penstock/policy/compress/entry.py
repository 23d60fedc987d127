"""Tool outputs are compressed when they come in: once, before a provider has cached them; afterwards the bytes stay.

What a tool wrote depends on nothing that comes later, and neither does what is left of it: it is compressed for what
was asked before it came. So every later request of a conversation says the same, and its prefix stays as it was.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from itertools import accumulate

import msgspec

from penstock.meter import count
from penstock.policy.compress.compressed import Compressed, compress
from penstock.policy.compress.markers import name_in
from penstock.policy.compress.settings import CompressSettings
from penstock.values import Call, Edit, Path, Segment, Undo
from penstock.values.segments import at_path
from penstock.values.toolcalls import ToolCall, answered

__all__ = ["KEEP", "entering"]

KEEP = "[penstock keep]"
"""A tool output with this in its first line stays as it is."""

_EXACT = frozenset({"code", "diff"})
"""Kinds that whoever asked for them is about to edit, or to apply: they have to be exact."""

_READER = re.compile(
    r"(?i)(?:read|view|open|cat|get|show|notebook_?read)(?:[_-]?(?:text|many|multiple|whole))?(?:[_-]?(?:file|notebook)s?)?"
    r"(?:[_-]?contents?)?|str_replace\w*|\w*edit\w*"
)
"""Names of tools that show a file to who is about to edit it."""

_WRITTEN_BY_MACHINES = re.compile(r"""(?i)\.(?:log|out|err|txt|jsonl|ndjson|csv|tsv)\b|\blogs?/""")

_LETTERS_A_BLANK = 200

_LONGEST_QUERY = 500
"""Characters of what was asked, and of the arguments of the call, that are looked at."""

_MOST_CHARACTERS = 500_000
"""A longer output stays as it is: to shorten it would keep others waiting for more than half a second."""

_OPAQUE = 6000
"""Characters that an image or a document counts as: about 1,500 tokens."""

_REMEMBERED = 1024


def entering(call: Call, settings: CompressSettings) -> list[Edit]:
    """The edits that shorten the long tool outputs of a call.

    Left alone is what the client marks, source code and diffs, and what does not get shorter.
    """
    found = call.segments()
    shortened: dict[int, Compressed] = {}
    asked = ""
    for number, segment in enumerate(found):
        if segment.role == "user" and segment.kind == "text":
            asked = segment.text
        elif segment.kind == "tool_result" and isinstance(at_path(call.body, segment.path), str):
            told = None
            if _may_be_long(segment.text, settings):
                made = answered(call.body, segment.path)
                told = _shortened(segment.text, made, asked, settings, call.scope.tenant)
            if told is not None:
                shortened[number] = told
    sizes = [len(shortened[number].text) if number in shortened else _size(each) for number, each in enumerate(found)]
    upto = [0, *accumulate(sizes)]
    return [_edit(found[number].path, told, upto[number] / upto[-1]) for number, told in shortened.items()]


def _size(segment: Segment) -> int:
    """About how much of the prompt it is, in characters."""
    return min(len(segment.text), _OPAQUE) if segment.kind in {"image", "document"} else len(segment.text)


def _may_be_long(told: str, settings: CompressSettings) -> bool:
    if not settings.above_tokens <= len(told) <= _MOST_CHARACTERS or KEEP in told.partition("\n")[0]:
        return False
    return count(told) > settings.above_tokens


def _shortened(
    told: str, made: ToolCall | None, asked: str, settings: CompressSettings, tenant: str
) -> Compressed | None:
    """What is left of the output of a call; None: it stays as it is."""
    if made is not None and (made.name in settings.leave or _retrieves(made) or _reads_a_file(made)):
        return None
    if len(told) > _LETTERS_A_BLANK * (told.count(" ") + told.count("\n")):  # packed, or encoded
        return None
    query = f"{asked[-_LONGEST_QUERY:]}\n{made.arguments[:_LONGEST_QUERY] if made else ''}".strip()
    found = _compressed(told, query, settings.target_tokens, tenant)
    if found.kind in _EXACT or not found.marker or not _shares(found, settings.share):
        return None
    return found


def _retrieves(made: ToolCall) -> bool:
    """Whether it asked for what had been left out.

    Clients put a server's name before that of its tool: ``mcp__penstock__penstock_retrieve``.
    """
    return made.name.endswith("penstock_retrieve") or "penstock restore " in made.arguments


def _reads_a_file(made: ToolCall) -> bool:
    """Whether it asked for a file as it is, other than one that machines write: it may be edited next."""
    if not _READER.fullmatch(made.name.rpartition("__")[2]):
        return False
    return not _WRITTEN_BY_MACHINES.search(made.arguments)


_memo: dict[bytes, Compressed] = {}


def _compressed(told: str, query: str, target_tokens: int, tenant: str) -> Compressed:
    """Remembered without the original, since a conversation sends the same outputs with each of its turns."""
    whole = msgspec.msgpack.encode([query, target_tokens, tenant]) + told.encode("utf-8", "surrogatepass")
    key = hashlib.sha256(whole).digest()
    found = _memo.get(key)
    if found is None:
        found = compress(told, query=query, target_tokens=target_tokens, tenant=tenant)
        found = _memo[key] = msgspec.structs.replace(found, text=found.text if found.marker else "", original="")
        while len(_memo) > _REMEMBERED:
            with contextlib.suppress(RuntimeError, KeyError):  # another thread does the same
                del _memo[next(iter(_memo))]
    return found


def _shares(found: Compressed, share: float) -> bool:
    """Whether this output is among those that are shortened: told by its name, so it stays so."""
    return int((name_in(found.marker) or "0")[:8], 16) < share * (1 << 32)


def _edit(path: Path, found: Compressed, place: float) -> Edit:
    why = {
        "original": name_in(found.marker),
        "kind": found.kind,
        "tokens_before": found.tokens_before,
        "tokens_after": found.tokens_after,
        **({"over_target": True} if found.over_target else {}),
    }
    undo = Undo(input_tokens=found.tokens_before - found.tokens_after, place=place)
    return Edit("compress", path, "set", found.text, undo, why)
