"""Who asks: a virtual key with its limits, or, while there are no keys, anyone on this machine.

    there are keys        every request needs one of them, from wherever it comes
    there are none        this machine alone is served; the client's own key is handed on, and its digest is the tenant
    they cannot be read   nobody is served

Text that a client sends reaches no statement, no file and no message: it is hashed and compared in memory. (The errors
of others: CVE-2026-42208, SQL built from an Authorization header on the error path.)

A server on the loopback is still within reach of every web page that a browser on this machine shows, and of the whole
world behind a reverse proxy. So without keys a request must name this machine as its host, come from no foreign page,
and carry no trace of a proxy.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ipaddress
import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from urllib.parse import urlsplit

import msgspec

from penstock.admission import Admission
from penstock.clock import Clock
from penstock.errors import KeyRefused, Overloaded, Rejected
from penstock.gateway.rates import Buckets, MemoryBuckets, Want
from penstock.ledger import Limits
from penstock.stores.budgets import Budget, window
from penstock.stores.keys import Key, Keyring, Keys, KeysUnreadable, digest, id_of, is_whole
from penstock.values import Credential, Scope

__all__ = [
    "PLACEHOLDER",
    "Client",
    "Clients",
    "Forbidden",
    "KeysClosed",
    "Place",
    "RateLimited",
    "Unauthorized",
    "matches",
    "places",
]

PLACEHOLDER = "penstock"
"""What stands for "no key" where an SDK insists on one: a request with it is one without."""

_LOOK_SECONDS = 0.5
"""How long the keys are taken to be as they were last seen."""
_LONGEST = 4096
"""Characters of a client's own key; nobody's is longer."""
_HEADERS = frozenset({b"authorization", b"x-api-key", b"api-key"})
_TRACES = frozenset({b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-real-ip", b"via"})
_WATCHED = _HEADERS | _TRACES | {b"host", b"origin"}
_NOBODY = bytes(32)


class Unauthorized(KeyRefused):
    """No key, or none that is known here."""

    def __init__(self, message: str, *, mend: str = "") -> None:
        super().__init__(message, status=401, headers={"www-authenticate": "Bearer"}, mend=mend)


class Forbidden(KeyRefused):
    """It is known who asks; this may not be asked."""

    def __init__(self, message: str, *, mend: str = "") -> None:
        super().__init__(message, status=403, mend=mend)


class KeysClosed(Overloaded):
    """The keys cannot be read, so nobody is let in. Why is in the log; it is not the client's business."""

    def __init__(self) -> None:
        super().__init__(
            "this gateway cannot read its virtual keys and lets nobody in", status=503, mend="tell its operator"
        )


class RateLimited(Overloaded):
    """The key asks faster than it may. Unlike an exhausted budget this passes: ``retry_after`` is in seconds."""

    def __init__(self, message: str, retry_after: float) -> None:
        seconds = max(1, math.ceil(retry_after))
        headers = {"retry-after": str(seconds), "retry-after-ms": str(max(1, math.ceil(retry_after * 1000)))}
        super().__init__(message, status=429, headers=headers, mend=f"wait {seconds} s and try again")
        self.retry_after = retry_after


class Client(msgspec.Struct, frozen=True):
    """Who asks, and what that allows."""

    name: str
    """The name of the key; empty for one without."""
    tenant: str
    scope: Scope
    """The accounts its calls are charged to."""
    limits: Limits | None = None
    """The budget of the key in this period; the account of ``scope`` has it already."""
    models: tuple[str, ...] = ()
    """Patterns of the models it may ask; none: all."""
    credential: Credential | None = None
    """The client's own key for the upstream; none for a virtual key, which goes no further than here."""
    rates: Mapping[str, int] = {}
    """Its limits a minute, by bucket."""

    def allows(self, model: str) -> bool:
        """Whether it may ask this model.

        The gateway asks for the name that the client wrote and for the one it stands for: either may be listed.
        """
        return not self.models or any(matches(pattern, model) for pattern in self.models)

    def within(self, tenant: str) -> Client:
        """The same as the tenant that ``x-penstock-scope`` names. Raises `Forbidden` for a key of another one.

        With a key its scope is fixed: else any key could read what another team stored, and leave its own budget.
        """
        if not tenant or tenant == self.tenant:
            return self
        if self.name:
            raise Forbidden(f"the virtual key {self.name!r} is not of that scope", mend="leave x-penstock-scope out")
        return msgspec.structs.replace(self, tenant=tenant, scope=Scope(tenant))


def matches(pattern: str, model: str) -> bool:
    """Whether a model's name is of a pattern, in which ``*`` stands for any characters. Nothing else is special.

    Takes the first place for each part, which finds a match if there is one, in linear time whatever the pattern.

    >>> matches("gpt-5*", "gpt-5-mini"), matches("*-mini", "gpt-5"), matches("a*a", "a")
    (True, False, False)
    """
    first, *rest = pattern.split("*")
    if not rest:
        return pattern == model
    *middle, last = rest
    if not model.startswith(first) or not model.endswith(last):
        return False
    at, end = len(first), len(model) - len(last)
    for part in middle:
        found = model.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return at <= end


