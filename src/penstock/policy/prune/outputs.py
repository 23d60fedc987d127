"""What tools wrote: where it stands in a message, and what may stand in its place.

A result is never taken away from its call. Its content is shortened, or a marker of a few words takes its place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from penstock.values.shape import Json, entries, is_array, mapping, objects, text

__all__ = ["LEAST", "Output", "left_out", "machine_made", "marker", "outputs", "replaced", "same_as"]

LEAST = 60
"""Tokens from which a marker in place of a result is worth its bytes."""

_MARKER = re.compile(r"\[(?:output left out: [\d,]+ tokens|the same [\d,]+ tokens as the output of .{1,200} above)]")
_REPLACEABLE = frozenset({"text", "image", "document", "search_result", "image_url"})
"""Parts of a result that only inform. Others have effects, such as references to tools that are then loaded."""

_SYMBOLS = re.compile(r"[{}\[\]<>=;|\\$#@_*/+~^()0-9]")
_CLOSING = " \t\r\"'\u201d\u2019)*_"
_ENDS = (".", "!", "?", "\u3002", "\uff01", "\uff1f")
"""How sentences end, in Chinese and Japanese too."""
_WORD = re.compile(r"[^\W\d_]{2,}")
_PROMPT = re.compile(r"(?:^|\n)(?:\S*[$#>%] ?|bash-\$ ?|>>> ?)$")


class Output(msgspec.Struct, frozen=True):
    """The result of one call."""

    block: int
    """Its place in the content of the message; -1: the message is the result."""
    call: str
    """The id of the call; empty where there is none."""
    text: str
    """Its text, parts joined."""
    plain: bool
    """Whether it is nothing but text."""

    @property
    def marked(self) -> bool:
        """Whether a marker stands there already."""
        return bool(_MARKER.fullmatch(self.text))


def outputs(message: Json) -> Iterator[Output]:
    """The results in a message that may be replaced."""
    role, content = message.get("role"), message.get("content")
    if role in {"tool", "function"} and _replaceable(content):
        yield Output(-1, text(message.get("tool_call_id")), _text(content), _plain(content))
    elif role == "user":
        for place, block in enumerate(entries(content)):
            result = mapping(block)
            if result.get("type") == "tool_result" and _replaceable(result.get("content")):
                inner = result.get("content")
                yield Output(place, text(result.get("tool_use_id")), _text(inner), _plain(inner))


def replaced(message: Json, block: int, told: str) -> Json:
    """The message with the content of one result replaced; all its other fields stay."""
    if block < 0:
        return {**message, "content": told}
    content = list(entries(message.get("content")))
    content[block] = {**mapping(content[block]), "content": told}
    return {**message, "content": content}


def marker(tokens: int) -> str:
    """What stands in place of a result that is left out.

    >>> marker(1234)
    '[output left out: 1,234 tokens]'
    """
    return f"[output left out: {tokens:,} tokens]"


def same_as(call: str, tokens: int) -> str:
    """What stands in place of a result that another call gave before."""
    return f"[the same {tokens:,} tokens as the output of {call or 'a call'} above]"


def left_out(told: str) -> bool:
    """Whether this is one of the markers."""
    return bool(_MARKER.fullmatch(told))


def machine_made(words: str) -> bool:
    r"""Whether a text in the user's name looks like what a tool wrote: it has hardly a sentence.

    Where it ends in a prompt, half of it may read like some.

    >>> machine_made("Please look at the tests again."), machine_made("total 8\n-rw-r--r-- 1 a a 12 x.py\n$ ")
    (False, True)
    """
    lines = [line for line in words.splitlines() if line.strip()]
    read = sum(len(line) for line in lines if _reads(line))
    size = sum(map(len, lines))
    if len(lines) > 1 and _PROMPT.search(words):
        return read * 2 < size
    sentences = sum(1 for line in lines if _ends(line))
    return len(lines) >= 4 and sentences * 10 < len(lines) and read * 4 < size


def _reads(line: str) -> bool:
    """Whether a line has words, and few of the signs of code, paths and tables."""
    return len(_WORD.findall(line)) >= 4 and len(_SYMBOLS.findall(line)) * 12 < len(line)


def _ends(line: str) -> bool:
    """Whether a line ends as a sentence does."""
    return line.rstrip(_CLOSING).endswith(_ENDS) and len(_WORD.findall(line)) > 1


def _replaceable(content: object) -> bool:
    if not is_array(content):
        return isinstance(content, str) and bool(content)
    return bool(content) and all(text(mapping(each).get("type")) in _REPLACEABLE for each in entries(content))


def _plain(content: object) -> bool:
    return isinstance(content, str) or all(each.get("type") == "text" for each in objects(content))


def _text(content: object) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(text(each.get("text")) for each in objects(content))
