"""A stream of response events, made into a reply as it comes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from penstock.errors import BrokenReply
from penstock.providers.assembly import Assembly
from penstock.providers.failure import broken
from penstock.providers.responses.usage import usage_of
from penstock.providers.shape import Json, count, entries, mapping, objects, parse, text
from penstock.providers.sse import Event, split
from penstock.values import Reply, Usage

__all__ = ["ResponseAssembler", "checked", "finish_of", "fold", "spoken"]

_TEXT = "response.output_text.delta"
_LAST = frozenset({"response.completed", "response.incomplete", "response.failed", "response.cancelled"})
_READ = frozenset({"", "error", _TEXT, *_LAST})
"""Events that mean something to us. All others are handed on unread: whatever they bring, the last one repeats it."""

_MEDIA = ("response.audio.delta", "response.output_audio.delta")


class ResponseAssembler(Assembly):
    """Ends with the event that carries the whole response: ``response.completed`` or ``response.incomplete``.

    There is no ``[DONE]``. A response that failed or was cancelled is no answer, but its usage counts.
    """

    def __init__(self) -> None:
        super().__init__()
        self._said: list[str] = []
        self._response: Json | None = None
        self._finish = ""

    @property
    def usage(self) -> Usage | None:
        """What the last event has reported."""
        return usage_of((self._response or {}).get("usage"))

    @property
    def _ended(self) -> bool:
        return bool(self._finish)

    def _read(self, event: Event) -> str:
        if event.name not in _READ or not event.data or self._finish or event.data.startswith(b"[DONE]"):
            return ""
        body = parse(event.data)
        kind = text(body.get("type")) or event.name
        if kind == "error" or body.get("error"):
            raise broken(body, event.data)
        if kind == _TEXT:
            added = text(body.get("delta"))
            self._said.append(added)
            return added
        return self._close_with(kind, body, event) if kind in _LAST else ""

    def _close_with(self, kind: str, body: Json, event: Event) -> str:
        """Takes the whole response in; the text that no delta before it brought."""
        ended = kind.removeprefix("response.")
        self._response = mapping(body.get("response"))
        checked(self._response, event.data, ended=ended, event=event.raw)
        if not self._response.get("output"):
            self._response = fold(self._raw)
        said, whole = "".join(self._said), spoken(self._response)
        added = whole[len(said) :] if whole.startswith(said) else ""
        self._said.append(added)
        self._finish = finish_of(self._response, ended=ended)
        return added

    def _reply(self, raw: bytes) -> Reply:
        response = self._response or {}
        return Reply("responses", raw, True, "".join(self._said), self._finish, text(response.get("model")), self.usage)

    def _generated(self, event: Event) -> Iterator[str]:
        """Text, reasoning, arguments, code: whatever grows does so by events whose name ends in ``delta``."""
        if not event.data.startswith(b"{"):
            return
        try:
            body = parse(event.data)
        except BrokenReply:
            return
        kind = text(body.get("type")) or event.name
        if kind.endswith(".delta") and kind not in _MEDIA:
            yield text(body.get("delta"))


def checked(response: Json, raw: bytes, *, ended: str = "", event: bytes = b"") -> None:
    """Raises `BrokenReply` when this response failed, was cancelled, or is none.

    ``ended`` is the word of the ``event`` that ends a stream, which may leave out the output: it was said item by item.
    """
    status = text(response.get("status")) or ended
    if response.get("error") or status in {"failed", "cancelled"}:
        raise broken(response.get("error") or {"message": f"the response was {status}"}, raw, event=event)
    output = response.get("output")
    if not isinstance(output, list) and not (ended and response and output is None):
        raise BrokenReply("the answer is a response without output", body=raw)


def finish_of(response: Json, *, ended: str = "completed") -> str:
    """How a response ended: its status, and the reason where it is incomplete.

    >>> finish_of({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}})
    'incomplete:max_output_tokens'
    """
    status = text(response.get("status")) or ended
    reason = text(mapping(response.get("incomplete_details")).get("reason"))
    return f"{status}:{reason}" if status == "incomplete" and reason else status


def spoken(response: Json) -> str:
    """The text that a user sees: that of all text parts of all messages, in order."""
    return "".join(
        text(part.get("text"))
        for item in objects(response.get("output"))
        if item.get("type") == "message"
        for part in objects(item.get("content"))
        if part.get("type") == "output_text"
    )


def fold(raw: bytes) -> Json:
    """The response that a whole stream ends with, which is what the same call would have got without streaming.

    Some servers leave the output out there: then it is that of the items as each was done.
    """
    response: Json = {}
    done: dict[int, Any] = {}
    for event in split(raw):
        if event.name not in _LAST and event.name not in {"", "response.output_item.done"}:
            continue
        body = _object(event.data)
        kind = text(body.get("type")) or event.name
        if kind == "response.output_item.done":
            done[count(body.get("output_index")) or 0] = body.get("item")
        elif kind in _LAST:
            response = mapping(body.get("response"))
            break
    if entries(response.get("output")):
        return response
    return {**response, "output": [done[index] for index in sorted(done)]}


def _object(data: bytes) -> Json:
    try:
        return parse(data)
    except BrokenReply:
        return {}
