"""Putting the real parts together: settings and a home folder in, a running engine out."""

from __future__ import annotations

import contextlib
import logging
import os
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from penstock.admission import Admission
from penstock.clock import Clock, SystemClock
from penstock.config import EMBEDDED, Settings, home
from penstock.engine import Engine
from penstock.flow import Done, Fallback, Policy, Rules, Settle
from penstock.ledger import Receipt, total
from penstock.meter import Factors, PriceBook, count
from penstock.policy.compress.outputs import may_hold
from penstock.policy.compress.settings import CompressSettings
from penstock.prefixes import Prefixes
from penstock.providers.dialects import dialect
from penstock.providers.embedded import EmbeddedReader
from penstock.providers.gate import Gate, Gates
from penstock.providers.port import Provider
from penstock.stores import MemoryHolds, MemoryReplies, TieredReplies
from penstock.stores.originals import Originals
from penstock.stores.records import CallRecord, SqliteRecords
from penstock.ticket import Outcome
from penstock.values import Call, Edit

__all__ = ["Runtime", "build", "record_of"]

_FACTORS = "token-factors"
"""The name under which what was learned of token counts is kept."""

_log = logging.getLogger("penstock")


class Receipts:
    """A sink: what every session asked, spent and saved."""

    def __init__(self) -> None:
        self._by_session: dict[str, Receipt] = {}

    async def __call__(self, outcome: Outcome) -> None:
        session = outcome.state.call.scope.session
        self._by_session[session] = total([self.total(session), outcome.state.receipt])

    def total(self, session: str) -> Receipt:
        """The sum of a session's receipts."""
        return self._by_session.get(session, Receipt())


class Runtime:
    """An engine and what keeps its state. Made by `build`; `close` settles and stores everything."""

    def __init__(
        self,
        settings: Settings,
        engine: Engine,
        receipts: Receipts,
        records: SqliteRecords,
        home: Path,
        closing: tuple[Any, ...],
    ) -> None:
        self.settings = settings
        self.engine = engine
        self.receipts = receipts
        self.records = records
        self.originals = engine.originals
        """The texts that were compressed."""
        self.home = home
        """The folder that its state is kept in."""
        self._closing = closing

    def by_dialect(self) -> dict[str, str]:
        """The provider that serves each wire format: the default one where it speaks it, else the first that does."""
        chosen: dict[str, str] = {}
        others = [name for name in self.engine.providers if name != EMBEDDED]
        for name in reversed([self.settings.default(), *others]):
            chosen |= dict.fromkeys(self.engine.providers[name].dialects, name)
        return chosen

    async def close(self) -> None:
        """Call off what is under way, and keep what was learned."""
        await self.engine.close()
        await self.records.save(_FACTORS, msgspec.json.encode(self.engine.rules.factors))
        await self.engine.prefixes.memory.close()
        for part in (self.records, *self._closing):
            await part.close()


async def build(
    settings: Settings,
    *,
    at: str | os.PathLike[str] | None = None,
    shared: bool = False,
    keys: Mapping[str, str] | None = None,
    fit: bool = False,
    clock: Clock | None = None,
    sinks: Sequence[Callable[[Outcome], Awaitable[None]]] = (),
) -> Runtime:
    """A runtime with its state in the folder ``at``.

    ``shared`` budgets are kept there too, so that processes share them; else they live in memory. ``keys`` win over
    the environment. ``sinks`` hear how each call ended, after those that keep it.
    """
    folder = home(at)
    clock = clock or SystemClock()
    records = await SqliteRecords.at(folder / "records.sqlite", warn=_log.warning)
    holds = await _shared_holds(folder) if shared else MemoryHolds()
    originals = await _originals(folder)
    replies = TieredReplies(MemoryReplies(), await _stored_replies(folder))
    receipts = Receipts()

    async def record(outcome: Outcome) -> None:
        await records.add(record_of(outcome))

    async def alert(outcome: Outcome) -> None:
        for alert in outcome.alerts:
            _log.warning("budget: %s", alert.message)

    providers, connections = _providers(settings, keys or {}, clock)
    engine = Engine(
        providers=providers,
        rules=Rules(
            PriceBook(settings.prices),
            await _factors(records),
            fit=fit,
            fallbacks=_fallbacks(settings, providers),
            policies=_policies(settings),
            salt=_secret(folder) if settings.layout.salt_tenants else b"",
        ),
        replies=replies,
        admission=Admission(holds, clock),
        slots=Gate.fixed(settings.max_concurrency, clock),
        clock=clock,
        originals=originals,
        ids=new_id,
        prefixes=Prefixes(
            clock,
            settings=settings.layout,
            places={name: each.prompt_cache or each.base_url for name, each in settings.providers.items()},
            registry=await _registry(folder) if settings.layout.enabled else None,
        ),
        sinks=(receipts, record, alert, *sinks),
    )
    await engine.prefixes.memory.exchange()
    return Runtime(settings, engine, receipts, records, folder, (replies, holds, originals, *connections))


