"""What write policies tell each other, and what they make of it."""

from __future__ import annotations

from datetime import date

import msgspec
import pytest

from penstock.evals.pricing import Block
from penstock.policy.layout.notebook import Notebook
from penstock.policy.layout.odds import AGES, Odds, Record
from penstock.policy.layout.writes import Writes
from penstock.providers.prompt_cache import rules_for
from penstock.values.caching import CacheRules
from penstock.values.prefixes import PAGE, Known, Prefix, Tally

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


def told(notebook: Notebook) -> Known:
    """All that is new, in one piece."""
    pages = list(notebook.news())
    tallies = {name: tally for page in pages for name, tally in page.tallies.items()}
    return Known([prefix for page in pages for prefix in page.prefixes], tallies)


def read(odds: Odds, name: str, times: int) -> None:
    for _ in range(times):
        odds.end(odds.watch(0.0, (name,)), 0.5)


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
    Notebook(two).learn(told(Notebook(one)))
    assert told(Notebook(two)).prefixes == []
    assert {digest: node.until for digest, node in two.forest.nodes.items()} == {
        digest: node.until for digest, node in one.forest.nodes.items()
    }
    assert dict(two.odds.curves) == dict(one.odds.curves)
    assert two.guard() == one.guard()
    heard, own = two.odds.record(b""), one.odds.record(b"")
    assert (heard.writes, heard.foretold, heard.came) == (own.writes, own.foretold, own.came)
    assert heard.expected == pytest.approx(own.expected, rel=0.02)
    assert heard.realised == pytest.approx(own.realised, rel=0.02)
    for turn in range(4):
        blocks, now = prompt("session 60", 2 + 2 * turn), 12_001.0 + 20 * turn
        mine, theirs = one.decide(blocks, now, RULES), two.decide(blocks, now, RULES)
        assert (mine.marks, mine.ttl, mine.why) == (theirs.marks, theirs.ttl, theirs.why)
        call(one, blocks, now)
        call(two, blocks, now)


def test_news_are_told_once() -> None:
    policy = Writes()
    notebook = Notebook(policy)
    call(policy, prompt("a", 3), 1.0)
    first = told(notebook)
    assert len(first.prefixes) == 3
    assert set(first.tallies) == {"bill "}
    assert told(notebook) == Known()


def test_counts_of_both_add_up() -> None:
    one, two = Writes(), Writes()
    mine, theirs = Notebook(one), Notebook(two)
    talk(one, range(30))
    talk(two, range(30, 60))
    a, b = told(mine), told(theirs)
    together = shared(a, b)
    mine.learn(Known([], together.tallies))
    theirs.learn(Known([], together.tallies))
    assert one.guard().sent == two.guard().sent == sum(2 + 2 * turn for turn in range(8)) * 1024 * 60
    assert dict(one.odds.curves) == dict(two.odds.curves)
    assert told(mine) == told(theirs) == Known()


def test_a_life_ends_where_another_process_sees_the_prefix_again() -> None:
    policy = Writes()
    call(policy, prompt("a", 3), 1.0)
    end = next(digest for digest, each in policy.forest.nodes.items() if each.watch is not None)
    watch = policy.forest.nodes[end].watch
    assert watch is not None
    notebook = Notebook(policy)
    notebook.learn(Known([Prefix(end, 5.0, turn=1, ready=6.0, until=306.0, ttl=300.0)]))
    assert not watch.open
    assert policy.forest.nodes[end].watch is None
    assert policy.forest.nodes[end].warm(7.0)
    assert sum(curve.ended[0] for curve in policy.odds.curves.values()) == len(watch.chain)
    notebook.learn(Known([Prefix(end, 4.0, ready=5.0, until=400.0, ttl=300.0)]))  # old news
    assert policy.forest.nodes[end].until == 306.0


def test_what_another_version_told_is_left_alone() -> None:
    policy = Writes()
    strange = {"odds a": Tally((1.0,)), "bill 00": Tally((1.0,)), "record 00": Tally((1.0,)), "other": Tally((1.0,))}
    Notebook(policy).learn(Known([], strange))
    assert (policy.odds.curves, policy.guards, policy.odds.records) == ({}, {}, {})


def test_a_class_that_was_forgotten_here_is_learned_anew() -> None:
    policy = Writes()
    notebook = Notebook(policy)
    tally = Tally((2.0,) * (2 * len(AGES)), 1.0)
    notebook.learn(Known([], {"odds a": tally}))
    del policy.odds.curves["a"]
    assert told(notebook) == Known()
    notebook.learn(Known([], {"odds a": msgspec.structs.replace(tally, since=0.5)}))
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


def test_what_fades_is_told_as_it_was_counted() -> None:
    one = Writes()
    for _ in range(240):
        one.odds.record(b"b").wrote()
        one.odds.record(b"b").count(0.3, 0.25)
    workers = [Writes() for _ in range(8)]
    notebooks = [Notebook(worker) for worker in workers]
    for worker in workers:
        for _ in range(30):
            worker.odds.record(b"b").wrote()
            worker.odds.record(b"b").count(0.3, 0.25)
    together = shared(*map(told, notebooks))
    for notebook in notebooks:
        notebook.learn(together)
    alone = one.odds.record(b"b")
    for worker in workers:
        record = worker.odds.record(b"b")
        assert (record.writes, record.foretold, record.came) == pytest.approx((240.0, 72.0, 60.0))
        assert record.expected == pytest.approx(alone.expected, rel=0.02)
        assert record.realised == pytest.approx(alone.realised, rel=0.02)
    for _ in range(3):  # nobody counts any more: nothing moves
        assert [told(notebook) for notebook in notebooks] == [Known()] * 8


