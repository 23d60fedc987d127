"""Which prefixes are known, and how many are kept."""

from __future__ import annotations

from penstock.policy.layout.forest import FORGOTTEN_AFTER, Forest, Node


def test_the_longest_known_prefix_is_found() -> None:
    forest = Forest()
    first = forest.send([b"a", b"ab", b"abc"], 1.0)
    assert forest.known([b"a", b"ab", b"abx", b"abc"]) == first[:2]
    assert forest.known([b"x"]) == []
    again = forest.send([b"a", b"ab", b"abx"], 2.0)
    assert again[:2] == first[:2]
    assert [node.seen for node in again] == [2.0] * 3


def test_leaves_go_before_what_they_grow_on() -> None:
    forest = Forest(most=3)
    forest.send([b"a", b"ab", b"abc"], 1.0)
    forest.send([b"a", b"ax"], 2.0)
    assert list(forest.nodes) == [b"ab", b"ax", b"a"]
    forest.send([b"a"], 2.0 + FORGOTTEN_AFTER + 1)
    assert list(forest.nodes) == [b"a"]


def test_a_prompt_longer_than_the_forest_keeps_its_beginning() -> None:
    forest = Forest(most=2)
    forest.send([b"a", b"ab", b"abc"], 1.0)
    assert list(forest.nodes) == [b"ab", b"a"]
    assert Forest(most=0).send([b"a"], 1.0)


def test_a_write_is_read_by_what_begins_later_and_in_time() -> None:
    node = Node(1.0, ready=1.0, until=301.0)
    assert [node.warm(now) for now in (1.0, 1.1, 301.0, 301.1)] == [False, True, True, False]
    assert not Node(1.0).warm(2.0)


def test_a_read_that_refreshes_nothing_changes_nothing() -> None:
    node = Node(1.0, ready=1.0, until=300.0, ttl=300.0)
    node.written(100.0, 300.0, refreshes=False)
    assert (node.ready, node.until) == (1.0, 300.0)
    node.written(100.0, 300.0)
    assert (node.ready, node.until) == (1.0, 400.0)
    node.written(500.0, 300.0, refreshes=False)  # it was cold: this is a write
    assert (node.ready, node.until) == (500.0, 800.0)