def new_id() -> str:
    """A fresh id for a call: 64 random bits. It names, it does not authorise."""
    return f"c_{random.getrandbits(64):016x}"


def record_of(outcome: Outcome) -> CallRecord:
    """What is kept of a call: figures, and the states as its explanation."""
    state = outcome.state
    receipt = state.receipt
    usage = next((entered.usage for _, entered in reversed(outcome.log) if isinstance(entered, Settle)), None)
    return CallRecord(
        id=outcome.id,
        at=outcome.at,
        model=state.call.model,
        provider=state.call.provider,
        source=state.source if isinstance(state, Done) else "refused",
        scope=state.call.scope.path,
        asked=None if receipt.unpriced else int(receipt.asked),
        spent=None if receipt.unpriced else int(receipt.spent),
        saved={mechanism: int(amount) for mechanism, amount in receipt.saved.items()},
        usage=usage,
        seconds=outcome.seconds,
        steps=[
            {"state": type(entered).__name__, "after_ms": round(after * 1000, 3), **entered.explain()}
            for after, entered in outcome.log
        ],
    )


def _fallbacks(settings: Settings, providers: Mapping[str, Provider]) -> dict[str, Fallback]:
    """Who stands in for whom."""
    found: dict[str, Fallback] = {}
    for name, described in settings.providers.items():
        other, _, model = described.fallback.partition("/")
        if other:
            found[name] = Fallback(other, providers[other].origin, model)
    return found


def _providers(settings: Settings, keys: Mapping[str, str], clock: Clock) -> tuple[dict[str, Provider], list[Any]]:
    """All providers by name, and the connections they share. Without an upstream nothing of HTTP is loaded."""
    providers: dict[str, Provider] = {EMBEDDED: EmbeddedReader(count=count)}
    if not settings.providers:
        return providers, []
    from penstock.providers.http import Connections, HttpProvider

    connections, gates = Connections(), Gates(clock)
    for name, described in settings.providers.items():
        providers[name] = HttpProvider(
            name,
            dialect(described.dialect),
            described.base_url,
            keys.get(name) or os.environ.get(described.key_env, ""),
            key_env=described.key_env,
            connections=connections,
            gates=gates,
            clock=clock,
        )
    return providers, [connections]


async def _shared_holds(folder: Path) -> Any:
    from penstock.stores.holds_sqlite import SqliteHolds

    return await SqliteHolds.at(folder / "holds.sqlite", warn=_log.warning)


def _policies(settings: Settings) -> tuple[tuple[str, Policy], ...]:
    """What shapes a call before its prompt is laid out, in this order."""
    found: list[tuple[str, Policy]] = []
    if settings.compress.enabled:
        found.append(("compress", partial(_compressing, settings=settings.compress)))
    if settings.prune.level != "off":
        found.append(("prune", _pruning(settings)))
    return tuple(found)


def _pruning(settings: Settings) -> Policy:
    from penstock.policy.compress.compressed import shortened
    from penstock.policy.prune.growing import Pruning

    return Pruning(settings.prune, shortened)


def _compressing(call: Call, settings: CompressSettings) -> Sequence[Edit]:
    """The policy, loaded for the first call that may need it: to know all kinds of texts takes a while."""
    if not may_hold(call, settings.above_tokens):
        return ()
    from penstock.policy.compress.entry import entering

    return entering(call, settings)


def _secret(folder: Path) -> bytes:
    """The secret of this home folder, made when it is first asked for; of two who make it at once, one wins."""
    path, mine = folder / "salt.key", folder / f".salt-{os.getpid()}"
    if not path.exists():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        mine.touch(mode=0o600)
        mine.write_bytes(os.urandom(32))
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(mine)
        mine.unlink()
    return path.read_bytes()


async def _originals(folder: Path) -> Originals:
    from penstock.stores.originals_sqlite import SqliteOriginals

    return await SqliteOriginals.at(folder / "originals.sqlite", warn=_log.warning)


async def _stored_replies(folder: Path) -> Any:
    from penstock.stores.replies_sqlite import SqliteReplies

    return await SqliteReplies.at(folder / "replies.sqlite", warn=_log.warning)


async def _registry(folder: Path) -> Any:
    from penstock.stores.prefixes_sqlite import SqliteRegistry

    return await SqliteRegistry.at(folder / "prefixes.sqlite", warn=_log.warning)


async def _factors(records: SqliteRecords) -> Factors:
    kept = await records.load(_FACTORS)
    try:
        return msgspec.json.decode(kept, type=Factors) if kept else Factors()
    except msgspec.DecodeError:
        return Factors()
