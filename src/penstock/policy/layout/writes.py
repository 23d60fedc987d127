"""Which prefixes are worth writing to a provider's cache: where a prompt is marked, and for how long.

A write costs a premium on every token up to the last mark, and saves most of the price of those that a later request
reads. So a mark is set where odds x saving is above the premium. The odds are learned from requests (`odds`), what is
known of a prompt's prefixes stands in `forest`, and `guard` keeps odds that deceive from costing more than they won.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from penstock.policy.layout.choice import Choice, Point, best
from penstock.policy.layout.forest import Forest, Node, warm_upto
from penstock.policy.layout.guard import Guard
from penstock.policy.layout.odds import AGES, Odds, kept_of, within
from penstock.policy.layout.places import PrefixBlock, Prompt
from penstock.values.caching import CacheRules, Ttl

__all__ = ["Decision", "Sent", "Writes"]

PRIOR_TAIL = 0.1
"""The odds that a prompt is read on, before anything is known: nothing is written on them."""

PRIOR_SHARED = 0.3
"""The odds that a prefix which two prompts shared is read once more: too low to write on, with the margin."""


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """Where to mark a prompt, and what that is expected to bring."""

    marks: tuple[int, ...] = ()
    """Blocks from the start of the prompt that each mark covers, ascending."""
    ttl: Ttl | None = None
    """How long what is written shall live; None: there is no mark."""
    total: int
    """Tokens of the prompt."""
    reads: int = 0
    """Blocks of the longest prefix that is warm; one of the marks."""
    read_tokens: int = 0
    written_tokens: int = 0
    value: float = 0.0
    """Tokens of uncached input that later requests are expected to save, less what the write costs more."""
    probe: bool = False
    """Whether this is a short write that only shows whether the odds hold."""
    points: tuple[Point, ...] = ()
    """The places that were weighed, with the odds of each."""
    why: str
    forecast: tuple[float, ...] = ()
    """The odds on which a write is paid, for each span of age."""


class Sent(msgspec.Struct, frozen=True):
    """A prompt on its way, until its usage is known."""

    at: float
    digests: tuple[bytes, ...]
    """Of the marked prefixes that are to be written."""
    reads: bytes | None
    """The prefix that is to be read."""
    read_tokens: int
    ttl: Ttl | None
    held: float
    """What the guard holds for the write."""
    probe: bool
    saving: float
    """What a token that is read saves."""
    refreshes: bool
    """Whether a read starts the time to live anew."""
    bill: bytes


class Writes:
    """The write policy of one process, for all its families (provider and tenant) and bills (key and model).

    `decide`, then `send` when the call goes out, then `observe` when its usage is known; `observe` with nothing read
    and nothing written when the call failed. Times are seconds on any one clock that does not go back.
    """

    def __init__(self, *, allowance: float = 0.0, forest: Forest | None = None) -> None:
        self.forest = forest or Forest()
        self.odds = Odds()
        self.guards: dict[bytes, Guard] = {}
        self._allowance = allowance

    def guard(self, bill: bytes = b"") -> Guard:
        """The account of a bill."""
        return kept_of(self.guards, bill, lambda: Guard(allowance=self._allowance))

    def decide(
        self,
        blocks: Sequence[PrefixBlock],
        now: float,
        rules: CacheRules,
        *,
        family: bytes = b"",
        bill: bytes = b"",
        shape: str = "",
        promised: Mapping[int, float] | None = None,
    ) -> Decision:
        """Where to mark the prompt ``blocks``, by what was sent before it.

        ``family`` tells provider and tenant: prefixes are shared within one. ``bill`` tells who pays, and at what
        prices: what one wins is not for another to lose. ``shape`` names a kind of traffic with odds of its own.
        ``promised``: the odds that others read it, by blocks from the start, where that is known (a fan-out whose
        other calls wait: 1.0).
        """
        self.odds.advance(now)
        prompt = Prompt(blocks, rules)
        path = self.forest.known([family + block.digest for block in blocks])
        warm = warm_upto(path, now)
        room = rules.most_marks - (warm > 0)
        if not prompt.end:
            return Decision(total=prompt.upto(len(blocks)), why="no mark can be set")
        points = tuple(self._weighed(point, rules) for point in prompt.points(path, shape, family))
        found = Decision(
            marks=(warm,) if warm else (),
            ttl=rules.ttl if warm else None,
            total=prompt.upto(len(blocks)),
            reads=warm,
            read_tokens=prompt.upto(warm),
            points=points,
            why="the warm prefix is read" if warm else "no write is expected to pay",
        )
        guard, record = self.guard(bill), self.odds.record(bill)
        choice = best(_vouched(prompt, promised or {}, rules), found.read_tokens, after=warm, room=room, rules=rules)
        if choice is not None and guard.may_trust(choice.cost):
            return _paid(found, choice, why="other calls wait to read it")
        choice = best(points, found.read_tokens, after=warm, room=room, rules=rules)
        if choice is None:
            return found
        if guard.may_write(choice.cost, record, ahead=not choice.slow):
            return _paid(found, choice, why="the write is expected to pay")
        small = None if record.trusted and not choice.slow else _shortest(found, choice, prompt)
        if small is None or not guard.may_probe(small.cost):
            return msgspec.structs.replace(found, why="the loss guard: no write until others were read")
        probe = _paid(found, small, why="a probe: whether writes are read as foretold")
        return msgspec.structs.replace(probe, probe=True)

    def _weighed(self, point: Point, rules: CacheRules) -> Point:
        hazards = self.odds.hazards(point.chain, prior=PRIOR_SHARED if point.shared else PRIOR_TAIL)
        return msgspec.structs.replace(
            point,
            hazards=hazards,
            odds=tuple(self.odds.told(ttl.seconds, point.chain, hazards) for ttl in rules.ttls),
        )

    def send(
        self,
        blocks: Sequence[PrefixBlock],
        decision: Decision,
        now: float,
        rules: CacheRules,
        *,
        family: bytes = b"",
        bill: bytes = b"",
    ) -> Sent:
        """The call goes out: what it repeats has been read on, and what it writes is held by the guard."""
        digests = [family + block.digest for block in blocks]
        nodes = self.forest.send(digests, now)
        chains = {point.position: point.chain for point in decision.points}
        for at, node in enumerate(nodes, 1):
            if node.watch is not None and node.watch.since < now:
                self.odds.end(node.watch, now)
                node.watch = None
            if at in chains and node.watch is None:
                node.watch = self.odds.watch(now, chains[at])
        _turn(nodes, blocks)
        held = self._stake(nodes, decision, now, bill)
        guard = self.guard(bill)
        guard.sent += decision.total
        guard.won -= held
        guard.probes -= held if decision.probe else 0.0
        return Sent(
            now,
            tuple(digests[at - 1] for at in decision.marks if at != decision.reads),
            digests[decision.reads - 1] if decision.reads else None,
            decision.read_tokens,
            decision.ttl,
            held,
            decision.probe,
            1 - rules.read,
            rules.refreshed,
            bill,
        )

    def _stake(self, nodes: Sequence[Node], decision: Decision, now: float, bill: bytes) -> float:
        """Note on what odds the write is paid; what it costs more than no write."""
        if not decision.written_tokens or decision.ttl is None:
            return 0.0
        self.odds.record(bill).fade()
        for at in decision.marks:
            if at != decision.reads:
                node = nodes[at - 1]
                node.probe = decision.probe
                node.watch = node.watch or self.odds.watch(now, ())
                node.watch.staked, node.watch.bill = decision.forecast, bill
        return (decision.ttl.write - 1) * decision.written_tokens

    def release(self, sent: Sent) -> None:
        """The call failed, and nothing is known of what it read or wrote: what the guard holds for it is free."""
        guard = self.guard(sent.bill)
        guard.won += sent.held
        if sent.probe:
            guard.probes += sent.held

    def observe(self, sent: Sent, now: float, *, read: int, written: int) -> str:
        """The usage that the provider reported: ``hit``, ``cold``, ``missed`` (a warm prefix was not read) or ``more``.

        ``now`` is when others can read what was written: at its first token.
        """
        premium = 0.0 if sent.ttl is None else sent.ttl.write - 1
        won = sent.saving * read - premium * written
        guard = self.guard(sent.bill)
        guard.won += sent.held + won
        before = None if sent.reads is None else self.forest.changing(sent.reads)
        if sent.probe:
            guard.probes += sent.held + won
        elif before is not None and before.probe:
            guard.probes += sent.saving * read
        missed = read < sent.read_tokens
        for digest in sent.digests if not missed or sent.reads is None else (sent.reads, *sent.digests):
            node = self.forest.changing(digest)
            if node is not None and sent.ttl is not None:
                if missed or not node.ready <= now <= node.until:
                    node.ready, node.until, node.ttl = now, -1.0, 0.0
                if written:
                    node.ttl = max(node.ttl, float(sent.ttl.seconds))
                    node.until = max(node.until, sent.at + node.ttl)
        if before is not None and not missed and sent.refreshes:
            before.until = max(before.until, sent.at + before.ttl)
        if missed:
            return "missed"
        return "more" if read > sent.read_tokens else "hit" if read else "cold"

    def keeping(self, prefix: bytes, tokens: int, now: float, rules: CacheRules, bill: bytes = b"") -> float:
        """What reading a warm prefix of so many tokens for its own sake is expected to save, less what it costs.

        Such a read keeps it for another time to live. What it saves shows only if somebody comes then, so it is paid
        from winnings alone: 0 where those do not bear it, or nothing is known.
        """
        node = self.forest.nodes.get(prefix)
        if node is None or node.watch is None or not rules.refreshed or not node.warm(now):
            return 0.0
        hazards = self.odds.hazards(node.watch.chain, prior=0.0)
        age = now - node.watch.since
        ends, lasts = (within(seconds, hazards) for seconds in (node.until - node.watch.since, age + node.ttl))
        odds = (lasts - ends) / (1 - ends) if ends < 1 else 0.0
        value = tokens * (odds * (1 - rules.read) - rules.read)
        return value if self.guard(bill).won >= rules.read * tokens else 0.0

    def kept(self, prefix: bytes, at: float, *, lost: float, there: bool, bill: bytes = b"") -> None:
        """A prefix was read for its own sake by a request that began ``at``, at a price; or it was not ``there``."""
        self.guard(bill).won -= lost
        node = self.forest.changing(prefix)
        if node is not None:
            node.until = max(node.until, at + node.ttl) if there else at


def _shortest(found: Decision, choice: Choice, prompt: Prompt) -> Choice | None:
    """In place of a write on odds that are not trusted yet: the shortest that can be read."""
    at = prompt.shortest
    if at <= found.reads:
        return None
    cost = (choice.ttl.write - 1) * (prompt.upto(at) - found.read_tokens)
    point = msgspec.structs.replace(choice.points[-1], position=at, tokens=prompt.upto(at))
    return Choice(points=(point,), ttl=choice.ttl, cost=cost, value=choice.value * cost / choice.cost)


def _paid(found: Decision, choice: Choice, *, why: str) -> Decision:
    """The decision with a write in it."""
    last = choice.points[-1]
    return msgspec.structs.replace(
        found,
        marks=(*found.marks, *(point.position for point in choice.points)),
        ttl=choice.ttl,
        written_tokens=last.tokens - found.read_tokens,
        value=choice.value,
        why=why,
        forecast=tuple(
            hazard if end <= choice.ttl.seconds else 0.0 for hazard, end in zip(last.hazards, AGES, strict=True)
        ),
    )


def _vouched(prompt: Prompt, promised: Mapping[int, float], rules: CacheRules) -> list[Point]:
    """The places that the caller vouches for. What they bring says nothing about the odds that were learned."""
    return [
        Point(position=at, tokens=prompt.upto(at), odds=(odds,) * len(rules.ttls), hazards=(0.0,) * len(AGES))
        for at, odds in promised.items()
        if prompt.may(at)
    ]


def _turn(nodes: Sequence[Node], blocks: Sequence[PrefixBlock]) -> None:
    """Note at the last markable prefix of a prompt which turn of its conversation that prompt is."""
    end = next((at for at in range(len(blocks), 0, -1) if blocks[at - 1].markable), 0)
    if end:
        before = next((node.turn for node in reversed(nodes[: end - 1]) if node.turn), 0)
        nodes[end - 1].turn = before + 1
