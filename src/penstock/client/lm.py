"""The language model as a function: `open` gives an `LM`."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from penstock.client.reply import Reply, conversation, replied
from penstock.config import load
from penstock.errors import BadInput
from penstock.ledger import Limits, Receipt
from penstock.providers.dialects import dialect
from penstock.runtime import Runtime, build, new_id
from penstock.ticket import Ticket
from penstock.values import Call, Reuse, Scope, parse_money

if TYPE_CHECKING:
    import httpx2

    from penstock.policy.compress.compressed import Compressed

__all__ = ["LM", "open"]


_FEWEST_AT_OPENAI = 16
"""Tokens of an answer: its reasoning models refuse to be cut sooner."""


@asynccontextmanager
async def open(
    *,
    provider: str | None = None,
    base_url: str | None = None,
    api_key: str | None = None,
    model: str | None = None,
    budget: str | float | Limits | None = None,
    scope: str | None = None,
    max_concurrency: int | None = None,
    fit: bool = True,
    home: str | os.PathLike[str] | None = None,
    config: str | os.PathLike[str] | None = None,
) -> AsyncGenerator[LM]:
    """An `LM`, open until the context ends. Then calls under way are called off, and everything is settled and stored.

    ``provider`` is a name of ``penstock.toml``, ``openai``, ``anthropic`` or ``embedded``; absent: the first that there
    is a key for, else the embedded reader. ``base_url`` and ``api_key`` are those of any server that speaks the
    provider's format. ``model`` is a tier (``small``, ``large``) or the provider's own name. ``budget`` is money
    (``"$2.00"``, ``"5c"``) in place of the configured one, or `Limits`, for all that is asked through this `LM`; with a
    ``scope``, all processes that open the same ``home`` with that scope share it. A call that sets no ``max_tokens``
    and could cost more than is left is sent with as many answer tokens as are affordable; with ``fit=False`` it is
    refused.

    Raises `ConfigError` and `BadInput`.

    >>> import asyncio, penstock
    >>> async def main():
    ...     async with penstock.open(provider="embedded") as lm:
    ...         reply = await lm("Which one is late?", context="The bus is early. The train is late.")
    ...         return reply.cost
    >>> asyncio.run(main())
    $0.00
    """
    settings = load(config, as_client=True).choosing(provider, base_url)
    if max_concurrency is not None:
        if max_concurrency < 1:
            raise BadInput(f"max_concurrency = {max_concurrency}", mend="at least 1")
        settings = msgspec.structs.replace(settings, max_concurrency=max_concurrency)
    limits = settings.budget.limits()
    if isinstance(budget, Limits):
        limits = budget
    elif budget is not None:
        limits = msgspec.structs.replace(limits, nano=int(parse_money(budget)))
    keys = {settings.default(): api_key} if api_key else {}
    runtime = await build(settings, at=home, shared=scope is not None, keys=keys, fit=fit)
    try:
        place = Scope(session=scope or f"open:{new_id()}")
        await runtime.engine.admission.open(place.path, None if limits == Limits() else limits)
        yield LM(runtime, model=model, scope=place)
    finally:
        await runtime.close()


class LM:
    """A language model behind the engine. Made by `open`; one instance serves any number of concurrent calls."""

    def __init__(self, runtime: Runtime, *, model: str | None, scope: Scope) -> None:
        self.runtime = runtime
        self.scope = scope
        self.model = model

    async def __call__(
        self,
        prompt: str,
        *,
        model: str | None = None,
        max_tokens: int | None = None,
        temperature: float | None = None,
        system: str | None = None,
        context: str | None = None,
        files: Sequence[str | os.PathLike[str]] = (),
        after: Reply | None = None,
        timeout: float | None = None,  # noqa: ASYNC109  the deadline of the call, not of this function
        reuse: Reuse = "auto",
        fresh: bool = False,
    ) -> Reply:
        """The answer to a prompt.

        ``context`` is text that calls share; it stands before the prompt. ``files`` are files and folders to answer
        from: in one call when they fit the model, else in parts whose findings are combined, all in the same budget.
        ``after`` goes on with the conversation of an earlier reply. ``timeout`` is in seconds. ``fresh`` asks anew and
        refreshes the stored answer; ``reuse`` is ``auto``, ``always`` or ``off``.

        Raises `BudgetExceeded` before anything is sent, `ProviderError`, `DeadlineExceeded` and `BadInput`.
        """
        options: dict[str, Any] = {
            "model": model,
            "max_tokens": max_tokens,
            "temperature": temperature,
            "system": system,
            "timeout": timeout,
            "reuse": reuse,
            "fresh": fresh,
        }
        if files:
            from penstock.client.reading import read

            return (await read(self, prompt, files, context=context, after=after, **options)).reply
        return await self.converse(prompt, context, after=after, **options)

    async def converse(
        self,
        prompt: str,
        context: str | None = None,
        scope: Scope | None = None,
        *,
        after: Reply | None = None,
        noted: Callable[[Ticket], None] = lambda ticket: None,
        **options: Any,
    ) -> Reply:
        """One call and its answer; ``scope`` places a sub-call below this `LM`'s own, ``noted`` is given its ticket."""
        messages = conversation(prompt, context, after)
        async with self.runtime.engine.ask(self.call(messages, scope=scope, **options)) as ticket:
            noted(ticket)
            return await replied(ticket, messages)

    async def stream(
        self,
        prompt: str,
        *,
        model: str | None = None,
        max_tokens: int | None = None,
        temperature: float | None = None,
        system: str | None = None,
        context: str | None = None,
        after: Reply | None = None,
        timeout: float | None = None,  # noqa: ASYNC109  as above
        reuse: Reuse = "auto",
        fresh: bool = False,
    ) -> AsyncGenerator[str]:
        """The answer as it comes, in pieces of text. The parameters are those of a plain call.

        A stream that breaks off raises `BrokenReply`: what came until then is no answer. To stop listening is to call
        it off; close the iterator (``aclose``) to do so at once.
        """
        messages = conversation(prompt, context, after)
        call = self.call(
            messages,
            model=model,
            max_tokens=max_tokens,
            temperature=temperature,
            system=system,
            timeout=timeout,
            reuse=reuse,
            fresh=fresh,
            stream=True,
        )
        async with self.runtime.engine.ask(call) as ticket:
            async for delta in ticket.events():
                if delta.text:
                    yield delta.text

    async def prewarm(self, context: str, *, system: str | None = None, model: str | None = None) -> Reply:
        """Have the provider cache a ``context``, before calls come that share it: the first of them is as fast then.

        A call of its own, answered with a token or a few. In money that wins nothing, since the first to come would
        have written the same, so what it costs stands in the ledger as a loss of ``layout``. ``system`` and ``model``
        have to be those of the calls to come. ``usage`` of the reply tells what was written.

        Raises `BadInput` before anything is sent where nothing would be cached.
        """
        messages = conversation("?", context, None)
        name, _ = self.runtime.settings.resolve(model or self.model)
        fewest = 1 if self.runtime.engine.providers[name].dialect == "anthropic" else _FEWEST_AT_OPENAI
        call = self.call(messages, system=system, model=model, max_tokens=fewest, reuse="off")
        call = msgspec.structs.replace(call, warms=True, charged_to="layout")
        return Reply.of(await self.runtime.engine.run(call), messages)

    async def compress(
        self,
        text: str,
        *,
        query: str | None = None,
        target_tokens: int = 2000,
        kind: str | None = None,
        uses: int = 1,
        similar: bool | str | os.PathLike[str] = False,
    ) -> Compressed:
        """What matters of a text in about ``target_tokens`` tokens; `restore` has the rest back.

        As `penstock.compress`, which takes no model: lines of the text, verbatim. Only where what must be kept of them
        does not fit, and a call of the ``small`` model costs less than ``uses`` sendings of the difference, does that
        put the original in its own words; what must be kept is verified afterwards, and added where it is lost.
        ``similar`` has all-MiniLM-L6-v2 look again, on this machine, at the sentences of prose that seem to answer the
        query: as it is installed, or in a folder. Raises `BadInput` if it is not there.
        """
        from penstock.client.shorter import shorter

        return await shorter(
            self, text, query=query, target_tokens=target_tokens, kind=kind, uses=uses, similar=similar
        )

    async def restore(self, marker: str) -> str:
        """The original of a text that was compressed, by the marker in its last line, or the name in that.

        Raises `BadInput` for one that is not known, or not any more.
        """
        from penstock.retrieval import original

        return await original(self.runtime.originals, marker, self.runtime.engine.clock.now())

    @property
    def ledger(self) -> Receipt:
        """All that was asked, spent and saved through this `LM` so far. ``print`` it."""
        return self.runtime.receipts.total(self.scope.session)

    def http_client(self) -> httpx2.AsyncClient:
        """An HTTP client for the official SDKs' async clients: requests run through this engine, without a server.

        ``AsyncOpenAI(http_client=lm.http_client(), api_key="unused")``; ``base_url`` may stay as it is. Needs the
        package of either SDK, which brings ``httpx2``.
        """
        from penstock.client.transport import http_client

        return http_client(self)

    def call(
        self,
        messages: Sequence[Mapping[str, Any]],
        *,
        model: str | None = None,
        max_tokens: int | None = None,
        temperature: float | None = None,
        system: str | None = None,
        timeout: float | None = None,
        reuse: Reuse = "auto",
        fresh: bool = False,
        stream: bool = False,
        scope: Scope | None = None,
    ) -> Call:
        """The call that asks this, without asking it."""
        if max_tokens is not None and max_tokens < 1:
            raise BadInput(f"max_tokens = {max_tokens}", mend="at least 1, or leave it out")
        if timeout is not None and not timeout > 0:
            raise BadInput(f"timeout = {timeout}", mend="a number of seconds above 0, or leave it out")
        engine = self.runtime.engine
        name, chosen = self.runtime.settings.resolve(model or self.model)
        provider = engine.providers[name]
        body = dialect(provider.dialect).question(
            model=chosen,
            messages=messages,
            system=system,
            max_tokens=max_tokens,
            temperature=temperature,
            stream=stream,
        )
        try:
            raw = msgspec.json.encode(body)
        except UnicodeEncodeError:
            raise BadInput("the prompt holds a broken character", mend="pass text that is valid Unicode") from None
        return Call(
            dialect=provider.dialect,
            provider=name,
            origin=provider.origin,
            raw=raw,
            body=body,
            fitting=max_tokens is None,
            scope=scope or self.scope,
            reuse=reuse,
            fresh=fresh,
            deadline=None if timeout is None else engine.clock.monotonic() + timeout,
        )
