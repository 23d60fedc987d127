"""Every error that penstock raises on purpose.

    PenstockError
    ├── BadInput              mend what you passed in           exit 2
    │   └── ConfigError       mend penstock.toml or a variable  exit 2
    ├── BudgetExceeded        raise the budget, or ask for less exit 3
    │   └── Unpriced          name a price, or allow unpriced   exit 3
    ├── ProviderError         what an upstream did              exit 4
    │   ├── Rejected          change the request                (400, 404, 413, 422 ...)
    │   ├── KeyRefused        change the key                    (401, 403)
    │   ├── Overloaded        try again later                   (408, 409, 429, 5xx, 529)
    │   ├── Unreachable       check the address or the network
    │   └── BrokenReply       the bytes that came are no whole answer
    ├── DeadlineExceeded      allow more time                   exit 5
    └── Cancelled             nothing: nobody waits any more    exit 130

A class says what the caller can do about it; ``mend`` says it in words. Messages are one line and carry no key.
"""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "BadInput",
    "BrokenReply",
    "BudgetExceeded",
    "Cancelled",
    "ConfigError",
    "DeadlineExceeded",
    "KeyRefused",
    "Overloaded",
    "PenstockError",
    "ProviderError",
    "Rejected",
    "Unpriced",
    "Unreachable",
]


class PenstockError(Exception):
    """Base of all errors raised on purpose. ``str(error)`` is one line: what is wrong, then how to mend it."""

    exit_code: ClassVar[int] = 1

    spent_nano: int | None = None
    """What had been spent when it was raised, where whoever handed it on knows."""

    call_id: str = ""
    """The id of the call that has no answer, of which `penstock why` tells; empty where that is not known."""

    def __init__(self, message: str, *, mend: str = "") -> None:
        super().__init__(f"{message} ({mend})" if mend else message)
        self.message = message
        self.mend = mend


class BadInput(PenstockError):
    """What the caller passed in cannot be used."""

    exit_code = 2


class ConfigError(BadInput):
    """``penstock.toml`` or an environment variable says something that cannot be used."""


class BudgetExceeded(PenstockError):
    """The worst case of a call does not fit a budget above it. Nothing was sent.

    ``limit`` names the dimension (``nano``: money, ``calls`` ...); ``needed`` and ``left`` are in its unit.
    """

    exit_code = 3

    def __init__(self, message: str, *, limit: str = "", needed: int = 0, left: int = 0, mend: str = "") -> None:
        super().__init__(message, mend=mend)
        self.limit = limit
        self.needed = needed
        self.left = left


class Unpriced(BudgetExceeded):
    """A money budget applies and the price of the model is not known. Nothing was sent."""


class ProviderError(PenstockError):
    """An upstream refused, failed or broke off.

    ``status`` is its HTTP status (0 when there was none), ``body`` its very bytes and ``headers`` its reply headers
    in lower case, so that a face can hand them on as they came.
    """

    exit_code = 4

    def __init__(
        self,
        message: str,
        *,
        status: int = 0,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
        mend: str = "",
    ) -> None:
        super().__init__(message, mend=mend)
        self.status = status
        self.body = body
        self.headers = headers or {}


class Rejected(ProviderError):
    """The upstream will never take this request as it is."""


class KeyRefused(ProviderError):
    """The upstream does not accept the key."""


class Overloaded(ProviderError):
    """The upstream may take the same request later; the tries for now are spent."""


class Unreachable(ProviderError):
    """No answer: the connection failed or was lost before the first byte."""


class BrokenReply(ProviderError):
    """The answer is not whole: not the promised format, an error inside a stream, or a stream cut before its end."""

    event: bytes = b""
    """The upstream's own event of a stream that clients raise from; empty where it sent none."""


class DeadlineExceeded(PenstockError):
    """The time limit passed before the answer was there."""

    exit_code = 5


class Cancelled(PenstockError):
    """Everyone who waited for the answer has left; what had been used until then is booked."""

    exit_code = 130
