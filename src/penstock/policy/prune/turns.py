"""A list of messages as what belongs together: calls with their results, and the user's requests.

Chat completions of OpenAI and messages of Anthropic are read alike. A list that breaks the rules of both already is
not read at all: nobody should prune what he does not understand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import msgspec

from penstock.policy.prune.outputs import machine_made, outputs
from penstock.values import segments
from penstock.values.shape import Json, is_array, mapping, objects, text

__all__ = ["Conversation", "Group", "Message", "calls", "conversation", "said", "tokens_of"]

SYSTEM = frozenset({"system", "developer"})
_OPENAI_ROLES = SYSTEM | {"tool", "function"}
_THINKING = frozenset({"thinking", "redacted_thinking"})
_ANTHROPIC = _THINKING | {"tool_use", "tool_result", "server_tool_use", "mcp_tool_use"}
_BESIDE = 3
"""Tokens that a message takes beside its text."""
IN_VAIN = 500
"""Characters of a result, shorter than that of the same call before, that may be nothing but an error."""
OPAQUE_TOKENS = 1500
"""Of an image or a document: about what Anthropic and OpenAI count for a large image."""


class Message(msgspec.Struct, frozen=True):
    """What matters of one message here."""

    role: str
    """``system``, ``user``, ``assistant`` or ``tool``."""
    opens: tuple[str, ...] = ()
    """Ids of the calls that it makes, those of the provider's own tools among them."""
    owed: tuple[str, ...] = ()
    """Those of them that the client has to answer."""
    answers: tuple[str, ...] = ()
    """Ids of the calls whose results it holds."""
    said: str = ""
    """What a user says in it; empty for results alone."""
    thinks: bool = False
    """Whether it holds thinking that the provider wants back."""


class Group(msgspec.Struct, frozen=True):
    """Messages that are kept or dropped as a whole."""

    start: int
    end: int
    """Behind its last message."""


class Conversation(msgspec.Struct):
    """A list of messages that was understood."""

    messages: Sequence[Json]
    read: Sequence[Message]
    groups: Sequence[Group]
    """In order; together they are all messages."""
    alternates: bool
    """Whether users and assistants have to take turns, beginning with a user: Anthropic's rule."""
    tokens: Sequence[int]
    """Of each message."""
    _observed: dict[int, bool] = msgspec.field(default_factory=dict[int, bool])
    _again: dict[int, set[str]] = msgspec.field(default_factory=dict[int, set[str]])

    @property
    def total(self) -> int:
        """Tokens of all messages."""
        return sum(self.tokens)

    def observed(self, index: int) -> bool:
        """Whether this is no request but what a tool wrote, handed on in the user's name: agents without tool calls."""
        if index not in self._observed:
            begun = any(each.role in {"user", "assistant"} for each in self.read[:index])
            self._observed[index] = begun and machine_made(self.read[index].said)
        return self._observed[index]

    def requests(self, end: int) -> set[int]:
        """The last message before ``end`` in the user's name, and the last that a user wrote."""
        said = [i for i in range(end) if self.read[i].said]
        written = next((i for i in reversed(said) if not self.observed(i)), None)
        return {*said[-1:], *([] if written is None else [written])}

    def asked_again(self, end: int) -> set[str]:
        """Ids of calls that were made again before ``end``, with the same name and arguments, and not in vain."""
        if end not in self._again:
            before = self.messages[:end]
            sizes = {output.call: len(output.text) for message in before for output in outputs(message)}
            latest: dict[str, str] = {}
            found: set[str] = set()
            for call, asked in (each for message in before for each in calls(message)):
                earlier = latest.get(asked)
                if earlier is not None and sizes.get(call, 0) >= min(sizes.get(earlier, 0), IN_VAIN):
                    found.add(earlier)
                latest[asked] = call
            self._again[end] = found - set(latest.values())
        return self._again[end]

    def in_progress(self, end: int) -> int:
        """Where the turn that is not finished at ``end`` begins: behind what was last said in the user's name."""
        return next((i + 1 for i in range(end - 1, -1, -1) if self.read[i].said), 0)


def conversation(messages: Sequence[Json], count: Callable[[str], int]) -> Conversation | None:
    """The messages in groups; None for a list that no provider would accept, or of a shape that is not known."""
    read = [_read(message) for message in messages]
    if not all(read):
        return None
    known = [each for each in read if each is not None]
    spans = _spans(known)
    if spans is None:
        return None
    alternates = any(map(_is_anthropic, messages)) or not any(map(_is_openai, messages))
    sizes = [tokens_of(message, count) for message in messages]
    return Conversation(messages, known, _groups(known, spans), alternates, sizes)


