"""The engine: one driver that performs what the states of `flow` ask for.

It owns no rule. What a state means stands in `flow`, what fits a budget in `ledger`, what a hit means in `policy`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias, assert_never

import msgspec

from penstock.admission import Admission
from penstock.clock import Clock
from penstock.errors import BadInput, Cancelled, PenstockError, ProviderError
from penstock.flight import Flight
from penstock.flow import (
    Admit,
    Answered,
    Done,
    Failed,
    Flying,
    Follow,
    Granted,
    Hit,
    InFlight,
    Lookup,
    Miss,
    Refused,
    Rules,
    Send,
    Settle,
    Shape,
)
from penstock.ledger import NOTHING, Never
from penstock.meter import Rates
from penstock.policy.compress.outputs import may_hold, originals
from penstock.policy.reuse import TTL_SECONDS
from penstock.prefixes import Prefixes
from penstock.prefixes.warming import Warming
from penstock.providers.dialects import dialect
from penstock.providers.gate import Gate
from penstock.providers.port import Answer, Assembler, Provider
from penstock.stores.originals import MemoryOriginals, Originals
from penstock.stores.replies import Replies
from penstock.ticket import Outcome, Ticket
from penstock.values import Call, Reply

__all__ = ["Engine"]

_LONG = 5000
"""Tokens of a tool output from which looking at it takes long enough to keep others waiting."""

_LONG_HISTORY = 200_000
"""Bytes of a request from which looking at all of it takes long enough."""

_Place: TypeAlias = tuple[str, bytes]
"""Where a reply is stored: the tenant, which parts the store, and the key of the call."""


class Engine:
    """Runs calls. All it needs is handed in; `close` settles what is under way."""

    def __init__(
        self,
        *,
        providers: Mapping[str, Provider],
        rules: Rules,
        replies: Replies,
        admission: Admission,
        slots: Gate,
        clock: Clock,
        ids: Callable[[], str],
        originals: Originals | None = None,
        prefixes: Prefixes | None = None,
        sinks: Sequence[Callable[[Outcome], Awaitable[None]]] = (),
    ) -> None:
        self.providers = providers
        self.rules = rules
        self.admission = admission
        self.clock = clock
        self._replies = replies
        self._slots = slots
        self.prefixes = prefixes or Prefixes(clock)
        """Lays prompts out for the providers' caches."""
        keep_warm = self.prefixes.settings.keep_warm
        self._warming = Warming(clock, self.prefixes.memory.writes, self.run) if keep_warm else None
        self.originals = originals or MemoryOriginals()
        """Keeps what was shortened, so that it can be had back."""
        self._ids = ids
        self.sinks = tuple(sinks)
        """What hears how each call ended, before its caller does."""
        self._joinable: dict[_Place, Flight] = {}
        self._flights: set[Flight] = set()
        self._closing = False

    async def run(self, call: Call) -> Outcome:
        """The outcome of a call, whichever it is."""
        async with self.ask(call) as ticket:
            return await ticket.outcome()

    def ask(self, call: Call, *, patience: float | None = None) -> Ticket:
        """A ticket for the call, to be entered: the call is looked up then, and under way if nobody has the answer.

        ``patience`` is when a caller that has heard nothing leaves, to ask again at once (monotonic, seconds).
        """
        return Ticket(self, self._ids(), call, patience)

    async def close(self) -> None:
        """Call off what is under way, and return when all of it has settled."""
        self._closing = True
        if self._warming is not None:
            await self._warming.close()
        flights = tuple(self._flights)
        for flight in flights:
            flight.call_off()
        for flight in flights:
            await flight.ended()
        for provider in self.providers.values():
            await provider.close()

    # The driver ----------------------------------------------------------------------------------------------------

    async def look(self, state: Lookup, caller: str) -> tuple[Done | Follow, Flight | None]:
        """The next state of the call with the id ``caller``, and the flight to follow if there is one."""
        if self._closing:
            raise BadInput("this engine is closed", mend="ask inside the `async with` block")
        place = (state.call.scope.tenant, state.key)
        found = await self._find(state, place)
        following = state.next(found, self.rules)
        if isinstance(following, Done):
            return following, None
        return following, self._joinable[place] if isinstance(found, InFlight) else self._set_off(state, place, caller)

    async def _find(self, state: Lookup, place: _Place) -> Hit | InFlight | Miss:
        if not state.eligible.joins:
            alone = self._under_way(place) if state.call.again else None
            return InFlight(alone.leader) if alone and alone.alone else Miss()
        if state.eligible.reads and self._under_way(place) is None:
            reply = await self._replies.get(*place, now=self.clock.now())
            if reply is not None:
                return Hit(reply)
        flight = self._under_way(place)  # someone may have set off while the store was read
        return InFlight(flight.leader) if flight else Miss()

    def _under_way(self, place: _Place) -> Flight | None:
        flight = self._joinable.get(place)
        return flight if flight is not None and flight.joinable else None

    def _set_off(self, state: Lookup, place: _Place, leader: str) -> Flight:
        """A flight for whoever asks this, its deadline left to each of them. Whether to join is for the next to say."""
        flight = self._joinable[place] = Flight(leader, self.clock, keeps=state.eligible.writes)
        self._flights.add(flight)

        def ended() -> None:
            self._flights.discard(flight)
            if self._joinable.get(place) is flight:
                del self._joinable[place]

        call = state.call if state.call.deadline is None else msgspec.structs.replace(state.call, deadline=None)
        flight.start(self._fly(flight, Shape(call, state.at), place), call, ended)
        return flight

    async def _fly(self, flight: Flight, state: Flying | Done | Refused, place: _Place) -> Done | Refused:
        """Walk to the upstream and back, once for all who listen."""
        try:
            while not isinstance(state, Done | Refused):
                flight.states.append((self.clock.monotonic(), state))
                state = await self._perform(state, flight, place)
            return state
        except asyncio.CancelledError:
            return Refused(state.call, Cancelled("called off before it was sent"))
        except BadInput as error:
            return Refused(state.call, error)
        finally:
            if flight.passage is not None:
                flight.passage.ended()

    async def _perform(self, state: Flying, flight: Flight, place: _Place) -> Flying | Done | Refused:
        match state:
            case Shape():
                state = state.salted(self.rules)
                rates = self.rules.rates(state.call, state.at)
                begun = self.clock.monotonic()
                call = await self._shaped(state, rates)
                took = self.clock.monotonic() - begun if call.edits != state.call.edits else 0.0
                flight.passage = await self.prefixes.lay(call, rates)
                if flight.passage is not None:
                    call = flight.passage.laid.call
                notes: Mapping[str, Any] = flight.passage.laid.notes if flight.passage is not None else {}
                flight.note(msgspec.structs.replace(state, layout=notes, took=took))
                return state.next(call, self.rules, await self.admission.limits(call.scope.path))
            case Admit():
                hold = await self.admission.hold(state.call.scope.path, state.want, state.floor)
                return state.next(hold if isinstance(hold, Never) else Granted(hold), self.rules)
            case Send():
                sent, observed = await self._send(state, flight)
                return sent.next(observed, self.rules)
            case Settle():
                await self._settle(state, flight, place)
                flight.settling = state.onward is None
                if state.onward is not None and flight.abandoned:
                    return Refused(state.call, Cancelled("called off before it was sent"), state.receipt)
                return state.next()
            case _:
                assert_never(state)

    async def _shaped(self, state: Shape, rates: Rates | None) -> Call:
        """The call with the edits of all policies. What may take long is done beside the loop."""
        if not self.rules.policies:
            return state.call
        warm = partial(self.prefixes.warm, rates=rates)
        long = may_hold(state.call, _LONG) or len(state.call.raw) > _LONG_HISTORY
        shaped = await asyncio.to_thread(state.shaped, self.rules, warm) if long else state.shaped(self.rules, warm)
        shortened = originals(state.call, shaped)
        if shortened:
            await self.originals.put(shortened, self.clock.now())
        return shaped

    async def _in_turn(self, state: Send, flight: Flight) -> Send:
        """The same when whoever writes the prefix that it would read has begun to be answered."""
        if flight.passage is None:
            return state
        edits, waited = await flight.passage.turn(flight.deadline)
        call = state.call if edits is None else state.call.without("layout").edited(*edits)
        writes, lasting = flight.passage.laid.writes
        state = msgspec.structs.replace(state, call=call, waited=waited, writes=writes, lasting=lasting)
        flight.note(state)
        return state

    async def _send(self, state: Send, flight: Flight) -> tuple[Send, Answered | Failed]:
        """What was sent, and what became of it."""
        call, assembler = state.call, None
        wire = dialect(call.dialect)
        try:
            state = await self._in_turn(state, flight)
            call, provider = state.call, self.providers[call.provider]
            assembler = wire.assembler() if call.stream else None
            async with provider.send(call, flight.under_way, partial(self._slots.slot, call.deadline)) as answer:
                flight.provider, flight.headers = call.provider, answer.headers
                if assembler and "json" not in answer.headers.get("content-type", ""):
                    await _followed(answer, assembler, flight)
                    reply = assembler.end()
                else:
                    reply = wire.reply(await _whole(answer), streamed=False)
                return state, Answered(reply, reply.text if reply.usage else _generated(reply))
        except asyncio.CancelledError:
            error: PenstockError = Cancelled("called off while it was under way")
        except PenstockError as raised:
            error = raised
        except Exception as raised:  # noqa: BLE001  a provider is foreign code: whatever it raises must settle
            error = ProviderError(f"provider {call.provider!r} failed: {type(raised).__name__}: {raised}")
            error.__cause__ = raised
        finally:
            flight.settling = True
        heard = (assembler.usage, assembler.text) if assembler else (None, "")
        return state, Failed(error, flight.billed, *heard)

    async def _settle(self, state: Settle, flight: Flight, place: _Place) -> None:
        if state.hold or state.used != NOTHING:
            flight.alerts = await self.admission.settle(state.call.scope.path, state.hold, state.used)
        if flight.passage is not None:
            usage = None if state.receipt.estimated else state.usage
            flight.passage.ended(usage, answered=isinstance(state.outcome, Reply), billed=state.usage is not None)
            flight.note(msgspec.structs.replace(state, cache=flight.passage.verdict))
            if self._warming is not None:
                self._warming.see_to(flight.passage.laid)
        if not state.receipt.estimated:
            self.rules = self.rules.learning(state.call.model, state.quote, state.usage)
        if flight.keeps and state.stores and isinstance(state.outcome, Reply):
            now = self.clock.now()
            await self._replies.put(*place, state.outcome, expires=now + TTL_SECONDS, now=now)

    async def finish(self, outcome: Outcome) -> None:
        """Hand the outcome of one caller to every sink."""
        for sink in self.sinks:
            await sink(outcome)


def _generated(reply: Reply) -> str:
    """All that a model generated, reasoning and tool arguments among it."""
    wire = dialect(reply.dialect)
    assembler = wire.assembler()
    for event in wire.events(reply):
        assembler.feed(event)
    return assembler.text


async def _followed(answer: Answer, assembler: Assembler, flight: Flight) -> None:
    """Tell what comes, up to the terminal event: whoever leaves then has had it all, and so have we."""
    async for chunk in answer.chunks:
        flight.publish(assembler.feed(chunk))
        flight.begun(assembler.usage)
        if assembler.over:
            flight.settling = True
            return
    flight.publish(assembler.last())


async def _whole(answer: Answer) -> bytes:
    chunks = [chunk async for chunk in answer.chunks]
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)
