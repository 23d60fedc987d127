"""A circuit breaker: an upstream that fails every time is left alone for a moment, and asked by one call, not by all.

After M. Nygard, "Release It!" (2007), chapter 5.2. It stands around a provider and its retries, and has a say before
each of them: a retry that was due while the upstream is left alone is not made.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from types import TracebackType

from penstock.clock import Clock
from penstock.errors import Overloaded, ProviderError, Unreachable
from penstock.providers.port import Answer, Billed, Provider, Slot, anywhere, ignore
from penstock.values import Call

__all__ = ["Breaker"]


class Breaker:
    """A `penstock.providers.port.Provider` that stops asking another one while that one fails.

    It opens after ``failures`` calls in a row, none more than ``window`` seconds after the one before it: their tries
    were spent, and the last one ended without a connection or in a status of 5xx. While it is open each call gets the
    last error at once, but for one every ``rest`` seconds, which may try once: as soon as one of these is answered the
    breaker closes. A slow answer holds up nobody: the next one may try before it has come. Refusals (4xx, 429 among
    them) and callers that leave say nothing about the upstream's health.
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
        return _Exchange(self, self._provider, call, billed, slot)

    def refusal(self) -> ProviderError | None:
        """What keeps a try from going out now: the last error while the upstream is left alone. None: it may."""
        error = self._error
        if error is None:
            return None
        now = self._clock.monotonic()
        if now < self._again:
            return _again(error, self.name)
        self._again = now + self._rest
        return None

    def well(self) -> None:
        """The upstream has answered."""
        self._failed, self._error = 0, None

    def failed(self, error: ProviderError) -> None:
        """A call has failed."""
        if 400 <= error.status < 500:
            return self.well()  # it refuses, so it is well
        if error.status < 500 and not isinstance(error, Unreachable):
            return None
        now = self._clock.monotonic()
        self._failed = self._failed + 1 if now - self._last <= self._window else 1
        self._last = now
        if self._error is not None:
            self._error = error
        elif self._failed >= self._most:
            self.opened += 1
            self._error = error
            self._again = now + self._rest
        return None


class _Exchange(AbstractAsyncContextManager[Answer]):
    """One call and its tries. A provider tells of each try twice: before it goes out, and when it has failed."""

    def __init__(self, breaker: Breaker, provider: Provider, call: Call, billed: Billed, slot: Slot) -> None:
        self._breaker = breaker
        self._provider = provider
        self._call = call
        self._billed = billed
        self._slot = slot
        self._may = False
        self._out = False
        self._kept: ProviderError | None = None
        self._inner: AbstractAsyncContextManager[Answer]

    async def __aenter__(self) -> Answer:
        self._ask_leave()
        self._may = self._breaker.open
        try:
            self._inner = self._provider.send(self._call, self._told, self._slot)
            answer = await self._inner.__aenter__()
        except ProviderError as error:
            if error is not self._kept:
                self._breaker.failed(error)
            raise
        self._breaker.well()
        return answer

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return await self._inner.__aexit__(kind, error, trace)

    def _told(self, billed: bool) -> None:
        self._out = not self._out
        if self._out and not self._may:
            self._ask_leave()
        self._may = False
        self._billed(billed)

    def _ask_leave(self) -> None:
        self._kept = self._breaker.refusal()
        if self._kept is not None:
            raise self._kept


def _again(error: ProviderError, name: str) -> ProviderError:
    """What the last error amounts to, without having asked. What it said was for another caller."""
    kind = type(error) if isinstance(error, Unreachable) else Overloaded
    said = f"{name} keeps failing and is left alone for a moment"
    waits = {key: value for key, value in error.headers.items() if key.startswith("retry-after")}
    return kind(said, status=error.status, headers=waits, mend="try again in a moment")
