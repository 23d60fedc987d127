"""What the two wire formats ask of a list of messages, and what may not become of one when it is pruned.

Each rule is a sentence that names the message that breaks it. The rules were read from the vendors' documentation and
from what their servers refuse, as of 2026-11.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, Literal, TypeAlias

from penstock.values.shape import Json, entries, is_array, mapping, objects, text

__all__ = ["Json", "Shape", "broken", "invalid"]

Shape: TypeAlias = Literal["openai", "anthropic"]

_THINKING = ("thinking", "redacted_thinking")
_SERVED = ("server_tool_use", "mcp_tool_use")


def invalid(messages: Sequence[Json], shape: Shape | None = None) -> list[str]:
    """Every rule of the wire format that the messages break; empty where a provider would take them.

    ``shape``: the wire format; None: OpenAI's where something says so, otherwise Anthropic's, which is stricter.

    >>> invalid([{"role": "user", "content": "Hello"}])
    []
    >>> invalid([{"role": "tool", "tool_call_id": "c1", "content": "x"}])
    ["0: a result of 'c1' without its call"]
    """
    if not messages:
        return ["there is no message"]
    if shape is None:
        shape = "openai" if any(_says_openai(message) for message in messages) else "anthropic"
    return list(_anthropic(messages) if shape == "anthropic" else _openai(messages))


def _says_openai(message: Json) -> bool:
    return message["role"] not in {"user", "assistant"} or "tool_calls" in message or "function_call" in message


def _blocks(message: Json) -> list[Json]:
    return objects(message.get("content"))


def _of(message: Json, *kinds: str) -> list[Json]:
    return [block for block in _blocks(message) if block.get("type") in kinds]


def _ids(message: Json, kind: str, field: str) -> list[str]:
    return [text(block.get(field)) for block in _of(message, kind)]


def _anthropic(messages: Sequence[Json]) -> Iterator[str]:
    if messages[0]["role"] != "user":
        yield "0: the first message is not the user's"
    for at, message in enumerate(messages):
        if message["role"] not in {"user", "assistant"}:
            yield f"{at}: there is no role {message['role']!r}"
        yield from (f"{at}: {told}" for told in _content(message, last=at == len(messages) - 1))
    for at, (message, following) in enumerate(pairwise(messages)):
        if message["role"] == following["role"]:
            yield f"{at + 1}: the {following['role']} twice in a row"
    nothing: Json = {"role": "", "content": []}
    for at, (message, following) in enumerate(pairwise([nothing, *messages, nothing]), -1):
        calls, results = _ids(message, "tool_use", "id"), _ids(following, "tool_result", "tool_use_id")
        yield from (
            f"{at}: the call {call!r} has no result in the next message" for call in calls if call not in results
        )
        yield from (
            f"{at + 1}: a result of {call!r}, no call of the message before" for call in results if call not in calls
        )
        if len(set(results)) < len(results) or len(set(calls)) < len(calls):
            yield f"{at}: an id twice"
    yield from _served(messages)
    yield from _thinking_begins(messages)


def _content(message: Json, *, last: bool) -> Iterator[str]:
    """Rules of one message of Anthropic's."""
    content, assistant = message.get("content"), message["role"] == "assistant"
    if isinstance(content, str):
        if not content.strip():
            yield "empty content"
        if last and assistant and content != content.rstrip():
            yield "the answer that was begun ends in white space"
        return
    blocks = _blocks(message)
    if not blocks:
        yield "empty content"
        return
    if any(not str(block.get("text", "")).strip() for block in _of(message, "text")):
        yield "a text without a word"
    kinds = [block.get("type", "") for block in blocks]
    foreign = {"tool_result"} if assistant else {"tool_use", *_SERVED, *_THINKING}
    yield from (f"a block {kind!r} of the {message['role']}" for kind in kinds if kind in foreign)
    results = [place for place, kind in enumerate(kinds) if kind == "tool_result"]
    if results and results != list(range(len(results))):
        yield "results stand behind something else"
    if kinds[-1] in _THINKING and assistant:
        yield "it ends in thinking"
    for block in _of(message, "thinking"):
        if not block.get("signature") or not isinstance(block.get("thinking"), str):
            yield "thinking without its signature"
    if any(not block.get("data") for block in _of(message, "redacted_thinking")):
        yield "redacted thinking without its data"
    for block in _of(message, "tool_result"):
        inner = block.get("content", "x")
        if is_array(inner) and any(part.get("text", "x") == "" for part in objects(inner)):
            yield "an empty text in a result"


def _served(messages: Sequence[Json]) -> Iterator[str]:
    """Results of the provider's own tools stand behind their calls, with no request between them."""
    known: set[str] = set()
    for at, message in enumerate(messages):
        if message["role"] == "user" and not _of(message, "tool_result"):
            known = set()
        for block in _blocks(message):
            kind = str(block.get("type"))
            if kind in _SERVED:
                known.add(text(block.get("id")))
            elif kind.endswith("_tool_result") and block.get("tool_use_id") not in known:
                yield f"{at}: a result of {block.get('tool_use_id')!r} without its call"


