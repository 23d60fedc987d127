"""Virtual keys: what a client of the gateway is known by, and what it may do.

A key is ``pk-``, 32 random bytes in url-safe base64, and a checksum, by which a typo or half a copy is recognised:

    pk-V3xkQ2ZuS0pM...    the first 8 of the 43 characters are the id of the key; it is public, and found in a table
                          the other 35, 208 bits, are the secret
                          the last 6 are the CRC-32 of all before; they are public too

Of a key only its HMAC-SHA256 under the pepper of this home is stored. A slow hash (scrypt, Argon2) protects passwords
since people choose few of them; nobody can try 2**208 secrets at any speed, so a fast hash loses nothing, and a request
does not pay 50 ms for it. The pepper lies in a file of its own, so that a copy of the table alone can verify no key.

What is stored fails closed, unlike a cache: when the keys cannot be read, nobody is let in (`KeysUnreadable`).
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
import secrets
from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

import msgspec

from penstock.errors import BadInput, PenstockError
from penstock.stores.budgets import Budget, nests

__all__ = [
    "EMPTY",
    "Key",
    "Keyring",
    "Keys",
    "KeysUnreadable",
    "MemoryKeys",
    "digest",
    "id_of",
    "is_whole",
    "name_of",
    "new_key",
]

_PREFIX = "pk-"
_ID = slice(len(_PREFIX), len(_PREFIX) + 8)
_RANDOM_BYTES = 32
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_BODY = len(_PREFIX) + 43
_LENGTH = _BODY + 6


class KeysUnreadable(PenstockError):
    """The stored keys cannot be read or trusted. Nobody is let in until that is mended."""


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """A virtual key as it is stored: everything but the key."""

    name: str
    """What people call it; the account it spends from is named after it, and outlives it."""
    id: str
    """Its public part."""
    digest: bytes
    """See `digest`."""
    scope: str = ""
    """Keys of one scope share what is stored for reuse, and a budget if the scope has one. Empty: on its own."""
    budget: Budget | None = None
    models: tuple[str, ...] = ()
    """Patterns of the models it may ask; none: all."""
    rpm: int | None = None
    """Requests a minute; None: no limit."""
    tpm: int | None = None
    """Tokens a minute, prompt and longest answer together; None: no limit."""
    created: float = 0.0
    """Seconds on the wall clock."""
    expires: float | None = None
    """Not accepted from that time on; seconds on the wall clock."""


class Keyring(msgspec.Struct, frozen=True):
    """All that is stored, at one moment."""

    keys: Mapping[str, Key] = MappingProxyType({})
    """By name."""
    scopes: Mapping[str, Budget] = MappingProxyType({})
    """The budgets of those scopes that have one."""
    pepper: bytes = b""

    def key(self, name: str) -> Key:
        """The key of that name. Raises `BadInput` when there is none."""
        found = self.keys.get(name)
        if found is None:
            known = ", ".join(self.keys) or "none"
            raise BadInput(f"there is no virtual key {name!r}", mend=f"there are: {known}")
        return found

    def checked(self) -> Keyring:
        """The same. Raises `BadInput` when a scope's period would renew the budget of one of its keys early."""
        for key in self.keys.values():
            shared = self.scopes.get(key.scope)
            if key.budget is not None and shared is not None and not nests(key.budget.period, shared.period):
                raise BadInput(
                    f"the budget of virtual key {key.name!r} ({key.budget}) would be renewed with that of its scope "
                    f"({shared})",
                    mend=f"give the key a period that lies within one {shared.period}",
                )
        return self


EMPTY = Keyring()


class Keys(Protocol):
    """Keeps the keys. What cannot be read is no empty ring: every method raises `KeysUnreadable` then."""

    async def ring(self) -> Keyring:
        """What is stored now: the very same object as long as nothing has changed, so that asking costs little."""
        ...

    async def pepper(self) -> bytes:
        """What new keys are hashed with; made when it is first asked for."""
        ...

    async def add(self, key: Key) -> None:
        """Keep a new key. Raises `BadInput` when its name is taken."""
        ...

    async def change(self, key: Key) -> None:
        """Put the key in the place of the one of that name. Raises `BadInput` when there is none."""
        ...

    async def remove(self, name: str) -> None:
        """Forget a key. Raises `BadInput` when there is none."""
        ...

    async def share(self, scope: str, budget: Budget | None) -> None:
        """Give a scope a budget in place of the one it has; None: take it away."""
        ...

    async def close(self) -> None:
        """Give back files and connections."""
        ...


