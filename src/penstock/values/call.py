"""A call, as a view on a wire body.

A `Call` keeps the bytes that a client sent and what they parse to. Policies never touch a body: they look at its
`Segment`s and answer with `Edit`s. Without an edit the very bytes that came in go out, so a field that a provider
adds tomorrow works tomorrow.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import msgspec

from penstock.errors import BadInput
from penstock.values.scope import Scope
from penstock.values.segments import Path, Segment, segments
from penstock.values.shape import entries, mapping

__all__ = ["Call", "Credential", "Edit", "Reuse", "Undo", "chat_limit"]

Reuse: TypeAlias = Literal["auto", "always", "off"]
"""Whether a stored reply may answer; ``auto``: only where the caller did not ask for variety."""


_MAX_TOKENS = ("max_completion_tokens", "max_tokens", "max_output_tokens")

_MOST = 1 << 53
"""A number of tokens or answers beyond this counts as this, so that what is computed from it can be written."""

_SILENT = frozenset({"embeddings", "count_tokens"})
"""Wire formats of endpoints that generate no tokens."""


def chat_limit(model: str) -> str:
    """How a chat completion says the most tokens of its answer.

    OpenAI's reasoning models refuse ``max_tokens``; most other servers of that format know nothing else.

    >>> chat_limit("gpt-5-mini"), chat_limit("gpt-4o")
    ('max_completion_tokens', 'max_tokens')
    """
    newer = model.rpartition("/")[2].startswith(("o1", "o3", "o4", "gpt-5", "gpt-6"))
    return "max_completion_tokens" if newer else "max_tokens"


class Credential(msgspec.Struct, frozen=True):
    """A key for an upstream, and the request header that a client sent it in; none: the usual one. Never stored."""

    key: str
    header: str = ""

    def __repr__(self) -> str:
        """Without the key."""
        return f"Credential({self.header})"


class Undo(msgspec.Struct, frozen=True):
    """How the bill of a call would differ without an edit, as far as that edit alone changed it."""

    input_tokens: int = 0
    """Prompt tokens that the edit took away, by the o200k vocabulary; negative when it added some."""
    output_tokens: int = 0
    model: str | None = None
    """The model that would have answered; None when the edit kept it."""
    uncached: bool = False
    """Without the edit the provider would have cached nothing: what it read and wrote would be plain input."""
    reads: int = -1
    """Tokens that would have been read from the provider's cache without the edit, where it changes what is read; -1:
    what it took away tells that by its place."""
    place: float = 1.0
    """Where in the prompt it took tokens away: what part of it stands before. They would have been read from the
    provider's cache, or written to it, where what stands beside them was."""


