"""A stream of chat completion chunks, made into a reply as it comes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from penstock.errors import BrokenReply
from penstock.providers.assembly import Assembly
from penstock.providers.failure import broken
from penstock.providers.openai.usage import usage_of
from penstock.providers.shape import Json, mapping, objects, parse, strings, text
from penstock.providers.sse import Event
from penstock.values import Reply, Usage

__all__ = ["ChatAssembler", "chunks", "error_in", "visible"]

_NOT_GENERATED = frozenset({"id", "type", "role", "index"})


class ChatAssembler(Assembly):
    """Ends with ``data: [DONE]`` after every choice has its ``finish_reason``.

    Both are asked for: a connection that is cut cleanly looks like a finished one, and the official clients notice
    neither. A server that never sends ``[DONE]`` is told so rather than trusted.
    """

    def __init__(self) -> None:
        super().__init__()
        self._done = False
        self._model: Any = ""
        self._usage: Any = None
        self._texts: dict[int, list[str]] = {}
        self._finishes: dict[int, str] = {}

    @property
    def usage(self) -> Usage | None:
        """The last usage that a chunk carried."""
        return usage_of(self._usage)

    @property
    def _ended(self) -> bool:
        return self._done and bool(self._finishes) and all(self._finishes.values())

    def _read(self, event: Event) -> str:
        data = event.data
        if not data or self._done:
            return ""
        if data.startswith(b"[DONE]"):
            self._done = True
            return ""
        chunk = parse(data)
        if "error" in chunk or chunk.get("object") == "error" or event.name == "error":
            _refuse(chunk, event)
        self._usage = chunk.get("usage") or self._usage
        self._model = chunk.get("model") or self._model
        added = ""
        for choice in objects(chunk.get("choices")):
            if choice.get("finish_reason") == "error":
                _refuse(chunk, event)
            added += self._choice(choice)
        return added

    def _choice(self, choice: Json) -> str:
        index = choice.get("index")
        index = index if isinstance(index, int) else 0
        if index not in self._finishes:
            self._finishes[index] = ""
            self._texts[index] = []
        if finish := choice.get("finish_reason"):
            self._finishes[index] = text(finish)
        content = mapping(choice.get("delta")).get("content")
        if not content:
            return ""
        added = content if isinstance(content, str) else visible(content)
        self._texts[index].append(added)
        return "" if index else added

    def _reply(self, raw: bytes) -> Reply:
        first = min(self._finishes)
        spoken = "".join(self._texts[first])
        return Reply("openai", raw, True, spoken, self._finishes[first], text(self._model), self.usage)

    def _generated(self, event: Event) -> Iterator[str]:
        for chunk in chunks((event,)):
            for choice in objects(chunk.get("choices")):
                yield from strings(choice.get("delta"), _NOT_GENERATED)


def _refuse(chunk: Json, event: Event) -> None:
    error = error_in(chunk)
    if error:
        raise broken(error, event.data, event=event.raw)
    if event.name == "error":
        raise broken(chunk, event.data)


def visible(content: Any) -> str:
    """The text that a user sees of a message's content: a string, or the text among its parts."""
    if isinstance(content, str):
        return content
    return "".join(text(part.get("text")) for part in objects(content) if part.get("type") in {"text", "output_text"})


def error_in(body: Json) -> Any:
    """The error object in what should have been an answer; None when there is none.

    Besides ``{"error": ...}`` there are vLLM's older ``{"object": "error"}`` and OpenRouter's choice whose
    ``finish_reason`` is ``error``.
    """
    if body.get("error"):
        return body["error"]
    if body.get("object") == "error":
        return body
    for choice in objects(body.get("choices")):
        if choice.get("finish_reason") == "error":
            return choice.get("error") or {"message": "the model stopped with an error"}
    return None


def chunks(events: Iterable[Event]) -> Iterator[Json]:
    """The chunks among the events of a stream, in order; what is none is left out."""
    for event in events:
        if event.data.startswith(b"{"):
            try:
                yield parse(event.data)
            except BrokenReply:
                continue
