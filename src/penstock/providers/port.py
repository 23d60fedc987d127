"""The two ports of this room: what a provider is to the engine, and what a wire format is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any, Protocol, TypeAlias, runtime_checkable

import msgspec

from penstock.errors import PenstockError, ProviderError
from penstock.values import Call, Credential, Delta, Reply, Usage

__all__ = ["Answer", "Assembler", "Billed", "Dialect", "Fetched", "Fetcher", "Provider", "Slot", "anywhere", "ignore"]


Billed: TypeAlias = Callable[[bool], None]
"""Told whether a request is under way that the upstream bills even if it breaks off now."""


def ignore(billed: bool) -> None:
    """For who does not want to know."""


Slot: TypeAlias = Callable[[], AbstractAsyncContextManager[None]]
"""Gives a place among the calls that may be in flight at once."""


def anywhere() -> AbstractAsyncContextManager[None]:
    """A place where there is always one."""
    return nullcontext()


class Answer(msgspec.Struct):
    """A response that has begun: its status is a success, its bytes are still to come."""

    chunks: AsyncIterator[bytes]
    """The body as it arrives, cut anywhere."""
    headers: Mapping[str, str] = {}
    """Reply headers, names in lower case."""


class Provider(Protocol):
    """A place that answers calls: an HTTP upstream, the embedded reader, a script in a test.

    ``send`` raises a `ProviderError` when the upstream refuses or cannot be reached; leaving the context before the
    last chunk breaks the exchange off, so that the upstream notices.
    """

    @property
    def name(self) -> str:
        """The name in the configuration."""
        ...

    @property
    def dialect(self) -> str:
        """The wire format that new questions to it are written in."""
        ...

    @property
    def dialects(self) -> Sequence[str]:
        """Every wire format that it answers, ``dialect`` among them."""
        ...

    @property
    def origin(self) -> str:
        """What tells two servers of one name apart: the base URL, or a version."""
        ...

    def send(self, call: Call, billed: Billed = ignore, slot: Slot = anywhere) -> AbstractAsyncContextManager[Answer]:
        """One exchange, at the endpoint of ``call.dialect``. The body is ``call.wire()``.

        ``billed`` is told True when the request goes out: from then on the upstream bills it, even if nobody waits for
        the answer. It is told False when the upstream turned the request down or never got it. ``slot`` is held
        around each try, to its last chunk, and not between tries.
        """
        ...

    async def close(self) -> None:
        """Give back connections."""
        ...


class Fetched(msgspec.Struct, frozen=True):
    """What was read from an upstream: a status of success, headers in lower case, and the whole body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@runtime_checkable
class Fetcher(Protocol):
    """What a `Provider` may be besides: one with other things to read than answers, such as the list of its models.

    Ask with ``isinstance(provider, Fetcher)``.
    """

    async def fetch(
        self,
        path: str,
        *,
        query: str = "",
        headers: Iterable[tuple[str, str]] = (),
        credential: Credential | None = None,
        deadline: float | None = None,
    ) -> Fetched:
        """What lies at ``path`` beside its endpoints: ``models``, ``models/gpt-5``.

        Raises a `ProviderError` when the upstream refuses, cannot be reached, or sends too much.
        """
        ...


class Assembler(Protocol):
    """Makes a whole `Reply` of a stream, however it is cut into chunks."""

    def feed(self, chunk: bytes) -> list[Delta]:
        """The events completed by this chunk. Raises `BrokenReply` on an error event, or on what is no event."""
        ...

    @property
    def over(self) -> bool:
        """Whether all is said, well or not: its terminal event has come, or an error."""
        ...

    def last(self) -> list[Delta]:
        """What the end of the body completes: a terminal event that lacks its empty line. Raises as ``feed`` does."""
        ...

    def end(self) -> Reply:
        """The whole reply. Raises `BrokenReply` if the stream stopped before its terminal event."""
        ...

    @property
    def usage(self) -> Usage | None:
        """What the provider has reported so far."""
        ...

    @property
    def text(self) -> str:
        """All that was generated so far, reasoning and tool arguments among it: what a broken stream is charged by."""
        ...


class Dialect(Protocol):
    """Pure functions between the bytes of one endpoint's wire format and the values."""

    @property
    def name(self) -> str:
        """One of `penstock.providers.dialects.NAMES`."""
        ...

    @property
    def family(self) -> str:
        """Whose it is, ``openai`` or ``anthropic``: an upstream speaks all wire formats of one family."""
        ...

    @property
    def path(self) -> str:
        """Where it lies below a base URL that ends in ``/v1``: ``chat/completions``, ``messages``."""
        ...

    def reply(self, raw: bytes, *, streamed: bool) -> Reply:
        """A whole reply from its bytes. Raises `BrokenReply` when they are none: HTML, cut JSON, an error."""
        ...

    def assembler(self) -> Assembler:
        """A fresh assembler for one stream."""
        ...

    def events(self, reply: Reply) -> list[bytes]:
        """The reply as events, as a live stream brings them, usage and terminal event included."""
        ...

    def body(self, reply: Reply) -> bytes:
        """The reply as the JSON body of a call that does not stream."""
        ...

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        """The typed error of an unsuccessful response. Its message is one line and says how to mend it."""
        ...

    def refusal(self, error: PenstockError, *, request_id: str) -> tuple[int, bytes]:
        """An error of ours in the shape that this wire's own clients raise from: status and JSON body."""
        ...

    def error_event(self, error: PenstockError) -> bytes:
        """The same inside a stream that has begun: the event that its clients raise from. It is the last one."""
        ...

    def ask_usage(self, call: Call) -> bytes:
        """The body to send so that a stream reports its usage too: ``call.wire()`` where nothing need be asked."""
        ...

    def hide_usage(self, event: bytes) -> bytes | None:
        """An event as the client would have seen it had ``ask_usage`` asked nothing; None: the client would not have.

        Only for streams whose body ``ask_usage`` changed.
        """
        ...

    def question(
        self,
        *,
        model: str,
        messages: Sequence[Mapping[str, Any]],
        system: str | None,
        max_tokens: int | None,
        temperature: float | None,
        stream: bool,
    ) -> dict[str, Any]:
        """A request body; ``messages`` are ``{"role": "user" | "assistant", "content": text, or a list of texts}``."""
        ...

    def headers(self, credential: Credential | None) -> dict[str, str]:
        """The request headers that carry the key and the protocol version.

        A key goes in the header that it came in, where this wire knows that one, else in the usual one.
        """
        ...