class Edit(msgspec.Struct, frozen=True):
    """One change to a body, and why.

    Edits apply in order, each to the outcome of those before it. ``set`` puts ``value`` at ``path``, ``insert`` puts
    it into a list before the index at the end of ``path``, ``remove`` takes out what is there.
    """

    mechanism: str
    path: Path
    op: Literal["set", "insert", "remove"]
    value: Any = None
    undo: Undo = Undo()
    evidence: Mapping[str, Any] = {}


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One request to a model. Build it with `Call.parse`; nothing in ``body`` is ever changed in place."""

    dialect: str
    """The wire format: ``openai`` (chat completions), ``responses``, ``embeddings``, ``anthropic`` (messages) or
    ``count_tokens``."""
    provider: str
    """The name of the provider in the configuration."""
    origin: str = ""
    """Where the provider is reached, so that two servers under one name never answer for each other."""
    raw: bytes
    body: Mapping[str, Any]
    query: str = ""
    """What followed the question mark in the path, such as ``beta=true``; it goes upstream."""
    headers: tuple[tuple[str, str], ...] = ()
    """Request headers that go upstream, names in lower case."""
    scope: Scope = Scope()
    edits: tuple[Edit, ...] = ()
    reuse: Reuse = "auto"
    fresh: bool = False
    """Ask anew, and store the new answer over the old one."""
    again: bool = False
    """A client's own retry: it takes over what an earlier try of it has set off, if that is still under way."""
    off: frozenset[str] = frozenset()
    """Mechanisms to leave out; ``all`` leaves out every one."""
    deadline: float | None = None
    """When the answer stops being wanted: seconds on the engine's monotonic clock."""
    credential: Credential | None = None
    """The client's own key, handed on to the upstream."""
    fitting: bool = False
    """The caller set no ``max_tokens`` of its own: what stands in the body may be fitted to a budget."""
    tried: tuple[str, ...] = ()
    """The providers that failed before this one was asked in their place."""
    warms: bool = False
    """Made so that others find its prompt in the provider's cache: all of it before its last block."""
    charged_to: str = ""
    """The mechanism that this call is made for: what it costs is that mechanism's loss. Empty: the user asked."""

    @classmethod
    def parse(cls, raw: bytes, *, dialect: str, provider: str, **fields: Any) -> Call:
        """A call from the bytes of a request body.

        Raises `BadInput` when they are not a JSON object.

        >>> Call.parse(b'{"model": "m", "messages": []}', dialect="openai", provider="openai").model
        'm'
        """
        try:
            body = msgspec.json.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise BadInput(f"the request body is not JSON: {error}", mend="send a JSON object") from None
        if not isinstance(body, dict):
            raise BadInput("the request body is JSON but not an object", mend='send {"model": ..., "messages": [...]}')
        return cls(dialect=dialect, provider=provider, raw=raw, body=mapping(body), **fields)

    @property
    def model(self) -> str:
        """The model asked for, after all edits; empty when the body names none."""
        return self._text("model")

    @property
    def stream(self) -> bool:
        """Whether the client wants events as they come. Where nothing is generated there are none to come."""
        return self.body.get("stream") is True and self.dialect not in _SILENT

    @property
    def max_tokens(self) -> int | None:
        """The most tokens that one answer may have, where the body sets it; 0 where nothing is generated.

        Of several limits the highest counts, since it depends on the server which of them holds; one below 1 means no
        limit to some servers, and is none here.
        """
        if self.dialect in _SILENT:
            return 0
        given = (self.body.get(name) for name in _MAX_TOKENS)
        return max(
            (min(limit, _MOST) for limit in given if isinstance(limit, int) and limit is not True and limit > 0),
            default=None,
        )

    @property
    def max_tokens_field(self) -> str:
        """The name under which this body sets, or would set, the most tokens of an answer.

        A body that sets one keeps its own. See `chat_limit`; responses have ``max_output_tokens``.
        """
        if self.dialect == "responses":
            return "max_output_tokens"
        for name in _MAX_TOKENS:
            if name in self.body:
                return name
        return chat_limit(self.model) if self.dialect == "openai" else "max_tokens"

    @property
    def answers(self) -> int:
        """How many answers one request asks for (``n`` of chat completions)."""
        n = self.body.get("n")
        return min(n, _MOST) if isinstance(n, int) and n > 1 else 1

    def allows(self, mechanism: str) -> bool:
        """Whether the caller left this mechanism on."""
        return "all" not in self.off and mechanism not in self.off

    def segments(self) -> list[Segment]:
        """The parts of the prompt as they stand after all edits."""
        return segments(self.body)

    def edited(self, *edits: Edit) -> Call:
        """This call with further edits applied. Without any: this very call."""
        if not edits:
            return self
        body: Any = self.body
        for edit in edits:
            body = _apply(body, edit.path, edit)
        return msgspec.structs.replace(self, body=body, edits=(*self.edits, *edits))

    def without(self, mechanism: str) -> Call:
        """This call as it were if the mechanism had edited nothing. What others edited must not build on that."""
        kept = [edit for edit in self.edits if edit.mechanism != mechanism]
        if len(kept) == len(self.edits):
            return self
        return msgspec.structs.replace(self, body=mapping(msgspec.json.decode(self.raw)), edits=()).edited(*kept)

    def wire(self) -> bytes:
        """The body to send: the original bytes when nothing was edited."""
        return msgspec.json.encode(self.body) if self.edits else self.raw

    def _text(self, field: str) -> str:
        value = self.body.get(field)
        return value if isinstance(value, str) else ""


def _apply(node: Any, path: Path, edit: Edit) -> Any:
    """The node with one edit below it applied; what the edit does not touch is shared, not copied."""
    head, rest = path[0], path[1:]
    copy: Any = entries(node).copy() if isinstance(node, list) else dict(node)
    if rest:
        copy[head] = _apply(copy[head], rest, edit)
    elif edit.op == "set":
        copy[head] = edit.value
    elif edit.op == "insert":
        copy.insert(head, edit.value)
    else:
        del copy[head]
    return copy