class Place(msgspec.Struct, frozen=True):
    """Where in the tree of accounts a budget is kept."""

    always: tuple[str, ...]
    """The account over all periods."""
    path: tuple[str, ...]
    """The account of the present period; the same for a budget without periods."""
    budget: Budget | None
    ends: float
    """When the period does; seconds on the wall clock."""


def places(key: Key, shared: Budget | None, now: float) -> tuple[Place, ...]:
    """The accounts of a key from the root to the leaf: that of its scope, if that has a budget, then its own.

    >>> key = Key(name="ci", id="", digest=b"", budget=Budget(5, "day"))
    >>> places(key, None, now=1_795_262_400.0)[-1].path
    ('key:ci', 'key:ci', '2026-11-21')
    """
    found: list[Place] = []
    path: tuple[str, ...] = (key.scope or f"key:{key.name}",)
    for name, budget in (("team", shared), (f"key:{key.name}", key.budget)):
        if budget is None and name == "team":
            continue
        label, ends = window(budget.period, now) if budget else ("", math.inf)
        always = (*path, name)
        path = (*always, label) if label else always
        found.append(Place(always, path, budget, ends))
    return tuple(found)


class Clients:
    """Knows the clients of one gateway. Nothing here waits for a disk but the look at the keys, twice a second."""

    def __init__(self, keys: Keys, admission: Admission, clock: Clock, *, buckets: Buckets | None = None) -> None:
        self._keys = keys
        self._admission = admission
        self._clock = clock
        self._buckets: Buckets = buckets or MemoryBuckets()
        self._ring: Keyring | None = None
        self._looking = asyncio.Lock()
        self._next_look = -math.inf
        self._by_id: dict[str, Key] = {}
        self._made: dict[str, tuple[Client, float]] = {}

    async def keyed(self) -> bool:
        """Whether a key is needed here. Raises `KeysUnreadable`, which says how to mend it."""
        return bool((await self._keys.ring()).keys)

    async def identify(self, headers: Sequence[tuple[bytes, bytes]], peer: str) -> Client:
        """Who sent a request with these headers, names in lower case, from the address ``peer``.

        Raises `Unauthorized`, `Forbidden` or `KeysClosed`.
        """
        if self._clock.monotonic() >= self._next_look:
            await self._look()
        if self._ring is None:
            raise KeysClosed
        watched = tuple([header for header in headers if header[0] in _WATCHED])
        if not self._ring.keys:
            return _anyone(watched, peer)
        key = self._verified(_shown(dict(watched)).key, self._ring.pepper)
        now = self._clock.now()
        made = self._made.get(key.id)
        if made is None or now >= made[1]:
            made = self._made[key.id] = await self._make(key, self._ring.scopes.get(key.scope), now)
        return made[0]

    async def admit(self, client: Client, tokens_estimate: int, now: float) -> Mapping[str, Want]:
        """Count a request of so many tokens, prompt and longest answer, against the client's rates; what was counted.

        ``now`` is in seconds on the wall clock. Raises `RateLimited`, and `Rejected` for what no waiting makes fit.
        """
        wants = {
            bucket: (tokens_estimate if bucket.endswith("tokens") else 1, limit)
            for bucket, limit in client.rates.items()
        }
        wait = await self._buckets.take(wants, now) if wants else 0.0
        if math.isinf(wait):
            raise Rejected(
                f"about {tokens_estimate} tokens are more than the virtual key {client.name!r} may use in a minute",
                status=413,
                mend="send less text, or ask for a shorter answer",
            )
        if wait:
            raise RateLimited(f"the virtual key {client.name!r} asks faster than it may", wait)
        return wants

    async def give_back(self, counted: Mapping[str, Want], now: float) -> None:
        """Count a request that was admitted no longer: nobody was asked."""
        if counted:
            await self._buckets.take({bucket: (-amount, limit) for bucket, (amount, limit) in counted.items()}, now)

    async def close(self) -> None:
        """Give back files and connections."""
        await self._keys.close()
        await self._buckets.close()

    async def _look(self) -> None:
        """See what has become of the keys. Who comes meanwhile waits for it: nobody is let in on a guess."""
        async with self._looking:
            if self._clock.monotonic() < self._next_look:
                return
            try:
                ring = await self._keys.ring()
            except KeysUnreadable:
                ring = None
            if ring is not self._ring:
                self._ring = ring
                self._by_id = {key.id: key for key in ring.keys.values()} if ring else {}
                self._made = {}
            self._next_look = self._clock.monotonic() + _LOOK_SECONDS

    def _verified(self, shown: str, pepper: bytes) -> Key:
        """The key shown. As much is computed for one that does not exist as for one that does."""
        if not is_whole(shown):
            raise _not_a_key(shown)
        key = self._by_id.get(id_of(shown))
        same = hmac.compare_digest(digest(pepper, shown), key.digest if key else _NOBODY)
        if key is None or not same:
            raise Unauthorized("this virtual key is not known here", mend="ask the operator of this gateway for a key")
        if key.expires is not None and self._clock.now() >= key.expires:
            raise Unauthorized(
                f"the virtual key {key.name!r} has expired", mend="ask the operator of this gateway for a new one"
            )
        return key

    async def _make(self, key: Key, shared: Budget | None, now: float) -> tuple[Client, float]:
        """The client of a key for as long as its accounts are the current ones, and until when that is."""
        found = places(key, shared, now)
        for place in found:
            await self._open(place)
        innermost = found[-1].path
        rates = {f"{key.name}:requests": key.rpm, f"{key.name}:tokens": key.tpm}
        client = Client(
            name=key.name,
            tenant=innermost[0],
            scope=Scope(innermost[0], innermost[1], innermost[2:]),
            limits=Limits(nano=key.budget.nano) if key.budget else None,
            models=key.models,
            rates={bucket: limit for bucket, limit in rates.items() if limit is not None},
        )
        return client, min(place.ends for place in found)

    async def _open(self, place: Place) -> None:
        """Open the account of a budget. One that still has the limits of a budget since changed is freed of them."""
        if place.budget is None or place.path != place.always:
            account = await self._admission.holds.account(place.always)
            if account is not None and account.limits != Limits():
                await self._admission.open(place.always, Limits())
        if place.budget is not None:
            await self._admission.open(place.path, Limits(nano=place.budget.nano))


