"""The JSON body that a stream of chunks amounts to: what the same call would have got without streaming."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from penstock.errors import BrokenReply
from penstock.providers.shape import Json, entries, mapping, objects, text

__all__ = ["fold"]

_STREAM_ONLY = frozenset({"object", "choices", "obfuscation"})
"""Fields of a chunk that a whole body does not have, or has in another form."""

_SAID_ONCE = frozenset({"id", "type", "role", "index", "format", "signature"})
"""Fields that are no fragments: the first value that says something stays, however often a server repeats it."""

_PARTS = frozenset({"content", "thinking"})
"""Fields that hold a string or a list of parts, and in some servers' streams first one and then the other."""

_GROWING = frozenset({"text", "thinking"})
"""Parts that the first part of the next list may continue."""


class _Pieces(list[str]):
    """A string that is still growing. Joined once at the end: a long answer is not copied for every token."""


def fold(chunks: Iterable[Json]) -> Json:
    """One body out of the chunks of a stream.

    Strings of a delta are fragments and are joined, tool calls are joined by index, logprobs are appended, and of all
    other fields the last value that says something stays; so what we have never heard of survives. Raises `BrokenReply`
    when they are nested too deep to be joined.
    """
    try:
        return _fold(chunks)
    except RecursionError:
        raise BrokenReply("the answer is nested too deep") from None


def _fold(chunks: Iterable[Json]) -> Json:
    fields: Json = {}
    choices: dict[int, Json] = {}
    for chunk in chunks:
        for choice in objects(chunk.get("choices")):
            _add(choices, choice)
        for key, value in chunk.items():
            if key not in _STREAM_ONLY and (value or key not in fields):
                fields[key] = value
    usage = fields.pop("usage", None)
    head: Json = {"id": fields["id"]} if "id" in fields else {}
    whole = [_settled_choice(choices[index]) for index in sorted(choices)]
    tail: Json = {"usage": usage} if usage else {}
    return {**head, "object": "chat.completion", **fields, "choices": whole, **tail}


def _add(choices: dict[int, Json], choice: Json) -> None:
    index = choice.get("index")
    index = index if isinstance(index, int) else 0
    if index not in choices:
        choices[index] = {"index": index, "message": {"role": "assistant", "content": None}}
    slot = choices[index]
    for key, value in choice.items():
        if key == "delta":
            _merge(slot["message"], mapping(value))
        elif key == "logprobs":
            _merge(slot, {key: value})
        elif key != "message" and (value or key not in slot):
            slot[key] = value


def _merge(whole: Json, delta: Json) -> None:
    for key, value in delta.items():
        old = whole.get(key)
        if value is None or old is None:
            whole[key] = _begun(key, value) if value is not None else old
        elif key in _SAID_ONCE:
            whole[key] = old or value
        else:
            whole[key] = _joined(key, old, value)


def _begun(key: str, value: Any) -> Any:
    """The first value of a field. A list is gone through, for one delta may hold several fragments of one tool call."""
    return _extended(key, [], entries(value)) if isinstance(value, list) else value


def _joined(key: str, old: Any, new: Any) -> Any:
    match old, new:
        case _Pieces(), str():
            old.append(new)
            return old
        case str(), str():
            return old if key == "name" and new == old else _Pieces((old, new))
        case dict(), dict():
            _merge(mapping(old), mapping(new))
            return mapping(old)
        case list(), list():
            return _extended(key, _parts(old), _parts(new))
        case (list() | str(), list() | str()) if key in _PARTS:
            return _extended(key, _parts(old), _parts(new))
        case _:
            return new


def _parts(content: Any) -> list[Any]:
    if isinstance(content, list) and not isinstance(content, _Pieces):
        return entries(content)
    said = "".join(content)
    return [{"type": "text", "text": said}] if said else []


def _extended(key: str, old: list[Any], new: list[Any]) -> list[Any]:
    for place, entry in enumerate(new):
        slot = _slot(key, old, mapping(entry), first=place == 0)
        if slot is None:
            old.append(entry)
        else:
            _merge(slot, mapping(entry))
    return old


def _slot(key: str, old: list[Any], entry: Json, *, first: bool) -> Json | None:
    """The entry of a list that a fragment continues; None when it begins an entry of its own."""
    index = entry.get("index")
    if isinstance(index, int):
        known = next((slot for slot in reversed(objects(old)) if slot.get("index") == index), None)
        return None if known is None or _is_another_call(known, entry) else known
    last = mapping(old[-1]) if old else {}
    if key == "tool_calls":
        return last if last and not entry.get("id") else None
    continues = first and key in _PARTS and entry.get("type") in _GROWING and last.get("type") == entry["type"]
    return last if continues else None


def _is_another_call(known: Json, entry: Json) -> bool:
    """Some servers send every parallel call under index 0; a new id with a name tells them apart."""
    named = text(mapping(entry.get("function")).get("name"))
    return bool(named and entry.get("id") and known.get("id") and entry["id"] != known["id"])


def _settled_choice(choice: Json) -> Json:
    settled = mapping(_settled(choice))
    for call in objects(mapping(settled["message"]).get("tool_calls")):
        call.pop("index", None)
    return settled


def _settled(value: Any) -> Any:
    match value:
        case _Pieces():
            return "".join(value)
        case dict():
            return {key: _settled(inner) for key, inner in mapping(value).items()}
        case list():
            return [_settled(inner) for inner in entries(value)]
        case _:
            return value
