"""The write policy: what it marks, what it learns, and what it never risks."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec
import pytest

from penstock.evals.pricing import Block, Pricing, Request
from penstock.policy.layout.forest import Forest
from penstock.policy.layout.guard import PROBED, VOUCHED, Guard
from penstock.policy.layout.odds import Record
from penstock.policy.layout.writes import Decision, Writes
from penstock.providers.prompt_cache import rules_for
from penstock.values.caching import CacheRules

FOUND = rules_for("anthropic", "claude-sonnet-4-5", date(2026, 11, 20))
assert FOUND is not None
RULES: CacheRules = FOUND


def prompt(name: str, blocks: int, tokens: int = 1024) -> tuple[Block, ...]:
    return tuple(Block(f"{name} {at}".encode(), tokens) for at in range(blocks))


def grown(session: int, turns: int) -> tuple[Block, ...]:
    """A conversation that two blocks are added to with each turn."""
    return prompt(f"session {session}", 2 + 2 * turns)


class Account:
    """A policy with a provider that does what its rules say."""

    def __init__(self, policy: Writes | None = None) -> None:
        self.policy = policy or Writes()
        self.pricing = Pricing(RULES)

    def call(self, blocks: tuple[Block, ...], now: float, **options: Any) -> Decision:
        request = Request(now, blocks, sum(block.tokens for block in blocks))
        decision = self.policy.decide(blocks, now, RULES, **options)
        sent = self.policy.send(blocks, decision, now, RULES, family=options.get("family", b""))
        bill = self.pricing.send(request, decision.marks, decision.ttl)
        told = self.policy.observe(sent, now, read=bill.read, written=bill.written)
        assert told == ("hit" if decision.reads else "cold")
        return decision

    def talk(self, sessions: int, turns: int = 8) -> list[Decision]:
        """Conversations one after the other, a turn each 20 s."""
        return [
            self.call(grown(session, turn), 200.0 * session + 20.0 * turn + 1)
            for session in range(sessions)
            for turn in range(turns)
        ]


def test_nothing_is_written_before_anything_is_known() -> None:
    account = Account()
    decision = account.call(prompt("a", 10), 1.0)
    assert (decision.marks, decision.ttl, decision.value) == ((), None, 0.0)
    assert decision.why == "no write is expected to pay"
    assert [round(point.odds[0], 3) for point in decision.points] == [0.1] * 5
    assert account.pricing.relative == 1.0


def test_conversations_are_probed_then_written_then_read() -> None:
    account = Account()
    decisions = account.talk(60)
    first = next(at for at, decision in enumerate(decisions) if decision.marks)
    assert decisions[first].probe
    assert decisions[first].marks == (1,)
    assert "probe" in decisions[first].why
    last = decisions[-1]
    assert not last.probe
    assert last.marks[0] == last.reads == 14
    assert last.marks[-1] == 16
    assert last.ttl is not None
    assert last.ttl.name == "5m"
    assert 0.7 < last.points[-1].odds[0] <= 1.0
    assert account.pricing.relative < 0.6
    assert account.policy.guard().won == pytest.approx(sum(bill.total - bill.cost for bill in account.pricing.bills))


def test_no_more_marks_are_set_than_the_provider_takes() -> None:
    account = Account()
    account.talk(60)
    account.call(grown(60, 1), 12_001.0)
    for most in (1, 2, 3, 4):
        rules = msgspec.structs.replace(RULES, most_marks=most)
        found = account.policy.decide(grown(60, 2), 12_002.0, rules)
        assert len(found.marks) <= most
        assert found.reads in {0, *found.marks}
    (only,) = account.policy.decide(grown(60, 2), 12_002.0, msgspec.structs.replace(RULES, most_marks=1)).marks
    assert only == found.reads


def test_what_cannot_be_marked_is_not() -> None:
    policy = Writes()
    short = policy.decide(prompt("a", 1, tokens=1023), 1.0, RULES)
    assert (short.marks, short.why) == ((), "no mark can be set")
    sent = policy.send(prompt("a", 1, tokens=1023), short, 1.0, RULES)
    assert policy.observe(sent, 1.0, read=0, written=0) == "cold"
    nothing = policy.decide((), 2.0, msgspec.structs.replace(RULES, most_marks=0))
    assert policy.send((), nothing, 2.0, RULES).reads is None


def test_what_the_caller_vouches_for_is_written_at_once() -> None:
    account = Account()
    leader = account.call(prompt("shared", 8), 1.0, promised={8: 1.0, 99: 1.0})
    assert leader.marks == (8,)
    assert leader.why == "other calls wait to read it"
    followers = [
        account.call((*prompt("shared", 8), *prompt(f"question {each}", 1)), 2.0, promised={}) for each in range(9)
    ]
    assert [decision.reads for decision in followers] == [8] * 9
    assert [decision.written_tokens for decision in followers] == [0] * 9
    assert sum(bill.read for bill in account.pricing.bills) / sum(bill.total for bill in account.pricing.bills) > 0.7


def test_families_share_no_prefix() -> None:
    account = Account()
    account.call(prompt("a", 8), 1.0, family=b"one", promised={8: 1.0})
    other = account.policy.decide(prompt("a", 8), 2.0, RULES, family=b"two")
    assert (other.reads, other.points[0].shared) == (0, False)
    same = account.policy.decide(prompt("a", 8), 2.0, RULES, family=b"one")
    assert (same.reads, same.points[-1].shared) == (8, True)
    assert same.points[-1].chain[-1].endswith(b"one".hex())


def test_a_warm_prefix_that_was_not_read_is_known_to_be_gone() -> None:
    policy = Writes(allowance=5000.0)
    blocks = prompt("a", 8)
    decision = policy.decide(blocks, 1.0, RULES, promised={8: 1.0})
    policy.observe(policy.send(blocks, decision, 1.0, RULES), 1.5, read=0, written=8192)
    again = policy.decide(blocks, 2.0, RULES)
    assert again.reads == 8
    sent = policy.send(blocks, again, 2.0, RULES)
    assert policy.observe(sent, 2.5, read=0, written=0) == "missed"
    assert policy.decide(blocks, 3.0, RULES).reads == 0
    # What the mark wrote in its place can be read.
    sent = policy.send(blocks, again, 4.0, RULES)
    assert policy.observe(sent, 4.5, read=0, written=8192) == "missed"
    assert policy.decide(blocks, 5.0, RULES).reads == 8


def test_more_than_foretold_may_be_read() -> None:
    policy = Writes()
    blocks = prompt("a", 8)
    sent = policy.send(blocks, policy.decide(blocks, 1.0, RULES), 1.0, RULES)
    assert policy.observe(sent, 1.5, read=2048, written=0) == "more"
    assert policy.guard().won == pytest.approx(0.9 * 2048)


def test_nothing_is_kept_of_a_call_that_failed() -> None:
    policy = Writes()
    blocks = prompt("a", 8)
    sent = policy.send(blocks, policy.decide(blocks, 1.0, RULES, promised={8: 1.0}), 1.0, RULES)
    assert (policy.guard().won, policy.guard().held) == (0, 0.25 * 8192)
    assert policy.observe(sent, 1.5, read=0, written=0) == "cold"
    assert (policy.guard().won, policy.guard().held) == (0, 0)
    assert policy.decide(blocks, 2.0, RULES).reads == 0


def test_what_was_forgotten_meanwhile_does_no_harm() -> None:
    policy = Writes(forest=Forest(most=0))
    blocks = prompt("a", 8)
    sent = policy.send(blocks, policy.decide(blocks, 1.0, RULES, promised={8: 1.0}), 1.0, RULES)
    assert policy.observe(sent, 1.5, read=0, written=8192) == "cold"
    assert not policy.forest.nodes


def test_two_calls_that_write_the_same_at_once_leave_one_entry() -> None:
    policy = Writes()
    blocks = prompt("a", 8)
    sent = [policy.send(blocks, policy.decide(blocks, now, RULES, promised={8: 1.0}), now, RULES) for now in (1.0, 1.2)]
    assert [policy.observe(each, 1.5 + at / 10, read=0, written=8192) for at, each in enumerate(sent)] == ["cold"] * 2
    node = policy.forest.nodes[blocks[-1].digest]
    assert (node.ready, node.until) == (1.5, 301.2)


def test_a_prompt_without_a_markable_block_is_sent_all_the_same() -> None:
    policy = Writes()
    blocks = prompt("a", 2, tokens=100)
    policy.send(blocks, policy.decide(blocks, 1.0, RULES), 1.0, RULES)
    assert [node.turn for node in policy.forest.nodes.values()] == [0, 0]


def test_the_guard_pays_for_probes_alone_until_writes_were_read() -> None:
    guard = Guard(sent=1_000_000.0)
    assert guard.may_probe(PROBED * 1_000_000)
    assert not guard.may_probe(PROBED * 1_000_000 + 1)
    assert Guard(allowance=300.0).may_probe(256.0)
    assert not guard.may_write(1.0, Record())
    assert guard.may_write(40_000.0, Record(expected=1.0, realised=1.0))
    assert not guard.may_write(40_001.0, Record(expected=1.0, realised=1.0))
    assert guard.may_write(60_000.0, Record(expected=1.0, realised=50.0))
    assert not guard.may_write(60_001.0, Record(expected=1.0, realised=50.0))
    assert not guard.may_write(1.0, Record(expected=1.0, realised=50.0), ahead=False)
    assert Guard(won=9.0).may_write(9.0, Record(expected=1.0, realised=50.0), ahead=False)
    assert not guard.may_write(1.0, Record(expected=100.0, realised=30.0))
    assert guard.may_trust(VOUCHED + PROBED * 1_000_000, Record())
    assert not guard.may_trust(VOUCHED + PROBED * 1_000_000 + 1, Record())
    assert guard.may_trust(VOUCHED + 40_000.0, Record(realised=1.0))


def test_writes_stop_when_reads_of_them_stay_away() -> None:
    """Prefixes are repeated until they are written: the strongest traffic that there can be against the policy."""
    account, written, fresh = Account(), set[bytes](), 0
    for session in range(150):
        for turn in range(8):
            blocks = grown(session, turn)
            if any(block.digest in written for block in blocks):
                fresh += 1
                blocks = prompt(f"fresh {fresh}", len(blocks))
            decision = account.call(blocks, 200.0 * session + 20.0 * turn + 1)
            written |= {blocks[mark - 1].digest for mark in decision.marks}
    assert written
    assert 1.0 < account.pricing.relative <= 1.0 + PROBED


def test_what_is_not_known_is_not_kept_warm() -> None:
    writes = Writes()
    assert writes.keeping(b"nobody", 5000, 10.0, RULES) == 0.0
    writes.kept(b"nobody", 10.0, lost=500.0, there=False)
    assert writes.guard().won == -500.0


def test_what_is_held_for_a_call_that_failed_is_free_again() -> None:
    writes = Writes(allowance=5000.0)
    blocks = grown(8, 1)
    for turn in range(1, 12):
        blocks, now = grown(8, turn), 20.0 * turn
        decision = writes.decide(blocks, now, RULES)
        sent = writes.send(blocks, decision, now, RULES)
        if decision.probe:
            assert writes.guard().held == writes.guard().held_probes == decision.cost > 0
            writes.release(sent)
            assert writes.guard() == Guard(sent=writes.guard().sent, allowance=5000.0)
            return
        writes.observe(sent, now, read=0, written=0)
    raise AssertionError("no probe was made")


def unread(sessions: int, *, system: tuple[Block, ...] = (), turns: int = 8) -> tuple[Writes, float]:
    """Conversations at a provider that charges for every write and reads nothing; what their input costs."""
    policy, total, lost = Writes(), 0, 0.0
    for session in range(sessions):
        for turn in range(turns):
            now, blocks = 200.0 * session + 20.0 * turn + 1, (*system, *grown(session, turn))
            decision = policy.decide(blocks, now, RULES)
            sent = policy.send(blocks, decision, now, RULES)
            written = sum(block.tokens for block in blocks[: decision.marks[-1]]) if decision.marks else 0
            policy.observe(sent, now, read=0, written=written)
            total, lost = total + decision.total, lost + decision.premium * written
    return policy, 1 + lost / total


@pytest.mark.parametrize("system", [0, 4096])
def test_where_nothing_is_ever_read_probes_alone_are_lost(system: int) -> None:
    policy, cost = unread(200, system=prompt("system", 1, tokens=system) if system else ())
    assert 1.0 < cost < 1.0 + 1.1 * PROBED
    record = policy.odds.record(b"")
    assert record.realised == 0 < record.expected
    assert not record.trusted


def known(sessions: int = 60) -> Writes:
    """A policy that has seen conversations go on, and has written none of them."""
    policy = Writes()
    for session in range(sessions):
        for turn in range(8):
            now, blocks = 200.0 * session + 20.0 * turn, grown(session, turn)
            unmarked = Decision(total=8192, why="", points=policy.decide(blocks, now, RULES).points)
            policy.observe(policy.send(blocks, unmarked, now, RULES), now, read=0, written=0)
    return policy


def probed(policy: Writes, now: float = 12_001.0) -> tuple[tuple[Block, ...], Decision]:
    blocks = prompt("probed", 12)
    decision = policy.decide(blocks, now, RULES)
    assert (decision.probe, decision.written_tokens) == (True, 1024)
    return blocks, decision


def test_a_repeat_counts_as_a_read_as_far_as_the_provider_reports_one() -> None:
    for read, came in ((1024, 1.0), (1023, 0.0), (0, 0.0)):
        policy = known()
        blocks, decision = probed(policy)
        policy.observe(policy.send(blocks, decision, 12_001.0, RULES), 12_001.0, read=0, written=1024)
        again = policy.decide(blocks, 12_003.0, RULES)
        sent = policy.send(blocks, again, 12_003.0, RULES)
        record = policy.odds.record(b"")
        assert (record.expected, record.realised) == (0.0, 0.0)  # nothing has been reported yet
        policy.observe(sent, 12_003.0, read=read, written=again.written_tokens)
        assert (record.expected, record.realised) == (decision.forecast[0], came)


def test_a_failed_write_and_its_failed_retry_say_nothing() -> None:
    policy = known()
    blocks, decision = probed(policy)
    first = policy.send(blocks, decision, 12_001.0, RULES)
    second = policy.send(blocks, policy.decide(blocks, 12_003.0, RULES), 12_003.0, RULES)
    policy.release(first)
    policy.observe(second, 12_003.0, read=0, written=0)  # the prefix that it repeats was never written
    assert policy.odds.record(b"").realised == policy.odds.record(b"").expected == 0.0
    assert not any(node.watch.staked for node in policy.forest.nodes.values() if node.watch)
    assert (policy.guard().won, policy.guard().held, policy.guard().held_probes) == (0.0, 0.0, 0.0)


def test_what_is_billed_without_a_report_was_paid_and_says_nothing_of_reads() -> None:
    policy = known()
    blocks, decision = probed(policy)
    sent = policy.guard().sent
    policy.presume(policy.send(blocks, decision, 12_001.0, RULES), 12_002.0)
    assert (policy.guard().won, policy.guard().probes, policy.guard().held) == (-256.0, -256.0, 0.0)
    assert policy.guard().sent == sent + decision.total
    again = policy.decide(blocks, 12_003.0, RULES)
    assert again.reads == 1
    policy.presume(policy.send(blocks, again, 12_003.0, RULES), 12_003.0)
    assert policy.guard().won == -256.0 - again.cost
    assert policy.odds.record(b"").realised == 0.0
    assert policy.decide(blocks, 12_004.0, RULES).reads >= 1


def test_calls_that_were_decided_on_at_once_are_borne_one_by_one() -> None:
    policy = known()
    prompts = [prompt(f"caller {number}", 12) for number in range(60)]
    decisions = [policy.decide(blocks, 12_001.0, RULES) for blocks in prompts]
    assert all(decision.probe for decision in decisions)
    sent = 0
    for blocks, decision in zip(prompts, decisions, strict=True):
        if policy.bears(decision):
            policy.send(blocks, decision, 12_001.5, RULES)
            sent += 1
    guard = policy.guard()
    assert 0 < sent < 60
    assert guard.held == guard.held_probes == 256.0 * sent <= PROBED * guard.sent
    assert policy.bears(Decision(total=0, why="nothing is written"))


def test_no_more_is_written_on_the_word_of_callers_than_the_account_bears() -> None:
    policy = Writes()
    blocks = prompt("shared", 1, tokens=60_000)
    decision = policy.decide(blocks, 1.0, RULES, promised={1: 1.0})
    assert (decision.vouched, decision.cost) == (True, 15_000.0)
    sent = policy.send(blocks, decision, 1.0, RULES)
    assert not policy.bears(decision)
    assert policy.decide(blocks, 1.0, RULES, promised={1: 1.0}).why == "no write is expected to pay"
    policy.release(sent)
    assert policy.bears(decision)


def test_a_write_that_one_read_does_not_pay_for_is_borne_by_what_was_won() -> None:
    policy = Writes()
    policy.odds.record(b"").count(1.0, 1.0)
    policy.guard().sent = 1_000_000.0
    fast = Decision(total=4096, written_tokens=1000, ttl=RULES.ttl, why="")
    slow = msgspec.structs.replace(fast, slow=True)
    assert policy.bears(fast)
    assert not policy.bears(slow)
    policy.guard().won = slow.cost
    assert policy.bears(slow)


def test_writes_that_cost_nothing_more_need_no_account() -> None:
    free = msgspec.structs.replace(RULES, ttls=(msgspec.structs.replace(RULES.ttl, write=1.0),))
    decision = known().decide(grown(99, 1), 12_001.0, free)
    assert decision.written_tokens == decision.total
    assert not decision.probe
