"""A circuit breaker: an upstream that fails every time is left alone for a moment, and asked by one call, not by all.

After M. Nygard, "Release It!" (2007), chapter 5.2. It stands around a provider, outside its retries.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from penstock.clock import Clock
from penstock.errors import Overloaded, ProviderError, Unreachable
from penstock.providers.port import Answer, Billed, Provider, Slot, anywhere, ignore
from penstock.values import Call

__all__ = ["Breaker"]


class Breaker:
    """A `penstock.providers.port.Provider` that stops asking another one while that one fails.

    It opens after ``failures`` in a row, none more than ``window`` seconds after the one before it: no connection, or a
    status of 5xx. While it is open each call gets the last error at once. After ``rest`` seconds one call is let
    through: if that is answered the breaker closes, else it rests again. Refusals (4xx, 429 among them) and callers
    that leave say nothing about the upstream's health.
    """

    def __init__(
        self, provider: Provider, clock: Clock, *, failures: int = 5, window: float = 10.0, rest: float = 1.0
    ) -> None:
        self.opened = 0
        """How often it has opened."""
        self._provider = provider
        self._clock = clock
        self._most = failures
        self._window = window
        self._rest = rest
        self._failed = 0
        self._last = float("-inf")
        self._error: ProviderError | None = None
        self._again = 0.0
        self._probing = False

    @property
    def name(self) -> str:
        """The name in the configuration."""
        return self._provider.name

    @property
    def dialect(self) -> str:
        """The wire format that new questions to it are written in."""
        return self._provider.dialect

    @property
    def dialects(self) -> Sequence[str]:
        """Every wire format that it answers."""
        return self._provider.dialects

    @property
    def origin(self) -> str:
        """The base URL."""
        return self._provider.origin

    @property
    def open(self) -> bool:
        """Whether the upstream is left alone now."""
        return self._error is not None

    async def close(self) -> None:
        """Give back connections."""
        await self._provider.close()

    def send(self, call: Call, billed: Billed = ignore, slot: Slot = anywhere) -> AbstractAsyncContextManager[Answer]:
        """One exchange. Raises what the provider raises, or the last error while the upstream is left alone."""
        return self._probe(call, billed, slot) if self._error is not None else self._observe(call, billed, slot)

    @asynccontextmanager
    async def _observe(self, call: Call, billed: Billed, slot: Slot) -> AsyncGenerator[Answer]:
        begun = False
        try:
            async with self._provider.send(call, billed, slot) as answer:
                begun = True
                self._failed, self._error = 0, None
                yield answer
        except ProviderError as error:
            if not begun:
                self._note(error)
            raise

    @asynccontextmanager
    async def _probe(self, call: Call, billed: Billed, slot: Slot) -> AsyncGenerator[Answer]:
        error = self._error
        if error is not None and (self._probing or self._clock.monotonic() < self._again):
            raise _again(error, self.name)
        self._probing = True
        try:
            async with self._observe(call, billed, slot) as answer:
                self._probing = False
                yield answer
        finally:
            self._probing = False

    def _note(self, error: ProviderError) -> None:
        if error.status < 500 and not isinstance(error, Unreachable):
            self._failed, self._error = 0, None  # it refuses, so it is well
            return
        now = self._clock.monotonic()
        self._failed = self._failed + 1 if now - self._last <= self._window else 1
        self._last = now
        if self._probing or (self._error is None and self._failed >= self._most):
            self.opened += self._error is None
            self._error = error
            self._again = now + self._rest


def _again(error: ProviderError, name: str) -> ProviderError:
    """The last error, said once more without having asked."""
    kind = type(error) if isinstance(error, Unreachable) else Overloaded
    said = f"{name} keeps failing and is left alone for a moment; it said: {error.message}"
    return kind(said, status=error.status, body=error.body, headers=error.headers, mend="try again in a moment")