def test_what_was_forgotten_and_made_anew_is_told_from_nothing() -> None:
    policy = Writes()
    notebook = Notebook(policy)
    policy.odds = Odds(most_curves=3)
    policy.guard(b"\0").sent = 1e6
    read(policy.odds, "a", 50)
    first = told(notebook)
    for bill in range(1, 1025):
        policy.guard(bill.to_bytes(2, "big"))
    for name in "bcde":
        read(policy.odds, name, 1)
    policy.guard(b"\0").sent = 100.0
    read(policy.odds, "a", 1)
    news = told(notebook)
    assert news.tallies["bill 00"].counts == (100.0, 0.0, 0.0)
    assert news.tallies["odds a"].counts[0] == 1.0
    notebook.learn(shared(first, news))
    assert policy.guard(b"\0").sent == 1e6 + 100
    assert policy.odds.curves["a"].reached[0] == 51.0


def test_what_the_others_have_forgotten_is_not_lost_here() -> None:
    policy = Writes()
    notebook = Notebook(policy)
    read(policy.odds, "a", 50)
    told(notebook)
    read(policy.odds, "a", 1)
    news = told(notebook)
    assert news.tallies["odds a"].counts[0] == 1.0
    notebook.learn(news)  # the sum is no more than what was added last
    assert policy.odds.curves["a"].reached[0] == 51.0
    assert told(notebook) == Known()
    read(policy.odds, "a", 1)
    assert told(notebook).tallies["odds a"].counts[0] == 1.0


def test_classes_that_are_heard_of_are_bounded_too() -> None:
    policy = Writes()
    notebook = Notebook(policy)
    for page in range(5):
        names = [f"odds {page} {at}" for at in range(4000)]
        notebook.learn(Known([], {name: Tally((1.0,) * (2 * len(AGES)), 1.0) for name in names}))
    for bill in range(1100):
        policy.guard(bill.to_bytes(2, "big")).sent += 1
        policy.odds.record(bill.to_bytes(2, "big")).wrote()
    told(notebook)
    assert len(policy.odds.curves) == 4096
    notebook.learn(Known([], {f"odds {at}": Tally((1.0,) * (2 * len(AGES)), 1.0) for at in range(4000)}))
    assert len(policy.odds.curves) == 4096


def test_the_bill_that_is_used_stays() -> None:
    policy = Writes()
    busy = policy.guard(b"busy")
    for bill in range(2000):
        policy.guard(bill.to_bytes(2, "big"))
        assert policy.guard(b"busy") is busy


def test_news_come_in_pages() -> None:
    policy = Writes()
    notebook = Notebook(policy)
    policy.forest.send([at.to_bytes(2, "big") for at in range(2 * PAGE)], 1.0)
    for at in range(PAGE + 1):
        read(policy.odds, f"{at}", 1)
    pages = list(notebook.news())
    assert [(len(page.prefixes), len(page.tallies)) for page in pages] == [(PAGE, 0), (PAGE, 0), (0, PAGE), (0, 1)]
    assert list(notebook.news()) == [Known()]


def test_a_prefix_is_told_when_that_is_news_to_somebody() -> None:
    policy = Writes()
    notebook = Notebook(policy)

    def sent(now: float) -> list[bytes]:
        policy.forest.send([b"a", b"b"], now)
        return sorted(prefix.digest for prefix in told(notebook).prefixes)

    assert sent(1.0) == [b"a", b"b"]
    assert sent(2.0) == [b"b"]  # the end of a prompt always
    notebook.learn(Known([Prefix(b"a", 2.5)]))
    assert sent(3.0) == [b"a", b"b"]  # who sent it may wait for it
    assert sent(4.0) == [b"b"]
    notebook.learn(Known([Prefix(b"a", 3.5)]))  # told before it was heard that it was sent at 4.0
    assert [prefix.seen for prefix in told(notebook).prefixes] == [4.0]
    assert sent(400.0) == [b"a", b"b"]


@pytest.mark.parametrize("outcome_comes_later", [False, True])
@pytest.mark.parametrize("until", [-1.0, 310.0])
def test_what_another_process_did_not_find_was_not_read(until: float, *, outcome_comes_later: bool) -> None:
    policy = Writes()
    notebook = Notebook(policy)
    node = policy.forest.send([b"a"], 1.0)[0]
    node.ready, node.until, node.ttl = 1.0, 301.0, 300.0
    node.watch = policy.odds.watch(1.0, ("all",))
    node.watch.staked, node.watch.bill = (0.5,) * len(AGES), b"bill"
    record = policy.odds.record(b"bill")
    if outcome_comes_later:
        notebook.learn(Known([Prefix(b"a", 4.0, ready=1.0, until=301.0, ttl=300.0)]))
        assert record == Record(expected=0.5, realised=1.0, foretold=0.5, came=1.0)
    notebook.learn(Known([Prefix(b"a", 4.0, ready=10.0, until=until, ttl=300.0)]))
    assert record == Record(expected=0.5, realised=0.0, foretold=0.5, came=0.0)
    notebook.learn(Known([Prefix(b"a", 12.0, ready=20.0, until=320.0, ttl=300.0)]))
    assert record.came == 0.0
