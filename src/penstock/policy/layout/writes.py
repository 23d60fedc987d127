"""Which prefixes are worth writing to a provider's cache: where a prompt is marked, and for how long.

A write costs a premium on every token up to the last mark, and saves most of the price of those that a later request
reads. So a mark is set where odds x saving is above the premium. The odds are learned from requests (`odds`), what is
known of a prompt's prefixes stands in `forest`, and `guard` keeps odds that deceive from costing more than they won.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate

import msgspec

from penstock.policy.layout.choice import Choice, Point, best
from penstock.policy.layout.forest import Forest, Node, warm_upto
from penstock.policy.layout.guard import Guard
from penstock.policy.layout.odds import AGES, Odds, Record, Watch, kept_of, within
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
    vouched: bool = False
    """Whether it is written on the caller's word that others read it."""
    slow: bool = False
    """Whether one read does not pay for the write."""
    points: tuple[Point, ...] = ()
    """The places that were weighed, with the odds of each."""
    why: str
    forecast: tuple[float, ...] = ()
    """The odds on which a write is paid, for each span of age."""

    @property
    def premium(self) -> float:
        """What a token that is written costs more than one that is not."""
        return 0.0 if self.ttl is None else self.ttl.write - 1

    @property
    def cost(self) -> float:
        """What the write costs more than none."""
        return self.premium * self.written_tokens


class Repeated(msgspec.Struct, frozen=True):
    """A prefix of a prompt on its way that an earlier one paid to write. Whether it is read the usage will tell."""

    tokens: int
    odds: float
    """On which the write was paid."""
    life: Watch
    """The one that ends with this prompt."""


class Sent(msgspec.Struct, frozen=True):
    """A prompt on its way, until its usage is known."""

    at: float
    decision: Decision
    rules: CacheRules
    digests: tuple[bytes, ...]
    """Of the marked prefixes that are to be written."""
    reads: bytes | None
    """The prefix that is to be read."""
    guard: Guard
    """The account of who pays, which holds what the write costs."""
    record: Record
    repeated: tuple[Repeated, ...]
    staked: tuple[Watch, ...]
    """The lives of what is to be written."""


