"""A stream of message events, made into a reply as it comes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from penstock.errors import BrokenReply
from penstock.providers.anthropic.usage import updated, usage_of
from penstock.providers.assembly import Assembly
from penstock.providers.failure import broken
from penstock.providers.shape import Json, mapping, parse, strings, text
from penstock.providers.sse import Event
from penstock.values import Reply, Usage

__all__ = ["MessageAssembler", "payloads"]

_READ = frozenset(
    {"", "message_start", "content_block_start", "content_block_delta", "message_delta", "message_stop", "error"}
)
"""Events that mean something to us. All others (``ping``, and what is new tomorrow) are handed on unread."""

_NOT_GENERATED = frozenset({"type", "signature", "id", "encrypted_content"})


class MessageAssembler(Assembly):
    """Ends with ``message_stop``, after a ``message_start`` and a ``message_delta`` with the ``stop_reason``."""

    def __init__(self) -> None:
        super().__init__()
        self._begun = False
        self._stopped = False
        self._model = ""
        self._reason = ""
        self._usage: Json = {}
        self._blocks: dict[int, list[str] | None] = {}

    @property
    def usage(self) -> Usage | None:
        """What the start and the later deltas have reported, put together."""
        return usage_of(self._usage)

    @property
    def _ended(self) -> bool:
        return self._begun and self._stopped and bool(self._reason)

    def _read(self, event: Event) -> str:
        if event.name not in _READ or not event.data or self._stopped:
            return ""
        body = parse(event.data)
        match body.get("type") or event.name:
            case "content_block_delta":
                return self._delta(body)
            case "content_block_start":
                return self._block(body)
            case "message_start":
                self._start(mapping(body.get("message")))
            case "message_delta":
                self._reason = text(mapping(body.get("delta")).get("stop_reason")) or self._reason
                self._usage = updated(self._usage, mapping(body.get("usage")))
            case "message_stop":
                self._stopped = True
            case "error":
                raise broken(body, event.data, event=event.raw if event.name else b"")
            case _:
                pass
        return ""

    def _start(self, message: Json) -> None:
        if not self._begun:
            self._begun = True
            self._model = text(message.get("model"))
            self._usage = mapping(message.get("usage"))

    def _block(self, body: Json) -> str:
        block = mapping(body.get("content_block"))
        kind = block.get("type")
        said = text(block.get("text")) if kind == "text" else ""
        self._blocks[_index(body)] = [said] if kind == "text" else None
        if kind == "fallback":
            self._model = text(mapping(block.get("to")).get("model")) or self._model
        return said

    def _delta(self, body: Json) -> str:
        index = _index(body)
        if index not in self._blocks or not self._begun:
            raise BrokenReply(f"the stream adds to content block {index}, which never began")
        said = self._blocks[index]
        if said is None:
            return ""
        added = text(mapping(body.get("delta")).get("text"))
        said.append(added)
        return added

    def _reply(self, raw: bytes) -> Reply:
        spoken = "".join("".join(said) for _, said in sorted(self._blocks.items()) if said is not None)
        return Reply("anthropic", raw, True, spoken, self._reason, self._model, self.usage)

    def _generated(self, event: Event) -> Iterator[str]:
        for body in payloads((event,)):
            for grown in ("delta", "content_block"):
                yield from strings(body.get(grown), _NOT_GENERATED)


def payloads(events: Iterable[Event]) -> Iterator[Json]:
    """The JSON of the events of a stream, in order, with their type; what is no JSON is left out."""
    for event in events:
        if event.data.startswith(b"{"):
            try:
                body = parse(event.data)
            except BrokenReply:
                continue
            yield body if body.get("type") else {**body, "type": event.name}


def _index(body: Json) -> int:
    index = body.get("index")
    if isinstance(index, int):
        return index
    raise BrokenReply("an event of the stream does not say which content block it is about")
