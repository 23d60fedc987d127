"""What write policies tell each other, and what they make of it."""

from __future__ import annotations

from datetime import date

import msgspec

from penstock.evals.pricing import Block
from penstock.policy.layout.notebook import Notebook
from penstock.policy.layout.odds import AGES, Record
from penstock.policy.layout.writes import Writes
from penstock.providers.prompt_cache import rules_for
from penstock.values.caching import CacheRules
from penstock.values.prefixes import Known, Prefix, Tally

FOUND = rules_for("anthropic", "claude-sonnet-4-5", date(2026, 11, 20))
assert FOUND is not None
RULES: CacheRules = FOUND


def prompt(name: str, blocks: int) -> tuple[Block, ...]:
    return tuple(Block(f"{name} {at}".encode(), 1024) for at in range(blocks))


def call(policy: Writes, blocks: tuple[Block, ...], now: float, *, bill: bytes = b"") -> None:
    decision = policy.decide(blocks, now, RULES, bill=bill)
    sent = policy.send(blocks, decision, now, RULES, bill=bill)
    policy.observe(sent, now, read=decision.read_tokens, written=decision.written_tokens)


def talk(policy: Writes, sessions: range) -> None:
    for session in sessions:
        for turn in range(8):
            call(policy, prompt(f"session {session}", 2 + 2 * turn), 200.0 * session + 20.0 * turn + 1)


def shared(*known: Known) -> Known:
    """All prefixes, and the sums of all tallies, as a registry tells them."""
    sums: dict[str, Tally] = {}
    for each in known:
        for name, tally in each.tallies.items():
            before = sums.get(name, Tally((0.0,) * len(tally.counts), tally.since))
            counts = tuple(a + b for a, b in zip(before.counts, tally.counts, strict=True))
            sums[name] = Tally(counts, min(before.since, tally.since))
    return Known([prefix for each in known for prefix in each.prefixes], sums)


def test_who_begins_knows_what_the_others_know() -> None:
    one, two = Writes(), Writes()
    talk(one, range(60))
    Notebook(two).learn(Notebook(one).news(), one.odds.now)
    assert Notebook(two).news().prefixes == []
    assert {digest: node.until for digest, node in two.forest.nodes.items()} == {
        digest: node.until for digest, node in one.forest.nodes.items()
    }
    assert two.odds.curves == one.odds.curves
    assert two.guard() == one.guard()
    assert two.odds.record(b"") == one.odds.record(b"") != Record()
    for turn in range(4):
        blocks, now = prompt("session 60", 2 + 2 * turn), 12_001.0 + 20 * turn
        assert one.decide(blocks, now, RULES) == two.decide(blocks, now, RULES)
        call(one, blocks, now)
        call(two, blocks, now)


def test_news_are_told_once() -> None:
    policy = Writes()
    notebook = Notebook(policy)
    call(policy, prompt("a", 3), 1.0)
    first = notebook.news()
    assert len(first.prefixes) == 3
    assert set(first.tallies) == {"bill "}
    assert notebook.news() == Known()


def test_counts_of_both_add_up() -> None:
    one, two = Writes(), Writes()
    mine, theirs = Notebook(one), Notebook(two)
    talk(one, range(30))
    talk(two, range(30, 60))
    a, b = mine.news(), theirs.news()
    together = shared(a, b)
    mine.learn(Known([], together.tallies), 12_000.0)
    theirs.learn(Known([], together.tallies), 12_000.0)
    assert one.guard().sent == two.guard().sent == sum(2 + 2 * turn for turn in range(8)) * 1024 * 60
    assert one.odds.curves == two.odds.curves
    assert mine.news() == theirs.news() == Known()


def test_a_life_ends_where_another_process_sees_the_prefix_again() -> None:
    policy = Writes()
    call(policy, prompt("a", 3), 1.0)
    end = next(digest for digest, each in policy.forest.nodes.items() if each.watch is not None)
    watch = policy.forest.nodes[end].watch
    assert watch is not None
    notebook = Notebook(policy)
    notebook.learn(Known([Prefix(end, 5.0, sent=2, turn=1, ready=6.0, until=306.0, ttl=300.0)]), 6.0)
    assert not watch.open
    assert policy.forest.nodes[end].watch is None
    assert policy.forest.nodes[end].warm(7.0)
    assert sum(curve.ended[0] for curve in policy.odds.curves.values()) == len(watch.chain)
    notebook.learn(Known([Prefix(end, 4.0, ready=5.0, until=400.0, ttl=300.0)]), 7.0)  # old news
    assert policy.forest.nodes[end].until == 306.0


def test_lives_are_taken_up() -> None:
    one, two = Writes(), Writes()
    call(one, prompt("a", 3), 1.0)
    news = Notebook(one).news()
    Notebook(two).learn(news, 2.0)
    assert two.odds.watched == sum(bool(prefix.life) for prefix in news.prefixes) > 0
    Notebook(two).learn(news, 2.0)  # whoever watches already goes on
    assert two.odds.watched == sum(bool(prefix.life) for prefix in news.prefixes)


def test_what_another_version_told_is_left_alone() -> None:
    policy = Writes()
    strange = {"odds a": Tally((1.0,)), "bill 00": Tally((1.0,)), "other": Tally((1.0,))}
    Notebook(policy).learn(Known([Prefix(b"a", 1.0, life=b"?")], strange), 2.0)
    assert (policy.odds.curves, policy.guards) == ({}, {})
    assert policy.forest.nodes[b"a"].watch is None


def test_a_class_that_was_forgotten_here_is_learned_anew() -> None:
    policy = Writes()
    notebook = Notebook(policy)
    tally = Tally((2.0,) * (2 * len(AGES)), 1.0)
    notebook.learn(Known([], {"odds a": tally}), 2.0)
    del policy.odds.curves["a"]
    assert notebook.news() == Known()
    notebook.learn(Known([], {"odds a": msgspec.structs.replace(tally, since=0.5)}), 3.0)
    assert policy.odds.curves["a"].reached == [2.0] * len(AGES)
    assert policy.odds.curves["a"].since == 0.5


def test_no_more_bills_are_kept_than_that() -> None:
    policy = Writes()
    for bill in range(1100):
        call(policy, prompt("a", 2), 1.0 + bill, bill=bill.to_bytes(2, "big"))
    assert len(policy.guards) == len(policy.odds.records) == 1024


def test_what_one_bill_wins_is_not_for_another_to_lose() -> None:
    policy = Writes()
    talk(policy, range(60))
    assert policy.guard().won > 0
    before = msgspec.structs.replace(policy.guard())
    blocks = prompt("session 60", 12)
    rich, poor = policy.decide(blocks, 12_001.0, RULES), policy.decide(blocks, 12_001.0, RULES, bill=b"other")
    assert rich.marks
    assert not poor.marks
    assert "loss guard" in poor.why
    call(policy, blocks, 12_002.0, bill=b"other")
    assert policy.guard() == before