class MemoryKeys:
    """`Keys` of one process."""

    def __init__(self) -> None:
        self._ring = EMPTY

    async def ring(self) -> Keyring:
        """See `Keys`."""
        return self._ring

    async def pepper(self) -> bytes:
        """See `Keys`."""
        if not self._ring.pepper:
            self._ring = msgspec.structs.replace(self._ring, pepper=secrets.token_bytes(_RANDOM_BYTES))
        return self._ring.pepper

    async def add(self, key: Key) -> None:
        """See `Keys`."""
        self._ring = with_key(self._ring, key)

    async def change(self, key: Key) -> None:
        """See `Keys`."""
        self._ring = with_changed(self._ring, key)

    async def remove(self, name: str) -> None:
        """See `Keys`."""
        self._ring = without_key(self._ring, name)

    async def share(self, scope: str, budget: Budget | None) -> None:
        """See `Keys`."""
        self._ring = with_scope(self._ring, scope, budget)

    async def close(self) -> None:
        """Nothing to give back."""


# Changes to a ring ----------------------------------------------------------------------------------------------------


def with_key(ring: Keyring, key: Key) -> Keyring:
    """The ring with a new key. Raises `BadInput` for a name that is taken."""
    if key.name in ring.keys:
        raise BadInput(
            f"there is a virtual key {key.name!r} already", mend="choose another name, or rotate or remove it"
        )
    return msgspec.structs.replace(ring, keys={**ring.keys, key.name: key}).checked()


def with_changed(ring: Keyring, key: Key) -> Keyring:
    """The ring with the key in place of the one of that name. Raises `BadInput` when there is none."""
    ring.key(key.name)
    return msgspec.structs.replace(ring, keys={**ring.keys, key.name: key}).checked()


def without_key(ring: Keyring, name: str) -> Keyring:
    """The ring without a key. Raises `BadInput` when there is none."""
    gone = ring.key(name)
    return msgspec.structs.replace(ring, keys={other: key for other, key in ring.keys.items() if key is not gone})


def with_scope(ring: Keyring, scope: str, budget: Budget | None) -> Keyring:
    """The ring with another budget for a scope."""
    scopes = {name: kept for name, kept in ring.scopes.items() if name != scope}
    return msgspec.structs.replace(ring, scopes=scopes if budget is None else {**scopes, scope: budget}).checked()


def name_of(text: str) -> str:
    """The name of a key or scope that a person wrote. Raises `BadInput` for one that could be taken for another.

    No colon: the tenant of a key without a scope is ``key:NAME``, and must be nobody else's.
    """
    if _NAME.fullmatch(text) is None:
        raise BadInput(f"{text!r} is no name", mend="letters, digits, dots, dashes and underscores, 64 at most")
    return text


# The text of a key ----------------------------------------------------------------------------------------------------


def new_key() -> str:
    """A fresh key: 256 random bits."""
    body = _PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)
    return body + _checksum(body)


def is_whole(text: str) -> bool:
    """Whether the text is a key without a typo. Says nothing of whether anybody was ever given it.

    >>> key = new_key()
    >>> is_whole(key), is_whole(key[:-1]), is_whole(key.swapcase())
    (True, False, False)
    """
    return (
        len(text) == _LENGTH and text.isascii() and text.startswith(_PREFIX) and _checksum(text[:_BODY]) == text[_BODY:]
    )


def id_of(key: str) -> str:
    """The public part of a key's text, by which it is found."""
    return key[_ID]


def digest(pepper: bytes, key: str) -> bytes:
    """What is stored of a key, and compared. About 1 µs."""
    return hmac.digest(pepper, key.encode(), "sha256")


def _checksum(body: str) -> str:
    crc = binascii.crc32(body.encode()).to_bytes(4, "big")
    return base64.urlsafe_b64encode(crc).decode().rstrip("=")