def _shown(watched: Mapping[bytes, bytes]) -> Credential:
    """The key that a request shows, as OpenAI's clients do, or Anthropic's, or Azure's; empty when there is none.

    Where there are several, a virtual key is the one that is meant for this gateway.
    """
    scheme, _, bearer = watched.get(b"authorization", b"").partition(b" ")
    found = [("authorization", bearer.strip())] if scheme.lower() == b"bearer" else []
    found += [(name.decode(), watched[name]) for name in (b"x-api-key", b"api-key") if name in watched]
    header, key = next((each for each in found if each[1].startswith(b"pk-")), next(iter(found), ("", b"")))
    return Credential(key.decode("latin-1"), header)


def _not_a_key(shown: str) -> Unauthorized:
    if not shown:
        return Unauthorized("this gateway needs a virtual key", mend="send it as a Bearer token or as x-api-key")
    if shown.startswith("pk-"):
        return Unauthorized("this virtual key has a typo, or is not the whole of it", mend="copy it again")
    return Unauthorized("this is no virtual key of this gateway: those begin with pk-", mend="ask its operator for one")


@lru_cache(maxsize=64)
def _anyone(headers: tuple[tuple[bytes, bytes], ...], peer: str) -> Client:
    """The client of a request without a virtual key, which is the same for each that comes from there with these."""
    watched = dict(headers)
    shown = _shown(watched)
    if not _is_loopback(peer) or not _TRACES.isdisjoint(watched):
        raise Unauthorized(
            "this gateway has no virtual keys and serves its own machine alone",
            mend="make one there: penstock key add NAME",
        )
    if not _is_here(b"//" + watched.get(b"host", b"localhost")) or _is_foreign(watched.get(b"origin", b"")):
        raise Forbidden(
            "without virtual keys no foreign host or web page is served", mend="use http://127.0.0.1, or make one"
        )
    key = shown.key
    if key in {"", PLACEHOLDER}:
        return _LOCAL
    if len(key) > _LONGEST or not (key.isascii() and key.isprintable()) or " " in key:
        raise Unauthorized("this cannot be a key of anybody", mend="check what the client sends as its key")
    tenant = hashlib.sha256(key.encode()).hexdigest()[:16]
    return Client("", tenant, Scope(tenant), credential=shown)


_LOCAL = Client("", "local", Scope("local"))


@lru_cache(maxsize=256)
def _is_here(address: bytes) -> bool:
    """Whether an address (``//host:port``, ``http://host``) is on this machine by its name alone."""
    try:
        host = urlsplit(address.decode("ascii")).hostname or ""
    except ValueError:
        return False
    return host == "localhost" or host.endswith(".localhost") or _is_loopback(host)


def _is_foreign(origin: bytes) -> bool:
    """Whether a page of the web sent the request. Installed programs have schemes of their own."""
    return origin == b"null" or (origin.startswith((b"http:", b"https:")) and not _is_here(origin))


@lru_cache(maxsize=256)
def _is_loopback(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback
