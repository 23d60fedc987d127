"""The library without async: the same engine on a loop of its own, in a portal thread."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Coroutine, Generator, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from penstock.client.lm import LM, open
from penstock.client.reply import Reply
from penstock.ledger import Limits, Receipt

if TYPE_CHECKING:
    from penstock.policy.compress.compressed import Compressed

__all__ = ["SyncLM", "open_sync"]

T = TypeVar("T")


class Portal:
    """An event loop in a thread. `call` runs a coroutine there; Ctrl-C while waiting cancels it there."""

    def __enter__(self) -> Portal:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="penstock", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.call(self._loop.shutdown_asyncgens())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """The result of a coroutine that runs on the loop."""
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    @contextmanager
    def opened(self, context: AbstractAsyncContextManager[T]) -> Generator[T]:
        """An async context, entered and left on the loop."""
        value = self.call(_enter(context))
        try:
            yield value
        except BaseException as error:
            self.call(_leave(context, error))
            raise
        self.call(_leave(context, None))


async def _enter(context: AbstractAsyncContextManager[T]) -> T:
    return await context.__aenter__()


async def _leave(context: AbstractAsyncContextManager[Any], error: BaseException | None) -> None:
    await context.__aexit__(type(error) if error else None, error, None)


@contextmanager
def open_sync(
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
) -> Generator[SyncLM]:
    """`open` for code that is not async: a context that gives a `SyncLM`. It may be called from any thread.

    >>> import penstock
    >>> with penstock.open_sync(provider="embedded") as lm:
    ...     lm("Which one is late?", context="The bus is early. The train is late.").cost
    $0.00
    """
    with Portal() as portal:
        opened = open(
            provider=provider,
            base_url=base_url,
            api_key=api_key,
            model=model,
            budget=budget,
            scope=scope,
            max_concurrency=max_concurrency,
            fit=fit,
            home=home,
            config=config,
        )
        with portal.opened(opened) as lm:
            yield SyncLM(lm, portal)


class SyncLM:
    """An `LM` whose calls block."""

    def __init__(self, lm: LM, portal: Portal) -> None:
        self._lm = lm
        self._portal = portal

    def __call__(self, prompt: str, **options: Any) -> Reply:
        """The answer to a prompt; the options are those of `LM`."""
        return self._portal.call(self._lm(prompt, **options))

    def stream(self, prompt: str, **options: Any) -> Iterator[str]:
        """The answer as it comes, in pieces of text."""
        pieces = self._lm.stream(prompt, **options)
        try:
            while (piece := self._portal.call(_next(pieces))) is not None:
                yield piece
        finally:
            self._portal.call(pieces.aclose())

    def compress(self, text: str, **options: Any) -> Compressed:
        """What matters of a text in few tokens; see `LM.compress`."""
        return self._portal.call(self._lm.compress(text, **options))

    def prewarm(self, context: str, **options: Any) -> Reply:
        """Have the provider cache a context; see `LM.prewarm`."""
        return self._portal.call(self._lm.prewarm(context, **options))

    def restore(self, marker: str) -> str:
        """The original of a text that was compressed; see `LM.restore`."""
        return self._portal.call(self._lm.restore(marker))

    @property
    def ledger(self) -> Receipt:
        """All that was asked, spent and saved so far."""
        return self._lm.ledger


async def _next(pieces: AsyncIterator[str]) -> str | None:
    return await anext(pieces, None)