def tokens_of(message: Json, count: Callable[[str], int]) -> int:
    """About how many tokens a message has in the prompt."""
    found = _BESIDE
    for segment in segments({"messages": [message]}):
        found += OPAQUE_TOKENS if segment.kind in {"image", "document"} else count(segment.text)
    return found


def said(message: Json) -> str:
    """The text of a message, without results, thinking and calls."""
    content = message.get("content")
    if not is_array(content):
        return text(content)
    return "\n\n".join(text(block.get("text")) for block in objects(content) if block.get("type") == "text")


def calls(message: Json) -> Iterator[tuple[str, str]]:
    """The client's calls in an assistant's message: their ids, and name and arguments as one text."""
    for call in objects(message.get("tool_calls")):
        function = mapping(call.get("function"))
        yield text(call.get("id")), f"{text(function.get('name'))} {text(function.get('arguments'))}"
    for block in _of(objects(message.get("content")), {"tool_use"}):
        yield text(block.get("id")), f"{text(block.get('name'))} {msgspec.json.encode(block.get('input')).decode()}"


def _is_openai(message: Json) -> bool:
    return message.get("role") in _OPENAI_ROLES or "tool_calls" in message or "function_call" in message


def _is_anthropic(message: Json) -> bool:
    return any(True for _ in _of(objects(message.get("content")), _ANTHROPIC))


def _read(message: Json) -> Message | None:
    role = text(mapping(message).get("role"))
    if role in SYSTEM:
        return Message("system")
    if role == "user":
        blocks = objects(message.get("content"))
        answers = tuple(text(each.get("tool_use_id")) for each in blocks if each.get("type") == "tool_result")
        words = said(message)
        opaque = any(each.get("type") not in {"tool_result", "text"} for each in blocks)
        return Message("user", answers=answers, said=words or ("(an attachment)" if opaque else ""))
    if role == "assistant":
        return _assistant(message)
    if role == "tool":
        return Message("tool", answers=(text(message.get("tool_call_id")),))
    return Message("tool", answers=(f"function {text(message.get('name'))}",)) if role == "function" else None


def _assistant(message: Json) -> Message:
    blocks = objects(message.get("content"))
    owed = [text(each.get("id")) for each in (*objects(message.get("tool_calls")), *_of(blocks, {"tool_use"}))]
    if legacy := mapping(message.get("function_call")):
        owed.append(f"function {text(legacy.get('name'))}")
    served = [text(each.get("id")) for each in blocks if text(each.get("type")) in {"server_tool_use", "mcp_tool_use"}]
    results = [each for each in blocks if text(each.get("type")).endswith("_tool_result")]
    thinks = bool(message.get("reasoning_content")) or any(True for _ in _of(blocks, _THINKING))
    return Message(
        "assistant",
        opens=(*owed, *served),
        owed=tuple(owed),
        answers=tuple(text(each.get("tool_use_id")) for each in results),
        thinks=thinks,
    )


def _of(blocks: Sequence[Json], kinds: set[str] | frozenset[str]) -> Iterator[Json]:
    return (block for block in blocks if block.get("type") in kinds)


def _spans(read: Sequence[Message]) -> list[tuple[int, int]] | None:
    """From each call to the message with its result; None where a result or a call stands alone.

    An id may come again in a later turn, as some models number their calls anew: the latest call of it counts.
    """
    found: list[tuple[int, int]] = []
    opened: dict[str, int] = {}
    owed: dict[str, int] = {}
    for index, message in enumerate(read):
        if message.role == "assistant" and owed:
            return None
        own = dict.fromkeys(message.opens, index)
        for call in message.answers:
            if call not in opened and call not in own:
                return None
            found.append((own.get(call, opened.get(call, index)), index))
            owed.pop(call, None)
        opened |= own
        owed |= {call: index for call in message.owed if call not in message.answers}
    return None if any(index < len(read) - 1 for index in owed.values()) else found


def _groups(read: Sequence[Message], spans: Sequence[tuple[int, int]]) -> list[Group]:
    """The fewest messages that are whole: no call without its result, no answer in two messages cut in two."""
    reach = list(range(1, len(read) + 1))
    for start, end in spans:
        reach[start] = max(reach[start], end + 1)
    found: list[Group] = []
    start = 0
    while start < len(read):
        end = start
        limit = start + 1
        while end < limit:
            limit = max(limit, reach[end])
            end += 1
            follows = end < len(read) and read[end - 1].role == read[end].role == "assistant"
            limit = max(limit, end + follows)
        found.append(Group(start, end))
        start = end
    return found