class Writes:
    """The write policy of one process, for all its families (provider and tenant) and bills (key and model).

    `decide`, then `send` when the call goes out, then `observe` when its usage is known. A call that failed ends with
    `release` if nobody bills it, with `presume` if it is billed all the same. Between `decide` and `send` others may
    have gone out: where that takes time ask `bears` again. Times are seconds on any one clock that does not go back.
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
        choice = best(_vouched(prompt, promised or {}, rules), found.read_tokens, after=warm, room=room, rules=rules)
        if choice is not None:
            paid = _paid(found, choice, why="other calls wait to read it", vouched=True)
            if self.bears(paid, bill):
                return paid
        choice = best(points, found.read_tokens, after=warm, room=room, rules=rules)
        if choice is None:
            return found
        paid = _paid(found, choice, why="the write is expected to pay")
        if self.bears(paid, bill):
            return paid
        small = None if self.odds.record(bill).trusted and not choice.slow else _shortest(found, choice, prompt)
        if small is not None:
            paid = _paid(found, small, why="a probe: whether writes are read as foretold", probe=True)
            if self.bears(paid, bill):
                return paid
        return msgspec.structs.replace(found, why="the loss guard: no write until others were read")

    def bears(self, decision: Decision, bill: bytes = b"") -> bool:
        """Whether the account bears the write of a decision as it stands now."""
        guard, record = self.guard(bill), self.odds.record(bill)
        if decision.cost <= 0:
            return True
        if decision.vouched:
            return guard.may_trust(decision.cost, record)
        if decision.probe:
            return guard.may_probe(decision.cost)
        return guard.may_write(decision.cost, record, ahead=not decision.slow)

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
        """The call goes out: what it repeats lives anew, and what it writes is held by the guard."""
        digests = [family + block.digest for block in blocks]
        nodes = self.forest.send(digests, now)
        repeated = self._repeat(nodes, blocks, decision, now)
        _turn(nodes, blocks)
        guard, record = self.guard(bill), self.odds.record(bill)
        new = [at for at in decision.marks if at > decision.reads]
        guard.hold(decision.cost, probe=decision.probe)
        return Sent(
            at=now,
            decision=decision,
            rules=rules,
            digests=tuple(digests[at - 1] for at in new),
            reads=digests[decision.reads - 1] if decision.reads else None,
            guard=guard,
            record=record,
            repeated=repeated,
            staked=self._stake([nodes[at - 1] for at in new], decision, now, bill) if decision.written_tokens else (),
        )

    def _repeat(
        self, nodes: Sequence[Node], blocks: Sequence[PrefixBlock], decision: Decision, now: float
    ) -> tuple[Repeated, ...]:
        """Lives end and begin anew with the prompt; those of them that an earlier prompt paid to write."""
        chains = {point.position: point.chain for point in decision.points}
        repeated: list[Repeated] = []
        for at, (node, upto) in enumerate(zip(nodes, accumulate(block.tokens for block in blocks), strict=True), 1):
            if node.watch is not None and node.watch.since < now:
                odds = self.odds.end(node.watch, now, read=False)
                if odds:
                    repeated.append(Repeated(upto, odds, node.watch))
                node.watch = None
            if at in chains and node.watch is None:
                node.watch = self.odds.watch(now, chains[at])
        return tuple(repeated)

    def _stake(self, nodes: Sequence[Node], decision: Decision, now: float, bill: bytes) -> tuple[Watch, ...]:
        """Note on what odds these are written; their lives."""
        self.odds.record(bill).wrote()
        lives: list[Watch] = []
        for node in nodes:
            node.probe = decision.probe
            node.watch = node.watch or self.odds.watch(now, ())
            node.watch.staked, node.watch.bill = decision.forecast, bill
            lives.append(node.watch)
        return tuple(lives)

    def release(self, sent: Sent) -> None:
        """The call failed and is not billed: it read nothing and wrote nothing."""
        sent.guard.hold(-sent.decision.cost, probe=sent.decision.probe)
        _unstake(sent)

    def presume(self, sent: Sent, now: float) -> None:
        """The call is billed, and its usage will never be known: it wrote what it was to write, and read nothing.

        That says nothing of the prefixes that it repeats: they stay as they are.
        """
        decision = sent.decision
        self._billed(sent, -decision.cost)
        sent.guard.probes -= decision.cost if decision.probe else 0.0
        self._cached(sent.digests, sent, now, anew=False, there=True)

    def observe(self, sent: Sent, now: float, *, read: int, written: int) -> str:
        """The usage that the provider reported: ``hit``, ``cold``, ``missed`` (a warm prefix was not read) or ``more``.

        ``now`` is when others can read what was written: at its first token.
        """
        decision, guard = sent.decision, sent.guard
        saved, paid = (1 - sent.rules.read) * read, decision.premium * written
        self._billed(sent, saved - paid)
        for each in sent.repeated:
            if each.life.staked:  # not taken back meanwhile
                self.odds.record(each.life.bill).count(each.odds, float(each.tokens <= read))
        before = None if sent.reads is None else self.forest.changing(sent.reads)
        missed = read < decision.read_tokens
        if decision.probe:
            guard.probes += saved - paid
        else:
            guard.probes += saved if before is not None and before.probe else 0.0
            guard.probes -= max(paid - decision.cost, 0.0) if missed else 0.0
        if not written:
            _unstake(sent)
        gone = (sent.reads,) if missed and sent.reads is not None else ()
        there = written > 0 and (not missed or sent.record.trusted or guard.may_probe(0.0))
        self._cached((*gone, *sent.digests), sent, now, anew=missed, there=there)
        if before is not None and not missed and sent.rules.refreshed:
            before.until = max(before.until, sent.at + before.ttl)
        if missed:
            return "missed"
        return "more" if read > decision.read_tokens else "hit" if read else "cold"

    def _billed(self, sent: Sent, won: float) -> None:
        sent.guard.hold(-sent.decision.cost, probe=sent.decision.probe)
        sent.guard.sent += sent.decision.total
        sent.guard.won += won

    def _cached(self, digests: Sequence[bytes], sent: Sent, now: float, *, anew: bool, there: bool) -> None:
        """Whether prefixes with a mark of this prompt are there from ``now`` on; ``anew``: they were gone before."""
        ttl = sent.decision.ttl
        for node in filter(None, map(self.forest.changing, digests)):
            if anew or not node.ready <= now <= node.until:
                node.ready, node.until, node.ttl = now, -1.0, 0.0
            if there and ttl is not None:
                node.ttl = max(node.ttl, float(ttl.seconds))
                node.until = max(node.until, sent.at + node.ttl)

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
        guard = self.guard(bill)
        return value if guard.won - guard.held >= rules.read * tokens else 0.0

    def kept(self, prefix: bytes, at: float, *, lost: float, there: bool, bill: bytes = b"") -> None:
        """A prefix was read for its own sake by a request that began ``at``, at a price; or it was not ``there``."""
        self.guard(bill).won -= lost
        node = self.forest.changing(prefix)
        if node is not None:
            node.until = max(node.until, at + node.ttl) if there else at


def _unstake(sent: Sent) -> None:
    """Nothing was written: nobody waits for its being read."""
    for life in sent.staked:
        life.staked = ()


def _shortest(found: Decision, choice: Choice, prompt: Prompt) -> Choice | None:
    """In place of a write on odds that are not trusted yet: the first block that can be marked."""
    at = prompt.shortest
    if at <= found.reads:
        return None
    cost = (choice.ttl.write - 1) * (prompt.upto(at) - found.read_tokens)
    point = msgspec.structs.replace(choice.points[-1], position=at, tokens=prompt.upto(at))
    return Choice(points=(point,), ttl=choice.ttl, cost=cost, value=choice.value * cost / choice.cost)


def _paid(found: Decision, choice: Choice, *, why: str, vouched: bool = False, probe: bool = False) -> Decision:
    """The decision with a write in it."""
    last = choice.points[-1]
    return msgspec.structs.replace(
        found,
        marks=(*found.marks, *(point.position for point in choice.points)),
        ttl=choice.ttl,
        written_tokens=last.tokens - found.read_tokens,
        value=choice.value,
        why=why,
        vouched=vouched,
        probe=probe,
        slow=choice.slow,
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