def _asks(message: Json) -> bool:
    """Whether the user says something in it, and does not only hand results on."""
    if message["role"] != "user":
        return False
    return isinstance(message.get("content"), str) or any(
        block.get("type") != "tool_result" for block in _blocks(message)
    )


def _progress(messages: Sequence[Json]) -> int:
    """Where the turn in progress begins."""
    return max((at + 1 for at, message in enumerate(messages) if _asks(message)), default=0)


def _thinking_begins(messages: Sequence[Json]) -> Iterator[str]:
    begin = _progress(messages)
    answers = [message for message in messages[begin:] if message["role"] == "assistant"]
    if any(_of(message, *_THINKING) for message in answers):
        first = _blocks(answers[0])
        if not first or first[0].get("type") not in _THINKING:
            yield f"{begin}: the turn in progress thinks, but does not begin with it"


def _openai(messages: Sequence[Json]) -> Iterator[str]:
    open_calls: list[str] = []
    legacy = ""
    end: Json = {"role": "end"}
    for at, message in enumerate([*messages, end]):
        role = message["role"]
        if role == "tool":
            call = message.get("tool_call_id", "")
            if call not in open_calls:
                yield f"{at}: a result of {call!r} without its call"
            open_calls = [each for each in open_calls if each != call]
        elif role == "function" and message.get("name") != legacy:
            yield f"{at}: a result of the function {message.get('name')!r} without its call"
        if role != "tool" and open_calls:
            yield f"{at}: before it {', '.join(open_calls)} went without a result"
        if role not in {"tool", "function"}:
            if legacy:
                yield f"{at}: before it the function {legacy!r} went without a result"
            open_calls = []
        legacy = ""
        if role == "assistant":
            open_calls = [text(call.get("id")) for call in objects(message.get("tool_calls"))]
            legacy = text(mapping(message.get("function_call")).get("name"))
            if len(set(open_calls)) < len(open_calls):
                yield f"{at}: an id twice"
        if role != "end":
            yield from (f"{at}: {told}" for told in _fields(message))


def _fields(message: Json) -> Iterator[str]:
    """Rules of one message of OpenAI's."""
    role, content = message["role"], message.get("content")
    if role not in {"system", "developer", "user", "assistant", "tool", "function"}:
        yield f"there is no role {role!r}"
    calls = role == "assistant" and ("tool_calls" in message or "function_call" in message)
    if not calls and not content and "refusal" not in message and (role != "tool" or content is None):
        yield "empty content"
    if "tool_calls" in message and (role != "assistant" or not message["tool_calls"]):
        yield "an empty list of calls, or calls of another than the assistant"
    for call in objects(message.get("tool_calls")):
        function = mapping(call.get("function"))
        if not call.get("id") or not function.get("name") or not isinstance(function.get("arguments"), str):
            yield "a call without id, name or arguments"


def broken(before: Sequence[Json], after: Sequence[Json]) -> list[str]:
    """Every promise of pruning that does not hold between a history and what became of it."""
    return list(_promises(before, after))


def _promises(before: Sequence[Json], after: Sequence[Json]) -> Iterator[str]:
    systems = [[each for each in history if each["role"] in {"system", "developer"}] for history in (before, after)]
    if systems[0] != systems[1]:
        yield "the system's messages changed"
    requests = [message for message in before if _asks(message)]
    if requests and _without_results(requests[-1]) not in [_without_results(message) for message in after]:
        yield "the last request is not there word for word"
    if before[-1]["role"] != after[-1]["role"]:
        yield "the last message changed its role"
    for name, parts in (("calls", _calls), ("thinking", _thought), ("blocks of the provider's tools", _provided)):
        old, new = [list(parts(history)) for history in (before, after)]
        if not _in_order(new, old):
            yield f"{name}: changed, invented, or in another order"
    kept = list(_thought(after))
    begin = _progress(before)
    missing = [block for block in _thought(before[begin:]) if block not in kept]
    if missing:
        yield "the turn in progress lost thinking"
    for message in after:
        served = _of(message, *_SERVED) + [b for b in _blocks(message) if str(b.get("type")).endswith("_tool_result")]
        if served and not any(list(_provided([old])) == list(_provided([message])) for old in before):
            yield "the provider's tools: a message lost a part"


def _without_results(message: Json) -> Any:
    content = message.get("content")
    if message["role"] != "user" or isinstance(content, str):
        return message
    return [block for block in _blocks(message) if block.get("type") != "tool_result"]


def _calls(messages: Sequence[Json]) -> Iterator[Any]:
    for message in messages:
        yield from entries(message.get("tool_calls"))
        yield from _of(message, "tool_use")


def _thought(messages: Sequence[Json]) -> Iterator[Any]:
    for message in messages:
        yield from _of(message, *_THINKING)
        if "reasoning_content" in message:
            yield message["reasoning_content"]


def _provided(messages: Sequence[Json]) -> Iterator[Any]:
    for message in messages:
        for block in _blocks(message):
            kind = str(block.get("type"))
            if kind in _SERVED or kind.endswith("_tool_result"):
                yield block


def _in_order(found: Sequence[Any], among: Sequence[Any]) -> bool:
    """Whether the one is left of the other when some are taken out."""
    rest = iter(among)
    return all(any(each == other for other in rest) for each in found)
